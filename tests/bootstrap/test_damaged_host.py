"""A simulated host of which a file is damaged, under `trunkline up`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.support.patience import HANGS_SECONDS
from tests.support.processes import Running, ask, trunkline
from trunkline.cli.exit_codes import ExitCode

pytestmark = pytest.mark.slow

IN_THE_SIMULATION = "restore the file from a copy, or stop Trunkline and delete"
REMEDIES = {
    "kernel.json": IN_THE_SIMULATION,
    "hypervisor.json": IN_THE_SIMULATION,
    "journal.json": "Restore it from a backup; or, with every server gone",
}


def wait_for(data: Path, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Ask until every host is as wanted; each question takes a second."""
    for _ in range(60):
        hosts = {host["name"]: host for host in json.loads(ask(data, "host", "list", "--json"))}
        if wanted(hosts):
            return hosts
    raise AssertionError(hosts)


def told_of_h2(home: Path) -> list[dict[str, Any]]:
    """What the log of the newest start says of h2."""
    log = max(home.glob("*.log"), key=lambda path: path.stat().st_mtime_ns)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line for line in lines if line.get("host") == "h2"]


def up(home: Path) -> AbstractContextManager[Running]:
    return trunkline(home, "up", "--data", "d", "--port", "0")


@pytest.mark.parametrize("name", ["kernel.json", "hypervisor.json", "journal.json"])
def test_it_is_told_once_with_the_remedy_and_the_other_hosts_work_on(
    tmp_path: Path, name: str
) -> None:
    data = tmp_path / "d"
    with up(tmp_path):
        wait_for(data, lambda hosts: all(host["up"] for host in hosts.values()))
    file = data / "hosts/h2" / name
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with up(tmp_path):
        hosts = wait_for(data, lambda hosts: hosts["h2"]["problem"])
        up_now = [name for name, host in hosts.items() if host["up"]]
        assert up_now == ["h1", "h3", "h4", "h5", "h6"]
        problem = json.loads(ask(data, "host", "show", "h2", "--json"))["problem"]
        assert f"hosts/h2/{name}" in problem
        assert REMEDIES[name] in problem
        [line] = told_of_h2(tmp_path)  # It has been tried every second meanwhile.
        assert (line["level"], line["problem"]) == ("error", problem)

        file.write_bytes(whole)
        wait_for(data, lambda hosts: hosts["h2"]["up"])
        assert [line["level"] for line in told_of_h2(tmp_path)] == ["error", "info"]


def test_without_its_description_the_start_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with up(tmp_path):
        pass
    (tmp_path / "d/hosts/h2/host.json").write_bytes(b"{")
    done = subprocess.run(
        [sys.executable, "-m", "trunkline", "up", "--data", "d", "--port", "0"],
        cwd=tmp_path, text=True, capture_output=True, timeout=HANGS_SECONDS,
    )  # fmt: skip
    assert done.returncode == ExitCode.REFUSED
    assert "Traceback" not in done.stderr
    assert "hosts/h2/host.json" in done.stderr
    assert "stop Trunkline and delete" in done.stderr
