"""The servers that are on hosts, with what placement would be asked to place them anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from trunkline.control.demands import device_demands, server_request
from trunkline.control.nics import Nic, nics_of_bound_ports
from trunkline.control.server_groups import fellows_of
from trunkline.control.services import Services
from trunkline.domain.allocation import AllocationState
from trunkline.domain.binding import Binding
from trunkline.domain.device import device_attributes
from trunkline.domain.host import Host
from trunkline.domain.ids import DeviceId, HostId, PortId, ServerId
from trunkline.domain.server import Server
from trunkline.placement.asks.demand import nic_class
from trunkline.placement.asks.request import NicChoice, NicDemand, Placed
from trunkline.placement.matching.flow import assign
from trunkline.placement.planning.residents import Resident
from trunkline.store.devices import DeviceRecord
from trunkline.store.transaction import Transaction

_HOLDING = (AllocationState.CLAIMED, AllocationState.ACTIVE)


def residents_of(
    tx: Transaction, svc: Services, host_ids: Collection[HostId]
) -> tuple[Resident, ...]:
    """Return the servers on these hosts, stopped ones too, by name.

    What they hold is what a re-placement would let go of: devices that are still on their way
    back from an earlier owner are not among it.
    """
    servers = tx.servers.of_hosts(host_ids)
    hosts = tx.hosts.get_many(host_ids)
    port_ids = {port_id for server in servers for port_id in server.port_ids}
    nics = {nic.name: nic for nic in nics_of_bound_ports(tx, tx.ports.get_many(port_ids))}
    holdings = _Holdings(tx, port_ids, [server.id for server in servers if server.pci_requests])
    residents = (_resident(tx, svc, hosts, server, nics, holdings) for server in servers)
    return tuple(sorted(residents, key=lambda resident: (resident.name, resident.server_id)))


class _Holdings:
    """What servers hold: of their ports, and besides."""

    def __init__(
        self, tx: Transaction, port_ids: Collection[PortId], with_devices: Collection[ServerId]
    ) -> None:
        self.bindings: Mapping[PortId, Binding] = tx.bindings.of_ports(port_ids)
        besides = [
            allocation
            for allocation in tx.allocations.of_servers(with_devices)
            if allocation.port_id is None and allocation.state in _HOLDING
        ]
        wanted = {binding.device_id for binding in self.bindings.values() if binding.device_id}
        wanted |= {allocation.device_id for allocation in besides}
        self.records: Mapping[DeviceId, DeviceRecord] = tx.devices.get_many(wanted)
        self.besides: Mapping[ServerId | None, list[DeviceRecord]] = defaultdict(list)
        for allocation in besides:
            self.besides[allocation.server_id].append(self.records[allocation.device_id])


def _resident(
    tx: Transaction,
    svc: Services,
    hosts: Mapping[HostId, Host],
    server: Server,
    nics: Mapping[str, Nic],
    holdings: _Holdings,
) -> Resident:
    assert server.host_id is not None, "it was found by its host"
    own = [nics[port_id] for port_id in server.port_ids if port_id in nics]
    fellows = fellows_of(tx, server.group_id, server.id)
    request = server_request(tx, svc, server, own, fellows=fellows)
    devices = device_demands(server.pci_requests)
    return Resident(
        server_id=server.id,
        name=server.name,
        host_id=server.host_id,
        request=request,
        placed=Placed(
            host_id=server.host_id,
            seen_generation=hosts[server.host_id].generation,
            choices=(
                *(_choice(nic, holdings) for nic in own),
                *_given(devices, holdings.besides[server.id]),
            ),
            numa_node=server.numa_node,
        ),
    )


def _choice(nic: Nic, holdings: _Holdings) -> NicChoice:
    binding = holdings.bindings.get(PortId(nic.name))
    record = None
    if binding is not None and binding.device_id is not None:
        record = holdings.records[binding.device_id]
    return NicChoice(
        nic=nic.name,
        segment_id=None if binding is None else binding.segment_id,
        device=None if record is None else record.ref,
    )


def _given(demands: Sequence[NicDemand], records: Sequence[DeviceRecord]) -> list[NicChoice]:
    """Say which demand each device is for. The store keeps only that the server has it."""
    classes = [nic_class(demand) for demand in demands]
    attributes = [frozenset(device_attributes(record.device).items()) for record in records]
    rows = [
        tuple(
            0 if one.fits(record.device.placement_kind, having) else None
            for record, having in zip(records, attributes, strict=True)
        )
        for one in classes
    ]
    alone = range(len(records))
    flow = assign(rows, [1] * len(rows), [1] * len(records), alone)
    if flow is None:  # A device is not any more what it was when it was given.
        held = [record.ref for record in records]
    else:
        held = [records[row.index(1)].ref for row in flow.taken]
    return [
        NicChoice(nic=demand.nic, segment_id=None, device=ref)
        for demand, ref in zip(demands, held, strict=False)
    ]
