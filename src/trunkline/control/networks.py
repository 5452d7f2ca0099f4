"""The use cases of networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from trunkline.control import audit
from trunkline.control.access import of_project, refusal, require, require_seen, visible_by
from trunkline.control.generations import touch_host
from trunkline.control.locking import lock_ports, require_revision
from trunkline.control.mtus import check_mtu, require_mtu_for_ip
from trunkline.control.network_requests import NetworkCreate, NetworkUpdate
from trunkline.control.qos import check_change, follow
from trunkline.control.quotas import require_quota_for
from trunkline.control.races import write_as_seen, write_until_won
from trunkline.control.requests import UNSET
from trunkline.control.segments import (
    check_segmentation_id,
    choose_segments,
    largest_mtu,
    require_quiet_wire,
)
from trunkline.control.services import Services
from trunkline.control.sharing import is_shared, share_with_everybody
from trunkline.domain.errors import (
    AlreadyExists,
    GenerationMoved,
    InUse,
    Invalid,
    StateConflict,
)
from trunkline.domain.identity import Caller
from trunkline.domain.ids import NetworkId, SegmentId, SubnetId
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import Network, NetworkType, PfPolicy, Segment
from trunkline.domain.policy import network_rules as rules
from trunkline.domain.port import VnicType
from trunkline.domain.quota import Resource
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction

# Even an empty answer to a filter would tell what other projects' networks are on.
_FILTER_RULES: Final = {
    "network_type": rules.GET_NETWORK_NETWORK_TYPE,
    "physical_network": rules.GET_NETWORK_PHYSICAL_NETWORK,
    "segmentation_id": rules.GET_NETWORK_SEGMENTATION_ID,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkView:
    """A network with its subnets, and what it demands of devices."""

    network: Network
    subnet_ids: tuple[SubnetId, ...]
    requirements: Mapping[SegmentId, Mapping[str, str]]  # To be shown to admins only.
    default_vnic_type: VnicType  # Of NICs that say none.


def create_network(svc: Services, caller: Caller, request: NetworkCreate) -> NetworkView:
    """Make a network and hold its segmentation IDs.

    Raises:
        Forbidden: Naming segments, sharing, and other projects are for admins.
        Invalid: A segment can't be, or the MTU is out of range.
        AlreadyExists: Another network has a segment that was named.
        NoSegmentationIdFree: The configured ranges are used up.
    """
    return create_networks(svc, caller, [request])[0]


def create_networks(
    svc: Services, caller: Caller, requests: Sequence[NetworkCreate]
) -> list[NetworkView]:
    """Make all of the networks, or none; raises what `create_network` raises."""
    for request in requests:
        _require_create(caller, request)
    # An ID that was free when read may be taken by now; one that was named stays taken.
    taken_may_pass = any(_leaves_a_choice(request) for request in requests)

    def create(tx: Transaction) -> list[Network]:
        made = [_insert(svc, caller, tx, request) for request in requests]
        require_quota_for(tx, Resource.NETWORKS, made)
        return made

    lost = (AlreadyExists,) if taken_may_pass else ()
    networks = write_until_won(svc.store, create, lost=lost)
    return [_view(svc, network, ()) for network in networks]


def get_network(svc: Services, caller: Caller, network_id: str) -> NetworkView:
    """Return a network of the caller's project, or a shared one."""

    def read(tx: Transaction) -> NetworkView:
        network = _visible(tx, caller, network_id)
        subnet_ids = tx.subnets.ids_by_network([network.id])[network.id]
        return _view(svc, _as_seen(caller, network), subnet_ids)

    return svc.store.read(read)


def list_networks(svc: Services, caller: Caller, query: ListQuery) -> list[NetworkView]:
    """Return a page of the networks that the caller may see."""
    for field, rule in _FILTER_RULES.items():
        if field in query.equals and not caller.may_on_all(rule):
            raise refusal(rule)
    query = replace(query, visible_to=visible_by(caller, rules.GET_NETWORK))

    def read(tx: Transaction) -> list[NetworkView]:
        networks = tx.networks.page(query)
        subnet_ids = tx.subnets.ids_by_network([network.id for network in networks])
        return [
            _view(svc, _as_seen(caller, network), subnet_ids[network.id]) for network in networks
        ]

    return svc.store.read(read)


def update_network(
    svc: Services, caller: Caller, network_id: str, request: NetworkUpdate
) -> NetworkView:
    """Change a network.

    Raises:
        GenerationMoved: It is not at `request.seen_revision`.
        InUse: Its segmentation ID is to change while ports are bound, or it is to be unshared
            while other projects have ports on it.
    """

    def update(tx: Transaction) -> NetworkView:
        ports = []
        if request.qos_policy_id is not UNSET:
            ports = lock_ports(tx, tx.qos.ports_by_network(NetworkId(network_id)))
        network = _visible(tx, caller, network_id, Lock.EXCLUSIVE)
        require(caller, rules.UPDATE_NETWORK, of_project(network.project_id))
        changed = _changed(svc, caller, tx, network, request)
        if changed.mtu < network.mtu:
            subnets = tx.subnets.of_network(network.id)
            require_mtu_for_ip(changed, {subnet.ip_version for subnet in subnets})
        revision = network.revision if request.seen_revision is None else request.seen_revision
        tx.networks.update(changed, seen_revision=revision)
        if changed.qos_policy_id != network.qos_policy_id:
            if [port.id for port in ports] != tx.qos.ports_by_network(network.id):
                raise GenerationMoved("network", network.id, seen_generation=revision)
            for binding in follow(tx, svc, ports):
                touch_host(tx, svc, binding)
        _record(svc, caller, tx, "network.update", changed)
        return _view(svc, changed, tx.subnets.ids_by_network([network.id])[network.id])

    return write_as_seen(svc.store, update, seen_revision=request.seen_revision)


def delete_network(
    svc: Services, caller: Caller, network_id: str, *, seen_revision: int | None = None
) -> None:
    """Delete a network with its subnets; its segmentation IDs are free with it.

    Raises:
        InUse: It has ports.
        GenerationMoved: It is not at `seen_revision`.
    """

    def delete(tx: Transaction) -> None:
        network = _visible(tx, caller, network_id, Lock.EXCLUSIVE)
        require(caller, rules.DELETE_NETWORK, of_project(network.project_id))
        require_revision("network", network, seen_revision)
        ports = tx.ports.count_in_network(network.id)
        if ports:
            # Clients know Neutron's words.
            still = "There are one or more ports still in use on the network"
            raise InUse(
                "network", network_id, f"it has {ports} port{'s' if ports > 1 else ''}. {still}"
            )
        for subnet in tx.subnets.of_network(network.id):
            tx.subnets.delete(subnet.id)
        tx.networks.delete(network.id)
        tx.shares.forget(network.id)
        _record(svc, caller, tx, "network.delete", network)

    svc.store.write(delete)


def _require_create(caller: Caller, request: NetworkCreate) -> None:
    """Raise `Forbidden` for a network, or a field of it, that the policy does not allow."""
    target = of_project(request.project_id or caller.own_project)
    segments = request.segments
    asked = {
        rules.CREATE_NETWORK: True,
        rules.CREATE_NETWORK_SHARED: request.shared,
        rules.CREATE_NETWORK_PF_POLICY: request.pf_policy is not None,
        rules.CREATE_NETWORK_SEGMENTS: len(segments) > 1,
        rules.CREATE_NETWORK_NETWORK_TYPE: bool(segments),
        rules.CREATE_NETWORK_PHYSICAL_NETWORK: any(each.physical_network for each in segments),
        rules.CREATE_NETWORK_SEGMENTATION_ID: any(
            each.segmentation_id is not None for each in segments
        ),
    }
    for rule, is_asked in asked.items():
        if is_asked:
            require(caller, rule, target)


def _leaves_a_choice(request: NetworkCreate) -> bool:
    return not request.segments or any(
        wanted.segmentation_id is None and wanted.network_type is not NetworkType.FLAT
        for wanted in request.segments
    )


def _insert(svc: Services, caller: Caller, tx: Transaction, request: NetworkCreate) -> Network:
    now = svc.clock.now()
    network_id = NetworkId(svc.ids.new_id())
    project_id = request.project_id or caller.own_project
    if request.qos_policy_id is UNSET:
        qos_policy_id = tx.qos.default_of(project_id)
    else:
        qos_policy_id = request.qos_policy_id
        check_change(tx, caller, None, qos_policy_id)
    segments = choose_segments(
        tx, svc.networking, network_id, request.segments, svc.ids.new_id,
        now=now, qinq=request.qinq,
    )  # fmt: skip
    network = Network(
        id=network_id,
        project_id=project_id,
        name=request.name,
        description=request.description,
        segments=segments,
        admin_state_up=request.admin_state_up,
        shared=request.shared,
        provider=bool(request.segments),
        mtu=check_mtu(request.mtu, largest_mtu(svc.networking, segments)),
        port_security_enabled=request.port_security_enabled,
        pf_policy=request.pf_policy or PfPolicy.SPREAD,
        qinq=request.qinq,
        qos_policy_id=qos_policy_id,
        created_at=now,
        updated_at=now,
    )
    tx.networks.insert(network)
    share_with_everybody(tx, svc, network, shared=network.shared)
    for segment in segments:
        require_quiet_wire(tx, segment)
    _record(svc, caller, tx, "network.create", network)
    return network


def _visible(tx: Transaction, caller: Caller, network_id: str, lock: Lock = Lock.NONE) -> Network:
    network = tx.networks.get(network_id, lock)
    target = of_project(network.project_id)
    shared = is_shared(tx, caller, network)
    require_seen(caller, rules.GET_NETWORK, target, "network", network_id, shared=shared)
    return network


def _as_seen(caller: Caller, network: Network) -> Network:
    """Return a network as the caller sees it: what is another's and seen is shared with it."""
    is_others = not caller.may(rules.GET_NETWORK, of_project(network.project_id))
    return replace(network, shared=True) if is_others else network


def _view(svc: Services, network: Network, subnet_ids: Sequence[str]) -> NetworkView:
    return NetworkView(
        network=network,
        subnet_ids=tuple(SubnetId(each) for each in subnet_ids),
        requirements={
            SegmentId(segment_id): attributes
            for segment_id, attributes in svc.networking.requirements(network).items()
        },
        default_vnic_type=svc.networking.default_vnic_type(network),
    )


def _changed(
    svc: Services, caller: Caller, tx: Transaction, network: Network, request: NetworkUpdate
) -> Network:
    target = of_project(network.project_id)
    shared = network.shared if request.shared is UNSET else request.shared
    if shared != network.shared:
        require(caller, rules.UPDATE_NETWORK_SHARED, target)
        share_with_everybody(tx, svc, network, shared=shared)
    segments = network.segments
    if request.segmentation_id is not UNSET:
        require(caller, rules.UPDATE_NETWORK_SEGMENTATION_ID, target)
        segments = _resegmented(tx, svc, network, request.segmentation_id)
    if request.pf_policy is not UNSET:
        require(caller, rules.UPDATE_NETWORK_PF_POLICY, target)
    qos_policy_id = network.qos_policy_id
    if request.qos_policy_id is not UNSET:
        qos_policy_id = request.qos_policy_id
        check_change(tx, caller, network.qos_policy_id, qos_policy_id)
    mtu = network.mtu
    if request.mtu is not UNSET:
        mtu = check_mtu(request.mtu, largest_mtu(svc.networking, segments))
    return replace(
        network,
        name=network.name if request.name is UNSET else request.name,
        description=network.description if request.description is UNSET else request.description,
        admin_state_up=network.admin_state_up
        if request.admin_state_up is UNSET
        else request.admin_state_up,
        port_security_enabled=network.port_security_enabled
        if request.port_security_enabled is UNSET
        else request.port_security_enabled,
        pf_policy=network.pf_policy if request.pf_policy is UNSET else request.pf_policy,
        shared=shared,
        segments=segments,
        qos_policy_id=qos_policy_id,
        mtu=mtu,
        updated_at=svc.clock.now(),
        revision=network.revision + 1,
    )


def _resegmented(
    tx: Transaction, svc: Services, network: Network, segmentation_id: int
) -> tuple[Segment, ...]:
    """Give the network's one segment another ID. Bound ports would go on with the old one."""
    if len(network.segments) != 1:
        raise Invalid("provider:segmentation_id", "the network has several segments")
    (segment,) = network.segments
    if segment.segmentation_id == segmentation_id:
        return network.segments
    check_segmentation_id(segment.network_type, segmentation_id)
    bound = tx.bindings.count_on_segment(segment.id)
    if bound:
        raise StateConflict(
            "network",
            network.id,
            f"its segmentation ID can't change while ports are bound ({bound})",
        )
    changed = replace(
        segment,
        segmentation_id=segmentation_id,
        updated_at=svc.clock.now(),
        revision=segment.revision + 1,
    )
    tx.networks.update_segment(changed)
    require_quiet_wire(tx, changed)
    return (changed,)


def _record(svc: Services, caller: Caller, tx: Transaction, action: str, network: Network) -> None:
    audit.record(
        tx,
        audit.actor_of(caller),
        svc.clock.now(),
        action,
        f"network {network.id}",
        project_id=network.project_id,
        details={
            "name": network.name,
            "shared": network.shared,
            "segments": [segment.wire for segment in network.segments],
            "qinq": network.qinq,
        },
    )
