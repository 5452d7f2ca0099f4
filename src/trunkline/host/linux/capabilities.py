"""What PF drivers were seen to set for their VFs, kept in a file: no list of vendors.

One entry for each driver and firmware, with the kernel that it was tried under: drivers of the
kernel's own tree have no version but its. After an upgrade of the kernel all are tried again; what
was seen before holds until then. It is only a memory of what can be tried again: a file that can't
be read is begun anew.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import structlog

from trunkline.domain.vf_capabilities import VfCapabilities, capability_names, vf_capabilities
from trunkline.host.linux.inventory import PfDriver
from trunkline.wire import json

_log = structlog.get_logger(__name__)

# 1 knew nothing of 802.1ad, and neither 1 nor 2 of kernels: what they say was seen under no known
# one, so that all is tried again.
FORMAT_VERSION: Final = 3
FILE_BYTES_MAX: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """What the file holds. By driver, a blank, and its firmware."""

    version: int
    seen: Mapping[str, VfCapabilities]
    kernels: Mapping[str, str] = field(default_factory=dict)  # The release of each one's kernel.


_NOTHING: Final = _Stored(version=FORMAT_VERSION, seen={})


class Capabilities:
    """What drivers can do: as seen, or else as the table says."""

    def __init__(self, path: Path | None, *, kernel: str = "") -> None:
        """Read what is stored at `path`; None: nothing is, or will be.

        Args:
            path: The file.
            kernel: The release of the kernel that runs, as `uname -r` has it.
        """
        self._path = path
        self._kernel = kernel
        self._stored = _NOTHING if path is None else _read(path)

    def has(self, driver: PfDriver) -> bool:
        """Whether this driver, with this firmware, was tried under the kernel that runs."""
        return self._stored.kernels.get(_key(driver)) == self._kernel

    def of(self, driver: PfDriver) -> VfCapabilities:
        """Return what the driver can set for its VFs."""
        return self._stored.seen.get(_key(driver)) or vf_capabilities(driver.name)

    def seen_names(self, driver: PfDriver) -> tuple[str, ...] | None:
        """Name what the driver was last seen to set; None: it was never tried."""
        seen = self._stored.seen.get(_key(driver))
        return None if seen is None else capability_names(seen)

    def remember(self, driver: PfDriver, able: VfCapabilities) -> None:
        """Store what a driver was seen to do. Raises `OSError` if it can't be stored."""
        key = _key(driver)
        self._stored = _Stored(
            version=FORMAT_VERSION,
            seen={**self._stored.seen, key: able},
            kernels={**self._stored.kernels, key: self._kernel},
        )
        if self._path is None:
            return
        beside = self._path.with_name(self._path.name + ".new")
        beside.write_bytes(json.encode(self._stored))
        os.replace(beside, self._path)  # noqa: PTH105  # as elsewhere


def _key(driver: PfDriver) -> str:
    return f"{driver.name or ''} {driver.firmware or ''}".strip()


def _read(path: Path) -> _Stored:
    try:
        with path.open("rb") as file:
            stored = json.decode(file.read(FILE_BYTES_MAX), _Stored)
    except FileNotFoundError:
        return _NOTHING
    except (OSError, msgspec.DecodeError) as problem:
        _log.warning("capabilities unreadable, tried again", path=str(path), problem=str(problem))
        return _NOTHING
    return stored if stored.version <= FORMAT_VERSION else _NOTHING
