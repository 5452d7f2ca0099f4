"""Servers: create, show, list, rename, stop, start, reboot, delete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Final

from trunkline.control import audit
from trunkline.control.access import (
    of_project,
    of_server,
    require,
    require_seen,
    sees,
)
from trunkline.control.asking import numa_policy_of, rules_of_flavor, rules_over
from trunkline.control.audit import actor_of
from trunkline.control.building import build_all, let_go
from trunkline.control.field_changes import changed_fields
from trunkline.control.flavors import visible_flavor
from trunkline.control.generations import raise_generation
from trunkline.control.images import is_shared
from trunkline.control.key_pairs import public_key_of
from trunkline.control.nics import Nic, resolve_nics
from trunkline.control.own_servers import own_server, unlocked_server
from trunkline.control.pci_flavors import requests_of
from trunkline.control.port_views import port_views
from trunkline.control.ports import unplug_port
from trunkline.control.quotas import require_of_each, require_quota, sizes_of
from trunkline.control.races import deciding_again, write_until_won
from trunkline.control.requests import ServerCreate, ServerUpdate, given_fields
from trunkline.control.server_batches import check_batch, numbered
from trunkline.control.server_groups import joined_group, require_members
from trunkline.control.server_hints import require_known
from trunkline.control.server_security_groups import in_groups, names_of_groups
from trunkline.control.services import Services
from trunkline.control.views import NicView, ServerView
from trunkline.control.zones import require_zone, zones_of
from trunkline.domain.allocation import AllocationState
from trunkline.domain.binding import BindingState
from trunkline.domain.device import OfferedDevice
from trunkline.domain.errors import Invalid, StateConflict
from trunkline.domain.identity import Caller
from trunkline.domain.ids import ImageId, ServerGroupId, ServerId
from trunkline.domain.image import Image, ImageState, known_to_nova
from trunkline.domain.listing import ListQuery, SortKey
from trunkline.domain.nic_rules import NicRule, NumaPolicy
from trunkline.domain.pci_request import PciRequest
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.policy import image_rules as image_rules
from trunkline.domain.policy.rule import Rule
from trunkline.domain.quota import Amounts, Resource
from trunkline.domain.server import (
    SERVER,
    DiskConfig,
    Flavor,
    PowerState,
    Server,
    ServerEvent,
    ServerState,
)
from trunkline.domain.server_filter import EXISTING, ServerFilter
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction

NAME_CHARS_MAX: Final = 255  # Of a server's name.


def create_server(svc: Services, caller: Caller, request: ServerCreate) -> Server:
    """Place and record a server. When this returns, its devices are held and durable.

    One that fits nowhere is recorded too, in ERROR with the explanation as its fault, holding
    nothing: as clients of Nova expect.
    """
    return create_servers(svc, caller, request)[0]


_POWER_RULES: Final = {
    ServerEvent.START: rules.START_SERVER,
    ServerEvent.STOP: rules.STOP_SERVER,
    ServerEvent.REBOOT: rules.REBOOT_SERVER,
    ServerEvent.PAUSE: rules.PAUSE_SERVER,
    ServerEvent.UNPAUSE: rules.UNPAUSE_SERVER,
}


_STARTS: Final = (ServerEvent.START, ServerEvent.REBOOT)  # By which there is another guest.


def create_servers(
    svc: Services, caller: Caller, request: ServerCreate, *, least: int = 1, most: int = 1
) -> list[Server]:
    """Place and record servers that differ in their names only, in one transaction.

    As many as fit, up to `most`; those that are left over are not recorded. If fewer than `least`
    fit, that many are recorded in ERROR, with the explanation as their fault, holding nothing.

    Raises:
        Invalid: So many can't be asked for at once, or not with these NICs or this host name.
    """
    if most > 1:
        check_batch(request, most, name_chars_max=NAME_CHARS_MAX)
    server_ids = [ServerId(svc.ids.new_id()) for _ in range(most)]

    def create(tx: Transaction) -> list[Server]:
        target = of_project(caller.own_project)
        require(caller, rules.CREATE_SERVER, target)
        if request.host is not None:
            require(caller, rules.CREATE_SERVER_ON_HOST, target)
            tx.hosts.get_by_name(request.host)
        require_zone(tx, svc, request.zone, field="server.availability_zone")
        group = joined_group(tx, caller, request.group_id, field="os:scheduler_hints.group")
        if group is not None:
            tx.server_groups.take_turn(group.id)
        require_known(tx, caller, request.scheduler_hints)
        flavor = visible_flavor(tx, caller, request.flavor_id)
        image = usable_image(tx, caller, request.image_id, flavor)
        nics = resolve_nics(tx, svc, caller, request.nics)
        nics = in_groups(tx, svc, caller, nics, request.security_groups)
        server = _new_server(
            svc, caller, request, server_ids[0], flavor, image,
            pci_requests=requests_of(tx, svc, flavor.extra_specs),
            public_key=public_key_of(tx, caller.user_id, request.key_name),
            numa_policy=numa_policy_of(flavor.extra_specs, image),
            group_id=None if group is None else group.id,
            nic_rules=rules_over(nics, (*rules_of_flavor(flavor.extra_specs), *request.rules)),
        )  # fmt: skip
        servers = [server] if most == 1 else numbered(server, server_ids)
        actor = actor_of(caller)
        servers = build_all(tx, svc, actor, servers, nics, least=least, host_name=request.host)
        tx.servers.insert_many(servers)
        _require_quotas(tx, servers, nics)
        if group is not None:
            require_members(tx, group, joined=len(servers))
        for server in servers:
            audit.record(
                tx, actor, svc.clock.now(), "server.create", f"server {server.id}",
                project_id=server.project_id, server_id=server.id,
                details={"name": server.name, "state": server.state.value},
            )  # fmt: skip
        return servers

    return deciding_again(svc, create)


def _require_quotas(tx: Transaction, servers: Sequence[Server], nics: Sequence[Nic]) -> None:
    """Hold what new servers were given against the quotas of all projects that hold it now."""
    new_ports = sum(nic.port is None for nic in nics)
    placed = sum(server.host_id is not None for server in servers)
    own, server_ids = servers[0].project_id, [server.id for server in servers]
    items = len(servers[0].metadata)
    require_of_each(tx, own, Resource.METADATA_ITEMS, now=items, added=items)
    owners = {nic.port.project_id for nic in nics if nic.port}
    for project_id in sorted({own, *owners}):
        given: Amounts = {}
        if project_id == own:
            given = {**sizes_of(servers), (Resource.PORTS, None): placed * new_ports}
        require_quota(tx, project_id, given, server_ids=server_ids)


def get_server(svc: Services, caller: Caller, server_id: str) -> ServerView:
    """Return one server."""

    def get(tx: Transaction) -> ServerView:
        server = tx.servers.get(server_id)
        require_seen(caller, rules.SHOW_SERVER, of_server(server), "server", server_id)
        return server_views(tx, svc, [server])[0]

    return svc.store.read(get)


def list_servers(
    svc: Services,
    caller: Caller,
    query: ListQuery,
    chosen: ServerFilter = EXISTING,
    *,
    all_projects: bool = False,
) -> list[ServerView]:
    """Return one page of the project's servers (of all, if an admin asks), newest first."""
    if all_projects:
        require(caller, rules.LIST_ALL_SERVERS)
    else:
        require(caller, rules.LIST_SERVERS, of_project(caller.own_project))
    own = None if all_projects else caller.own_project
    sort = query.sort or (SortKey("created_at", descending=True),)
    query = replace(query, visible_to=own, sort=sort)
    return svc.store.read(lambda tx: server_views(tx, svc, tx.servers.page(query, chosen)))


def update_server(
    svc: Services,
    caller: Caller,
    server_id: str,
    changes: ServerUpdate,
) -> ServerView:
    """Rename or describe a server, or change what else its owner says of it."""
    given = given_fields(changes, *(field.name for field in fields(changes)))

    def update(tx: Transaction) -> ServerView:
        before = own_server(tx, caller, server_id, rules.UPDATE_SERVER)
        after = replace(before, **given)
        changed = changed_fields(before, after)
        if changed:
            after = replace(after, updated_at=svc.clock.now())
            tx.servers.update(after)
            audit.record(
                tx, actor_of(caller), after.updated_at, "server.update", f"server {after.id}",
                project_id=after.project_id, server_id=after.id,
                details={what: _told(given[what]) for what in changed},
            )  # fmt: skip
        return server_views(tx, svc, [after])[0]

    return svc.store.write(update)


def _told(value: object) -> object:
    return value.value if isinstance(value, DiskConfig) else value


def stop_server(svc: Services, caller: Caller, server_id: str) -> None:
    """Ask for a server's guest to be stopped; it keeps its devices."""
    _change_power(svc, caller, server_id, ServerEvent.STOP, PowerState.STOPPED)


def start_server(svc: Services, caller: Caller, server_id: str) -> None:
    """Ask for a stopped server's guest to run."""
    _change_power(svc, caller, server_id, ServerEvent.START, PowerState.RUNNING)


def reboot_server(svc: Services, caller: Caller, server_id: str) -> None:
    """Ask for a server's guest to be started afresh; also the way out of ERROR on its host."""
    _change_power(svc, caller, server_id, ServerEvent.REBOOT, PowerState.RUNNING)


def pause_server(svc: Services, caller: Caller, server_id: str) -> None:
    """Ask for a server's guest to be halted where it is; it keeps its devices and its memory.

    Raises:
        StateConflict: It does not run, or its guest is being given a NIC, or to lose one.
    """
    _change_power(svc, caller, server_id, ServerEvent.PAUSE, PowerState.PAUSED)


def unpause_server(svc: Services, caller: Caller, server_id: str) -> None:
    """Ask for a paused server's guest to go on."""
    _change_power(svc, caller, server_id, ServerEvent.UNPAUSE, PowerState.RUNNING)


def delete_server(
    svc: Services, caller: Caller, server_id: str, *, by: Rule = rules.DELETE_SERVER
) -> None:
    """Delete a server. It answers 404 from now on; its devices stay held until read back clean."""

    def delete(tx: Transaction) -> None:
        server = unlocked_server(tx, caller, server_id, by)
        now = svc.clock.now()
        let_go(tx, svc, actor_of(caller), server, reason="server deleted")
        for port in tx.ports.get_many(server.port_ids):
            if port.device_id == server.id:
                unplug_port(tx, svc, port)
        tx.servers.update(
            replace(
                server,
                state=SERVER.advance(server.state, ServerEvent.DELETE),
                host_id=None,
                numa_node=None,
                admin_password=None,  # The row stays for a while; nobody needs this any more.
                updated_at=now,
                terminated_at=now,
            )
        )
        audit.record(
            tx, actor_of(caller), now, "server.delete", f"server {server.id}",
            project_id=server.project_id, server_id=server.id,
        )  # fmt: skip

    write_until_won(svc.store, delete)


def _change_power(
    svc: Services, caller: Caller, server_id: str, event: ServerEvent, power: PowerState
) -> None:
    def change(tx: Transaction) -> None:
        server = unlocked_server(tx, caller, server_id, _POWER_RULES[event])
        if not SERVER.allows(server.state, event) or server.host_id is None:
            raise StateConflict(
                "server", server_id,
                f"Cannot '{event.value}' while it is in vm_state {server.state.value.lower()}",
            )  # fmt: skip
        if power is PowerState.PAUSED:
            _require_nics_at_rest(tx, server)
        tx.servers.update(
            replace(
                server,
                state=SERVER.advance(server.state, event),
                power=power,
                # A start has a number of its own too: a report may be long under way, and RUNNING
                # before the stop says nothing about now.
                boot_number=server.boot_number + (event in _STARTS),
                fault=None,
                updated_at=svc.clock.now(),
            )
        )
        raise_generation(tx, svc, tx.hosts.get(server.host_id))
        audit.record(
            tx, actor_of(caller), svc.clock.now(), f"server.{event.value}", f"server {server.id}",
            project_id=server.project_id, server_id=server.id,
        )  # fmt: skip

    svc.store.write(change)


def _require_nics_at_rest(tx: Transaction, server: Server) -> None:
    """Let no guest be halted in the middle of a change of its NICs: it takes part in that."""
    for binding in tx.bindings.of_server(server.id):
        if binding.state in (BindingState.CLAIMED, BindingState.DETACHING):
            raise StateConflict(
                "server", server.id,
                f"Cannot 'pause' while port {binding.port_id} is being attached or detached",
            )  # fmt: skip


def usable_image(
    tx: Transaction, caller: Caller, image_id: ImageId | None, flavor: Flavor
) -> Image | None:
    """Return the image that a server's disk is to be made from, which stays meanwhile."""
    if image_id is None:
        return None
    image = tx.images.find(image_id, Lock.SHARED)
    if image is None or not sees(
        caller,
        image_rules.SHOW_IMAGE,
        of_project(image.project_id),
        shared=is_shared(tx, caller, image),
    ):
        raise Invalid("imageRef", f"image {image_id} could not be found")
    if image.state is not ImageState.ACTIVE:
        raise Invalid("imageRef", f"image {image_id} is {image.state.value}, not active")
    if flavor.memory_mib < image.min_ram_mib:
        raise Invalid("flavorRef", f"the image needs {image.min_ram_mib} MiB of memory")
    if flavor.disk_gib < image.min_disk_gib:
        raise Invalid("flavorRef", f"the image needs a disk of {image.min_disk_gib} GiB")
    return image


def _new_server(
    svc: Services,
    caller: Caller,
    request: ServerCreate,
    server_id: ServerId,
    flavor: Flavor,
    image: Image | None,
    *,
    pci_requests: tuple[PciRequest, ...],
    public_key: str | None,
    numa_policy: NumaPolicy | None,
    nic_rules: tuple[NicRule, ...],
    group_id: ServerGroupId | None,
) -> Server:
    now = svc.clock.now()
    return Server(
        id=server_id,
        project_id=caller.own_project,
        user_id=caller.user_id,
        name=request.name,
        state=ServerState.BUILD,
        flavor=flavor,
        image_id=request.image_id,
        port_ids=(),
        created_at=now,
        updated_at=now,
        description=request.description,
        metadata=request.metadata,
        tags=request.tags,
        config_drive=request.config_drive,
        key_name=request.key_name,
        public_key=public_key,
        user_data=request.user_data,
        hostname=request.hostname or request.name,
        admin_password=request.admin_password,
        access_ipv4=request.access_ipv4,
        access_ipv6=request.access_ipv6,
        disk_config=request.disk_config,
        reservation_id=f"r-{server_id[:8]}",
        image_properties={} if image is None else known_to_nova(image.properties),
        scheduler_hints=request.scheduler_hints,
        pci_requests=pci_requests,
        numa_policy=numa_policy,
        nic_rules=nic_rules,
        group_id=group_id,
        zone=request.zone,
    )


def server_views(tx: Transaction, svc: Services, servers: Sequence[Server]) -> list[ServerView]:
    """Join servers with their hosts and NICs: one query for each kind."""
    hosts = tx.hosts.get_many({server.host_id for server in servers if server.host_id})
    ports = tx.ports.get_many({port_id for server in servers for port_id in server.port_ids})
    views = {view.port.id: view for view in port_views(tx, ports)}
    groups = names_of_groups(tx, views.values())
    network_ids = {port.network_id for port in ports}
    networks = {n.id: n for n in (tx.networks.get_many(network_ids) if network_ids else ())}
    zones = zones_of(tx, svc, hosts.keys())
    given = _devices_given(tx, [server.id for server in servers if server.pci_requests])
    return [
        ServerView(
            server=server,
            host=hosts.get(server.host_id) if server.host_id else None,
            host_up=server.host_id is not None and svc.fleet.is_up(hosts[server.host_id]),
            nics=tuple(
                NicView(
                    port=views[port_id],
                    network=networks[views[port_id].port.network_id],
                    security_groups=groups[port_id],
                )
                for port_id in server.port_ids
                if port_id in views
            ),
            devices=given.get(server.id, ()),
            zone=zones[server.host_id] if server.host_id else server.zone,
        )
        for server in servers
    ]


def _devices_given(
    tx: Transaction, server_ids: Sequence[ServerId]
) -> dict[ServerId, tuple[OfferedDevice, ...]]:
    """Return what servers have besides NICs."""
    held = [
        allocation
        for allocation in tx.allocations.of_servers(server_ids)
        if allocation.port_id is None
        and allocation.state in (AllocationState.CLAIMED, AllocationState.ACTIVE)
    ]
    records = tx.devices.get_many({allocation.device_id for allocation in held})
    given: dict[ServerId, list[OfferedDevice]] = {}
    for allocation in held:
        assert allocation.server_id is not None, "it was found by its server"
        given.setdefault(allocation.server_id, []).append(records[allocation.device_id].device)
    return {
        server_id: tuple(sorted(devices, key=lambda device: device.function.address))
        for server_id, devices in given.items()
    }
