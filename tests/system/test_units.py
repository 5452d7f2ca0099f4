"""The systemd units that a host has, as systemd itself reads them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.patience import HANGS_SECONDS
from trunkline.host.privileged.client import DEFAULT_SOCKET

pytestmark = pytest.mark.system

UNITS = Path(__file__).parents[2] / "systemd"
PROGRAM = "/opt/trunkline/bin/trunkline"


def verify(directory: Path) -> str:
    """Return what systemd complains of in all units of a directory; empty if of nothing."""
    if shutil.which("systemd-analyze") is None:
        pytest.fail("systemd-analyze is not there: apt install systemd", pytrace=False)
    done = subprocess.run(
        ["systemd-analyze", "verify", *sorted(directory.iterdir())],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=HANGS_SECONDS,
    )  # fmt: skip
    return done.stdout


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with a program in place of the one that an installation brings."""
    for unit in UNITS.iterdir():
        (tmp_path / unit.name).write_text(unit.read_text().replace(PROGRAM, sys.executable))
    return tmp_path


def test_systemd_reads_the_units_and_misses_nothing(units: Path) -> None:
    assert sorted(unit.name for unit in units.iterdir()) == [
        "trunkline-agent.service",
        "trunkline-host-helper.service",
        "trunkline-host-helper.socket",
        "trunkline-server.service",
        "trunkline-server.socket",
    ]
    assert verify(units) == ""


def test_a_word_that_systemd_does_not_know_is_told(units: Path) -> None:
    unit = units / "trunkline-agent.service"
    unit.write_text(unit.read_text().replace("ProtectHome=", "ProtectHouse="))
    assert "ProtectHouse" in verify(units)


def test_the_commands_of_the_units_are_ones_that_there_are_and_their_socket_is_the_agents() -> None:
    for unit in UNITS.glob("*.service"):
        [command] = re.findall(rf"^ExecStart={PROGRAM} (.*)$", unit.read_text(), re.MULTILINE)
        verb, option, _ = command.split()
        said = subprocess.run(
            [sys.executable, "-m", "trunkline", verb, "--help"],
            text=True, capture_output=True, check=True, timeout=HANGS_SECONDS,
        )  # fmt: skip
        assert option in said.stdout
    socket = (UNITS / "trunkline-host-helper.socket").read_text()
    assert f"ListenStream={DEFAULT_SOCKET}\n" in socket
