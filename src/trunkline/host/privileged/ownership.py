"""Whether a file is root's alone: what says what the helper may touch must be."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class NotRootsAlone:
    """What of a path others than root could write, or put another in the place of."""

    at: Path

    def __str__(self) -> str:
        return f"{self.at} must be root's, and writable for root alone"

    @property
    def remedy(self) -> str:
        """The command that mends it."""
        return f"chown root {self.at} && chmod go-w {self.at}"


def find_not_roots_alone(path: Path) -> NotRootsAlone | None:
    """Look at a file or directory, and all above it. Raises `OSError`."""
    named, found = path.absolute(), path.resolve()
    for each in dict.fromkeys((named, *named.parents, found, *found.parents)):
        status, link = each.stat(), each.lstat()
        # A directory above with the sticky bit lets nobody replace what is root's. In one itself,
        # anybody may have made the files that are looked for.
        is_above = each not in (named, found)
        lets_keep = is_above and status.st_mode & stat.S_ISVTX
        others = 0 if lets_keep else stat.S_IWGRP | stat.S_IWOTH
        if status.st_uid != 0 or link.st_uid != 0 or status.st_mode & others:
            return NotRootsAlone(each)
    return None
