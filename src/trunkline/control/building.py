"""Placing a server and recording it: a host and the very devices, all NICs or none.

Runs inside one transaction, with the decision held in the fleet index until that commits or rolls
back; there is no window in which a choice is made but not held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from itertools import groupby
from operator import add, attrgetter

from trunkline.control import audit
from trunkline.control.audit import Actor
from trunkline.control.binding import (
    allocate_device,
    bind_port,
    release_binding,
    release_device,
)
from trunkline.control.choosing import Chosen, choose
from trunkline.control.demands import device_demands
from trunkline.control.generations import raise_generation
from trunkline.control.nics import Nic, nics_of_bound_ports
from trunkline.control.ports import new_port, unplug_port
from trunkline.control.requests import AddressRequest
from trunkline.control.server_groups import fellows_of
from trunkline.control.services import Services
from trunkline.domain.allocation import AllocationState
from trunkline.domain.device import DeviceRef
from trunkline.domain.errors import GenerationMoved
from trunkline.domain.host import Host
from trunkline.domain.ids import HostName
from trunkline.domain.network import SERVER_OWNER
from trunkline.domain.port import Port
from trunkline.domain.server import SERVER, Fault, Flavor, Server, ServerEvent, ServerState
from trunkline.placement.asks.request import NicChoice
from trunkline.store.devices import DeviceRecord
from trunkline.store.transaction import Transaction


def build(
    tx: Transaction,
    svc: Services,
    actor: Actor,
    server: Server,
    nics: Sequence[Nic],
    *,
    host_name: HostName | None = None,
) -> Server:
    """Place `server` and record its bindings, or record why it is in ERROR, holding nothing.

    The server's row is left to the caller: this returns what it should be. Raises as `build_all`.
    """
    return build_all(tx, svc, actor, [server], nics, least=1, host_name=host_name)[0]


def build_all(
    tx: Transaction,
    svc: Services,
    actor: Actor,
    servers: Sequence[Server],
    nics: Sequence[Nic],
    *,
    least: int,
    host_name: HostName | None = None,
) -> list[Server]:
    """Place as many of `servers`, which are alike, as fit, the first ones first.

    Returns:
        Those that were placed. If fewer than `least` fit, none is placed, and the first `least`
        are in ERROR. Their rows are left to the caller.

    Raises:
        GenerationMoved: A host chosen has changed since the index last heard of it, or others of
            the server group were placed since it was looked where they are, or it is gone.
        DeviceTaken: A device has changed. Both are lost races: decide again.
    """
    group_id = servers[0].group_id
    fellows = fellows_of(tx, group_id, servers[0].id)
    if group_id is not None and fellows is None:  # Deleted just now.
        raise GenerationMoved("server group", group_id, seen_generation=0)
    chosen = choose(
        tx, svc, actor, servers[0], nics, least=least, most=len(servers), host_name=host_name,
        fellows=fellows,
    )  # fmt: skip
    if not isinstance(chosen, Fault):
        _give_room(tx, svc, servers[0].flavor, chosen)
    if fellows is not None:  # After hosts, as whoever has locked a host comes here, too.
        tx.server_groups.raise_generation(fellows.group_id, seen=fellows.seen_generation)
    if isinstance(chosen, Fault):
        return [failed(svc, server, chosen) for server in servers[:least]]
    return [
        _build(tx, svc, actor, server, nics, one)
        for server, one in zip(servers, chosen, strict=False)
    ]


def _give_room(tx: Transaction, svc: Services, flavor: Flavor, chosen: Sequence[Chosen]) -> None:
    """Count what servers use of their hosts, if nothing else is desired of these than was seen."""
    for host, group in groupby(chosen, key=attrgetter("host")):
        here = [one.held.placed for one in group]
        tx.hosts.give_room(
            host.id,
            reduce(add, (flavor.use_of(placed.numa_node) for placed in here)),
            servers=len(here),
            seen=here[0].seen_generation,
        )
        tx.on_commit(partial(svc.wake_host, host.name))


def _build(
    tx: Transaction,
    svc: Services,
    actor: Actor,
    server: Server,
    nics: Sequence[Nic],
    chosen: Chosen,
) -> Server:
    """Give one server what was chosen for it."""
    host, devices, choices = chosen.host, chosen.devices, chosen.choices
    ports = [
        plug_nic(tx, svc, actor, server, host, nic, choices.get(nic.name), devices) for nic in nics
    ]
    for demand in device_demands(server.pci_requests):
        _give_device(tx, svc, actor, server, host, choices[demand.nic], devices)
    audit.record(
        tx, actor, svc.clock.now(), "server.place", f"server {server.id} on {host.name}",
        project_id=server.project_id, host=host.name, server_id=server.id,
    )  # fmt: skip
    tags = {port.id: nic.tag for port, nic in zip(ports, nics, strict=True) if nic.tag is not None}
    return replace(
        server,
        host_id=host.id,
        numa_node=chosen.held.placed.numa_node,
        excluded_hosts=chosen.excluded_hosts,
        port_ids=tuple([port.id for port in ports]),
        nic_tags={**server.nic_tags, **tags},  # Placed anew, NICs keep those that they have.
    )


def failed(svc: Services, server: Server, fault: Fault) -> Server:
    """Return `server` in ERROR, holding nothing."""
    return replace(
        server,
        state=SERVER.advance(server.state, ServerEvent.FAIL),
        fault=fault,
        host_id=None,
        numa_node=None,
        admin_password=None,  # It will have no guest that could be told.
        updated_at=svc.clock.now(),
    )


def let_go(tx: Transaction, svc: Services, actor: Actor, server: Server, *, reason: str) -> None:
    """Take a server off its host: bindings gone, devices on their way back, its share free.

    The host's generation is raised: it will find the guest no longer desired.
    """
    for binding in tx.bindings.of_server(server.id):
        release_binding(tx, svc, actor, binding, reason=reason)
    for allocation in tx.allocations.of_server(server.id):
        if allocation.state in (AllocationState.CLAIMED, AllocationState.ACTIVE):
            release_device(tx, svc, actor, allocation, reason=reason)
    if server.host_id is None:
        return
    tx.hosts.add_use(server.host_id, -server.use)
    svc.fleet.note_left(tx, server)
    raise_generation(tx, svc, tx.hosts.get(server.host_id))


def replace_server(
    tx: Transaction, svc: Services, actor: Actor, server: Server, *, reason: str
) -> Server:
    """Place a server anew that its host refused, that host left out; ERROR when none is left."""
    assert server.host_id is not None, "a server that was refused was on a host"
    refusing = tx.hosts.get(server.host_id)
    ports = _ports_in_order(tx, server)
    let_go(tx, svc, actor, server, reason=reason)
    audit.record(
        tx, actor, svc.clock.now(), "server.refused", f"server {server.id} by {refusing.name}",
        project_id=server.project_id, host=refusing.name, server_id=server.id,
        details={"reason": reason},
    )  # fmt: skip
    server = replace(
        server,
        state=SERVER.advance(server.state, ServerEvent.REPLACE),
        host_id=None,
        numa_node=None,
        excluded_hosts=(*server.excluded_hosts, refusing.id),
        updated_at=svc.clock.now(),
    )
    if len(server.excluded_hosts) >= svc.limits.placement_attempts_max:
        fault = Fault(
            code=500,
            message=f"{len(server.excluded_hosts)} hosts refused the server, the last because: "
            f"{reason}",
            at=svc.clock.now(),
        )
        server = failed(svc, server, fault)
    else:
        server = build(tx, svc, actor, server, nics_of_bound_ports(tx, ports))
    if server.state is ServerState.ERROR:
        assert server.fault is not None
        for port in ports:
            unplug_port(tx, svc, tx.ports.get(port.id))
        details = f"{reason}\n{server.fault.details}".strip()
        server = replace(server, port_ids=(), fault=replace(server.fault, details=details))
    return server


def _ports_in_order(tx: Transaction, server: Server) -> list[Port]:
    found = {port.id: port for port in tx.ports.get_many(server.port_ids)}
    return [found[port_id] for port_id in server.port_ids if port_id in found]


def _give_device(
    tx: Transaction,
    svc: Services,
    actor: Actor,
    server: Server,
    host: Host,
    choice: NicChoice,
    devices: Mapping[DeviceRef, DeviceRecord],
) -> None:
    """Take a device for a server that it gets besides its NICs."""
    assert choice.device is not None, "a demand without a network is for a device"
    allocate_device(
        tx, svc, actor, port_id=None, project_id=server.project_id, segment=None,
        record=devices[choice.device], host=host, server_id=server.id,
    )  # fmt: skip


def plug_nic(
    tx: Transaction,
    svc: Services,
    actor: Actor,
    server: Server,
    host: Host,
    nic: Nic,
    choice: NicChoice | None,
    devices: Mapping[DeviceRef, DeviceRecord],
) -> Port:
    """Give one NIC its port, and the port its binding."""
    port = nic.port
    if port is None:
        port = new_port(
            tx,
            svc,
            nic.network,
            project_id=server.project_id,
            vnic_type=nic.vnic_type,
            pci_flavor=nic.pci_flavor,
            numa_policy=nic.numa_policy,
            addresses=(AddressRequest(ip_address=nic.fixed_ip),) if nic.fixed_ip else None,
            device_id=server.id,
            device_owner=SERVER_OWNER,
            created_by_server=True,
            segment_id=None if choice is None else choice.segment_id,
            security_groups=nic.security_groups,
        )
    elif port.device_id != server.id:
        changed = replace(
            port,
            device_id=server.id,
            device_owner=SERVER_OWNER,
            pci_flavor=nic.pci_flavor,
            revision=port.revision + 1,
            updated_at=svc.clock.now(),
        )
        tx.ports.update(changed, seen=port)
        port = changed
    if nic.claim is not None:
        _note_override(tx, svc, actor, server, host, nic)
        tx.bindings.update(replace(nic.claim, server_id=server.id))
        if nic.claim.device_id is not None:
            tx.allocations.give_to_server(nic.claim.device_id, server.id)
        return port
    assert choice is not None, "placement answers for every NIC that has no claim"
    bind_port(
        tx, svc, actor, port=port, network=nic.network, host=host, segment_id=choice.segment_id,
        record=None if choice.device is None else devices[choice.device], server_id=server.id,
        guarantee=nic.guarantee,
    )  # fmt: skip
    return port


def _note_override(
    tx: Transaction, svc: Services, actor: Actor, server: Server, host: Host, nic: Nic
) -> None:
    """Leave a trace where an admin's choice of a device goes before a NUMA policy."""
    assert nic.claim is not None, "an admin has named the device"
    policy = nic.numa_policy or server.numa_policy
    if nic.claim.device_id is not None and policy is not None and policy.confines:
        audit.record(
            tx, actor, svc.clock.now(), "binding.policy_overridden",
            f"NUMA policy {policy.value} of port {nic.name} on {host.name}",
            project_id=server.project_id, host=host.name, server_id=server.id,
            port_id=nic.claim.port_id,
            details={"reason": "an admin has named the device in binding:profile"},
        )  # fmt: skip
