"""VFs that were set through the helper, each as it was before: a server may have it since.

Kept in a file beside the one of `additions`, for the same reasons: the helper is started anew at
any time, and a reboot, which empties the file system, makes all VFs anew.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
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
    inode: int | None = None  # Of the VF in sysfs; None: it was not noted, by a version of before.


class SetVfs:
    """The VFs that are on record."""

    def __init__(self, path: Path) -> None:
        """Read what is noted at `path`; of what can't be read nothing is known."""
        self._path = path
        self._before = {each.vf: each for each in _read(path)}

    def __contains__(self, vf: PciAddress) -> bool:
        return vf in self._before

    def __iter__(self) -> Iterator[PciAddress]:
        return iter(self._before)

    def before(self, vf: PciAddress) -> VfSettings:
        """Return what one on record was like."""
        return self._before[vf].settings

    def is_another(self, vf: PciAddress, inode: int | None) -> bool:
        """Say whether one on record has gone, and what has this inode now, if anything, is new."""
        return self._before[vf].inode not in (None, inode)

    def note(self, vf: PciAddress, before: VfSettings, *, inode: int | None) -> None:
        """Note one before it is set. Raises `OSError` if it can't be stored."""
        noted = {**self._before, vf: _Before(vf=vf, settings=before, inode=inode)}
        self._store(noted)
        self._before = noted

    def forget(self, vfs: Collection[PciAddress]) -> None:
        """Forget VFs. Where that can't be stored, they are known again after the next start."""
        if self._before.keys().isdisjoint(vfs):
            return
        self._before = {vf: each for vf, each in self._before.items() if vf not in vfs}
        try:
            self._store(self._before)
        except OSError as problem:
            _log.warning("VFs on record not stored", path=str(self._path), problem=str(problem))

    def _store(self, noted: Mapping[PciAddress, _Before]) -> None:
        beside = self._path.with_name(self._path.name + ".new")
        beside.write_bytes(json.encode([noted[vf] for vf in sorted(noted)]))
        beside.chmod(0o644)
        os.replace(beside, self._path)  # noqa: PTH105  # as elsewhere


def _read(path: Path) -> tuple[_Before, ...]:
    try:
        with path.open("rb") as file:
            return json.decode(file.read(FILE_BYTES_MAX), tuple[_Before, ...])
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError) as problem:
        _log.warning("VFs on record unreadable", path=str(path), problem=str(problem))
        return ()
