"""Network pools, as libvirt hands out their VFs: it chooses, and the records follow.

What placement chose of a network pool is one of the pool: a place. Which VF a guest has is what its
host says. The two are made one by exchanging them: whoever held that VF, or its place, holds the
other one then. All VFs of a network pool are alike, and of one PF, so that nothing else changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from trunkline.control import audit
from trunkline.control.access import require
from trunkline.control.audit import Actor
from trunkline.control.nics import POOLED_KINDS, problem_in_pools
from trunkline.control.services import Services
from trunkline.domain.allocation import Allocation
from trunkline.domain.device import DeviceKind
from trunkline.domain.device_pool import DevicePool
from trunkline.domain.host import Host
from trunkline.domain.identity import Caller
from trunkline.domain.ids import DeviceId, HostName
from trunkline.domain.network_pool import PoolMode
from trunkline.domain.pci import PciAddress
from trunkline.domain.policy import trunkline_rules as rules
from trunkline.store.devices import DeviceRecord
from trunkline.store.transaction import Transaction

_MODES = {
    DeviceKind.HOSTDEV_VF: PoolMode.HOSTDEV,
    DeviceKind.PASSTHROUGH_VF: PoolMode.PASSTHROUGH,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPoolView:
    """A network pool of one host, and how much of it is left."""

    host: HostName
    name: str
    mode: PoolMode
    physical_network: str
    pf_address: str
    vfs: int  # On offer, or held.
    held: int  # By somebody, or on their way back.
    free: int  # 0 while there is a problem.
    problem: str  # Why nothing of it is to be had: see `DevicePool`; empty: it is.


def list_pools(
    svc: Services, caller: Caller, host_name: HostName | None = None
) -> list[NetworkPoolView]:
    """Return the network pools of a host, or of all, by host and name. Admins only."""
    require(caller, rules.LIST_NETWORK_POOLS)

    def read(tx: Transaction) -> list[NetworkPoolView]:
        if host_name is not None:
            host = tx.hosts.get_by_name(host_name)
            addresses = tx.devices.addresses_of_parents(host.id)
            pools = tx.pools.of_host(host.id)
            return sorted(_views(svc, host.name, pools, addresses), key=_order)
        names = {host.id: host.name for host in tx.hosts.all()}
        addresses = tx.devices.addresses_of_parents()
        found = [
            view
            for host_id, pools in tx.pools.of_all_hosts()
            for view in _views(svc, names[host_id], pools, addresses)
        ]
        return sorted(found, key=_order)

    return svc.store.read(read)


def _views(
    svc: Services,
    host: HostName,
    pools: Iterable[DevicePool],
    addresses: dict[DeviceId, str],
) -> Iterator[NetworkPoolView]:
    useless = {
        kind: problem_in_pools(svc, vnic_type)
        for vnic_type, kinds in POOLED_KINDS.items()
        for kind in kinds
    }
    for pool in pools:
        mode = _MODES.get(pool.kind)
        if mode is not None:
            problem = pool.problem or useless[pool.kind]
            yield NetworkPoolView(
                host=host,
                name=pool.attributes["network_pool"],
                mode=mode,
                physical_network=pool.attributes["e.physical_network"],
                pf_address=addresses.get(pool.kin_id, ""),
                vfs=(pool.offered | pool.taken).bit_count(),
                held=pool.taken.bit_count(),
                free=0 if problem else (pool.choosable & ~pool.taken).bit_count(),
                problem=problem,
            )


def _order(view: NetworkPoolView) -> tuple[str, str]:
    return view.host, view.name


def follow_choice(
    tx: Transaction,
    svc: Services,
    actor: Actor,
    host: Host,
    *,
    chosen: DeviceRecord,
    allocation: Allocation,
    taken_at: PciAddress,
) -> str:
    """Give the holder of `chosen` the VF that its guest has, and `chosen` to that one's holder.

    The host has told that `chosen`, if nobody had it, was read back in its original state.

    Returns:
        Why that can't be; empty: it is done, and the host's generation is to be raised.
    """
    taken = tx.devices.find_at(host.id, str(taken_at))
    pool = chosen.device.network_pool
    if taken is None or pool is None or taken.device.network_pool != pool:
        return f"libvirt took {taken_at}, which no device spec puts in the same network pool"
    for each in (taken, chosen):
        if not each.offered:
            function = each.device.function
            users = function.used_by
            why = f"is in use by others: {users}" if users else function.unfit
            found = f"{function.address} {why or 'is on offer no more'}"
            return f"libvirt took {taken_at} of network pool {pool.name}, and {found}"
    other = tx.allocations.of_devices([taken.id]).get(taken.id)
    epochs = tx.devices.renew_epochs([chosen, taken])
    moves = {allocation.id: (taken.id, epochs[taken.id])}
    if other is not None:
        moves[other.id] = chosen.id, epochs[chosen.id]
    tx.allocations.move(moves)
    goes_to = {chosen.id: taken.id, taken.id: chosen.id}
    # Of a device on its way back, the port may be bound anew, perhaps to the other one.
    ports = {held.port_id for held in (allocation, other) if held and held.port_id}
    for binding in tx.bindings.of_ports(ports).values():
        if binding.device_id in goes_to:
            tx.bindings.update(replace(binding, device_id=goes_to[binding.device_id]))
    if other is None:
        svc.fleet.note_freed(tx, host.id, [chosen.ref])
        svc.fleet.note_taken(tx, host.id, taken.ref)
    audit.record(
        tx, actor, svc.clock.now(), "device.exchange", f"vf {taken_at} on {host.name}",
        host=host.name, server_id=allocation.server_id, port_id=allocation.port_id,
        device_id=taken.id,
        details={
            "epoch": epochs[taken.id],
            "instead_of": str(chosen.device.function.address),
            "network_pool": pool.name,
        },
    )  # fmt: skip
    return ""
