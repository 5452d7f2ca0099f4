"""Ansible's own collection for OpenStack, unchanged, against `trunkline up`.

The playbooks of examples/ansible build two networks and a server with a VF on each; those beside
this file run the other modules. docs/ansible-and-terraform.md lists what each is answered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.ansible import Ansible, Task, an_ansible
from tests.support.environments import REPOSITORY
from tests.support.processes import trunkline

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

EXAMPLES = REPOSITORY / "examples/ansible"
OURS = Path(__file__).parent / "ansible"
DOCUMENT = REPOSITORY / "docs/ansible-and-terraform.md"
REFUSAL = r"\b(404|405|501)\b|endpoint for .* not found|No (Group|Network) found"


@dataclass
class Playbooks:
    """Runs playbooks beside a `trunkline up`, and remembers what became of each module."""

    ansible: Ansible
    directory: Path
    served: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)

    def run(self, *playbooks_and_args: Path | str) -> Sequence[Task]:
        disk = f"disk={self.directory / 'disk.img'}"
        tasks = self.ansible.run(self.directory, "-e", disk, *playbooks_and_args)
        self.served |= {t.module for t in tasks if not (t.failed or t.skipped)}
        self.refused |= {t.module: t.said for t in tasks if t.failed}
        return tasks


@pytest.fixture
def playbooks(tmp_path: Path) -> Iterator[Playbooks]:
    (tmp_path / "disk.img").write_bytes(b"disk" * 1000)
    with trunkline(tmp_path, "up", "--data", ".", "--port", "0"), an_ansible() as ansible:
        yield Playbooks(ansible, tmp_path)


def test_playbooks_build_and_remove_each_thing_once_and_modules_do_what_is_documented(
    playbooks: Playbooks,
) -> None:
    build, remove, others = (
        EXAMPLES / "two-networks.yml",
        EXAMPLES / "remove.yml",
        OURS / "modules.yml",
    )
    assert len(changed(playbooks.run(build))) == 9
    assert changed(playbooks.run(build)) == []

    asked, refused = OURS / "asked.yml", OURS / "refused.yml"
    assert len(changed(playbooks.run(others, asked, refused, "-e", "state=present"))) == 17
    # Nothing goes in a check, or the run after it would find less to do.
    would_go = set(changed(playbooks.run(remove, "--check")))
    assert {"server", "port", "subnet", "security_group"} <= would_go
    assert len(changed(playbooks.run(others, remove, "-e", "state=absent"))) == 11 + 9
    assert changed(playbooks.run(remove)) == []

    for module, said in playbooks.refused.items():
        assert re.search(REFUSAL, said), (module, said)
    _require_documented(playbooks)


def changed(tasks: Sequence[Task]) -> list[str]:
    return [task.module for task in tasks if task.changed]


def _require_documented(playbooks: Playbooks) -> None:
    """Hold the document to what became of each module; none of the collection may be missing."""
    served, refused, families = (_listed(name) for name in ("served", "refused", "elsewhere"))
    elsewhere = re.compile("|".join(family.replace("*", ".*") for family in families))
    assert served == playbooks.served - {"ansible.builtin.assert"}
    assert refused == {m for m in playbooks.refused if not elsewhere.fullmatch(m)}
    untold = playbooks.ansible.modules() - served - refused
    assert not {m for m in untold if not elsewhere.fullmatch(m)}


def _listed(section: str) -> set[str]:
    found = re.search(
        f"<!-- ansible {section} -->(.*?)<!-- end -->", DOCUMENT.read_text(), re.DOTALL
    )
    assert found is not None, section
    return set(re.findall(r"`([a-z_*]+)`", found[1]))
