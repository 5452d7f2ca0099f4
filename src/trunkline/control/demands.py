"""From a server's NICs, looked up, to what placement is asked."""

from __future__ import annotations

from collections.abc import Sequence

from trunkline.control.access import require
from trunkline.control.asking import (
    isolates_guaranteed,
    numa_policy_of,
    rules_of_flavor,
    rules_over,
)
from trunkline.control.binding import TUNNEL_BRIDGE
from trunkline.control.nics import DEVICE_KINDS, Nic, pooled_kinds, resolve_nics, segments_for
from trunkline.control.pci_flavors import requests_of
from trunkline.control.port_devices import demanded_attributes
from trunkline.control.requests import ExplainRequest
from trunkline.control.server_groups import fellows_of, joined_group
from trunkline.control.server_hints import host_to_share, hosts_to_avoid
from trunkline.control.services import Services
from trunkline.control.zones import require_zone
from trunkline.domain.aggregate import metadata_demands
from trunkline.domain.attributes import ABILITIES
from trunkline.domain.device import DeviceKind
from trunkline.domain.errors import StateConflict
from trunkline.domain.identity import Caller
from trunkline.domain.ids import HostId, HostName, ZoneName
from trunkline.domain.network import PfPolicy
from trunkline.domain.nic_rules import NicRule, NumaPolicy, Scope
from trunkline.domain.pci_request import PciRequest
from trunkline.domain.policy import trunkline_rules as rules
from trunkline.domain.qos import demanded_abilities
from trunkline.domain.server import Flavor, Server
from trunkline.placement.asks.fellows import Fellows
from trunkline.placement.asks.request import GroupRule, NicDemand, PlacementRequest, SegmentOption
from trunkline.store.transaction import Transaction


def server_request(
    tx: Transaction,
    svc: Services,
    server: Server,
    nics: Sequence[Nic],
    *,
    host: HostName | None = None,
    fellows: Fellows | None = None,
) -> PlacementRequest:
    """Make the request that places a server, or places it anew, beside its fellows."""
    return placement_request(
        tx, svc, nics, server.flavor, devices=server.pci_requests,
        numa_policy=server.numa_policy, rules=server.nic_rules,
        host=host or host_to_share(tx, server),
        excluded=(*server.excluded_hosts, *hosts_to_avoid(tx, server)),
        zone=server.zone, fellows=fellows,
    )  # fmt: skip


def placement_request(
    tx: Transaction,
    svc: Services,
    nics: Sequence[Nic],
    flavor: Flavor | None,
    *,
    devices: Sequence[PciRequest] = (),
    numa_policy: NumaPolicy | None = None,
    rules: Sequence[NicRule] = (),
    host: HostName | None = None,
    excluded: Sequence[HostId] = (),
    zone: ZoneName | None = None,
    fellows: Fellows | None = None,
) -> PlacementRequest:
    """Make the request to placement. NICs whose device an admin has claimed pin the host.

    Args:
        tx: Tells which host that is.
        svc: Knows what networks demand.
        nics: The server's.
        flavor: Its size; None: size is no matter.
        devices: What it gets besides NICs.
        numa_policy: Of NICs that have none of their own, and of `devices`.
        rules: Over its NICs.
        host: This host or none.
        excluded: Hosts that have refused it.
        zone: An availability zone: only hosts of it.
        fellows: Of its server group.
    """
    for nic in nics:
        if nic.claim is None:
            continue
        claimed = tx.hosts.get(nic.claim.host_id).name
        if host not in (None, claimed):
            raise StateConflict("port", nic.said, f"its claimed device is on {claimed}, not {host}")
        host = claimed
    demands = (
        *(_demand(svc, nic, numa_policy) for nic in nics if nic.claim is None),
        *device_demands(devices, numa_policy),
    )
    return PlacementRequest(
        nics=demands,
        vcpus=flavor.vcpus if flavor else 0,
        memory_mib=flavor.memory_mib if flavor else 0,
        disk_gib=flavor.disk_gib + flavor.ephemeral_gib if flavor else 0,
        excluded_hosts=frozenset(excluded),
        only_host=host,
        zone=zone,
        metadata=metadata_demands(flavor.extra_specs) if flavor else (),
        fellows=fellows,
        rules=(
            *(_group_rule(rule, nics) for rule in rules),
            *_isolation(flavor, demands),
        ),
    )


def shape_request(
    tx: Transaction, svc: Services, caller: Caller, shape: ExplainRequest
) -> PlacementRequest:
    """Make the request that a server of this shape would be placed by.

    Raises:
        NotFound: Something it names that the caller can't see.
        Forbidden: A host is named, by no admin.
    """
    if shape.host is not None:
        require(caller, rules.EXPLAIN_BY_HOST)
        tx.hosts.get_by_name(shape.host)
    flavor = None if shape.flavor_id is None else tx.flavors.get(shape.flavor_id)
    nics = resolve_nics(tx, svc, caller, shape.nics)
    specs = {} if flavor is None else flavor.extra_specs
    require_zone(tx, svc, shape.zone, field="availability_zone")
    group = joined_group(tx, caller, shape.group_id, field="hints.group")
    fellows = None if group is None else fellows_of(tx, group.id, "")
    return placement_request(
        tx, svc, nics, flavor, devices=requests_of(tx, svc, specs),
        numa_policy=numa_policy_of(specs), host=shape.host,
        rules=rules_over(nics, (*rules_of_flavor(specs), *shape.rules)),
        zone=shape.zone, fellows=fellows,
    )  # fmt: skip


def device_demands(
    requests: Sequence[PciRequest], numa_policy: NumaPolicy | None = None
) -> tuple[NicDemand, ...]:
    """Return one demand for each device that a server gets besides its NICs.

    A `numa_policy` goes before that of an alias, as in Nova.
    """
    wanted = [request for request in requests for _ in range(request.count)]
    return tuple(
        NicDemand(
            nic=f"device {number} ({request.name})",
            kind=request.kind,
            options=(),
            match=request.match,
            or_kinds=frozenset(request.or_kinds),
            numa=numa_policy or request.numa,
        )
        for number, request in enumerate(wanted)
    )


def _group_rule(rule: NicRule, nics: Sequence[Nic]) -> GroupRule:
    named = frozenset(nics[number].name for number in rule.nics)
    return GroupRule(scope=rule.scope, apart=rule.apart, hard=rule.hard, nics=named)


def _isolation(flavor: Flavor | None, demands: Sequence[NicDemand]) -> tuple[GroupRule, ...]:
    """Nova's `group_policy=isolate`: what asks for resources of a PF has a PF of its own."""
    if flavor is None or not isolates_guaranteed(flavor.extra_specs):
        return ()
    asking = frozenset(nic.nic for nic in demands if nic.egress_mbps or nic.ingress_mbps)
    return (GroupRule(scope=Scope.PF, apart=True, hard=True, nics=asking),)


def _demand(svc: Services, nic: Nic, numa_policy: NumaPolicy | None) -> NicDemand:
    kind = DEVICE_KINDS[nic.vnic_type]
    segments = [
        segment
        for segment in segments_for(svc, nic.network, nic.vnic_type)
        if nic.segment_ids is None or segment.id in nic.segment_ids
    ]
    demanded = [
        dict(svc.networking.demanded_by(nic.network, segment)) if kind else {}
        for segment in segments
    ]
    abilities = _taken_out(demanded)
    abilities |= dict.fromkeys(
        () if nic.qos is None else demanded_abilities(nic.qos, nic.vnic_type), "true"
    )
    options = [
        SegmentOption(
            segment_id=segment.id,
            attributes=attributes,
            physical_network=segment.physical_network or TUNNEL_BRIDGE,
        )
        for segment, attributes in zip(segments, demanded, strict=True)
    ]
    return NicDemand(
        nic=nic.name,
        port_name="" if nic.port is None else nic.port.name,
        kind=kind,
        or_kinds=frozenset() if nic.by_address else pooled_kinds(svc, nic.vnic_type),
        options=tuple(options),
        attributes=demanded_attributes(nic.port, kind) | abilities,
        match=nic.match,
        egress_mbps=nic.guarantee.egress_mbps,
        ingress_mbps=nic.guarantee.ingress_mbps,
        numa=nic.numa_policy or numa_policy,
        packs=kind is DeviceKind.VF and nic.network.pf_policy is PfPolicy.PACK,
    )


def _taken_out(demanded: Sequence[dict[str, str]]) -> dict[str, str]:
    """Take the abilities out that every segment demands: what lacks them is cabled all the same."""
    if not demanded:
        return {}
    common = frozenset.intersection(*(frozenset(each.items()) for each in demanded))
    abilities = {name: value for name, value in common if name in ABILITIES}
    for each in demanded:
        for name in abilities:
            del each[name]
    return abilities
