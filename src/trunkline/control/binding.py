"""Binding ports to hosts and devices, and letting go of them.

Every function here runs inside a use case's transaction. Taking a device writes its allocation
(unique for each device) and its epoch; letting go only marks it as releasing: it is free again
when its host has read it back clean.
"""

from __future__ import annotations

from dataclasses import replace

from trunkline.control import audit
from trunkline.control.addresses import with_mac
from trunkline.control.audit import Actor
from trunkline.control.services import Services
from trunkline.domain.allocation import ALLOCATION, Allocation, AllocationEvent, AllocationState
from trunkline.domain.bandwidth import NO_GUARANTEE, Guarantee
from trunkline.domain.binding import BINDING, Binding, BindingEvent, BindingState
from trunkline.domain.device import DeviceKind
from trunkline.domain.ether import MacAddress
from trunkline.domain.host import Host
from trunkline.domain.ids import (
    AllocationId,
    PhysicalNetwork,
    PortId,
    ProjectId,
    SegmentId,
    ServerId,
)
from trunkline.domain.network import Network, NetworkType, Segment
from trunkline.domain.port import Port, logical_device_name
from trunkline.store.devices import DeviceRecord
from trunkline.store.transaction import Transaction
from trunkline.vif.base import VifRequest

# What a host's `bridges` calls the bridge of its tunnelled networks.
TUNNEL_BRIDGE = PhysicalNetwork("tunnel")


def bind_port(
    tx: Transaction,
    svc: Services,
    actor: Actor,
    *,
    port: Port,
    network: Network,
    host: Host,
    segment_id: SegmentId | None,
    record: DeviceRecord | None,
    server_id: ServerId | None,
    guarantee: Guarantee = NO_GUARANTEE,
) -> Binding:
    """Record that `port` is on `host` with this device and segment, and take the device.

    The network side has been asked about the device: whoever chose it does.

    Raises:
        DeviceTaken: The device has an owner, is not on offer, or its PF or VFs stand in the way.
        NotEnoughBandwidth: Its PF has not as much left as it is to guarantee.
    """
    segment = next((s for s in network.segments if s.id == segment_id), None)
    if record is not None:
        allocate_device(
            tx, svc, actor, port_id=port.id, project_id=port.project_id, segment=segment,
            record=record, host=host, server_id=server_id, guarantee=guarantee,
        )  # fmt: skip
        port = _adopt_pf_mac(tx, port, record)
    vif_type = svc.vif_types.choose(port.vnic_type, svc.networking.preferred_vif_types)
    binding = Binding(
        port_id=port.id,
        host_id=host.id,
        server_id=server_id,
        state=BINDING.advance(BindingState.UNBOUND, BindingEvent.CLAIM),
        segment_id=segment_id,
        device_id=None if record is None else record.id,
        vif_type=vif_type.name,
        vif_details=vif_type.details(vif_request(port, network, segment, record, host)),
    )
    tx.bindings.insert(binding)
    return binding


def allocate_device(
    tx: Transaction,
    svc: Services,
    actor: Actor,
    *,
    port_id: PortId | None,
    project_id: ProjectId,
    segment: Segment | None,
    record: DeviceRecord,
    host: Host,
    server_id: ServerId | None,
    guarantee: Guarantee = NO_GUARANTEE,
) -> Allocation:
    """Take a device for a port, or for a server alone; raises what `bind_port` raises."""
    epoch = tx.devices.take(record)
    allocation = Allocation(
        id=AllocationId(svc.ids.new_id()),
        device_id=record.id,
        host_id=host.id,
        port_id=port_id,
        server_id=server_id,
        epoch=epoch,
        state=ALLOCATION.advance(AllocationState.FREE, AllocationEvent.CLAIM),
        created_at=svc.clock.now(),
        wire=None if segment is None else segment.wire,
        guarantee=guarantee,
    )
    if guarantee:
        tx.bandwidths.owe(record.ref.kin_id, guarantee, host_id=host.id)
    tx.allocations.insert(allocation, project_id=project_id)
    audit.record(
        tx, actor, svc.clock.now(), "device.claim",
        f"{record.kind.value} {record.device.function.address} on {host.name}",
        project_id=project_id, host=host.name, server_id=server_id, port_id=port_id,
        device_id=record.id,
        details={"epoch": epoch} | ({"guarantee": str(guarantee)} if guarantee else {}),
    )  # fmt: skip
    return allocation


def release_binding(
    tx: Transaction, svc: Services, actor: Actor, binding: Binding, *, reason: str
) -> None:
    """Unbind a port; its device, if it has one, goes on its way back."""
    BINDING.advance(binding.state, BindingEvent.RELEASE)
    tx.bindings.delete(binding.port_id)
    if binding.device_id is not None:
        allocation = tx.allocations.of_devices([binding.device_id])[binding.device_id]
        release_device(tx, svc, actor, allocation, reason=reason)


def release_device(
    tx: Transaction, svc: Services, actor: Actor, allocation: Allocation, *, reason: str
) -> None:
    """Mark a device as nobody's any more: held until its host has read it back clean."""
    state = ALLOCATION.advance(allocation.state, AllocationEvent.RELEASE)
    tx.allocations.advance(allocation, state)
    record = tx.devices.get(allocation.device_id)
    host = tx.hosts.get(allocation.host_id)
    audit.record(
        tx, actor, svc.clock.now(), "device.release",
        f"{record.kind.value} {record.device.function.address} on {host.name}",
        host=host.name, server_id=allocation.server_id, port_id=allocation.port_id,
        device_id=record.id, details={"epoch": allocation.epoch, "reason": reason},
    )  # fmt: skip


def vif_request(
    port: Port,
    network: Network,
    segment: Segment | None,
    record: DeviceRecord | None,
    host: Host,
) -> VifRequest:
    """Collect what the VIF type may look at."""
    pool = None if record is None else record.device.network_pool
    return VifRequest(
        vnic_type=port.vnic_type,
        mac=port.mac,
        logical_name=logical_device_name(port.id),
        vlan_id=vlan_id_of(segment),
        device_kind=None if record is None else record.kind,
        device_address=None if record is None else record.device.function.address,
        bridge=bridge_of(segment, host) if record is None else None,
        mtu=network.mtu,
        network_pool=None if pool is None else pool.name,
    )


def vlan_id_of(segment: Segment | None) -> int:
    """Return the VLAN ID of a segment; 0 if its frames are untagged or tunnelled."""
    if segment is None or segment.network_type is not NetworkType.VLAN:
        return 0
    assert segment.segmentation_id is not None, "a vlan segment has a VLAN ID"
    return segment.segmentation_id


def bridge_of(segment: Segment | None, host: Host) -> str | None:
    """Return the host's bridge for `normal` ports on a segment, if it has one."""
    name = TUNNEL_BRIDGE if segment is None else segment.physical_network or TUNNEL_BRIDGE
    return host.resources.bridges.get(name)


def _adopt_pf_mac(tx: Transaction, port: Port, record: DeviceRecord) -> Port:
    """Give the port the PF's own MAC: the MAC of a whole PF can't be set from outside."""
    mac: MacAddress | None = record.device.function.mac
    if record.kind is not DeviceKind.PF or mac is None or mac == port.mac:
        return port
    changed = replace(with_mac(tx, port, mac), revision=port.revision + 1)
    tx.ports.update(changed, seen=port)
    return changed


def halt_bindings(tx: Transaction, server_id: ServerId) -> None:
    """Say of a server's ports that no guest runs behind them; they keep their devices."""
    for binding in tx.bindings.of_server(server_id):
        if BINDING.allows(binding.state, BindingEvent.HALT):
            state = BINDING.advance(binding.state, BindingEvent.HALT)
            tx.bindings.update(replace(binding, state=state))
