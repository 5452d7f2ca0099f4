"""Write docs/cli.md from what each command says of itself with `--help`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import click

from tools.from_code import DOCS
from trunkline.bootstrap.main import root
from trunkline.cli.exit_codes import EPILOG
from trunkline.demo.__main__ import main as demo
from trunkline.sim.__main__ import main as sim

TARGET = DOCS / "cli.md"
WIDTH = 96

HEAD = """\
# The commands

`make docs` writes this page from the `--help` of each command; a test compares the two.

`up`, `server` and `agent` run something, in the foreground, until Ctrl-C or SIGTERM.
`reset-password` works on the database itself. The others ask a service over HTTP, as the user of a
cloud in `clouds.yaml`: found by `OS_CLIENT_CONFIG_FILE`, else as `./clouds.yaml`, else below
`~/.config/openstack` and `/etc/openstack`; chosen by `--os-cloud` or `OS_CLOUD`. With `--json` they
print what the [API](http-api.md#trunklinev1) answered.
"""


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Yield a command and all below it, each with its whole name."""
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for below in command.list_commands(context):  # Some are loaded by being asked for.
            child = command.get_command(context, below)
            assert child is not None
            yield from commands(child, f"{name} {below}")


def help_of(name: str, command: click.Command) -> str:
    """Return the command's help, less the exit codes: they are the same for all."""
    context = click.Context(command, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)
    formatter = context.make_formatter()
    command.format_usage(context, formatter)
    command.format_help_text(context, formatter)
    command.format_options(context, formatter)
    return "\n".join(line.rstrip() for line in formatter.getvalue().strip().splitlines())


def render() -> str:
    """Return the whole page."""
    exit_codes = " ".join(EPILOG.removeprefix("\b\n").split())
    parts = [HEAD, exit_codes + "\n"]
    for name, command in (
        *commands(root, "trunkline"),
        ("python -m trunkline.demo", demo),
        ("python -m trunkline.sim", sim),
    ):
        parts.append(f"## `{name}`\n\n```text\n{help_of(name, command)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    TARGET.write_text(render())
