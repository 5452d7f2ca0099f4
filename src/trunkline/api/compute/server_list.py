"""What a list of servers is asked for: Nova's query string as a `ListQuery`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from trunkline.api.compute.name_pattern import Exactly, Like, read_name_pattern
from trunkline.api.compute.paging import PAGING, page_query
from trunkline.api.compute.server_view import states_of
from trunkline.api.http import Request
from trunkline.control.hosts import get_host
from trunkline.control.services import Services
from trunkline.control.zones import hosts_in_zone
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.listing import ListQuery
from trunkline.domain.policy import compute_rules as rules

SORT_KEYS: Final[Mapping[str, str]] = MappingProxyType({
    "created_at": "created_at", "updated_at": "updated_at", "display_name": "name", "uuid": "id",
    "instance_type_id": "flavor_id", "vm_state": "state", "project_id": "project_id",
    "user_id": "user_id",
})  # fmt: skip
"""Fields that every server has: a page can't begin after a value that is missing."""

_TRUE: Final = frozenset({"1", "true", "t", "yes", "y", "on", ""})
_FALSE: Final = frozenset({"0", "false", "f", "no", "n", "off"})

# By the name in the query string: the field it equals.
_EQUAL: Final[Mapping[str, str]] = MappingProxyType({
    "flavor": "flavor_id", "image": "image_id", "uuid": "id", "reservation_id": "reservation_id",
    "key_name": "key_name", "description": "description",
})  # fmt: skip
_EQUAL_FOR_ADMINS: Final[Mapping[str, str]] = MappingProxyType({
    "project_id": "project_id", "tenant_id": "project_id", "user_id": "user_id",
})  # fmt: skip
_ADMIN_ONLY: Final = frozenset(
    {*_EQUAL_FOR_ADMINS, "host", "deleted", "node", "hypervisor_hostname"}
)
_OTHERS: Final = frozenset({
    "name", "status", "changes-since", "all_tenants", "all_projects", "availability_zone",
})  # fmt: skip

# Filters of Nova's that are not served. A filter that did nothing would show too much.
_NOT_SERVED: Final = frozenset({
    "access_ip_v4", "access_ip_v6", "auto_disk_config", "changes-before", "config_drive",
    "hostname", "instance_name", "ip", "ip6", "kernel_id", "launch_index", "launched_at", "locked",
    "locked_by", "metadata", "not-tags", "not-tags-any", "power_state", "progress", "ramdisk_id",
    "root_device_name", "soft_deleted", "system_metadata", "tags", "tags-any", "task_state",
    "terminated_at", "vm_state",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerList:
    """What to list, and how."""

    query: ListQuery
    deleted: bool = False  # The deleted ones alone.
    all_projects: bool = False
    matches_nothing: bool = False  # A filter has a value that no server has.
    pattern_problem: str | None = None  # What to say if nothing has this very name.


def read_server_list(svc: Services, request: Request) -> ServerList:
    """Return what is asked for.

    Filters for admins do nothing for others, and before 2.75 unknown ones do nothing for anybody:
    both as in Nova.

    Raises:
        Invalid: A filter is malformed, not served, or (from 2.75 on) unknown.
    """
    _require_known(request)
    asked = ServerList(
        query=page_query(request, sort_keys=SORT_KEYS, direction="desc"),
        deleted=_deleted(request),
        all_projects=_flag(request, "all_tenants") or _flag(request, "all_projects"),
    )
    asked = _with_equals(asked, request)
    asked = _with_status(asked, request)
    asked = _with_host(asked, svc, request)
    asked = _with_zone(asked, svc, request)
    asked = _with_changes_since(asked, request)
    return _with_name(asked, request)


def _require_known(request: Request) -> None:
    known = {*PAGING, *_EQUAL, *_ADMIN_ONLY, *_OTHERS}
    for name in request.query.names():
        if name in _NOT_SERVED:
            raise Invalid(name, f"not a filter here; there are {', '.join(sorted(known))}")
        if name not in known and request.version.minor >= 75:
            raise Invalid(name, f"unknown; there are {', '.join(sorted(known))}")


def _flag(request: Request, name: str) -> bool:
    value = request.query.find(name)
    if value is None:
        return False
    if value.lower() not in _TRUE | _FALSE:
        raise Invalid(name, "must be true or false")
    return value.lower() in _TRUE


def _deleted(request: Request) -> bool:
    wanted = _flag(request, "deleted") or "deleted" in (
        status.lower() for status in request.query.all("status")
    )
    return wanted and request.caller.may(rules.LIST_DELETED_SERVERS)


def _equals(asked: ServerList, field: str, values: tuple[object, ...]) -> ServerList:
    equals = {**asked.query.equals, field: values}
    return replace(asked, query=replace(asked.query, equals=equals))


def _with_equals(asked: ServerList, request: Request) -> ServerList:
    names = dict(_EQUAL) | (
        dict(_EQUAL_FOR_ADMINS) if request.caller.may(rules.LIST_DELETED_SERVERS) else {}
    )
    for name, field in names.items():
        if name in request.query:
            asked = _equals(asked, field, tuple(request.query.all(name)))
    return asked


def _with_status(asked: ServerList, request: Request) -> ServerList:
    wanted = request.query.all("status")
    if not wanted:
        return asked
    states = tuple(state.value for status in wanted for state in states_of(status))
    # Others than admins see no deleted servers, whatever they ask for.
    nothing = not states or (not asked.deleted and set(states) == {"DELETED"})
    return _equals(replace(asked, matches_nothing=nothing), "state", states)


def _with_host(asked: ServerList, svc: Services, request: Request) -> ServerList:
    if not request.caller.may(rules.LIST_DELETED_SERVERS):
        return asked
    for name in ("host", "node", "hypervisor_hostname"):
        value = request.query.find(name)
        if value is None:
            continue
        try:
            host = get_host(svc, request.caller, value, by=rules.LIST_DELETED_SERVERS).host
        except NotFound:
            return replace(asked, matches_nothing=True)
        asked = _equals(asked, "host_id", (host.id,))
    return asked


def _with_zone(asked: ServerList, svc: Services, request: Request) -> ServerList:
    """Servers on hosts of a zone; for admins, and for everybody since 2.83."""
    zone = request.query.find("availability_zone")
    if zone is None or not (
        request.version.minor >= 83 or request.caller.may(rules.LIST_DELETED_SERVERS)
    ):
        return asked
    there: tuple[object, ...] = tuple(hosts_in_zone(svc, zone))
    on = asked.query.equals.get("host_id")
    if on is not None:
        there = tuple(host_id for host_id in on if host_id in there)
    nothing = asked.matches_nothing or not there
    return _equals(replace(asked, matches_nothing=nothing), "host_id", there)


def _with_changes_since(asked: ServerList, request: Request) -> ServerList:
    text = request.query.find("changes-since")
    if text is None:
        return asked
    try:
        since = datetime.fromisoformat(text)
        since = since.replace(tzinfo=UTC) if since.tzinfo is None else since.astimezone(UTC)
    except (ValueError, OverflowError):  # The second: a time of year 1 in an eastern zone.
        raise Invalid("changes-since", "must be a time in ISO 8601") from None
    return replace(asked, query=replace(asked.query, at_least={"updated_at": since}))


def _with_name(asked: ServerList, request: Request) -> ServerList:
    text = request.query.find("name")
    if text is None:
        return asked
    match read_name_pattern(text):
        case Like(pattern):
            return replace(asked, query=replace(asked.query, like={"name": pattern}))
        case Exactly(name, problem):
            return replace(_equals(asked, "name", (name,)), pattern_problem=problem)
