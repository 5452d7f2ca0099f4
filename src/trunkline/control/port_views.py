"""Ports joined with what they are bound to, ready to be rendered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trunkline.control.views import PortView
from trunkline.domain.ids import DeviceId, PortId
from trunkline.domain.port import Port
from trunkline.domain.qos import QosPolicy
from trunkline.domain.resource_request import resource_request
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
    views = []
    for port in ports:
        binding, network_policy = bindings.get(port.id), policy_ids.get(port.network_id)
        if binding is None:
            views.append(
                PortView(
                    port=port, binding=None, host_name=None, device=None, segment=None,
                    qos_network_policy_id=network_policy,
                    security_group_ids=groups.get(port.id, ()),
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
            )
        )
    return views


def views_with_requests(tx: Transaction, ports: Sequence[Port]) -> list[PortView]:
    """Join ports as `port_views` does, and with what each asks of Placement."""
    views = port_views(tx, ports)
    policies = tx.qos.get_many({view.qos_policy_id for view in views if view.qos_policy_id})
    asking: dict[PortId, QosPolicy] = {}
    for view in views:
        # It may have been deleted since the ports were read, together with its last user.
        policy = policies.get(view.qos_policy_id) if view.qos_policy_id else None
        if policy is not None and policy.guarantee:
            asking[view.port.id] = policy
    network_ids = {view.port.network_id for view in views if view.port.id in asking}
    networks = {network.id: network for network in tx.networks.get_many(network_ids)}
    return [
        view
        if (policy := asking.get(view.port.id)) is None
        else replace(
            view,
            resource_request=resource_request(view.port, networks[view.port.network_id], policy),
        )
        for view in views
    ]
