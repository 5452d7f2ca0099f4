"""The `trunkline` command: what runs Trunkline, and the commands that ask it."""

from __future__ import annotations

import sys

import click

import trunkline
from trunkline.bootstrap.agent import agent
from trunkline.bootstrap.logging import configure_logging
from trunkline.bootstrap.server import server
from trunkline.bootstrap.up import up
from trunkline.cli import commands
from trunkline.cli.context import TeachingGroup
from trunkline.cli.exit_codes import ExitCode
from trunkline.client.errors import Unreachable
from trunkline.domain.errors import ErrorKind, TrunklineError


@click.group(cls=TeachingGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(trunkline.__version__, prog_name="trunkline")
def root() -> None:
    r"""Give KVM servers network cards that are slices of real hardware.

    \b
    To begin, without hardware:
      trunkline up
    """


for running in (up, server, agent):
    root.add_command(running)
for asking in commands:
    if asking.name == "server" and isinstance(asking, click.Group):
        for about_servers in asking.commands.values():
            server.add_command(about_servers)  # `trunkline server` alone runs the service.
    else:
        root.add_command(asking)


def main() -> None:
    """Run the command; what is expected to go wrong is one line on standard error."""
    configure_logging()
    try:
        root.main(standalone_mode=False)
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
