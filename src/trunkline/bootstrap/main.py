"""The `trunkline` command."""

from __future__ import annotations

import sys

import click

import trunkline
from trunkline.bootstrap.up import up
from trunkline.domain.errors import TrunklineError

EXIT_REFUSED = 1


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(trunkline.__version__, prog_name="trunkline")
def root() -> None:
    """Give KVM servers network cards that are slices of real hardware."""


root.add_command(up)


def main() -> None:
    """Run the command; a refusal is one line on standard error and exit status 1."""
    try:
        root(standalone_mode=True)
    except TrunklineError as problem:
        sys.stderr.write(f"trunkline: {problem} [{problem.code}]\n")
        sys.exit(EXIT_REFUSED)
