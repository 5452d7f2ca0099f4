"""The `trunkline` command: what runs Trunkline, and the commands that ask it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import click

import trunkline
from trunkline.bootstrap.logging import configure_logging
from trunkline.cli import commands
from trunkline.cli.context import TeachingGroup
from trunkline.cli.exit_codes import ExitCode
from trunkline.client.errors import Unreachable
from trunkline.domain.errors import ErrorKind, TrunklineError


def _up() -> click.Command:
    from trunkline.bootstrap.up import up

    return up


def _server() -> click.Command:
    from trunkline.bootstrap.server import server

    for asking in commands:
        if asking.name == "server" and isinstance(asking, click.Group):
            for about_servers in asking.commands.values():
                server.add_command(about_servers)  # `trunkline server` alone runs the service.
    return server


def _agent() -> click.Command:
    from trunkline.bootstrap.agent import agent

    return agent


def _doctor() -> click.Command:
    from trunkline.bootstrap.doctor import doctor

    return doctor


def _host_helper() -> click.Command:
    from trunkline.bootstrap.host_helper import host_helper

    return host_helper


def _policy() -> click.Command:
    from trunkline.bootstrap.policy_commands import policy

    return policy


def _reset_password() -> click.Command:
    from trunkline.bootstrap.reset_password import reset_password_command

    return reset_password_command


_LOADED_LATE: Final[Mapping[str, Callable[[], click.Command]]] = MappingProxyType({
    "up": _up, "server": _server, "agent": _agent, "host-helper": _host_helper,
    "doctor": _doctor,
    "policy": _policy,
    "reset-password": _reset_password,
})  # fmt: skip


class _Root(TeachingGroup):
    """Loads what needs the parts of Trunkline themselves only when that is asked for.

    The control plane and its database take a second to load. An agent has no use for them on its
    host, and neither has a question that is asked over HTTP.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_LOADED_LATE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _LOADED_LATE and cmd_name not in self.commands:
            self.add_command(_LOADED_LATE[cmd_name]())
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(trunkline.__version__, prog_name="trunkline")
def root() -> None:
    r"""Give KVM servers network cards that are slices of real hardware.

    \b
    To begin, without hardware:
      trunkline up
    """


for command in commands:
    if command.name not in _LOADED_LATE:
        root.add_command(command)


def main() -> None:
    """Run the command; what is expected to go wrong is one line on standard error."""
    configure_logging()
    try:
        code = root.main(standalone_mode=False)  # What a command ended with by itself, or None.
    except click.exceptions.Abort:
        sys.exit(ExitCode.INTERRUPTED)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except click.ClickException as problem:
        problem.show()
        sys.exit(problem.exit_code)
    except TrunklineError as problem:
        sys.stderr.write(f"trunkline: {problem} [{problem.code}]\n")
        sys.exit(ExitCode.USAGE if problem.kind is ErrorKind.INVALID else ExitCode.REFUSED)
    except Unreachable as problem:
        sys.stderr.write(f"trunkline: {problem}\n")
        sys.exit(ExitCode.UNREACHABLE)
    sys.exit(code if isinstance(code, int) else ExitCode.OK)
