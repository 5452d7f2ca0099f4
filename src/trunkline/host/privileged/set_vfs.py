"""VFs that were set through the helper, each as it was before: a server may have it since.

Kept in a file beside the one of `additions`, for the same reasons: the helper is started anew at
any time, and a reboot, which empties the file system, makes all VFs anew.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

import msgspec
import structlog

from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VfSettings
from trunkline.wire import json

_log = structlog.get_logger(__name__)

FILE: Final = "host-helper-vfs.json"
FILE_BYTES_MAX: Final = 1 << 24  # Some 300 bytes for each of 65,535 VFs at most.


class _Before(msgspec.Struct, frozen=True, kw_only=True):
    """What a VF was like."""

    vf: PciAddress
    settings: VfSettings


class SetVfs:
    """The VFs that are on record."""

    def __init__(self, path: Path) -> None:
        """Read what is noted at `path`; of what can't be read nothing is known."""
        self._path = path
        self._before = {each.vf: each.settings for each in _read(path)}

    def __contains__(self, vf: PciAddress) -> bool:
        return vf in self._before

    def __iter__(self) -> Iterator[PciAddress]:
        return iter(self._before)

    def before(self, vf: PciAddress) -> VfSettings:
        """Return what one on record was like."""
        return self._before[vf]

    def note(self, vf: PciAddress, before: VfSettings) -> None:
        """Note one before it is set. Raises `OSError` if it can't be stored."""
        self._store({**self._before, vf: before})

    def forget(self, vfs: Collection[PciAddress]) -> None:
        """Forget VFs. Raises `OSError` if that can't be stored."""
        if not self._before.keys().isdisjoint(vfs):
            self._store({vf: each for vf, each in self._before.items() if vf not in vfs})

    def _store(self, before: dict[PciAddress, VfSettings]) -> None:
        beside = self._path.with_name(self._path.name + ".new")
        noted = [_Before(vf=vf, settings=before[vf]) for vf in sorted(before)]
        beside.write_bytes(json.encode(noted))
        beside.chmod(0o644)
        os.replace(beside, self._path)  # noqa: PTH105  # as elsewhere
        self._before = before


def _read(path: Path) -> tuple[_Before, ...]:
    try:
        with path.open("rb") as file:
            return json.decode(file.read(FILE_BYTES_MAX), tuple[_Before, ...])
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError) as problem:
        _log.warning("VFs on record unreadable", path=str(path), problem=str(problem))
        return ()
