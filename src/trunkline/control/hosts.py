"""Hosts: show, list, enable, disable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from trunkline.control import audit
from trunkline.control.access import require
from trunkline.control.audit import Actor, actor_of
from trunkline.control.requests import UNSET, Unset
from trunkline.control.services import Services
from trunkline.control.views import HostView
from trunkline.control.zones import zones_of
from trunkline.domain.errors import Invalid
from trunkline.domain.host import Host, HostResources
from trunkline.domain.identity import Caller
from trunkline.domain.ids import HostId, HostName
from trunkline.domain.listing import ListQuery
from trunkline.domain.policy import network_rules
from trunkline.domain.policy import trunkline_rules as rules
from trunkline.domain.policy.rule import Rule
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction

_NO_RESOURCES = HostResources(vcpus=0, memory_mib=0, disk_gib=0)


def list_hosts(
    svc: Services, caller: Caller, query: ListQuery, *, by: Rule = rules.LIST_HOSTS
) -> list[HostView]:
    """Return one page of hosts, by name, if rule `by` allows it."""
    require(caller, by)
    return svc.store.read(lambda tx: _views(tx, svc, tx.hosts.page(query)))


def get_host(
    svc: Services, caller: Caller, name_or_id: str, *, by: Rule = rules.SHOW_HOST
) -> HostView:
    """Return one host, by name or ID, if rule `by` allows it."""
    require(caller, by)

    def get(tx: Transaction) -> HostView:
        host = tx.hosts.find(name_or_id) or tx.hosts.get_by_name(name_or_id)
        return _views(tx, svc, [host])[0]

    return svc.store.read(get)


def set_host_enabled(
    svc: Services,
    caller: Caller,
    name: str,
    *,
    enabled: bool,
    reason: str | None = None,
    by: Rule = rules.CHANGE_HOST,
) -> HostView:
    """Let a host take new servers, or no more. The servers that it has stay."""
    require(caller, by)

    def change(tx: Transaction) -> HostView:
        host = tx.hosts.get_by_name(name, Lock.EXCLUSIVE)
        return _views(tx, svc, [_set_enabled(tx, svc, caller, host, reason, enabled=enabled)])[0]

    return svc.store.write(change)


def update_agent_host(
    svc: Services,
    caller: Caller,
    host_id: str,
    *,
    enabled: bool | Unset,
    description: str | Unset | None,
) -> HostView:
    """Change what the network face can change of a host, which it shows as an agent."""
    require(caller, network_rules.UPDATE_AGENT)

    def change(tx: Transaction) -> HostView:
        host = tx.hosts.get(HostId(host_id), Lock.EXCLUSIVE)
        if description not in (UNSET, host.description):
            host = replace(host, description=description, updated_at=svc.clock.now())
            tx.hosts.update(host)
            audit.record(
                tx, actor_of(caller), svc.clock.now(), "host.describe", f"host {host.name}",
                host=host.name, details={"description": description or ""},
            )  # fmt: skip
        if enabled not in (UNSET, host.enabled):
            host = _set_enabled(tx, svc, caller, host, None, enabled=bool(enabled))
        return _views(tx, svc, [host])[0]

    return svc.store.write(change)


def _set_enabled(
    tx: Transaction, svc: Services, caller: Caller, host: Host, reason: str | None, *, enabled: bool
) -> Host:
    host = replace(
        host,
        enabled=enabled,
        disabled_reason=None if enabled else reason,
        updated_at=svc.clock.now(),
    )
    tx.hosts.update(host)
    svc.fleet.reload_after(tx, host.id)
    audit.record(
        tx, actor_of(caller), svc.clock.now(), f"host.{'enable' if enabled else 'disable'}",
        f"host {host.name}", host=host.name, details={} if enabled else {"reason": reason or ""},
    )  # fmt: skip
    return host


def ensure_host(
    tx: Transaction, svc: Services, name: HostName, *, details: Mapping[str, object] | None = None
) -> Host:
    """Return the host of this name; make it known if it is not, with `details` in the audit."""
    require_host_name(name)
    host = tx.hosts.find_by_name(name)
    if host is not None:
        return host
    now = svc.clock.now()
    host = Host(
        id=HostId(svc.ids.new_id()),
        name=name,
        generation=1,
        resources=_NO_RESOURCES,
        created_at=now,
        updated_at=now,
    )
    tx.hosts.insert(host)
    audit.record(tx, Actor(f"agent {name}"), now, "host.enrol", f"host {name}", host=name,
                 details=details)  # fmt: skip
    svc.fleet.reload_after(tx, host.id)
    return host


def require_host_name(name: HostName) -> None:
    """Raise `Invalid` for what can't be a host's name."""
    if not name or len(name) > 255 or not name.isprintable():
        raise Invalid("host", "a host name has 1 to 255 printable characters")


def _views(tx: Transaction, svc: Services, hosts: Sequence[Host]) -> list[HostView]:
    counts = tx.servers.count_by_host([host.id for host in hosts])
    uses = tx.hosts.uses([host.id for host in hosts])
    zones = zones_of(tx, svc, [host.id for host in hosts])
    problems = tx.pools.problems_of_hosts([host.id for host in hosts])
    return [
        HostView(
            host=host,
            use=uses[host.id],
            up=svc.fleet.is_up(host),
            server_count=counts.get(host.id, 0),
            out_of_service=problems.get(host.id, ()),
            zone=zones[host.id],
        )
        for host in hosts
    ]
