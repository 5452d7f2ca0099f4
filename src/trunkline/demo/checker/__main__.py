"""The checker's command; see the package."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from .claims import CHECKS, take_snapshot
from .raw import Raw, Untrue, World

FALSE, UNUSABLE = 1, 2  # Exit codes.
USAGE: Final = "python -m checker DIR (CLAIMS | --snapshot FILE)"


def check_claims(world: World, claims: list[Raw]) -> int:
    """Check each claim and say so; return how many are false."""
    false = 0
    for claim in claims:
        arguments = {k: v for k, v in claim.items() if k not in ("says", "check")}
        try:
            CHECKS[claim["check"]](world, **arguments)
        except Untrue as problem:
            false += 1
            say(f"FALSE  {claim['says']}\n       {problem}")
        else:
            say(f"true   {claim['says']}")
    say(f"{len(claims)} claims checked: {f'{false} false' if false else 'all hold'}")
    return false


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(line + "\n")


def main(arguments: list[str]) -> int:
    """Run as a command."""
    match arguments:
        case [directory, "--snapshot", file]:
            Path(file).write_text(json.dumps(take_snapshot(World(Path(directory)))))
            return 0
        case [directory, claims]:
            listed = json.loads(Path(claims).read_text())
            return FALSE if check_claims(World(Path(directory)), listed) or not listed else 0
    say(USAGE)
    return UNUSABLE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
