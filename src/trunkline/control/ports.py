"""Ports: create, show, list, update, delete; and an admin's claim of a device for one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from trunkline.control import audit
from trunkline.control.access import of_project, on_network, require, require_seen, visible_by
from trunkline.control.addresses import allocate_fixed_ips, with_mac
from trunkline.control.audit import actor_of
from trunkline.control.binding import release_binding
from trunkline.control.claims import claim, update_claim
from trunkline.control.generations import touch_host
from trunkline.control.locking import lock_port, require_revision
from trunkline.control.nics import check_has_device, check_vnic_type
from trunkline.control.pci_flavors import matches_of
from trunkline.control.port_addressing import changed_options, check_address_pairs
from trunkline.control.port_devices import (
    MATCH_FIELD,
    check_bound_device,
    check_can_be_down,
    kept_profile,
    parse_own_match,
    says_trusted,
    with_trust,
)
from trunkline.control.port_groups import enter_groups, groups_after
from trunkline.control.port_rights import require_create, require_update, require_visible
from trunkline.control.port_views import views_with_requests
from trunkline.control.qos import check_change, follow
from trunkline.control.quotas import require_quota_for
from trunkline.control.races import write_as_seen, write_until_won
from trunkline.control.requests import (
    UNSET,
    AddressRequest,
    PortCreate,
    PortUpdate,
    Unset,
    given_fields,
)
from trunkline.control.services import Services
from trunkline.control.sharing import is_shared
from trunkline.control.views import PortView
from trunkline.domain.binding import Binding
from trunkline.domain.errors import (
    AlreadyExists,
    GenerationMoved,
    InUse,
    StateConflict,
)
from trunkline.domain.ether import MacAddress
from trunkline.domain.identity import Caller
from trunkline.domain.ids import (
    NetworkId,
    PortId,
    ProjectId,
    QosPolicyId,
    SecurityGroupId,
    SegmentId,
)
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import Network
from trunkline.domain.nic_rules import NumaPolicy
from trunkline.domain.pci_flavor import Alternative
from trunkline.domain.policy import network_rules as rules
from trunkline.domain.port import AddressPair, DhcpOption, Port, VnicType
from trunkline.domain.quota import Resource
from trunkline.domain.tags import check_tags
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction

_MAC_PREFIX: Final = "fa:16:3e"  # As Neutron's: locally administered, and known to operators.
_MAC_ATTEMPTS_MAX: Final = 16


def create_port(svc: Services, caller: Caller, request: PortCreate) -> PortView:
    """Make a port; an admin may claim a host's device for it in the same step."""
    return create_ports(svc, caller, [request])[0]


def create_ports(svc: Services, caller: Caller, requests: Sequence[PortCreate]) -> list[PortView]:
    """Make all of the ports, or none."""

    def create(tx: Transaction) -> list[PortView]:
        views = [_create(tx, svc, caller, request) for request in requests]
        require_quota_for(tx, Resource.PORTS, [view.port for view in views])
        return views

    return write_until_won(svc.store, create)


def get_port(svc: Services, caller: Caller, port_id: str) -> PortView:
    """Return one port."""

    def get(tx: Transaction) -> PortView:
        view = _view(tx, port_id)
        require_visible(caller, view.port, tx.networks.get(view.port.network_id))
        return view

    return svc.store.read(get)


def list_ports(svc: Services, caller: Caller, query: ListQuery) -> list[PortView]:
    """Return one page of ports: the project's own, and those on its networks."""
    query = replace(query, visible_to=visible_by(caller, rules.GET_PORT))
    return svc.store.read(lambda tx: views_with_requests(tx, tx.ports.page(query)))


def update_port(svc: Services, caller: Caller, port_id: str, changes: PortUpdate) -> PortView:
    """Change a port. What its host must know of is on its way when this returns."""

    def update(tx: Transaction) -> PortView:
        port, binding = lock_port(tx, port_id)
        network = tx.networks.get(port.network_id, Lock.SHARED)
        target = require_visible(caller, port, network)
        require(caller, rules.UPDATE_PORT, target)
        require_revision("port", port, changes.seen_revision)
        require_update(caller, target, port, changes)
        _check_update(port, binding, changes)
        updated = _updated(tx, svc, network, port, binding, changes)
        check_bound_device(tx, port, updated, binding)
        asked = None if isinstance(changes.security_groups, Unset) else changes.security_groups
        entered, left = groups_after(tx, port, updated, asked, caller)
        if updated != port or entered or left:
            updated = replace(updated, revision=port.revision + 1, updated_at=svc.clock.now())
            with _race_for_addresses(network, named_mac=changes.mac):
                tx.ports.update(updated, seen=port)
            tx.security_groups.take_port(port.id, left)
            tx.security_groups.put_port(port.id, entered)
            check_change(tx, caller, port.qos_policy_id, updated.qos_policy_id)
            if (updated.qos_policy_id, updated.vnic_type) != (port.qos_policy_id, port.vnic_type):
                follow(tx, svc, [updated])  # Its host is told below.
            audit.record(
                tx, actor_of(caller), svc.clock.now(), "port.update", f"port {port.id}",
                project_id=port.project_id, port_id=port.id,
            )  # fmt: skip
        update_claim(tx, svc, actor_of(caller), updated, network, binding, changes)
        if binding is not None and binding.server_id is not None:
            touch_host(tx, svc, binding)
        return _view(tx, port_id)

    return write_as_seen(svc.store, update, seen_revision=changes.seen_revision)


def delete_port(
    svc: Services, caller: Caller, port_id: str, *, seen_revision: int | None = None
) -> None:
    """Delete a port that no server has; a device that was claimed for it goes on its way back."""

    def delete(tx: Transaction) -> None:
        port, binding = lock_port(tx, port_id)
        target = require_visible(caller, port, tx.networks.get(port.network_id))
        require(caller, rules.DELETE_PORT, target)
        require_revision("port", port, seen_revision)
        if binding is not None and binding.server_id is not None:
            raise InUse("port", port_id, f"server {binding.server_id} has it; delete that first")
        if binding is not None:
            release_binding(tx, svc, actor_of(caller), binding, reason="port deleted")
            touch_host(tx, svc, binding)
        tx.ports.delete(port.id)
        audit.record(
            tx, actor_of(caller), svc.clock.now(), "port.delete", f"port {port.id}",
            project_id=port.project_id, port_id=port.id,
        )  # fmt: skip

    svc.store.write(delete)


def new_port(
    tx: Transaction,
    svc: Services,
    network: Network,
    *,
    project_id: ProjectId,
    name: str = "",
    description: str = "",
    admin_state_up: bool = True,
    vnic_type: VnicType = VnicType.NORMAL,
    pci_flavor: str | None = None,
    pci_match: Alternative = (),
    numa_policy: NumaPolicy | None = None,
    qos_policy_id: QosPolicyId | None = None,
    mac: MacAddress | None = None,
    addresses: tuple[AddressRequest, ...] | None = None,
    port_security_enabled: bool | None = None,
    device_id: str = "",
    device_owner: str = "",
    profile: Mapping[str, object] | None = None,
    created_by_server: bool = False,
    segment_id: SegmentId | None = None,
    allowed_address_pairs: tuple[AddressPair, ...] = (),
    extra_dhcp_opts: tuple[DhcpOption, ...] = (),
    security_groups: tuple[SecurityGroupId, ...] | None = None,
    caller: Caller | None = None,
    tags: tuple[str, ...] = (),
) -> Port:
    """Make and store a port on `network`, with a MAC and IP addresses that nobody has."""
    check_vnic_type(svc, network, vnic_type)
    check_can_be_down(vnic_type, name or "to be made", admin_state_up=admin_state_up)
    now = svc.clock.now()
    port_id = PortId(svc.ids.new_id())
    profile = dict(profile or {})
    named_mac, mac = mac, mac or _free_mac(tx, network.id, port_id)
    fixed_ips = allocate_fixed_ips(
        tx, network, addresses, port_id,
        mac=mac, device_owner=device_owner, segment_id=segment_id,
    )  # fmt: skip
    port = Port(
        id=port_id,
        network_id=network.id,
        project_id=project_id,
        name=name,
        description=description,
        mac=mac,
        created_at=now,
        updated_at=now,
        vnic_type=vnic_type,
        pci_flavor=pci_flavor,
        pci_match=pci_match,
        numa_policy=numa_policy,
        qos_policy_id=qos_policy_id,
        admin_state_up=admin_state_up,
        fixed_ips=fixed_ips,
        device_id=device_id,
        device_owner=device_owner,
        port_security_enabled=(
            network.port_security_enabled
            if port_security_enabled is None
            else port_security_enabled
        ),
        trusted=says_trusted(profile),
        profile=kept_profile(profile),
        created_by_server=created_by_server,
        allowed_address_pairs=allowed_address_pairs,
        extra_dhcp_opts=extra_dhcp_opts,
        tags=tags,
    )
    check_address_pairs(port)
    with _race_for_addresses(network, named_mac=named_mac):
        tx.ports.insert(port)
    enter_groups(tx, svc, port, security_groups, caller)
    return port


@contextmanager
def _race_for_addresses(network: Network, *, named_mac: object) -> Iterator[None]:
    """Tell an address that another transaction took meanwhile from one that was asked for.

    What was free when it was chosen is a lost race: choose again. (A named IP address was looked
    up before, in this transaction; looked up again, it will be found taken.)
    """
    try:
        yield
    except AlreadyExists as taken:
        if taken.ref == str(named_mac):
            raise
        raise GenerationMoved("network", network.id, seen_generation=network.revision) from taken


def unplug_port(tx: Transaction, svc: Services, port: Port) -> None:
    """Take a port back from its server: delete it if the server made it, else leave it unbound."""
    if port.created_by_server:
        tx.ports.delete(port.id)
        return
    freed = port
    if port.vnic_type is VnicType.DIRECT_PHYSICAL:
        # It had the PF's MAC, which belongs to whoever gets that PF next.
        freed = with_mac(tx, port, _free_mac(tx, port.network_id, port.id))
    now, revision = svc.clock.now(), port.revision + 1
    freed = replace(freed, device_id="", device_owner="", revision=revision, updated_at=now)
    tx.ports.update(freed, seen=port)


def _create(tx: Transaction, svc: Services, caller: Caller, request: PortCreate) -> PortView:
    network = tx.networks.get(request.network_id, Lock.SHARED)
    owner = of_project(network.project_id)
    shared = is_shared(tx, caller, network)
    require_seen(caller, rules.GET_NETWORK, owner, "network", network.id, shared=shared)
    project_id = request.project_id or caller.own_project
    require_create(caller, on_network(project_id, network), request)
    vnic_type = request.vnic_type or svc.networking.default_vnic_type(network)
    _check_pci_flavor(tx, request.pci_flavor, vnic_type)
    match = parse_own_match(svc, request.pci_match)
    check_has_device(MATCH_FIELD, match, vnic_type)
    check_change(tx, caller, None, request.qos_policy_id)
    port = new_port(
        tx,
        svc,
        network,
        project_id=ProjectId(project_id),
        name=request.name,
        description=request.description,
        admin_state_up=request.admin_state_up,
        vnic_type=vnic_type,
        pci_flavor=request.pci_flavor,
        pci_match=match,
        numa_policy=request.numa_policy,
        qos_policy_id=request.qos_policy_id,
        mac=request.mac,
        addresses=request.fixed_ips,
        port_security_enabled=request.port_security_enabled,
        device_id=request.device_id,
        device_owner=request.device_owner,
        profile=with_trust(request.profile, trusted=request.trusted),
        allowed_address_pairs=request.allowed_address_pairs,
        extra_dhcp_opts=changed_options((), request.extra_dhcp_opts),
        security_groups=request.security_groups,
        caller=caller,
        tags=check_tags(request.tags),
    )
    actor = actor_of(caller)
    audit.record(
        tx, actor, svc.clock.now(), "port.create", f"port {port.id}",
        project_id=port.project_id, port_id=port.id,
    )  # fmt: skip
    if not request.host:
        return views_with_requests(tx, [port])[0]
    claim(tx, svc, actor, port, network, request.host, request.profile)
    return _view(tx, port.id)


def _view(tx: Transaction, port_id: str) -> PortView:
    return views_with_requests(tx, [tx.ports.get(port_id)])[0]


def _check_update(port: Port, binding: Binding | None, changes: PortUpdate) -> None:
    if binding is None:
        return
    for field, value, now in (
        ("binding:vnic_type", changes.vnic_type, port.vnic_type),
        ("pci_flavor", changes.pci_flavor, port.pci_flavor),
        ("numa_affinity_policy", changes.numa_policy, port.numa_policy),
        ("mac_address", changes.mac, port.mac),
    ):
        if value not in (UNSET, now):
            raise StateConflict("port", port.id, f"{field} cannot change while the port is bound")


def _updated(
    tx: Transaction,
    svc: Services,
    network: Network,
    port: Port,
    binding: Binding | None,
    changes: PortUpdate,
) -> Port:
    given = given_fields(
        changes, "name", "description", "admin_state_up", "vnic_type", "pci_flavor", "numa_policy",
        "qos_policy_id", "port_security_enabled", "device_id", "device_owner",
        "allowed_address_pairs",
    )  # fmt: skip
    if not isinstance(changes.vnic_type, Unset):
        check_vnic_type(svc, network, changes.vnic_type)
    if not (isinstance(changes.profile, Unset) and isinstance(changes.trusted, Unset)):
        profile = port.profile if isinstance(changes.profile, Unset) else changes.profile
        trusted = None if isinstance(changes.trusted, Unset) else changes.trusted
        given["profile"] = kept_profile(with_trust(profile, trusted=trusted))
        given["trusted"] = says_trusted(given["profile"])
    if not isinstance(changes.pci_match, Unset):
        given["pci_match"] = parse_own_match(svc, changes.pci_match)
    if not isinstance(changes.mac, Unset):
        port = with_mac(tx, port, changes.mac or _free_mac(tx, network.id, port.id))
    if not isinstance(changes.fixed_ips, Unset):
        segment_id = None if binding is None else binding.segment_id
        given["fixed_ips"] = allocate_fixed_ips(
            tx, network, changes.fixed_ips, port.id,
            mac=port.mac, device_owner=given.get("device_owner", port.device_owner),
            held=port.fixed_ips, segment_id=segment_id,
        )  # fmt: skip
    if not isinstance(changes.extra_dhcp_opts, Unset):
        given["extra_dhcp_opts"] = changed_options(port.extra_dhcp_opts, changes.extra_dhcp_opts)
    updated = replace(port, **given)
    check_address_pairs(updated)
    if (updated.vnic_type, updated.admin_state_up) != (port.vnic_type, port.admin_state_up):
        check_can_be_down(updated.vnic_type, port.said, admin_state_up=updated.admin_state_up)
    if (updated.vnic_type, updated.pci_flavor) != (port.vnic_type, port.pci_flavor):
        _check_pci_flavor(tx, updated.pci_flavor, updated.vnic_type)
    if (updated.vnic_type, updated.pci_match) != (port.vnic_type, port.pci_match):
        check_has_device(MATCH_FIELD, updated.pci_match, updated.vnic_type)
    if binding is not None and updated.pci_match != port.pci_match:
        problem = f"{MATCH_FIELD} cannot change while the port is bound"
        raise StateConflict("port", port.id, problem)
    return updated


def _check_pci_flavor(tx: Transaction, name: str | None, vnic_type: VnicType) -> None:
    if name is not None:
        check_has_device("pci_flavor", name, vnic_type)
        matches_of(tx, [name], "pci_flavor")


def _free_mac(tx: Transaction, network_id: NetworkId, port_id: PortId) -> MacAddress:
    """Derive a MAC from the port's ID, and another if some port of the network has it."""
    for attempt in range(_MAC_ATTEMPTS_MAX):
        digest = hashlib.sha256(f"{port_id}/{attempt}".encode()).digest()
        mac = MacAddress(":".join([_MAC_PREFIX, *(f"{byte:02x}" for byte in digest[:3])]))
        if not tx.ports.is_mac_taken(network_id, mac):
            return mac
    raise StateConflict("network", network_id, "no free MAC address was found")
