"""Who uses a device that is no server's: such a device is left alone, and is not on offer.

The kernel tells what netdevs are for, and libvirt what its domains have. What is a server's is not
judged by the kernel's words, since a guest of ours looks like any other; only by libvirt's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from trunkline.domain.device import OfferedDevice, PciFunction, not_bound_to_vfio
from trunkline.domain.ids import ServerId
from trunkline.domain.network_pool import NetworkPool, PoolMode
from trunkline.domain.pci import PciAddress
from trunkline.reconcile.config_drive import guest_address
from trunkline.reconcile.desired import HostConfig, ServerConfig
from trunkline.reconcile.domain_xml import NO_POOLS, Pools, pool_of
from trunkline.reconcile.observed import DomainState, Journal, NetworkState, OtherDomain

NO_NETWORKS: Final[Mapping[str, NetworkState]] = MappingProxyType({})
_NOT_PUT_BACK: Final = "it was not put back to what it was before a driver was tried out on it"


def tell_users(
    functions: Mapping[PciAddress, PciFunction],
    others: Sequence[OtherDomain],
    ours: Collection[PciAddress],
    tried: Collection[PciAddress] = (),
    *,
    by_hand: Mapping[PciAddress, ServerId] | None = None,
    networks: Mapping[str, NetworkState] = NO_NETWORKS,
) -> dict[PciAddress, PciFunction]:
    """Return the functions, each with who else has it.

    Args:
        functions: As the kernel tells them.
        others: libvirt's domains that are not ours.
        ours: Devices that servers have, are to have, or had until they are back.
        tried: VFs on which a driver was tried out, and which are not as they were before.
        by_hand: What was attached to servers' guests by somebody else: see `attached_by_hand`.
        networks: libvirt's networks. What those that are not ours hand out may be a guest's at any
            moment, of which libvirt tells once it is.
    """
    by_domains = _by_domains(functions, others, ours)
    by_domains |= {
        address: f"server {server_id}, whose guest it was attached to by hand"
        for address, server_id in (by_hand or {}).items()
    }
    for address, network in _by_networks(functions, networks).items():
        if address not in ours:
            by_domains.setdefault(address, network)
    found = {
        address: _used(function, _words(function, by_domains, ours, tried))
        for address, function in functions.items()
    }
    # A PF is not given away whole from under the users of its VFs.
    for address, vf in found.items():
        pf = None if vf.pf_address is None else found.get(vf.pf_address)
        if vf.used_by and pf is not None and not pf.used_by:
            found[pf.address] = _used(pf, f"its VF {vf.vf_index} ({address}): {vf.used_by}")
    return found


def ours_of(
    config: HostConfig | None,
    journal: Journal,
    domains: Collection[DomainState],
    functions: Mapping[PciAddress, PciFunction],
    pools: Pools = NO_POOLS,
) -> frozenset[PciAddress]:
    """Return the devices that are a server's, or are still to be brought back from one.

    VFs of network pools are on record before libvirt takes any: that one is makes it nobody's.
    """
    busy = {name for domain in domains if domain.doing for name in domain.networks}
    held = {
        address
        for address in journal.originals
        if address not in pools or pools[address].name in busy
    }
    held |= journal.unknown
    if config is not None:
        held |= {each.address for each in config.held_devices}
    ifnames = frozenset[str]().union(*(domain.ifnames for domain in domains))
    held |= {each.address for each in functions.values() if each.ifname in ifnames}
    return frozenset(held).union(*(domain.devices for domain in domains))


def attached_by_hand(
    config: HostConfig | None,
    journal: Journal,
    domains: Mapping[ServerId, DomainState],
    functions: Mapping[PciAddress, PciFunction],
    pools: Pools = NO_POOLS,
) -> dict[PciAddress, ServerId]:
    """Return what guests of servers have that is no server's, and that was never ours to give.

    Before there is a configuration that is what no server has ever had, as far as the journal
    knows; one that was lost knows nothing. Of a network pool's VFs, which may be on record before
    libvirt takes one, those are a server's that its own NICs are given.
    """
    by_ifname = _by_ifname(functions)
    known = {*journal.originals, *journal.unknown}
    if config is None:
        if not journal.epochs:
            return {}
        own = dict.fromkeys(domains, known.union(journal.epochs))
    else:
        meant = {each.address for each in config.held_devices}
        own = {
            server.id: meant | _known_as_own(server, domain, known, by_ifname, pools)
            for server in config.servers
            if (domain := domains.get(server.id)) is not None
        }
    return {
        address: server_id
        for server_id in own
        for address in _given_to(domains[server_id], by_ifname)
        if address not in own[server_id]
    }


def _known_as_own(
    server: ServerConfig,
    domain: DomainState,
    known: set[PciAddress],
    by_ifname: Mapping[str, PciAddress],
    pools: Pools,
) -> set[PciAddress]:
    """Return what a guest may have besides what is meant for servers."""
    if domain.doing:
        return known  # What its NICs are given is yet to be seen.
    found = known - pools.keys()
    for place, nic in server.placed_nics:
        given = domain.given.get(guest_address(place)) if pool_of(nic, pools) else None
        if isinstance(given, str):
            given = by_ifname.get(given)
        if given is not None:
            found.add(given)
    return found


def may_be_had(function: PciFunction, pool: NetworkPool | None) -> bool:
    """Whether nobody else has it, and a guest may; what a pool's macvtaps are on, no guest has."""
    keeps = pool is not None and pool.mode is PoolMode.PASSTHROUGH
    return not function.used_by and (keeps or not function.unfit)


def without_used_and_unfit(offered: Sequence[OfferedDevice]) -> tuple[OfferedDevice, ...]:
    """Put on offer only what may be had; all is told of all the same."""
    judged = (_with_binding(each) for each in offered)
    return tuple(
        replace(each, on_offer=False)
        if each.on_offer and not may_be_had(each.function, each.network_pool)
        else each
        for each in judged
    )


def _with_binding(device: OfferedDevice) -> OfferedDevice:
    """Say of what libvirt is not to bind to vfio, and nobody has, that no guest may have it."""
    problem = "" if device.managed else not_bound_to_vfio(device.function)
    if not problem or device.function.unfit:
        return device
    return replace(device, function=replace(device.function, unfit=problem))


def _words(
    function: PciFunction,
    by_domains: Mapping[PciAddress, str],
    ours: Collection[PciAddress],
    tried: Collection[PciAddress],
) -> str:
    of_domain = by_domains.get(function.address)
    if of_domain is not None:
        return of_domain
    if function.address in tried:
        return _NOT_PUT_BACK  # Nor is a server's guest started with it before it is.
    return "" if function.address in ours else function.used_by


def _by_domains(
    functions: Mapping[PciAddress, PciFunction],
    others: Sequence[OtherDomain],
    ours: Collection[PciAddress],
) -> dict[PciAddress, str]:
    if not others:
        return {}
    by_ifname = _by_ifname(functions)
    found: dict[PciAddress, str] = {}
    for domain in sorted(others, key=lambda each: (not each.is_active, each.name)):
        for address in _given_to(domain, by_ifname):
            # A domain that is shut off takes nothing from a server: libvirt will refuse its start.
            if domain.is_active or address not in ours:
                found.setdefault(address, str(domain))
    return found


def _by_ifname(functions: Mapping[PciAddress, PciFunction]) -> dict[str, PciAddress]:
    return {each.ifname: each.address for each in functions.values() if each.ifname}


def _given_to(
    domain: DomainState | OtherDomain, by_ifname: Mapping[str, PciAddress]
) -> frozenset[PciAddress]:
    """Return the devices that a domain has, and those that its macvtaps are on."""
    below = (by_ifname[ifname] for ifname in domain.ifnames if ifname in by_ifname)
    return domain.devices.union(below)


def _by_networks(
    functions: Mapping[PciAddress, PciFunction], networks: Mapping[str, NetworkState]
) -> dict[PciAddress, str]:
    found: dict[PciAddress, str] = {}
    for name, state in sorted(networks.items()):
        if state.is_ours:
            continue
        listed = {member for each in (state.live, state.defined) if each for member in each.members}
        pfs = {each.address for each in functions.values() if each.ifname in state.pf_ifnames}
        words = f"libvirt network {name}" + ("" if state.is_active else " (inactive)")
        for address, function in functions.items():
            if function.pf_address in pfs or not listed.isdisjoint((str(address), function.ifname)):
                found.setdefault(address, words)
    return found


def _used(function: PciFunction, used_by: str) -> PciFunction:
    return function if function.used_by == used_by else replace(function, used_by=used_by)
