"""The use cases of subnets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

from trunkline.control import audit
from trunkline.control.access import of_project, on_network, require, require_seen, visible_by
from trunkline.control.address_pools import (
    check_cidr,
    check_gateway,
    check_ipv6_modes,
    check_pools,
    default_gateway,
    default_pools,
)
from trunkline.control.addresses import following_address
from trunkline.control.locking import require_revision
from trunkline.control.mtus import require_mtu_for_ip
from trunkline.control.network_requests import SubnetCreate, SubnetUpdate
from trunkline.control.quotas import require_quota_for
from trunkline.control.races import write_as_seen, write_until_won
from trunkline.control.requests import UNSET, given_fields
from trunkline.control.services import Services
from trunkline.control.sharing import is_shared
from trunkline.domain.errors import InUse, Invalid
from trunkline.domain.identity import Caller
from trunkline.domain.ids import SubnetId
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import Network, Subnet
from trunkline.domain.policy import network_rules as rules
from trunkline.domain.quota import Resource
from trunkline.store.transaction import Transaction


def create_subnet(svc: Services, caller: Caller, request: SubnetCreate) -> Subnet:
    """Make a subnet of a network.

    Raises:
        Forbidden: The network is another project's.
        Invalid: The CIDR overlaps with another subnet's of the network, or something is not in it.
        StateConflict: Pools overlap, or the gateway is in one.
    """
    return create_subnets(svc, caller, [request])[0]


def create_subnets(svc: Services, caller: Caller, requests: Sequence[SubnetCreate]) -> list[Subnet]:
    """Make all of the subnets, or none; raises what `create_subnet` raises."""
    for request in requests:
        check_cidr(request.cidr)

    def create(tx: Transaction) -> list[Subnet]:
        made = [_insert(svc, caller, tx, request) for request in requests]
        require_quota_for(tx, Resource.SUBNETS, made)
        return made

    return write_until_won(svc.store, create)


def get_subnet(svc: Services, caller: Caller, subnet_id: str) -> Subnet:
    """Return a subnet of the caller's project, or of a shared network."""
    return svc.store.read(lambda tx: _visible(tx, caller, subnet_id)[0])


def list_subnets(svc: Services, caller: Caller, query: ListQuery) -> list[Subnet]:
    """Return a page of the subnets that the caller may see."""
    query = replace(query, visible_to=visible_by(caller, rules.GET_SUBNET))
    return svc.store.read(lambda tx: tx.subnets.page(query))


def update_subnet(svc: Services, caller: Caller, subnet_id: str, request: SubnetUpdate) -> Subnet:
    """Change a subnet. Addresses that ports hold stay theirs, inside the new pools or not."""

    def update(tx: Transaction) -> Subnet:
        subnet, network = _visible(tx, caller, subnet_id)
        target = on_network(subnet.project_id, network)
        require(caller, rules.UPDATE_SUBNET, target)
        if request.service_types not in (UNSET, subnet.service_types):
            require(caller, rules.UPDATE_SUBNET_SERVICE_TYPES, target)
        changed = replace(
            subnet,
            **given_fields(
                request,
                "name",
                "description",
                "gateway_ip",
                "allocation_pools",
                "enable_dhcp",
                "dns_nameservers",
                "host_routes",
                "service_types",
            ),
            updated_at=svc.clock.now(),
            revision=subnet.revision + 1,
        )
        check_ipv6_modes(changed)
        check_gateway(changed.cidr, changed.gateway_ip)
        check_pools(changed.cidr, changed.allocation_pools, changed.gateway_ip)
        revision = subnet.revision if request.seen_revision is None else request.seen_revision
        tx.subnets.update(changed, seen_revision=revision)
        _record(svc, caller, tx, "subnet.update", changed)
        return changed

    return write_as_seen(svc.store, update, seen_revision=request.seen_revision)


def delete_subnet(
    svc: Services, caller: Caller, subnet_id: str, *, seen_revision: int | None = None
) -> None:
    """Delete a subnet.

    Raises:
        InUse: A port has an address in it.
        GenerationMoved: It is not at `seen_revision`.
    """

    def delete(tx: Transaction) -> None:
        subnet, network = _visible(tx, caller, subnet_id)
        require(caller, rules.DELETE_SUBNET, on_network(subnet.project_id, network))
        held = 0 if subnet.addresses_follow_macs else tx.ports.count_in_subnet(subnet.id)
        if held:
            raise InUse(
                "subnet", subnet_id, f"ports hold {held} address{'es' if held > 1 else ''} of it"
            )
        tx.networks.lock(network.id)
        tx.subnets.lock(network.id)
        require_revision("subnet", tx.subnets.get(subnet_id), seen_revision)
        if subnet.addresses_follow_macs:
            # Nobody chose them, and with the prefix they are gone from guests too.
            tx.ports.take_addresses(subnet.id, now=svc.clock.now())
        _raise_network_revision(svc, tx, tx.networks.get(network.id))
        tx.subnets.delete(subnet.id)
        _record(svc, caller, tx, "subnet.delete", subnet)

    write_as_seen(svc.store, delete, seen_revision=seen_revision)


def _insert(svc: Services, caller: Caller, tx: Transaction, request: SubnetCreate) -> Subnet:
    cidr = request.cidr
    gateway = default_gateway(cidr) if request.gateway_ip is UNSET else request.gateway_ip
    pools = request.allocation_pools
    if pools is None:
        pools = default_pools(cidr, gateway)
    check_gateway(cidr, gateway)
    check_pools(cidr, pools, gateway)
    tx.networks.lock(request.network_id)
    network = tx.networks.get(request.network_id)
    project_id = request.project_id or caller.own_project
    target = on_network(project_id, network)
    owner = of_project(network.project_id)
    shared = is_shared(tx, caller, network)
    require_seen(caller, rules.GET_NETWORK, owner, "network", network.id, shared=shared)
    require(caller, rules.CREATE_SUBNET, target)
    if request.service_types:
        require(caller, rules.CREATE_SUBNET_SERVICE_TYPES, target)
    if request.segment_id is not None and all(
        segment.id != request.segment_id for segment in network.segments
    ):
        raise Invalid("segment_id", f"network {network.id} has no segment {request.segment_id}")
    require_mtu_for_ip(network, [cidr.version])
    _require_room(tx, network, cidr)
    now = svc.clock.now()
    subnet = Subnet(
        id=SubnetId(svc.ids.new_id()),
        network_id=network.id,
        project_id=project_id,
        name=request.name,
        description=request.description,
        cidr=cidr,
        gateway_ip=gateway,
        allocation_pools=pools,
        enable_dhcp=request.enable_dhcp,
        dns_nameservers=request.dns_nameservers,
        host_routes=request.host_routes,
        segment_id=request.segment_id,
        ipv6_ra_mode=request.ipv6_ra_mode,
        ipv6_address_mode=request.ipv6_address_mode,
        service_types=request.service_types,
        created_at=now,
        updated_at=now,
    )
    check_ipv6_modes(subnet)
    _raise_network_revision(svc, tx, network)
    tx.subnets.insert(subnet)
    if subnet.addresses_follow_macs and subnet.segment_id is None:
        macs = tx.ports.macs_in_network(network.id)
        held = {port_id: following_address(subnet, mac) for port_id, mac in macs.items()}
        tx.ports.add_addresses(subnet, held, now=now)
    _record(svc, caller, tx, "subnet.create", subnet)
    return subnet


def _visible(tx: Transaction, caller: Caller, subnet_id: str) -> tuple[Subnet, Network]:
    subnet = tx.subnets.get(subnet_id)
    network = tx.networks.get(subnet.network_id)
    target = on_network(subnet.project_id, network)
    shared = is_shared(tx, caller, network)
    require_seen(caller, rules.GET_SUBNET, target, "subnet", subnet_id, shared=shared)
    return subnet, network


def _require_room(tx: Transaction, network: Network, cidr: IPv4Network | IPv6Network) -> None:
    for other in tx.subnets.of_network(network.id):
        if other.cidr.version == cidr.version and other.cidr.overlaps(cidr):
            raise Invalid(
                "cidr",
                # In Neutron's words: who looks for a free CIDR goes by them.
                f"{cidr} overlaps with another subnet: {other.cidr}, subnet {other.id} of network"
                f" {network.id}",
            )


def _raise_network_revision(svc: Services, tx: Transaction, network: Network) -> None:
    """Make the network's row the guard of its set of subnets: of two changes one must wait."""
    changed = replace(network, revision=network.revision + 1, updated_at=svc.clock.now())
    tx.networks.update(changed, seen_revision=network.revision)


def _record(svc: Services, caller: Caller, tx: Transaction, action: str, subnet: Subnet) -> None:
    audit.record(
        tx,
        audit.actor_of(caller),
        svc.clock.now(),
        action,
        f"subnet {subnet.id}",
        project_id=subnet.project_id,
        details={
            "name": subnet.name,
            "network_id": subnet.network_id,
            "cidr": str(subnet.cidr),
            "pools": [f"{pool.start}-{pool.end}" for pool in subnet.allocation_pools],
        },
    )
