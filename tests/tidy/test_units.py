"""The systemd units start what there is, where the installation puts it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.support.patience import HANGS_SECONDS
from trunkline.bootstrap.compute_config import load_compute_config
from trunkline.bootstrap.http_server import Ending
from trunkline.bootstrap.main import root
from trunkline.host.privileged.client import DEFAULT_SOCKET

REPOSITORY = Path(__file__).parents[2]
UNITS = sorted((REPOSITORY / "systemd").glob("trunkline-*"))
PAGE = (REPOSITORY / "docs/install-host.md").read_text()
SERVING = (REPOSITORY / "docs/serving.md").read_text()


def settings(unit: Path) -> Iterator[tuple[str, str]]:
    for line in unit.read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            yield key, value


def values(name: str, key: str) -> list[str]:
    return [value for found, value in settings(REPOSITORY / "systemd" / name) if found == key]


@pytest.mark.parametrize("name", [unit.name for unit in UNITS if unit.suffix == ".service"])
def test_a_service_starts_a_command_with_options_that_it_has(name: str) -> None:
    [line] = values(name, "ExecStart")
    program, command, *arguments = line.split()
    assert program == "/opt/trunkline/bin/trunkline"
    assert f"python3 -m venv {Path(program).parents[1]}" in PAGE
    found = root.get_command(click.Context(root), command)
    assert found is not None
    options = {option for each in found.params for option in each.opts}
    assert {each for each in arguments if each.startswith("--")} <= options
    config = "controller.toml" if command == "server" else "compute.toml"
    assert f"/etc/trunkline/{config}" in arguments


def test_the_socket_of_the_service_is_there_before_it_and_waits_for_it() -> None:
    assert values("trunkline-server.service", "Requires") == ["trunkline-server.socket"]
    assert values("trunkline-server.socket", "ListenStream") == ["8774"]
    (stop,) = values("trunkline-server.service", "TimeoutStopSec")
    assert int(stop) > Ending().finish_seconds_max + Ending().resting_seconds
    assert values("trunkline-server.service", "ExecReload") == ["/bin/kill -HUP $MAINPID"]


def test_helper_socket_and_agent_agree_on_where_and_who(tmp_path: Path) -> None:
    assert values("trunkline-host-helper.socket", "ListenStream") == [str(DEFAULT_SOCKET)]
    group = values("trunkline-host-helper.socket", "SocketGroup")
    assert group == values("trunkline-agent.service", "Group") == ["trunkline"]
    least = 'state_dir = "s"\n[controller]\nurl = "http://c"\nenrolment_key_file = "k"\n'
    (tmp_path / "compute.toml").write_text(least)
    assert load_compute_config(tmp_path / "compute.toml").helper_socket == DEFAULT_SOCKET


def test_the_agent_has_no_privilege_and_the_helper_no_network() -> None:
    assert values("trunkline-agent.service", "CapabilityBoundingSet") == [""]
    assert values("trunkline-host-helper.service", "CapabilityBoundingSet") == ["CAP_NET_ADMIN"]
    assert values("trunkline-host-helper.service", "RestrictAddressFamilies") == [
        "AF_UNIX AF_NETLINK"
    ]
    for name in ("trunkline-agent.service", "trunkline-host-helper.service"):
        assert values(name, "NoNewPrivileges") == ["yes"]


def test_a_helper_that_fails_often_can_be_reached_once_it_does_not() -> None:
    """At the start limit systemd fails the socket with the service. Source: systemd.socket(5)."""
    assert values("trunkline-host-helper.service", "StartLimitIntervalSec") == ["0"]


def test_the_page_on_installing_names_each_unit_that_is_enabled() -> None:
    for unit in UNITS:
        if "[Install]" in unit.read_text():
            name = unit.name.removesuffix(".service")
            assert f"systemctl enable --now {name}\n" in PAGE + SERVING, unit


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    """Where systemd is installed: it knows each key, and finds each unit that another names."""
    program = shutil.which("systemd-analyze")
    for unit in UNITS:
        text = unit.read_text().replace("/opt/trunkline/bin/trunkline", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    if program is None:
        return
    done = subprocess.run(
        [program, "verify", "--man=no", "--recursive-errors=one",
         *(str(tmp_path / unit.name) for unit in UNITS)],
        capture_output=True, text=True, timeout=HANGS_SECONDS,
    )  # fmt: skip
    said = [line for line in done.stderr.splitlines() if "trunkline" in line]
    assert said == [], done.stderr
