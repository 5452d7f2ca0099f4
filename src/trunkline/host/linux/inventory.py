"""Every PCI function of the machine, read from sysfs anew each time.

What can't change while a function exists (what it is, where it sits, its IDs) is read once; only
the rest costs time. A function that goes and comes back gets a new inode in sysfs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from trunkline.domain.device import DeviceKind, PciFunction, is_vfio_driver, switchdev_fault
from trunkline.domain.ether import MacAddress
from trunkline.domain.pci import PciAddress
from trunkline.host.linux import sysfs
from trunkline.host.linux.card_faults import uncorrectable_errors
from trunkline.host.linux.in_use import use_of
from trunkline.host.linux.pci_ids import PciNames

_NETWORK_CLASS: Final = 0x02  # Base class of network controllers, InfiniBand among them.
_ETHERNET: Final = 0x0200  # Base class and subclass.
_BRIDGES: Final = (0x0600, 0x0604)  # Host bridge; PCI-to-PCI bridge, every port of PCI Express.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fixed:
    """What stays as it is while the function exists."""

    inode: int
    address: PciAddress
    device: str  # Its directory.
    kind: DeviceKind
    vendor_id: str
    product_id: str
    names: PciNames
    is_network: bool
    is_ethernet: bool
    is_bridge: bool
    numa_node: int | None
    iommu_group: int | None
    pf_name: str | None = None  # VF only.
    vf_index: int | None = None  # VF only.
    serial: str | None = None  # PF only.


@dataclass(frozen=True, slots=True)
class NetdevFacts:
    """What stays as it is while a netdev exists. None: it does not say."""

    permanent_mac: MacAddress | None = None
    firmware: str | None = None


@dataclass(frozen=True, slots=True)
class PfDriver:
    """The driver whose VF operations apply, with the firmware under it."""

    name: str | None = None
    firmware: str | None = None


@dataclass(frozen=True, slots=True)
class _Changing:
    """What may be another with each reading."""

    driver: str | None
    ifname: str | None
    pf_driver: str | None
    pf_can: tuple[str, ...] | None
    used_by: str


class Inventory:
    """Reads functions, and remembers what can't change."""

    def __init__(
        self,
        root: Path,
        *,
        netdev_facts: Callable[[int], NetdevFacts | None],
        serial: Callable[[PciAddress], str | None],
        seen: Callable[[PfDriver], tuple[str, ...] | None] = lambda _: None,
        addresses: Callable[[], Mapping[str, str]] = dict,
        fault: Callable[[PciAddress], str] = lambda _: "",
        names: Callable[[str, str], PciNames] = lambda *_: PciNames(),
    ) -> None:
        """Set up; nothing is read yet.

        Args:
            root: Where sysfs is mounted.
            netdev_facts: Asks about a netdev, by its index; None: it has gone, or is being renamed.
            serial: Asks for the serial number of the card that a PF sits on.
            seen: Says what a driver was seen to set for VFs; None: it was not tried.
            addresses: Asks for an IP address of each netdev that has one.
            fault: Says what is wrong with a PF that can't be read of it; empty: nothing is known.
            names: Says how a vendor and a product of its are called, by their IDs.
        """
        self._devices = str(root / sysfs.DEVICES)
        self._netdev_facts = netdev_facts
        self._serial = serial
        self._seen = seen
        self._addresses = addresses
        self._fault = fault
        self._names = names
        self._fixed: dict[str, _Fixed] = {}
        self._built: dict[str, tuple[_Fixed, _Changing, PciFunction]] = {}
        self._netdevs: dict[tuple[str, str], NetdevFacts] = {}  # By PF and index.
        self._own_drivers: dict[str, PfDriver] = {}  # By PF: its last one that was not vfio's.

    def device(self, address: PciAddress) -> str:
        """Return the directory of a function."""
        return f"{self._devices}/{address}"

    def pf_driver(self, pf: PciAddress) -> PfDriver:
        """Return the driver whose VF operations apply to the VFs of `pf`."""
        name, device = str(pf), self.device(pf)
        driver = sysfs.find_link_name(f"{device}/driver")
        if driver is None or is_vfio_driver(driver):
            return self._own_drivers.get(name, PfDriver())
        netdevs = sysfs.netdevs(device)
        firmware = self._facts_of(name, f"{device}/net/{netdevs[0]}").firmware if netdevs else None
        self._own_drivers[name] = PfDriver(driver, firmware)
        return self._own_drivers[name]

    def read(self) -> dict[PciAddress, PciFunction]:
        """Read every function, in the order of their addresses.

        Raises:
            OSError: sysfs can't be read.
            BadContent: A file in it is not as documented.
        """
        self._fixed = self._read_fixed()
        vf_counts: dict[str, int] = {}
        for fixed in self._fixed.values():
            if fixed.pf_name is not None:
                vf_counts[fixed.pf_name] = vf_counts.get(fixed.pf_name, 0) + 1
        pf_drivers: dict[str, tuple[str | None, tuple[str, ...] | None]] = {}
        for name, fixed in self._fixed.items():
            if fixed.kind is DeviceKind.PF:
                driver = self.pf_driver(fixed.address)
                pf_drivers[name] = (driver.name, self._seen(driver))
        addresses = self._addresses()
        found: dict[PciAddress, PciFunction] = {}
        for name, fixed in self._fixed.items():
            pf_driver = pf_drivers.get(fixed.pf_name or name, (None, None))
            changing = _read_changing(fixed, *pf_driver, addresses)
            if fixed.kind is DeviceKind.PF:
                function = self._pf(fixed, changing, vf_counts.get(name, 0))
            else:
                function = self._vf_or_plain(name, fixed, changing)
            found[fixed.address] = function
        self._built = {name: self._built[name] for name in self._fixed if name in self._built}
        return found

    def _read_fixed(self) -> dict[str, _Fixed]:
        with os.scandir(self._devices) as entries:
            inodes = {entry.name: entry.inode() for entry in entries}
        indexes: dict[str, dict[str, int]] = {}  # By PF, by VF.
        found: dict[str, _Fixed] = {}
        for name in sorted(inodes):
            known = self._fixed.get(name)
            if known is not None and known.inode == inodes[name] and not _may_differ(known):
                found[name] = known
                continue
            try:
                fixed = self._look_at(name, inodes[name], indexes)
            except OSError as problem:
                if problem.errno not in sysfs.GONE:
                    raise
                continue
            if fixed is not None:
                found[name] = fixed
        return found

    def _look_at(self, name: str, inode: int, indexes: dict[str, dict[str, int]]) -> _Fixed | None:
        """Read a function that was not seen before; None if it is about to come or go."""
        device = f"{self._devices}/{name}"
        address = PciAddress.parse(name)
        pf_name = sysfs.find_link_name(f"{device}/physfn")
        kind, vf_index, serial = DeviceKind.PLAIN, None, None
        if pf_name is not None:
            kind = DeviceKind.VF
            if pf_name not in indexes:
                names = sysfs.vf_names(f"{self._devices}/{pf_name}")
                indexes[pf_name] = {vf: index for index, vf in names.items()}
            vf_index = indexes[pf_name].get(name)
            if vf_index is None:
                return None
        elif _is_there(f"{device}/sriov_totalvfs"):
            kind = DeviceKind.PF
            serial = self._serial(address) if _is_there(f"{device}/vpd") else None
        numa_node = sysfs.find_int(f"{device}/numa_node")
        group = sysfs.find_link_name(f"{device}/iommu_group")
        class_code = sysfs.read_class(f"{device}/class")
        vendor_id = sysfs.read_pci_id(f"{device}/vendor")
        product_id = sysfs.read_pci_id(f"{device}/device")
        is_bridge = class_code >> 8 in _BRIDGES
        return _Fixed(
            inode=inode,
            address=address,
            device=device,
            kind=kind,
            vendor_id=vendor_id,
            product_id=product_id,
            # Nobody is ever given a bridge.
            names=PciNames() if is_bridge else self._names(vendor_id, product_id),
            is_network=class_code >> 16 == _NETWORK_CLASS,
            is_ethernet=class_code >> 8 == _ETHERNET,
            is_bridge=is_bridge,
            numa_node=None if numa_node is None or numa_node < 0 else numa_node,
            iommu_group=int(group) if group is not None and group.isdecimal() else None,
            pf_name=pf_name,
            vf_index=vf_index,
            serial=serial,
        )

    def _vf_or_plain(self, name: str, fixed: _Fixed, changing: _Changing) -> PciFunction:
        known = self._built.get(name)
        if known is not None and known[0] is fixed and known[1] == changing:
            return known[2]
        function = _function(fixed, changing)
        self._built[name] = (fixed, changing, function)
        return function

    def _pf(self, fixed: _Fixed, changing: _Changing, vf_count: int) -> PciFunction:
        netdev = None if changing.ifname is None else f"{fixed.device}/net/{changing.ifname}"
        link_up = netdev is not None and sysfs.find_text(f"{netdev}/carrier") == "1"
        speed = sysfs.find_int(f"{netdev}/speed") if link_up else None
        facts = NetdevFacts() if netdev is None else self._facts_of(str(fixed.address), netdev)
        return replace(
            _function(fixed, changing),
            mac=facts.permanent_mac,
            vf_count=vf_count,
            vf_count_max=sysfs.find_int(f"{fixed.device}/sriov_totalvfs") or 0,
            link_up=link_up,
            speed_mbps=speed if speed is not None and speed > 0 else None,
            fault=self._fault_of(fixed),
            uncorrectable_errors=uncorrectable_errors(fixed.device),
            serial=fixed.serial,
            switch_id=None if netdev is None else sysfs.find_switch_id(netdev),
        )

    def _fault_of(self, fixed: _Fixed) -> str:
        if sysfs.has_representors(fixed.device):
            return switchdev_fault(fixed.address)
        return self._fault(fixed.address)

    def _facts_of(self, pf_name: str, netdev: str) -> NetdevFacts:
        index = sysfs.find_text(f"{netdev}/ifindex")
        if index is None or not index.isdecimal():
            return NetdevFacts()
        key = (pf_name, index)  # The kernel gives no index twice.
        if key not in self._netdevs:
            facts = self._netdev_facts(int(index))
            if facts is None:
                return NetdevFacts()  # Nothing that will stay so.
            self._netdevs[key] = facts
        return self._netdevs[key]


def _function(fixed: _Fixed, changing: _Changing) -> PciFunction:
    """Return what is known of any function; of a PF there is more."""
    return PciFunction(
        address=fixed.address,
        kind=fixed.kind,
        vendor_id=fixed.vendor_id,
        product_id=fixed.product_id,
        vendor_name=fixed.names.vendor,
        product_name=fixed.names.product,
        numa_node=fixed.numa_node,
        iommu_group=fixed.iommu_group,
        driver=changing.driver,
        ifname=changing.ifname,
        pf_address=None if fixed.pf_name is None else PciAddress.parse(fixed.pf_name),
        vf_index=fixed.vf_index,
        pf_driver=changing.pf_driver,
        pf_can=changing.pf_can,
        used_by=changing.used_by,
        is_bridge=fixed.is_bridge,
    )


def _may_differ(known: _Fixed) -> bool:
    """Whether more of a function has come since it was looked at.

    The kernel makes a VF first, and its link to its PF after that.
    Source: Linux drivers/pci/iov.c, pci_iov_add_virtfn().
    """
    return known.kind is DeviceKind.PLAIN and _is_there(f"{known.device}/physfn")


def _is_there(path: str) -> bool:
    return os.path.lexists(path)  # Path follows links in Python 3.11


def _read_changing(
    fixed: _Fixed,
    pf_driver: str | None,
    pf_can: tuple[str, ...] | None,
    addresses: Mapping[str, str],
) -> _Changing:
    driver = sysfs.find_link_name(f"{fixed.device}/driver")
    names = sysfs.netdevs(fixed.device) if fixed.is_network else []
    used_by = use_of(
        fixed.device,
        driver=driver,
        netdevs=names,
        has_netdevs=fixed.is_ethernet,
        addresses=addresses,
    )
    return _Changing(driver, names[0] if names else None, pf_driver, pf_can, used_by)
