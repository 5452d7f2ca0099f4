"""The root command."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from tests.support.patience import HANGS_SECONDS
from trunkline.bootstrap.main import root

# What a host, or a user's machine, has no use for.
CONTROL_PLANE = ("sqlalchemy", "alembic", "uvicorn", "trunkline.store", "trunkline.control")

_LOADED = """
import sys
from trunkline.bootstrap.main import main
sys.argv[0] = "trunkline"
try:
    main()
except SystemExit:
    pass
sys.stderr.write("|".join(sys.modules))
"""


@pytest.mark.parametrize("arguments", [("agent", "--help"), ("device", "list", "--help")])
def test_agent_and_questions_load_no_control_plane(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, *arguments],
        capture_output=True,
        text=True,
        timeout=HANGS_SECONDS,
    )
    assert "Usage: trunkline" in done.stdout
    loaded = done.stderr.split("|")
    assert [name for name in loaded if name.startswith(CONTROL_PLANE)] == []


def test_an_agent_has_in_memory_neither_simulations_nor_what_draws_on_terminals() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, "agent", "--help"],
        capture_output=True, text=True, timeout=HANGS_SECONDS,
    )  # fmt: skip
    loaded = done.stderr.split("|")
    assert "trunkline.agent.loop" in loaded
    unwanted = ("trunkline.host.fake", "trunkline.host.simulated", "pygments", "rich.traceback")
    assert [name for name in loaded if name.startswith(unwanted)] == []


def test_every_command_is_listed_and_can_be_had() -> None:
    context = click.Context(root, info_name="trunkline")
    names = root.list_commands(context)
    assert {"up", "server", "agent", "device", "explain"} <= set(names)
    for name in names:
        command = root.get_command(context, name)
        assert command is not None
        assert command.name == name


def test_server_runs_the_service_and_shows_servers() -> None:
    context = click.Context(root, info_name="trunkline")
    server = root.get_command(context, "server")
    assert isinstance(server, click.Group)
    assert "show" in server.commands
    assert root.get_command(context, "no-such") is None


def test_help_says_nothing_on_standard_error() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "trunkline", "--help"],
        capture_output=True,
        text=True,
        timeout=HANGS_SECONDS,
    )
    assert "up " in done.stdout
    assert done.stderr == ""
