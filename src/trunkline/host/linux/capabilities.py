"""What PF drivers were seen to set for their VFs, kept in a file: no list of vendors.

One entry for each driver and firmware. It is only a memory of what can be tried again: a file that
can't be read is begun anew.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import structlog

from trunkline.domain.vf_capabilities import VfCapabilities, capability_names, vf_capabilities
from trunkline.host.linux.inventory import PfDriver
from trunkline.wire import json

_log = structlog.get_logger(__name__)

FORMAT_VERSION: Final = 2  # 1 knew nothing of 802.1ad: its drivers are tried again.
FILE_BYTES_MAX: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """What the file holds. By driver, a blank, and its firmware."""

    version: int
    seen: dict[str, VfCapabilities]


class Capabilities:
    """What drivers can do: as seen, or else as the table says."""

    def __init__(self, path: Path | None) -> None:
        """Read what is stored at `path`; None: nothing is, or will be."""
        self._path = path
        self._seen = {} if path is None else _read(path)

    def has(self, driver: PfDriver) -> bool:
        """Whether this driver, with this firmware, was tried."""
        return _key(driver) in self._seen

    def of(self, driver: PfDriver) -> VfCapabilities:
        """Return what the driver can set for its VFs."""
        return self._seen.get(_key(driver)) or vf_capabilities(driver.name)

    def seen_names(self, driver: PfDriver) -> tuple[str, ...] | None:
        """Name what the driver was seen to set; None: it was not tried."""
        seen = self._seen.get(_key(driver))
        return None if seen is None else capability_names(seen)

    def remember(self, driver: PfDriver, able: VfCapabilities) -> None:
        """Store what a driver was seen to do. Raises `OSError` if it can't be stored."""
        self._seen = {**self._seen, _key(driver): able}
        if self._path is None:
            return
        beside = self._path.with_name(self._path.name + ".new")
        beside.write_bytes(json.encode(_Stored(version=FORMAT_VERSION, seen=self._seen)))
        os.replace(beside, self._path)  # noqa: PTH105  # as elsewhere


def _key(driver: PfDriver) -> str:
    return f"{driver.name or ''} {driver.firmware or ''}".strip()


def _read(path: Path) -> dict[str, VfCapabilities]:
    try:
        with path.open("rb") as file:
            stored = json.decode(file.read(FILE_BYTES_MAX), _Stored)
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as problem:
        _log.warning("capabilities unreadable, tried again", path=str(path), problem=str(problem))
        return {}
    return stored.seen if stored.version == FORMAT_VERSION else {}
