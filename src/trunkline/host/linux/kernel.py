"""LinuxKernel: the kernel of this machine, as the agent sees it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from trunkline.domain.bridge import Bridge
from trunkline.domain.device import PciFunction
from trunkline.domain.ether import MacAddress
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import LinkState, VfChange, VfSettings, VlanProtocol
from trunkline.domain.vf_capabilities import VfCapabilities
from trunkline.host.linux import bridges, sysfs
from trunkline.host.linux.addresses import addresses_by_netdev
from trunkline.host.linux.capabilities import Capabilities
from trunkline.host.linux.card_faults import CardFaults
from trunkline.host.linux.ethtool import firmware_version
from trunkline.host.linux.inventory import Inventory, NetdevFacts, PfDriver
from trunkline.host.linux.link_messages import VfReading
from trunkline.host.linux.netlink import Malformed
from trunkline.host.linux.pci_ids import pci_names
from trunkline.host.linux.rtnetlink import KernelRtnetlink, Rtnetlink, read_link, read_link_by_name
from trunkline.host.linux.vpd import VpdMalformed, parse_vpd
from trunkline.host.privileged.interfaces import PrivilegedWrites
from trunkline.host.refusals import host_refused
from trunkline.reconcile.interfaces import HostRefused

_log = structlog.get_logger(__name__)

SYSFS: Final = Path("/sys")
PROC: Final = Path("/proc")
_RENAMES_MAX: Final = 3  # Of one netdev while it is asked about.
_EVERYTHING: Final = VfCapabilities(
    link_states=frozenset(LinkState), min_tx_rate=True, max_tx_rate=True
)


class LinuxKernel:
    """Satisfies `reconcile.interfaces.Kernel`. Reads as anybody may; writes through `writes`."""

    def __init__(
        self,
        writes: PrivilegedWrites,
        *,
        rtnetlink: Rtnetlink | None = None,
        sysfs_root: Path = SYSFS,
        proc_root: Path = PROC,
        firmware: Callable[[str], str | None] = firmware_version,
        capabilities: Capabilities | None = None,
        faults: CardFaults | None = None,
        pci_ids: Sequence[Path] = (),
    ) -> None:
        """Set up; nothing is read yet.

        Args:
            writes: Who does what needs root.
            rtnetlink: Another one than the kernel's, for tests.
            sysfs_root: Where sysfs is mounted.
            proc_root: Where proc is mounted.
            firmware: Asks for the version of the firmware under a netdev.
            capabilities: What drivers were seen to do; None: none of them was tried.
            faults: What was heard of cards; None: nobody listens.
            pci_ids: Files with the names of vendors and products, of which the first counts.
        """
        self._writes = writes
        self._rtnetlink = rtnetlink or KernelRtnetlink()
        self._proc = proc_root
        self._sysfs = str(sysfs_root)
        self._firmware = firmware
        self._capabilities = capabilities or Capabilities(None)
        self._inventory = Inventory(
            sysfs_root,
            netdev_facts=self._netdev_facts,
            serial=self._serial,
            seen=self._capabilities.seen_names,
            addresses=lambda: addresses_by_netdev(self._rtnetlink),
            fault=(lambda _: "") if faults is None else faults.of,
            names=lambda vendor, product: pci_names(vendor, product, paths=tuple(pci_ids)),
        )

    @property
    def capabilities(self) -> Capabilities:
        """What its drivers were seen to do."""
        return self._capabilities

    def boot_id(self) -> str:
        """See `Kernel.boot_id`."""
        path = self._proc / "sys/kernel/random/boot_id"
        try:
            return path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as problem:
            raise HostRefused(f"cat {path}", str(problem)) from problem

    def functions(self) -> Mapping[PciAddress, PciFunction]:
        """See `Kernel.functions`."""
        try:
            return self._inventory.read()
        except sysfs.BadContent as problem:
            raise HostRefused("read PCI functions from sysfs", str(problem)) from problem
        except Malformed as problem:
            operation = "ip address show"
            raise HostRefused(operation, f"can't read what rtnetlink told: {problem}") from problem
        except OSError as problem:
            raise host_refused(f"read {problem.filename or 'sysfs'}", problem) from problem

    def vf_settings(self, pf: PciAddress) -> Mapping[int, VfSettings]:
        """See `Kernel.vf_settings`.

        A VF whose VLAN has a protocol that there is no name for is left out: `VfSettings` can't say
        what it is like.
        """
        return self._read_vfs(pf, self._capabilities.of(self.pf_driver(pf)))

    def raw_vf_settings(self, pf: PciAddress) -> dict[int, VfSettings]:
        """Read them as if the driver could do everything: what it lacks reads 0 or `auto`."""
        return self._read_vfs(pf, _EVERYTHING)

    def _read_vfs(self, pf: PciAddress, can: VfCapabilities) -> dict[int, VfSettings]:
        operation = f"ip -d link show dev {pf}"
        try:
            device = self._inventory.device(pf)
            ifname = pf_ifname(device)
            operation = f"ip -d link show dev {ifname}"
            link = read_link(self._rtnetlink, pf_ifindex(device, ifname), with_vfs=True)
        except Malformed as problem:
            raise HostRefused(operation, f"can't read what rtnetlink told: {problem}") from problem
        except OSError as problem:
            raise host_refused(operation, problem) from problem
        return {
            index: settings_of(reading, reading.vlan_protocol, can)
            for index, reading in sorted(link.vfs.items())
            if reading.vlan_protocol is not None
        }

    def is_up(self, ifname: str) -> bool:
        """Whether a netdev is set up (IFF_UP)."""
        operation = f"ip link show dev {ifname}"
        try:
            return read_link_by_name(self._rtnetlink, ifname).is_up
        except Malformed as problem:
            raise HostRefused(operation, f"can't read what rtnetlink told: {problem}") from problem
        except OSError as problem:
            raise host_refused(operation, problem) from problem

    def pf_driver(self, pf: PciAddress) -> PfDriver:
        """Return the driver whose VF operations apply to the VFs of `pf`, with its firmware."""
        try:
            return self._inventory.pf_driver(pf)
        except OSError as problem:
            raise host_refused(f"read the driver of {pf}", problem) from problem

    def set_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        """See `Kernel.set_vf`."""
        if change.link_state is LinkState.AUTO:
            able = self._capabilities.of(self.pf_driver(pf))
            if _stands_for_auto(LinkState.ENABLE, able):
                change = replace(change, link_state=LinkState.ENABLE)
        self.set_raw_vf(pf, vf_index, change)

    def set_raw_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        """Write to a VF as told, whatever the driver can do."""
        self._writes.set_vf(pf, vf_index, change)

    def set_vf_count(self, pf: PciAddress, count: int) -> None:
        """See `Kernel.set_vf_count`."""
        self._writes.set_vf_count(pf, count)

    def rename_netdev(self, old: str, new: str) -> None:
        """See `Kernel.rename_netdev`."""
        self._writes.rename_netdev(old, new)

    def netdev_mac(self, ifname: str) -> MacAddress:
        """See `Kernel.netdev_mac`."""
        path = f"{self._sysfs}/class/net/{ifname}/address"
        try:
            return MacAddress.parse(sysfs.read_text(path))
        except ValueError as problem:
            raise HostRefused(f"cat {path}", str(problem)) from problem
        except OSError as problem:
            raise host_refused(f"cat {path}", problem) from problem

    def set_pf_up(self, pf: PciAddress) -> None:
        """See `Kernel.set_pf_up`."""
        self._writes.set_pf_up(pf)

    def reload_vf_driver(self, vf: PciAddress) -> None:
        """See `Kernel.reload_vf_driver`."""
        self._writes.reload_vf_driver(vf)

    def bridges(self, names: Collection[str]) -> Mapping[str, Bridge]:
        """See `Kernel.bridges`."""
        return bridges.read_bridges(self._rtnetlink, self._sysfs, names)

    def set_port_vlan(self, ifname: str, vlan_id: int, *, untagged: bool, member: bool) -> None:
        """See `Kernel.set_port_vlan`."""
        self._writes.set_bridge_vlan(ifname, vlan_id, untagged=untagged, member=member)

    def pf_addresses(self, pf: PciAddress) -> frozenset[MacAddress]:
        """See `Kernel.pf_addresses`."""
        operation = f"bridge fdb show dev {pf}"
        try:
            device = self._inventory.device(pf)
            index = pf_ifindex(device, pf_ifname(device))
            return bridges.read_own_addresses(self._rtnetlink, index)
        except Malformed as problem:
            raise HostRefused(operation, f"can't read what rtnetlink told: {problem}") from problem
        except OSError as problem:
            raise host_refused(operation, problem) from problem

    def set_pf_address(self, pf_ifname: str, mac: MacAddress, *, present: bool) -> None:
        """See `Kernel.set_pf_address`."""
        self._writes.set_fdb_entry(pf_ifname, mac, present=present)

    def _netdev_facts(self, ifindex: int) -> NetdevFacts | None:
        try:
            for _ in range(_RENAMES_MAX):
                link = read_link(self._rtnetlink, ifindex)
                try:
                    return NetdevFacts(link.permanent_mac, self._firmware(link.ifname))
                except OSError as refusal:
                    # Firmware is asked for by name, and udev renames a netdev that has just come.
                    if refusal.errno != errno.ENODEV:
                        raise
        except OSError as refusal:
            if refusal.errno != errno.ENODEV:
                raise
        except Malformed as problem:
            operation = f"ip link show dev (index {ifindex})"
            raise HostRefused(operation, f"can't read what rtnetlink told: {problem}") from problem
        return None

    def _serial(self, pf: PciAddress) -> str | None:
        """Ask for the serial number; a card that does not tell it has none."""
        try:
            return parse_vpd(self._writes.read_vpd(pf)).serial
        except (HostRefused, VpdMalformed) as problem:
            _log.info("vpd unreadable", pf=str(pf), problem=str(problem))
            return None


def pf_ifname(device: str) -> str:
    """Return the netdev of the PF in the directory `device`; ENODEV if there is none."""
    names = sysfs.netdevs(device)
    if not names:
        there = os.path.isdir(device)  # noqa: PTH112
        problem = "it has no netdev on this host" if there else "there is no such PCI function"
        raise OSError(errno.ENODEV, problem)
    return names[0]


def pf_ifindex(device: str, ifname: str) -> int:
    """Return the index of a netdev of the PF in the directory `device`; ENODEV if it is gone."""
    index = sysfs.find_int(f"{device}/net/{ifname}/ifindex")
    if index is None:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
    return index


def settings_of(reading: VfReading, vlan_protocol: VlanProtocol, can: VfCapabilities) -> VfSettings:
    """Return a VF's settings; None for those that the driver does not have.

    A driver without spoof check or trust says so. Of link state and rates the kernel tells 0,
    `auto` and no limit, whether the driver has them or not: there `can` decides. `enable` stands
    for `auto` with a driver that has link states, and not that one; `set_vf` writes it so.
    """
    link_state = reading.link_state if can.link_states else None
    if link_state is not None and _stands_for_auto(link_state, can):
        link_state = LinkState.AUTO
    return VfSettings(
        mac=reading.mac,
        vlan_id=reading.vlan_id,
        vlan_qos=reading.vlan_qos,
        vlan_protocol=vlan_protocol,
        spoof_check=reading.spoof_check,
        trust=reading.trust,
        link_state=link_state,
        min_tx_rate_mbps=reading.min_tx_rate_mbps if can.min_tx_rate else None,
        max_tx_rate_mbps=reading.max_tx_rate_mbps if can.max_tx_rate else None,
    )


def _stands_for_auto(state: LinkState, can: VfCapabilities) -> bool:
    is_best = state in can.link_states and LinkState.AUTO not in can.link_states
    return state is LinkState.ENABLE and is_best
