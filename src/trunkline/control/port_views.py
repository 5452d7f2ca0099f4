"""Ports joined with what they are bound to, ready to be rendered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trunkline.control.views import PortView
from trunkline.domain.ids import DeviceId, NetworkId, PortId, QosPolicyId
from trunkline.domain.port import Port
from trunkline.domain.resource_request import ResourceRequest, resource_request
from trunkline.store.transaction import Transaction


def port_views(tx: Transaction, ports: Sequence[Port]) -> list[PortView]:
    """Join ports with their bindings, hosts, devices and segments: one query for each kind."""
    bindings = tx.bindings.of_ports([port.id for port in ports])
    hosts = tx.hosts.get_many({binding.host_id for binding in bindings.values()})
    devices = tx.devices.get_many({b.device_id for b in bindings.values() if b.device_id})
    bound_networks = {port.network_id for port in ports if port.id in bindings}
    segments = {
        segment.id: segment
        for network in (tx.networks.get_many(bound_networks) if bound_networks else ())
        for segment in network.segments
    }
    policy_ids = tx.qos.of_networks({port.network_id for port in ports})
    groups = tx.security_groups.of_ports([port.id for port in ports])
    requests = _resource_requests(tx, ports, policy_ids)
    views = []
    for port in ports:
        binding, network_policy = bindings.get(port.id), policy_ids.get(port.network_id)
        if binding is None:
            views.append(
                PortView(
                    port=port, binding=None, host_name=None, device=None, segment=None,
                    qos_network_policy_id=network_policy,
                    security_group_ids=groups.get(port.id, ()),
                    resource_request=requests.get(port.id),
                )
            )  # fmt: skip
            continue
        record = devices.get(DeviceId(binding.device_id)) if binding.device_id else None
        views.append(
            PortView(
                port=port,
                binding=binding,
                host_name=hosts[binding.host_id].name,
                device=None if record is None else record.device,
                segment=segments.get(binding.segment_id) if binding.segment_id else None,
                qos_network_policy_id=network_policy,
                security_group_ids=groups.get(port.id, ()),
                resource_request=requests.get(port.id),
            )
        )
    return views


def _resource_requests(
    tx: Transaction, ports: Sequence[Port], policies_of_networks: Mapping[NetworkId, QosPolicyId]
) -> dict[PortId, ResourceRequest]:
    """Return what each port asks of Placement, of those that ask for anything."""
    policy_ids = {
        port.id: policy_id
        for port in ports
        if (policy_id := port.qos_policy_id or policies_of_networks.get(port.network_id))
    }
    policies = tx.qos.get_many({*policy_ids.values()})
    # A policy may have been deleted since the ports were read, together with its last user.
    asking = [
        (port, policy)
        for port in ports
        if port.id in policy_ids
        and (policy := policies.get(policy_ids[port.id])) is not None
        and policy.guarantee
    ]
    network_ids = {port.network_id for port, _ in asking}
    networks = {network.id: network for network in tx.networks.get_many(network_ids)}
    found = {
        port.id: resource_request(port, networks[port.network_id], policy)
        for port, policy in asking
    }
    return {port_id: request for port_id, request in found.items() if request is not None}
