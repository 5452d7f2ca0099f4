"""Claims, and the checker that is asked whether they hold: a process that shares nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from trunkline.demo.story import Story

_CHECKER_PARENT: Final = Path(__file__).parent  # Of the package `checker`; it is run from here.
CHECK_SECONDS_MAX: Final = 30


class ClaimFalse(Exception):
    """The checker has found that something is not as it was said to be."""


class CheckerFailed(Exception):
    """The checker could not do its work: nothing is proved then."""


class Claims:
    """Collects claims, and has them checked."""

    def __init__(self, story: Story, data: Path, scratch: Path) -> None:
        """Set up.

        Args:
            story: Where verdicts are told.
            data: The data directory, with the raw files.
            scratch: Where claims and snapshots are written.
        """
        self._story = story
        self._data = data
        self._scratch = scratch
        self._open: list[dict[str, Any]] = []
        self.checked_count = 0

    def add(self, says: str, check: str, **arguments: Any) -> None:
        """Claim something; it is checked with the next `check_all`."""
        self._open.append({"says": says, "check": check, **arguments})

    def snapshot(self, name: str) -> str:
        """Have the checker keep what is there now; return the name by which claims refer to it."""
        file = self._scratch / f"{name}.json"
        done = self._run("--snapshot", str(file))
        if done.returncode != 0:
            raise CheckerFailed(done.stderr or done.stdout)
        return str(file)

    def check_all(self) -> None:
        """Have the claims since the last call checked.

        Raises:
            ClaimFalse: At least one does not hold.
            CheckerFailed: The checker broke down, or checked something else than it was given.
        """
        claims, self._open = self._open, []
        file = self._scratch / "claims.json"
        file.write_text(json.dumps(claims, indent=1))
        done = self._run(str(file))
        lines = done.stdout.splitlines()
        if done.returncode not in (0, 1) or not lines:
            raise CheckerFailed(done.stderr or done.stdout)
        for line in lines[:-1]:
            if not line.startswith("       "):
                self._story.verdict(line[7:], holds=line.startswith("true "))
            else:
                self._story.verdict(line.strip(), holds=False)
        if not lines[-1].startswith(f"{len(claims)} claims checked"):
            raise CheckerFailed(f"{len(claims)} claims were given, and it says: {lines[-1]}")
        self.checked_count += len(claims)
        if done.returncode != 0:
            raise ClaimFalse("\n".join(line.strip() for line in lines if line.startswith("   ")))

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        # -E and -s: nothing of this process's Python path. The folder is the only one of ours.
        return subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-E", "-s", "-m", "checker", str(self._data), *arguments],
            cwd=_CHECKER_PARENT,
            capture_output=True,
            text=True,
            timeout=CHECK_SECONDS_MAX,
            check=False,
        )
