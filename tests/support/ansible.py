"""Ansible with its collection openstack.cloud, in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.clients import client_environment
from tests.support.environments import PINS, ensure_environment
from tests.support.patience import HANGS_SECONDS

COLLECTION = "openstack.cloud"
PLAYBOOK_SECONDS_MAX = 900


@dataclass(frozen=True, slots=True)
class Task:
    """What one task of a playbook did."""

    module: str  # Without the name of the collection; others with it.
    changed: bool
    failed: bool
    skipped: bool
    said: str  # Why it failed.


@dataclass(frozen=True, slots=True)
class Ansible:
    """Runs playbooks against the clouds of a clouds.yaml."""

    bin: Path
    python: Path

    def run(self, cloud_dir: Path, *playbooks_and_args: Path | str) -> list[Task]:
        """Run playbooks; return what each of their tasks did, and fail if one failed unforgiven."""
        python = f"ansible_python_interpreter={self.python}"
        env = client_environment(cloud_dir, "trunkline") | {
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_PIPELINING": "True",
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
        }
        done = subprocess.run(
            [self.bin / "ansible-playbook", "-e", python, *playbooks_and_args],
            cwd=cloud_dir, env=env, text=True, capture_output=True, timeout=PLAYBOOK_SECONDS_MAX,
        )  # fmt: skip
        assert done.returncode == 0, f"{playbooks_and_args}:\n{done.stdout[-5000:]}{done.stderr}"
        return [
            _task(task["hosts"]["localhost"])
            for play in _last_document(done.stdout)["plays"]
            for task in play["tasks"]
        ]

    def modules(self) -> frozenset[str]:
        """Name every module that the collection has."""
        (folder,) = self.bin.parent.glob(
            f"lib/python*/site-packages/ansible_collections/{COLLECTION.replace('.', '/')}"
        )
        files = folder.glob("plugins/modules/*.py")
        return frozenset(file.stem for file in files if file.stem != "__init__")


@contextmanager
def an_ansible() -> Iterator[Ansible]:
    """Have an Ansible whose modules don't each import the SDK anew."""
    bin_ = ensure_environment("ansible")
    with tempfile.TemporaryDirectory(prefix="tl-ansible-") as home:
        process = subprocess.Popen(
            [bin_ / "python", PINS / "warm_python.py", home],
            stdout=subprocess.PIPE, env={"PATH": os.environ["PATH"], "HOME": home}, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield Ansible(bin_, Path(home) / "python")
        finally:
            process.terminate()
            process.wait(HANGS_SECONDS)
            assert process.stdout is not None
            process.stdout.close()


def _last_document(said: str) -> dict[str, Any]:
    """Read what was printed at last: each playbook prints it anew, and all that came before."""
    documents: list[dict[str, Any]] = []
    start = said.find("{\n")
    while start >= 0:
        document, end = json.JSONDecoder().raw_decode(said, start)
        documents.append(document)
        start = said.find("{\n", end)
    return documents[-1]


def _task(result: dict[str, Any]) -> Task:
    return Task(
        module=result["action"].removeprefix(f"{COLLECTION}."),
        changed=result["changed"],
        failed=result.get("failed", False),
        skipped=result.get("skipped", False),
        said=str(result.get("msg", "")),
    )
