"""VFs of network pools: which one libvirt took, and what is to be so before it takes one.

libvirt chooses a VF when it starts a guest, and writes to it at once. So every VF that it may take
is on record as it was before, and is as it was: a VF that is still being taken back holds a start
up. Which one was taken is read while the guest is paused. It is programmed, read back and let run
once the control plane has made that one the NIC's.
"""

from __future__ import annotations

from collections.abc import Iterator

from trunkline.domain.device import PciFunction
from trunkline.domain.network_pool import NetworkPool
from trunkline.domain.pci import PciAddress
from trunkline.domain.server import PowerState
from trunkline.reconcile.config_drive import guest_address
from trunkline.reconcile.desired import HeldDevice, NicConfig, ServerConfig
from trunkline.reconcile.domain_xml import pool_of
from trunkline.reconcile.network_pools import listed_elsewhere
from trunkline.reconcile.observed import DomainState, OriginalState
from trunkline.reconcile.programming import neutral_settings
from trunkline.reconcile.report import TakenFact
from trunkline.reconcile.steps import JournalStep, RememberOriginal
from trunkline.reconcile.users import may_be_had
from trunkline.reconcile.view import Preparing, Refused, View, Waiting


def pooled_nics(view: View, server: ServerConfig) -> list[tuple[int, NicConfig, NetworkPool]]:
    """Return the NICs that get their devices from network pools, with where the guest has them."""
    found = []
    for place, nic in server.placed_nics:
        pool = pool_of(nic, view.pools)
        if pool is not None:
            found.append((place, nic, pool))
    return found


def found_device(view: View, domain: DomainState, place: int) -> PciAddress | None:
    """Return the VF that a guest has for its NIC at `place`; None: it shows none."""
    given = domain.given.get(guest_address(place))
    if given is None or isinstance(given, PciAddress):
        return given
    by_name = (each.address for each in view.observed.functions.values() if each.ifname == given)
    return next(by_name, None)


def taken_otherwise(view: View, server: ServerConfig, domain: DomainState) -> tuple[TakenFact, ...]:
    """Return the NICs whose guest has another VF of the pool than the one that is meant.

    Raises:
        Refused: What it has is not in the pool.
        Waiting, Preparing: The one that is meant is not as it was yet: others may be given it then.
    """
    facts = []
    for place, nic, pool in pooled_nics(view, server):
        found = found_device(view, domain, place)
        if found is None:  # One that is given none is stopped before.
            given = domain.given[guest_address(place)]
            raise Waiting(
                f"no VF has the netdev {given}, on which its NIC is: give it that name back"
            )
        assert nic.device is not None, "it has one of a pool"
        if view.pools.get(found) != pool:
            raise Refused(f"libvirt took {found}, which is not in network pool {pool.name}")
        if found != nic.device.address:
            chosen = nic.device
            view.require_settled(chosen.address, str(chosen.address))
            facts.append(TakenFact(chosen=chosen.address, epoch=chosen.epoch, taken=found))
    return tuple(facts)


def before_taking(view: View, pool: NetworkPool) -> list[JournalStep]:
    """Return what goes on record before libvirt takes any VF of a pool.

    Raises:
        Waiting: The libvirt network is not as it should be, or a VF of the pool is not.
        Preparing: libvirt is taking one for another guest, or gets one back.
        Unseen: Their settings were not read.
    """
    _require_network(view, pool)
    busy = view.busy_with(pool.name)
    if busy is not None:
        raise Preparing(f"libvirt is at network pool {pool.name}: server {busy.server_id}")
    steps: list[JournalStep] = []
    originals = view.observed.journal.originals
    own_macs = {nic.mac for server in view.servers for nic in server.nics}
    for vf in _members(view, pool):
        if not may_be_had(vf, pool):
            continue  # It is not in the network.
        view.require_settled(vf.address, f"{vf.address} of network pool {pool.name}")
        if vf.address in originals or view.holder(vf.address) is not None:
            continue  # On record: what is not as it was is among the unsettled.
        _, _, observed = view.pf_and_settings(vf)
        # A VF that has one of our MACs was programmed by an agent whose journal is lost.
        known = observed.mac not in own_macs
        settings = observed if known else neutral_settings(observed)
        original = OriginalState(
            address=vf.address, settings=settings, driver=vf.driver if known else None
        )
        steps.append(RememberOriginal(original))
    return steps


def plan_strays(view: View) -> Iterator[HeldDevice]:
    """Yield VFs of pools that libvirt may have written to, and that no guest has (any more).

    A server that does not run holds one of the pool, and none in particular. Those on record only
    because a guest is about to be started stay so.
    """
    if not view.pools:
        return
    released = {held.address for held in view.releases}
    unfound = {
        pool
        for server in view.servers
        for place, _, pool in pooled_nics(view, server)
        if _is_active(view, server)
        and found_device(view, view.observed.domains[server.id], place) is None
    }
    starting = {
        pool
        for server in view.servers
        if server.wanted_power is PowerState.RUNNING and not _is_active(view, server)
        for _, _, pool in pooled_nics(view, server)
    }
    for address in sorted(view.observed.journal.originals):
        pool, function = view.pools.get(address), view.observed.functions.get(address)
        if pool is None or function is None or address in released or function.used_by:
            continue
        if view.holder(address) is not None or view.busy_with(pool.name) is not None:
            continue
        if pool in unfound:  # It may be the one that this guest has, by a name that is gone.
            continue
        if pool in starting and _is_as_it_was(view, function):
            continue
        yield HeldDevice(
            address=address,
            kind=function.kind,
            epoch=view.fences.get(address, 0),
            pf_address=function.pf_address,
            vf_index=function.vf_index,
        )


def wait_for_strays(view: View, device: PciAddress) -> None:
    """Raise `Waiting` while a VF of this one's pool is not as it was, and nobody's.

    The guest that was to have this one may have had that one.
    """
    pool = view.pools.get(device)
    if pool is None:
        return
    released = {held.address for held in view.releases}
    for address in sorted(view.unsettled):
        if view.pools.get(address) == pool and address not in released:
            raise Waiting(f"{address} of its network pool {pool.name} is not as it was")


def _require_network(view: View, pool: NetworkPool) -> None:
    """Pass if the libvirt network hands out what it is to, and is the only one that does."""
    state, wanted = view.observed.networks.get(pool.name), view.networks.get(pool.name)
    problem = f"the libvirt network {pool.name} is not ready"
    if state is None or wanted is None or not state.is_ours or state.live != wanted:
        members = list(_members(view, pool))
        used = [f"{vf.address}: {vf.used_by}" for vf in members if vf.used_by]
        if used:
            raise Waiting(f"{problem}, with others using {used[0]}")
        out = [vf for vf in members if not may_be_had(vf, pool)]
        raise Waiting(f"{problem}: {out[0].address} {out[0].unfit}" if out else problem)
    elsewhere = listed_elsewhere(view, pool.name, wanted)
    if elsewhere:
        raise Waiting(f"{problem}: {elsewhere}")


def _members(view: View, pool: NetworkPool) -> Iterator[PciFunction]:
    for address in sorted(view.pools):
        function = view.observed.functions.get(address)
        if view.pools[address] == pool and function is not None:
            yield function


def _is_active(view: View, server: ServerConfig) -> bool:
    domain = view.observed.domains.get(server.id)
    return domain is not None and domain.power.has_guest


def _is_as_it_was(view: View, vf: PciFunction) -> bool:
    original = view.observed.journal.originals[vf.address]
    read = view.observed.vf_settings.get(vf.pf_address) if vf.pf_address is not None else None
    if read is None or vf.vf_index is None or vf.vf_index not in read:
        return True  # Not looked at; a start reads it.
    return (original.settings, original.driver) == (read[vf.vf_index], vf.driver)
