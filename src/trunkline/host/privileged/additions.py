"""What the helper itself added to bridges and to cards: that alone it takes away again.

Kept in a file, since the helper is started anew at any time, and what it added stays. The file is
on a file system that a reboot empties, as a reboot empties bridges.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec
import structlog

from trunkline.wire import json

_log = structlog.get_logger(__name__)

FILE_BYTES_MAX: Final = 1 << 22
# Far more than bridges of one host can have: 4094 VLANs on each of a few uplinks.
ADDITIONS_MAX: Final = 1 << 16


class Additions:
    """Names of additions, each of a netdev by its index: one that is made anew has none."""

    def __init__(self, path: Path) -> None:
        """Read what is noted at `path`; what can't be read was not added."""
        self._path = path
        self._noted = _read(path)

    def __contains__(self, name: str) -> bool:
        return name in self._noted

    def note(self, name: str) -> None:
        """Note one before it is made. Raises `OSError` if it can't be stored."""
        if name in self._noted:
            return
        if len(self._noted) >= ADDITIONS_MAX:
            raise OSError(f"{ADDITIONS_MAX} additions are noted in {self._path}")
        self._store(self._noted | {name})

    def forget(self, name: str) -> None:
        """Forget one that was taken away. Raises `OSError` if that can't be stored."""
        if name in self._noted:
            self._store(self._noted - {name})

    def _store(self, noted: frozenset[str]) -> None:
        beside = self._path.with_name(self._path.name + ".new")
        beside.write_bytes(json.encode(sorted(noted)))
        os.replace(beside, self._path)  # noqa: PTH105  # as elsewhere
        self._noted = noted


def _read(path: Path) -> frozenset[str]:
    try:
        with path.open("rb") as file:
            return frozenset(json.decode(file.read(FILE_BYTES_MAX), tuple[str, ...]))
    except FileNotFoundError:
        return frozenset()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        _log.warning(
            "additions unreadable, none is taken away", path=str(path), problem=str(problem)
        )
        return frozenset()
