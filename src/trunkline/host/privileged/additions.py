"""What the helper itself added to bridges and to cards: that alone it takes away again.

Kept in a file, since the helper is started anew at any time, and what it added stays. The file is
on a file system that a reboot empties, as a reboot empties bridges. Anybody may read it: an agent
whose journal is lost finds there what is to be taken away.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec
import structlog

from trunkline.domain.device import DeviceKind, PciFunction
from trunkline.domain.ether import MacAddress
from trunkline.domain.pci import PciAddress
from trunkline.host.linux import sysfs
from trunkline.reconcile.observed import Addition, PfAddress, UplinkVlan
from trunkline.wire import json

_log = structlog.get_logger(__name__)

FILE: Final = "host-helper-additions.json"
RUNTIME_DIRECTORY: Final = Path("/run/trunkline-host-helper")  # As its systemd unit says.
FILE_BYTES_MAX: Final = 1 << 24
# Far more than bridges of one host can have: 4094 VLANs on each of a few uplinks.
ADDITIONS_MAX: Final = 1 << 16


class Added(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A VLAN of a bridge's port, or an address in a netdev's own forwarding table."""

    ifname: str
    ifindex: int | None  # A netdev that is made anew has another, and none of this.
    vlan_id: int | None = None
    mac: MacAddress | None = None

    def __str__(self) -> str:
        vlan = "" if self.vlan_id is None else f"VLAN {self.vlan_id}"
        what = " in ".join(filter(None, [str(self.mac or ""), vlan]))
        return f"{what} on {self.ifname} (index {self.ifindex})"


class Additions:
    """The additions that are on record."""

    def __init__(self, path: Path) -> None:
        """Read what is noted at `path`; what can't be read was not added."""
        self._path = path
        self._noted = read_additions(path)

    def __contains__(self, added: Added) -> bool:
        return added in self._noted

    def note(self, added: Added) -> None:
        """Note one before it is made. Raises `OSError` if it can't be stored."""
        if added in self._noted:
            return
        if len(self._noted) >= ADDITIONS_MAX:
            raise OSError(f"{ADDITIONS_MAX} additions are noted in {self._path}")
        self._store(self._noted | {added})

    def forget(self, added: Added) -> None:
        """Forget one that was taken away. Raises `OSError` if that can't be stored."""
        if added in self._noted:
            self._store(self._noted - {added})

    def _store(self, noted: frozenset[Added]) -> None:
        beside = self._path.with_name(self._path.name + ".new")
        beside.write_bytes(json.encode(sorted(noted, key=str)))
        beside.chmod(0o644)
        os.replace(beside, self._path)  # noqa: PTH105  # as elsewhere
        self._noted = noted


def read_additions(path: Path) -> frozenset[Added]:
    """Read what is noted at `path`; nothing, if there is no such file or it can't be understood."""
    try:
        with path.open("rb") as file:
            return frozenset(json.decode(file.read(FILE_BYTES_MAX), tuple[Added, ...]))
    except FileNotFoundError:
        return frozenset()
    except (OSError, msgspec.DecodeError) as problem:
        _log.warning("additions unreadable", path=str(path), problem=str(problem))
        return frozenset()


def found_again(
    noted: frozenset[Added], functions: Mapping[PciAddress, PciFunction], sysfs_root: Path
) -> Iterator[Addition]:
    """Yield what was added for servers by an agent that may not remember it.

    Raises:
        OSError: sysfs can't be read.
        BadContent: A file in it is not as documented.
    """
    pfs = {each.ifname: each.address for each in functions.values() if each.kind is DeviceKind.PF}
    for added in noted:
        netdev = f"{sysfs_root}/class/net/{added.ifname}"
        if sysfs.find_int(f"{netdev}/ifindex") != added.ifindex:
            continue
        bridge = sysfs.find_link_name(f"{netdev}/master")
        if added.mac is not None and added.ifname in pfs:
            yield PfAddress(pf=pfs[added.ifname], mac=added.mac)
        elif added.mac is None and added.vlan_id is not None and bridge is not None:
            yield UplinkVlan(bridge=bridge, ifname=added.ifname, vlan_id=added.vlan_id)
