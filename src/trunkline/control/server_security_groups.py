"""Security groups of servers, as Nova offers them: those that the server's ports are in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from trunkline.control import audit
from trunkline.control.access import of_project, of_server, require_seen, sees
from trunkline.control.audit import actor_of
from trunkline.control.locking import lock_ports
from trunkline.control.nics import Nic
from trunkline.control.own_servers import own_server
from trunkline.control.port_groups import ensure_default_group, groups_after
from trunkline.control.races import write_until_won
from trunkline.control.services import Services
from trunkline.control.sharing import is_shared
from trunkline.control.views import PortView
from trunkline.domain.errors import Invalid, NotFound, StateConflict
from trunkline.domain.identity import Caller
from trunkline.domain.ids import PortId, ProjectId, SecurityGroupId, is_uuid
from trunkline.domain.listing import ListQuery
from trunkline.domain.policy import compute_rules, network_rules
from trunkline.domain.policy.rule import Rule
from trunkline.domain.port import Port
from trunkline.domain.security_group import DEFAULT_NAME, SecurityGroup
from trunkline.store.transaction import Transaction


def in_groups(
    tx: Transaction, svc: Services, caller: Caller, nics: Sequence[Nic], named: Collection[str]
) -> tuple[Nic, ...]:
    """Return `nics` with those whose ports are yet to be made in the groups that are named.

    Ports that are there stay in the groups that they are in. The default group alone is what a
    port is in anyway, if it is guarded at all.
    """
    if set(named) <= {DEFAULT_NAME}:
        return tuple(nics)
    groups = tuple(_find(tx, svc, caller, each) for each in named)
    return tuple(replace(nic, security_groups=groups) if nic.port is None else nic for nic in nics)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupsOfServer:
    """The groups that a server's ports are in, each once for each port, by name."""

    groups: tuple[SecurityGroup, ...]
    remote: Mapping[SecurityGroupId, tuple[ProjectId, str]]  # Owner and name: rules are about it.


def groups_of_server(svc: Services, caller: Caller, server_id: str) -> GroupsOfServer:
    """Return the groups of a server, without those that the caller can't see."""

    def read(tx: Transaction) -> GroupsOfServer:
        server = tx.servers.get(server_id)
        target = of_server(server)
        require_seen(caller, compute_rules.LIST_SECURITY_GROUPS, target, "server", server_id)
        of_ports = tx.security_groups.of_ports(server.port_ids)
        found = {group.id: group for group in tx.security_groups.get_many(
            {group_id for group_ids in of_ports.values() for group_id in group_ids}
        )}  # fmt: skip
        groups = [found[group_id] for group_ids in of_ports.values() for group_id in group_ids]
        seen_ids = {group.id for group in found.values() if _sees(tx, caller, group)}
        seen = [group for group in groups if group.id in seen_ids]
        spoken_of = {
            rule.remote_group_id for group in seen for rule in group.rules if rule.remote_group_id
        }
        remote = tx.security_groups.names_of(spoken_of)
        return GroupsOfServer(
            groups=tuple(sorted(seen, key=lambda group: (group.project_id, group.name))),
            remote={
                SecurityGroupId(group_id): (project_id, name)
                for group_id, (project_id, name) in remote.items()
                if sees(caller, network_rules.GET_SECURITY_GROUP, of_project(project_id))
            },
        )

    return svc.store.read(read)


def put_server(svc: Services, caller: Caller, server_id: str, named: str) -> None:
    """Put all ports of a server into a group.

    Raises:
        NotFound: There is no such group, or the server has no port.
        StateConflict: Several groups are called so.
        Invalid: A port can't be in a group: it has no address, or no port security.
    """

    def put(tx: Transaction) -> None:
        for port, group_id, has in _ports(
            tx, svc, caller, server_id, named, compute_rules.ADD_SECURITY_GROUP
        ):
            if not port.fixed_ips:
                raise Invalid("name", f"port {port.said} has no address to be guarded")
            _regroup(tx, svc, caller, port, {*has, group_id})

    write_until_won(svc.store, put)


def take_server(svc: Services, caller: Caller, server_id: str, named: str) -> None:
    """Take all ports of a server out of a group that one of them at least is in.

    Raises:
        NotFound: There is no such group, or none of the ports is in it.
        StateConflict: Several groups are called so.
    """

    def take(tx: Transaction) -> None:
        is_in = False
        for port, group_id, has in _ports(
            tx, svc, caller, server_id, named, compute_rules.REMOVE_SECURITY_GROUP
        ):
            is_in = is_in or group_id in has
            _regroup(tx, svc, caller, port, {*has} - {group_id})
        if not is_in:
            raise NotFound("security group", f"{named} of server {server_id}")

    write_until_won(svc.store, take)


def names_of_groups(tx: Transaction, views: Iterable[PortView]) -> dict[PortId, tuple[str, ...]]:
    """Name the groups that ports are in, of those that are of the port's own project."""
    views = list(views)
    found = tx.security_groups.names_of(
        {group_id for view in views for group_id in view.security_group_ids}
    )
    return {
        view.port.id: tuple(
            found[group_id][1]
            for group_id in view.security_group_ids
            if group_id in found and found[group_id][0] == view.port.project_id
        )
        for view in views
    }


def _ports(
    tx: Transaction, svc: Services, caller: Caller, server_id: str, named: str, rule: Rule
) -> list[tuple[Port, SecurityGroupId, tuple[SecurityGroupId, ...]]]:
    """Return a server's ports, locked; the group that is named; and those that each port is in."""
    server = own_server(tx, caller, server_id, rule)
    group_id = _find(tx, svc, caller, named)
    ports = lock_ports(tx, server.port_ids)
    if not ports:
        raise NotFound("port of the server", server_id)
    of_ports = tx.security_groups.of_ports([port.id for port in ports])
    return [(port, group_id, of_ports.get(port.id, ())) for port in ports]


def _regroup(
    tx: Transaction, svc: Services, caller: Caller, port: Port, wanted: Collection[SecurityGroupId]
) -> None:
    entered, left = groups_after(tx, port, port, sorted(wanted), caller)
    if not (entered or left):
        return
    now = svc.clock.now()
    tx.ports.update(replace(port, revision=port.revision + 1, updated_at=now), seen=port)
    tx.security_groups.take_port(port.id, left)
    tx.security_groups.put_port(port.id, entered)
    audit.record(
        tx, actor_of(caller), now, "port.update", f"port {port.id}",
        project_id=port.project_id, port_id=port.id,
    )  # fmt: skip


def _find(tx: Transaction, svc: Services, caller: Caller, named: str) -> SecurityGroupId:
    """Return the group of this ID that the caller sees, or of this name in the own project.

    Groups that others share have no names here: theirs could be called as the own ones are.
    """
    if is_uuid(named):
        by_id = tx.security_groups.get_many([named])
        if by_id and _sees(tx, caller, by_id[0]):
            return by_id[0].id
    own = caller.own_project
    if named == DEFAULT_NAME:
        return ensure_default_group(tx, svc, own)
    query = ListQuery(equals={"name": (named,), "project_id": (own,)}, limit=2)
    found = tx.security_groups.page(query)
    if not found:
        raise NotFound("security group", named)
    if len(found) > 1:
        raise StateConflict("security group", named, "several are called so: name one by its ID")
    return found[0].id


def _sees(tx: Transaction, caller: Caller, group: SecurityGroup) -> bool:
    owner = of_project(group.project_id)
    return sees(caller, network_rules.GET_SECURITY_GROUP, owner) or is_shared(tx, caller, group)
