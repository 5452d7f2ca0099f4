"""The state of a simulated kernel, and how PCI functions and VF settings are read out of it.

A VF that nobody has touched is an empty object: a host with 128 VFs costs a kilobyte or two.
"""

from __future__ import annotations

import errno
import functools
import os
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import msgspec

from trunkline.domain.device import OPENED, VFIO_DRIVER, DeviceKind, PciFunction, switchdev_fault
from trunkline.domain.ether import ZERO_MAC, MacAddress
from trunkline.domain.numa import NumaNode
from trunkline.domain.pci import PciAddress, vf_address
from trunkline.domain.vf import LinkState, VfSettings, VlanProtocol
from trunkline.domain.vf_capabilities import capability_names, vf_capabilities
from trunkline.host.driver_data import Driver, drivers
from trunkline.host.faults import Fault, broken
from trunkline.host.state_file import LoggedState


class VfRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One VF, as the PF and the host hold it."""

    mac: MacAddress = ZERO_MAC  # Set through the PF; zero: the VF may choose its own.
    own_mac: MacAddress = ZERO_MAC  # Chosen on the VF's netdev; zero: drawn by the VF driver.
    old_mac: MacAddress = ZERO_MAC  # What the netdev keeps until its driver is loaded anew.
    vlan_id: int = 0
    vlan_qos: int = 0
    vlan_protocol: VlanProtocol = VlanProtocol.DOT1Q
    spoof_check: bool | None = None  # None: as the driver starts out.
    trust: bool = False
    link_state: LinkState = LinkState.AUTO
    min_tx_rate_mbps: int = 0
    max_tx_rate_mbps: int = 0
    in_guest: bool = False  # Bound to vfio-pci.
    opened: bool = False  # By a guest or a program, through vfio-pci.
    ifname: str = ""  # Empty: the name that udev gives.
    macvtap: str = ""  # The macvtap on its netdev.


_UNTOUCHED: Final = VfRecord()


class PfRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One PF: facts of the card, what the driver holds, and its VFs."""

    address: PciAddress
    driver: str  # Its own one, also while it is bound to vfio-pci.
    vendor_id: str
    product_id: str
    vf_product_id: str
    ifname: str
    mac: MacAddress
    speed_mbps: int
    vf_count_max: int
    vf_offset: int
    vf_stride: int
    iommu_group: int  # Its VFs have the numbers after it, each its own.
    lacks_acs: bool = False  # What is above it can't part its functions: all are in one group.
    numa_node: int | None = None
    serial: str | None = None
    vf_count_at_boot: int = 0
    link_up: bool = True  # Carrier.
    admin_up: bool = True  # IFF_UP.
    switch_id: str | None = None  # phys_switch_id
    uncorrectable_errors: int = 0  # Of PCI Express, since the boot.
    is_switchdev: bool = False  # The mode of its eswitch; else `legacy`.
    in_guest: bool = False  # Bound to vfio-pci.
    opened: bool = False  # By a guest or a program, through vfio-pci.
    double_vlan: bool = False  # Its firmware can put an 802.1ad tag around another.
    vfs: list[VfRecord] = msgspec.field(default_factory=list)
    addresses: list[MacAddress] = msgspec.field(default_factory=list)  # `fdb … self`.


class PlainRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A PCI function without SR-IOV: a GPU, an accelerator, a NIC of the board."""

    address: PciAddress
    vendor_id: str
    product_id: str
    iommu_group: int
    driver: str | None = None  # Its own one, also while it is bound to vfio-pci.
    numa_node: int | None = None
    in_guest: bool = False  # Bound to vfio-pci.
    opened: bool = False  # By a guest or a program, through vfio-pci.


class PortRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A port of a bridge: a guest's tap, or an uplink."""

    bridge: str
    ifname: str
    pvid: int = 0
    vlans: dict[int, bool] = msgspec.field(default_factory=dict)  # Whether it leaves untagged.
    is_uplink: bool = False  # A PF's netdev if one has this name, else other hardware.


class KernelState(LoggedState, kw_only=True, omit_defaults=True):
    """All of one simulated kernel."""

    name: str  # The host's.
    boots: int = 1
    pfs: list[PfRecord] = msgspec.field(default_factory=list)
    plain: list[PlainRecord] = msgspec.field(default_factory=list)
    bridges: list[str] = msgspec.field(default_factory=list)
    unfiltered_bridges: list[str] = msgspec.field(default_factory=list)  # vlan_filtering is off.
    ports: list[PortRecord] = msgspec.field(default_factory=list)
    numa_nodes: list[NumaNode] = msgspec.field(default_factory=list)
    faults: list[Fault] = msgspec.field(default_factory=list)


def boot_id(state: KernelState) -> str:
    """Another one for each boot, the same for the same simulated host."""
    return _boot_id(state.boots, state.name)


@functools.lru_cache(maxsize=1024)
def _boot_id(boots: int, name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"trunkline boot {boots} of {name}"))


def refused(number: int) -> OSError:
    """Make the error of a refused system call."""
    return OSError(number, os.strerror(number))


def find_pf(state: KernelState, address: PciAddress) -> PfRecord:
    """Return the PF at `address`; ENODEV if there is none."""
    for pf in state.pfs:
        if pf.address == address:
            return pf
    raise refused(errno.ENODEV)


def vf_addresses(pf: PfRecord) -> tuple[PciAddress, ...]:
    """Where the VFs of `pf` sit, from VF 0 on."""
    return _addresses(pf.address, pf.vf_offset, pf.vf_stride, len(pf.vfs))


@functools.lru_cache(maxsize=256)
def _addresses(pf: PciAddress, offset: int, stride: int, count: int) -> tuple[PciAddress, ...]:
    return tuple(
        vf_address(pf, vf_index=index, vf_offset=offset, vf_stride=stride) for index in range(count)
    )


def find_vf(state: KernelState, address: PciAddress) -> tuple[PfRecord, int] | None:
    """Find the PF and the index of the VF at `address`."""
    for pf in state.pfs:
        away = address.routing_id - pf.address.routing_id - pf.vf_offset
        if address.domain == pf.address.domain and away >= 0 and away % pf.vf_stride == 0:
            index = away // pf.vf_stride
            if index < len(pf.vfs):
                return pf, index
    return None


def driver_of(pf: PfRecord) -> Driver:
    """Return what is known about the PF's driver."""
    return drivers()[pf.driver]


def vf_ifname(pf: PfRecord, index: int) -> str | None:
    """The name of a VF's netdev; None while it has none. Names as udev gives: PF, `v`, index."""
    vf = pf.vfs[index]
    if vf.in_guest:
        return None
    return vf.ifname or f"{pf.ifname}v{index}"


def find_netdev(state: KernelState, ifname: str) -> tuple[PfRecord, int | None]:
    """Find a netdev by name: its PF, and the index if it is a VF's. ENODEV if there is none."""
    for pf in state.pfs:
        if pf.ifname == ifname and not pf.in_guest:
            return pf, None
        for index in range(len(pf.vfs)):
            if vf_ifname(pf, index) == ifname:
                return pf, index
    raise refused(errno.ENODEV)


def find_vf_of_netdev(state: KernelState, ifname: str) -> PciAddress | None:
    """Find the VF that a netdev belongs to; None if no VF's netdev has this name."""
    try:
        pf, index = find_netdev(state, ifname)
    except OSError:
        return None
    return None if index is None else vf_addresses(pf)[index]


def netdev_exists(state: KernelState, ifname: str) -> bool:
    """Say whether any netdev has this name: of a PF or VF, a macvtap, a bridge or a port of one."""
    if any(port.ifname == ifname for port in state.ports):
        return True
    if ifname in state.bridges or any(vf.macvtap == ifname for pf in state.pfs for vf in pf.vfs):
        return True
    try:
        find_netdev(state, ifname)
    except OSError:
        return False
    return True


def effective_mac(pf: PfRecord, index: int) -> MacAddress:
    """The MAC that a VF's netdev has: an older one, its own, or else the one set by the PF."""
    vf = pf.vfs[index]
    for mac in (vf.old_mac, vf.own_mac, vf.mac):
        if not mac.is_zero:
            return mac
    # What the VF driver draws at random; here from the VF's place, so that runs repeat.
    drawn = uuid.uuid5(uuid.NAMESPACE_OID, f"{pf.mac} vf {index}").hex[:10]
    return MacAddress("02:" + ":".join(drawn[at : at + 2] for at in range(0, 10, 2)))


def vf_settings(pf: PfRecord, index: int) -> VfSettings:
    """What RTM_GETLINK tells about a VF, with None for what the driver does not have."""
    vf = pf.vfs[index]
    return _untouched(pf.driver) if vf == _UNTOUCHED else _settings(pf.driver, vf)


@functools.cache  # Most VFs are as their driver makes them.
def _untouched(pf_driver: str) -> VfSettings:
    return _settings(pf_driver, _UNTOUCHED)


def _settings(pf_driver: str, vf: VfRecord) -> VfSettings:
    driver, can = drivers()[pf_driver], vf_capabilities(pf_driver)
    mac = vf.mac
    if driver.own_mac_shows and not vf.own_mac.is_zero:
        mac = vf.own_mac
    return VfSettings(
        mac=mac,
        vlan_id=vf.vlan_id,
        vlan_qos=vf.vlan_qos,
        vlan_protocol=vf.vlan_protocol,
        spoof_check=(driver.spoof_check if vf.spoof_check is None else vf.spoof_check)
        if can.spoof_check
        else None,
        trust=vf.trust if can.trust else None,
        link_state=vf.link_state if can.link_states else None,
        min_tx_rate_mbps=vf.min_tx_rate_mbps if can.min_tx_rate else None,
        max_tx_rate_mbps=vf.max_tx_rate_mbps if can.max_tx_rate else None,
    )


def _seen_to_do(pf: PfRecord) -> tuple[str, ...] | None:
    """What its driver can do beyond the table, as if that had been tried out; None: nothing."""
    if not pf.double_vlan:
        return None
    return capability_names(replace(vf_capabilities(pf.driver), vlan_8021ad=True))


def functions(state: KernelState) -> dict[PciAddress, PciFunction]:
    """Every PCI function, as sysfs shows it."""
    found: dict[PciAddress, PciFunction] = {}
    bridges = {port.ifname: port.bridge for port in state.ports}
    for pf in state.pfs:
        found[pf.address] = _pf_function(pf, broken(state.faults, pf.address), bridges)
        for index, address in enumerate(vf_addresses(pf)):
            found[address] = _vf_function(pf, index, address, bridges)
    for plain in state.plain:
        found[plain.address] = _plain_function(plain)
    return found


def find_function(state: KernelState, address: PciAddress) -> PciFunction | None:
    """One function, without looking at the others."""
    vf = find_vf(state, address)
    bridges = {port.ifname: port.bridge for port in state.ports}
    if vf is not None:
        return _vf_function(*vf, address, bridges)
    for pf in state.pfs:
        if pf.address == address:
            return _pf_function(pf, broken(state.faults, address), bridges)
    for plain in state.plain:
        if plain.address == address:
            return _plain_function(plain)
    return None


def _vf_function(
    pf: PfRecord, index: int, address: PciAddress, bridges: Mapping[str, str]
) -> PciFunction:
    ifname = vf_ifname(pf, index)
    upper = pf.vfs[index].macvtap or bridges.get(ifname or "", "")
    return _equal_vf_function(
        address,
        pf.vendor_id,
        pf.vf_product_id,
        pf.numa_node,
        pf.iommu_group if pf.lacks_acs else pf.iommu_group + 1 + index,
        VFIO_DRIVER if pf.vfs[index].in_guest else driver_of(pf).vf_driver,
        ifname,
        pf.address,
        index,
        pf.driver,
        _seen_to_do(pf),
        f"{ifname} is below {upper}" if upper else OPENED * pf.vfs[index].opened,
    )


# Hosts of one kind have equal VFs at equal addresses: a thousand of them share these.
@functools.lru_cache(maxsize=16_384)
def _equal_vf_function(
    address: PciAddress,
    vendor_id: str,
    product_id: str,
    numa_node: int | None,
    iommu_group: int,
    driver: str,
    ifname: str | None,
    pf_address: PciAddress,
    vf_index: int,
    pf_driver: str,
    pf_can: tuple[str, ...] | None,
    used_by: str,
) -> PciFunction:
    return PciFunction(
        address=address,
        kind=DeviceKind.VF,
        vendor_id=vendor_id,
        product_id=product_id,
        numa_node=numa_node,
        iommu_group=iommu_group,
        driver=driver,
        ifname=ifname,
        pf_address=pf_address,
        vf_index=vf_index,
        pf_driver=pf_driver,
        pf_can=pf_can,
        used_by=used_by,
    )


def _plain_function(plain: PlainRecord) -> PciFunction:
    return PciFunction(
        address=plain.address,
        kind=DeviceKind.PLAIN,
        vendor_id=plain.vendor_id,
        product_id=plain.product_id,
        numa_node=plain.numa_node,
        iommu_group=plain.iommu_group,
        driver=VFIO_DRIVER if plain.in_guest else plain.driver,
        used_by=OPENED * plain.opened,
    )


def _pf_function(pf: PfRecord, fault: str, bridges: Mapping[str, str]) -> PciFunction:
    bridge = None if pf.in_guest else bridges.get(pf.ifname)
    has_link = pf.link_up and pf.admin_up and not pf.in_guest
    # MAC, carrier and speed are read from the netdev, which a PF in a guest does not have; the
    # serial number is in its PCI configuration space.
    return PciFunction(
        address=pf.address,
        kind=DeviceKind.PF,
        vendor_id=pf.vendor_id,
        product_id=pf.product_id,
        numa_node=pf.numa_node,
        iommu_group=pf.iommu_group,
        driver=VFIO_DRIVER if pf.in_guest else pf.driver,
        ifname=None if pf.in_guest else pf.ifname,
        mac=None if pf.in_guest else pf.mac,
        vf_count=len(pf.vfs),
        vf_count_max=pf.vf_count_max,
        link_up=has_link,
        speed_mbps=pf.speed_mbps if has_link else None,
        fault=fault or (switchdev_fault(pf.address) if pf.is_switchdev else ""),
        uncorrectable_errors=pf.uncorrectable_errors,
        serial=pf.serial,
        switch_id=None if pf.in_guest else pf.switch_id,
        pf_driver=pf.driver,
        pf_can=_seen_to_do(pf),
        used_by=f"{pf.ifname} is below {bridge}" if bridge else OPENED * pf.opened,
    )
