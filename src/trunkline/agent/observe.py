"""Reading a host: sysfs and libvirt once, and one netlink reading for each PF concerned."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from trunkline.agent.report import Offer
from trunkline.domain.bridge import Bridge
from trunkline.domain.device import DeviceKind, OfferedDevice, PciFunction, is_vfio_driver
from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import ServerId
from trunkline.domain.iommu_group import tell_unfit
from trunkline.domain.network_pool import NetworkPool
from trunkline.domain.pci import PciAddress
from trunkline.reconcile.desired import HeldDevice, HostConfig, ServerConfig
from trunkline.reconcile.interfaces import (
    HostNews,
    HostRefused,
    Hypervisor,
    Kernel,
    NotYet,
    Storage,
)
from trunkline.reconcile.observed import (
    DomainState,
    GuestFiles,
    Guests,
    HostState,
    Journal,
    NetworkState,
)
from trunkline.reconcile.taps import normal_nics, with_leaving
from trunkline.reconcile.users import attached_by_hand, ours_of, tell_users


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is read each time: all but the VFs."""

    boot_id: str
    functions: Mapping[PciAddress, PciFunction]
    offered: tuple[OfferedDevice, ...]  # By the operator's specs, whoever has them.
    domains: Mapping[ServerId, DomainState]
    files: Mapping[ServerId, GuestFiles] | None  # None: guests have none here.
    networks: Mapping[str, NetworkState] = field(default_factory=dict)
    is_late: bool = False  # The domains are as they were: libvirt takes its time to tell of them.


class DomainList:
    """libvirt's domains, as it told of them last: to go on with while it takes its time."""

    def __init__(self, hypervisor: Hypervisor) -> None:
        self.is_late = False
        self._hypervisor = hypervisor
        self._last: Guests | None = None

    def read(self) -> Guests:
        """Return what libvirt tells, or told last.

        Raises:
            HostRefused: It could not be read.
            NotYet: It takes its time, and has told nothing in this run.
        """
        self.is_late = False
        try:
            self._last = self._hypervisor.guests()
        except NotYet:
            self.is_late = True
            if self._last is None:
                raise
        return self._last


def look_around(
    kernel: Kernel,
    hypervisor: Hypervisor,
    storage: Storage | None,
    *,
    domains: DomainList,
    offer: Offer,
    config: HostConfig | None,
    journal: Journal,
) -> Surroundings:
    """Read PCI functions, domains, networks and guests' files, and who else uses a function.

    Raises:
        HostRefused: One of these could not be read; there is nothing to plan from.
        NotYet: See `DomainList.read`.
    """
    guests = domains.read()
    boot_id = kernel.boot_id()
    journal = journal.of_boot(boot_id)
    functions = kernel.functions()
    offered = offer(functions)
    pools = pools_of(offered)
    ours = ours_of(config, journal, guests.domains.values(), functions, pools)
    by_hand = attached_by_hand(config, journal, guests.domains, functions, pools)
    networks = hypervisor.networks()
    told = tell_unfit(
        tell_users(
            functions, guests.others, ours, journal.tried, by_hand=by_hand, networks=networks
        )
    )
    return Surroundings(
        boot_id=boot_id,
        functions=told,
        # Who has a function, or may not, decides nothing of what the specs say of it.
        offered=tuple(
            replace(each, function=told[each.function.address]) if changed else each
            for each in offered
            for changed in [told[each.function.address] is not each.function]
        ),
        domains=guests.domains,
        networks=networks,
        is_late=domains.is_late,
        files=None if storage is None else storage.files(),
    )


def pools_of(offered: Iterable[OfferedDevice]) -> dict[PciAddress, NetworkPool]:
    """Return the network pools that VFs are in."""
    return {
        each.function.address: each.network_pool
        for each in offered
        if each.network_pool is not None
    }


def pfs_concerned(
    functions: Mapping[PciAddress, PciFunction],
    servers: Collection[ServerConfig],
    releases: Collection[HeldDevice],
) -> frozenset[PciAddress]:
    """Return the PFs whose VFs must be read to plan for these servers and releases."""
    held = [device for server in servers for device in server.held_devices]
    found = set()
    for device in (*held, *releases):
        function = functions.get(device.address)
        if function is not None and function.kind is DeviceKind.VF and function.pf_address:
            found.add(function.pf_address)
    return frozenset(found)


def pfs_of_pools(
    around: Surroundings, pooled: Collection[PciAddress], journal: Journal
) -> frozenset[PciAddress]:
    """Return the PFs with a VF of a network pool that is on record, and that no guest has."""
    below_macvtaps = {name for domain in around.domains.values() for name in domain.ifnames}
    found = set()
    for address in journal.originals:
        function = around.functions.get(address)
        if function is None or address not in pooled or is_vfio_driver(function.driver):
            continue
        if function.ifname not in below_macvtaps:
            found.add(function.pf_address)
    return frozenset(pf for pf in found if pf is not None)


def pfs_read_with(
    pfs: Collection[PciAddress],
    functions: Mapping[PciAddress, PciFunction],
    servers: Collection[ServerConfig],
) -> frozenset[PciAddress]:
    """Return those of `pfs` that `servers` have VFs of, and the PFs they can't be compared without.

    A server is compared as a whole: one with VFs on two PFs needs both of them read.
    """
    of_server = (pfs_concerned(functions, [each], ()) for each in servers)
    return frozenset(pf for used in of_server if not used.isdisjoint(pfs) for pf in used)


def pfs_told_of(
    news: HostNews,
    functions: Mapping[PciAddress, PciFunction],
    servers: Collection[ServerConfig],
) -> frozenset[PciAddress]:
    """Return the PFs in use that the machine told of, and those they can't be compared without."""
    if news.everything:
        return pfs_concerned(functions, servers, ())
    return pfs_read_with(news.pfs, functions, servers)


class PfTurn:
    """Whose turn it is to be looked at for drift that no event told of."""

    def __init__(self) -> None:
        self._last: PciAddress | None = None

    def next(
        self, functions: Mapping[PciAddress, PciFunction], servers: Collection[ServerConfig]
    ) -> frozenset[PciAddress]:
        """Return the next of the PFs in use, and those that it can't be compared without."""
        used = sorted(pfs_concerned(functions, servers, ()))
        if not used:
            return frozenset()
        last = self._last
        later = [pf for pf in used if last is None or last < pf]
        self._last = (later or used)[0]
        return pfs_read_with({self._last}, functions, servers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridging:
    """What normal ports depend on."""

    bridges: Mapping[str, Bridge] = field(default_factory=dict)
    pf_addresses: Mapping[PciAddress, frozenset[MacAddress]] = field(default_factory=dict)
    problem: str = ""  # Why it could not be read; empty: it was.


def read_bridges(
    kernel: Kernel, around: Surroundings, journal: Journal, servers: Collection[ServerConfig]
) -> Bridging:
    """Read the bridges on which `servers` have normal ports, or had, and the PFs beneath.

    Nothing is asked of the kernel if there are none.
    """
    names = {
        nic.bridge for server in servers for nic in normal_nics(with_leaving(server)) if nic.bridge
    }
    names |= {vlan.bridge for vlan in journal.uplink_vlans}
    kept = {each.pf for each in journal.pf_addresses}
    try:
        bridges = kernel.bridges(sorted(names)) if names else {}
        addresses = {
            pf: kernel.pf_addresses(pf)
            for pf in sorted(kept.union(*map(_functions_under, bridges.values())))
            if _is_readable(around, pf, for_vfs=pf not in kept)
        }
    except HostRefused as refusal:
        return Bridging(problem=str(refusal))
    return Bridging(bridges=bridges, pf_addresses=addresses)


def _functions_under(bridge: Bridge) -> set[PciAddress]:
    return {address for uplink in bridge.uplinks for address in uplink.functions}


def _is_readable(around: Surroundings, address: PciAddress, *, for_vfs: bool) -> bool:
    """Whether it is a PF with a netdev; `for_vfs`: and with VFs, whose frames it switches."""
    function = around.functions.get(address)
    if function is None or function.kind is not DeviceKind.PF or function.ifname is None:
        return False
    return function.vf_count > 0 or not for_vfs


def _netdev_macs(
    kernel: Kernel, around: Surroundings, used: Collection[PciAddress]
) -> dict[PciAddress, MacAddress]:
    found = {}
    for address in sorted(used):
        vf = around.functions.get(address)
        if vf is not None and vf.kind is DeviceKind.VF and vf.ifname is not None:
            with suppress(HostRefused):  # It has just gone, or has another name by now.
                found[address] = kernel.netdev_mac(vf.ifname)
    return found


def read_host(
    kernel: Kernel,
    around: Surroundings,
    journal: Journal,
    pfs: Collection[PciAddress],
    servers: Collection[ServerConfig],
) -> HostState:
    """Read the VFs of `pfs` and the bridges of `servers`, and put everything seen together."""
    bridging = read_bridges(kernel, around, journal, servers)
    settings, unreadable = {}, {}
    for pf in sorted(pfs):
        try:
            settings[pf] = kernel.vf_settings(pf)
        except HostRefused as refusal:
            unreadable[pf] = str(refusal)
    used = {held.address for server in servers for held in server.held_devices}
    return HostState(
        boot_id=around.boot_id,
        functions=around.functions,
        vf_settings=settings,
        unreadable_pfs=unreadable,
        domains=around.domains,
        journal=journal,
        netdev_macs=_netdev_macs(kernel, around, used.union(journal.originals)),
        files=around.files,
        networks=around.networks,
        bridges=bridging.bridges,
        pf_addresses=bridging.pf_addresses,
        bridges_problem=bridging.problem,
    )
