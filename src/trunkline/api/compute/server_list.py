"""What a list of servers is asked for: Nova's query string as a `ListQuery` and a `ServerFilter`.

Which filters there are, for whom and from which microversion on, is in the tables below. Source:
nova/api/openstack/compute/servers.py and schemas/servers.py (34.0.0).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from trunkline.api.compute.name_pattern import Exactly, Like, read_name_pattern
from trunkline.api.compute.paging import PAGING, page_query, read_time
from trunkline.api.compute.server_sorting import sorting
from trunkline.api.compute.server_view import states_with
from trunkline.api.http import Request
from trunkline.control.access import require
from trunkline.control.hosts import get_host
from trunkline.control.services import Services
from trunkline.control.zones import hosts_in_zone
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.listing import ListQuery, TagFilter
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.server import DiskConfig
from trunkline.domain.server_filter import EXISTING, ServerFilter

# From which minor version on a filter is for everybody; before, it does nothing for others than
# admins, who may always use it. Nova has the first two for admins alone.
_FOR_ALL: Final[Mapping[str, int]] = MappingProxyType({
    "uuid": 1, "description": 1,
    "name": 1, "status": 1, "image": 1, "flavor": 1, "reservation_id": 1, "ip": 1,
    "changes-since": 1, "all_tenants": 1, "ip6": 5, "tags": 26, "tags-any": 26, "not-tags": 26,
    "not-tags-any": 26, "changes-before": 66, "locked": 73, "availability_zone": 83,
    "config_drive": 83, "key_name": 83, "created_at": 83, "launched_at": 83, "terminated_at": 83,
    "power_state": 83, "task_state": 83, "vm_state": 83, "progress": 83, "user_id": 83,
    "hostname": 90,
})  # fmt: skip
_FOR_ADMINS: Final = frozenset({
    "host", "node", "project_id", "tenant_id", "deleted", "soft_deleted", "launch_index",
    "kernel_id", "ramdisk_id", "image_ref", "display_name", "display_description", "locked_by",
    "root_device_name", "access_ip_v4", "access_ip_v6", "auto_disk_config",
})  # fmt: skip
_KNOWN: Final = frozenset({*PAGING, *_FOR_ALL, *_FOR_ADMINS})
_NEVER: Final = frozenset({
    "block_device_mapping", "services", "metadata", "system_metadata", "info_cache",
    "security_groups", "pci_devices",
})  # fmt: skip

# By the name in the query string: the field that it equals, or is like.
_EQUAL: Final[Mapping[str, str]] = MappingProxyType({
    "image": "image_id", "image_ref": "image_id", "flavor": "flavor_id", "uuid": "id",
    "user_id": "user_id", "locked_by": "locked_by", "access_ip_v4": "access_ipv4",
    "access_ip_v6": "access_ipv6",
})  # fmt: skip
_LIKE: Final[Mapping[str, str]] = MappingProxyType({
    "name": "name", "display_name": "name", "hostname": "hostname", "key_name": "key_name",
    "description": "description", "display_description": "description",
    "reservation_id": "reservation_id",
})  # fmt: skip
_TIMES: Final = ("created_at", "launched_at", "terminated_at")
_STATES: Final = ("status", "vm_state", "task_state", "power_state", "progress")

# What every server has alike.
_CONSTANTS: Final[Mapping[str, str]] = MappingProxyType({
    "root_device_name": "/dev/vda", "kernel_id": "", "ramdisk_id": "",
    "soft_deleted": "False",
})  # fmt: skip

# All that Nova knows; servers here have some of them.
_STATUSES: Final = frozenset({
    "ACTIVE", "BUILD", "DELETED", "ERROR", "HARD_REBOOT", "MIGRATING", "PASSWORD", "PAUSED",
    "REBOOT", "REBUILD", "RESCUE", "RESIZE", "REVERT_RESIZE", "SHELVED", "SHELVED_OFFLOADED",
    "SHUTOFF", "SOFT_DELETED", "SUSPENDED", "UNKNOWN", "VERIFY_RESIZE",
})  # fmt: skip

TAGS_ASKED_MAX: Final = 50  # As many as a server has.
_TRUE: Final = frozenset({"1", "true", "t", "yes", "y", "on", ""})
_FALSE: Final = frozenset({"0", "false", "f", "no", "n", "off"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerList:
    """What to list, and how."""

    query: ListQuery
    chosen: ServerFilter = EXISTING
    all_projects: bool = False
    matches_nothing: bool = False  # A filter has a value that no server has.
    problems: tuple[tuple[str, str], ...] = ()  # What to say if nothing is found: field, why.


def read_server_list(svc: Services, request: Request) -> ServerList:
    """Return what is asked for.

    Filters for admins do nothing for others, and before 2.75 unknown ones do nothing for anybody:
    both as in Nova.

    Raises:
        Invalid: A filter is malformed, or (from 2.75 on) unknown.
        Forbidden: Deleted servers, or an order by hosts, are asked for by somebody else than an
            admin.
    """
    given = _given(request)
    asked = ServerList(
        query=page_query(request, sort_keys=sorting(request)),
        all_projects=_flag(given, "all_tenants"),
        matches_nothing=request.query.find("limit") == "0",
    )
    asked = _with_equals(asked, given)
    asked = _with_patterns(asked, given)
    asked = _with_states(asked, request, given)
    asked = _with_times(asked, given)
    asked = _with_tags(asked, given)
    asked = _with_host(asked, svc, request, given)
    return replace(asked, chosen=_chosen(given, asked))


def _given(request: Request) -> dict[str, list[str]]:
    """Return the filters that count for this caller and version, each with its values."""
    given: dict[str, list[str]] = {}
    minor, all_filters = request.version.minor, request.caller.may(rules.LIST_DELETED_SERVERS)
    for name in request.query.names():
        if name in _NEVER or name.startswith("_"):
            raise Invalid(name, "Invalid filter field")
        if name not in _KNOWN and minor >= 75:
            raise Invalid(name, f"unknown; there are {', '.join(sorted(_KNOWN))}")
        since = _FOR_ALL.get(name)
        counts = since is not None and minor >= since
        if counts or (all_filters and name in _KNOWN):
            given[name] = request.query.all(name)
    return given


def _flag(given: Mapping[str, Sequence[str]], name: str) -> bool:
    if name not in given:
        return False
    value = given[name][-1].lower()
    if value not in _TRUE | _FALSE:
        raise Invalid(name, "must be true or false")
    return value in _TRUE


def _equals(asked: ServerList, field: str, values: tuple[object, ...]) -> ServerList:
    """Add that a field has one of these values, whatever else it is asked to have."""
    before = asked.query.equals.get(field)
    both = values if before is None else tuple(value for value in values if value in before)
    query = replace(asked.query, equals={**asked.query.equals, field: both})
    return replace(asked, query=query)


def _with_equals(asked: ServerList, given: Mapping[str, Sequence[str]]) -> ServerList:
    for name, field in _EQUAL.items():
        if name in given:
            asked = _equals(asked, field, tuple(given[name]))
    for name in ("project_id", "tenant_id"):
        # Without `all_tenants` they do nothing: one's own project's servers are listed.
        if name in given and asked.all_projects:
            asked = _equals(asked, "project_id", tuple(given[name]))
    if "config_drive" in given:
        asked = _equals(asked, "config_drive", (_flag(given, "config_drive"),))
    if "auto_disk_config" in given:
        automatic = _flag(given, "auto_disk_config")
        kind = DiskConfig.AUTO if automatic else DiskConfig.MANUAL
        asked = _equals(asked, "disk_config", (kind.value,))
    if "launch_index" in given:
        numbers = [text for text in given["launch_index"] if text.isdecimal() and len(text) < 10]
        asked = _equals(asked, "launch_index", tuple(map(int, numbers)))
    unlike = any(
        name in given and given[name][-1].lower() not in constant.lower()
        for name, constant in _CONSTANTS.items()
    )
    return replace(asked, matches_nothing=asked.matches_nothing or unlike)


def _with_patterns(asked: ServerList, given: Mapping[str, Sequence[str]]) -> ServerList:
    for name, field in _LIKE.items():
        if name not in given:
            continue
        match read_name_pattern(given[name][-1], field=name):
            case Like(pattern):
                like = {**asked.query.like, field: pattern}
                asked = replace(asked, query=replace(asked.query, like=like))
            case Exactly(text, problem):
                problems = (*asked.problems, (name, problem))
                asked = replace(_equals(asked, field, (text,)), problems=problems)
    return asked


def _with_states(
    asked: ServerList, request: Request, given: Mapping[str, Sequence[str]]
) -> ServerList:
    for status in given.get("status", ()):
        if status.upper() not in _STATUSES and request.version.minor >= 38:
            raise Invalid("status", "Invalid status value")
    for name in _STATES:
        if name in given:
            states = states_with(name, given[name])
            asked = _equals(asked, "state", tuple(state.value for state in states))
    if asked.query.equals.get("state") == ("DELETED",):
        require(request.caller, rules.LIST_DELETED_SERVERS)
    return asked


def _with_times(asked: ServerList, given: Mapping[str, Sequence[str]]) -> ServerList:
    least, most = dict(asked.query.at_least), dict(asked.query.at_most)
    for name in _TIMES:
        if name in given:
            at = read_time(name, given[name][-1])
            least[name], most[name] = at, _last_of_its_second(at)
    since = (
        read_time("changes-since", given["changes-since"][-1]) if "changes-since" in given else None
    )
    if since is not None:
        least["updated_at"] = since
    if "changes-before" in given:
        before = read_time("changes-before", given["changes-before"][-1])
        if since is not None and before < since:
            problem = "The value of changes-since must be less than or equal to changes-before."
            raise Invalid("changes-before", problem)
        most["updated_at"] = _last_of_its_second(before)
    return replace(asked, query=replace(asked.query, at_least=least, at_most=most))


def _last_of_its_second(at: datetime) -> datetime:
    """Return the end of the second, as clients are shown whole ones."""
    return at if at.microsecond else at + timedelta(microseconds=999_999)


def _with_host(
    asked: ServerList, svc: Services, request: Request, given: Mapping[str, Sequence[str]]
) -> ServerList:
    for name in ("host", "node"):
        if name not in given:
            continue
        try:
            host = get_host(
                svc, request.caller, given[name][-1], by=rules.LIST_DELETED_SERVERS
            ).host
        except NotFound:
            return replace(asked, matches_nothing=True)
        asked = _equals(asked, "host_id", (host.id,))
    if "availability_zone" in given:
        named = set(given["availability_zone"])
        there = [host_id for zone in sorted(named) for host_id in hosts_in_zone(svc, zone)]
        on = asked.query.equals.get("host_id")
        if on is not None:
            there = [host_id for host_id in there if host_id in on]
        if not there:
            return replace(asked, matches_nothing=True)
        asked = _equals(asked, "host_id", tuple(there))
    return asked


def _chosen(given: Mapping[str, Sequence[str]], asked: ServerList) -> ServerFilter:
    return ServerFilter(
        deleted=_deleted(given, asked),
        locked=_flag(given, "locked") if "locked" in given else None,
        ip=_address(given, "ip"),
        ip6=_address(given, "ip6"),
    )


def _deleted(given: Mapping[str, Sequence[str]], asked: ServerList) -> bool | None:
    """Say whether deleted ones are listed: alone, not at all, or (None) with the others."""
    if asked.query.equals.get("state") == ("DELETED",):
        return True
    if "deleted" in given:
        return given["deleted"][-1].lower() in _TRUE - {""}
    if "changes-since" in given or "changes-before" in given:
        return None
    return False


def _with_tags(asked: ServerList, given: Mapping[str, Sequence[str]]) -> ServerList:
    tags = TagFilter(
        all_of=_tags(given, "tags"),
        any_of=_tags(given, "tags-any"),
        not_all_of=_tags(given, "not-tags"),
        none_of=_tags(given, "not-tags-any"),
    )
    return replace(asked, query=replace(asked.query, tags=tags))


def _tags(given: Mapping[str, Sequence[str]], name: str) -> tuple[str, ...]:
    tags = tuple(dict.fromkeys(given[name][-1].split(","))) if name in given else ()
    if len(tags) > TAGS_ASKED_MAX:
        raise Invalid(name, f"{TAGS_ASKED_MAX} tags at most")
    return tags


def _address(given: Mapping[str, Sequence[str]], name: str) -> str | None:
    if name not in given:
        return None
    match read_name_pattern(given[name][-1], field=name):
        case Like(pattern):
            return pattern
        case Exactly(_, problem):
            raise Invalid(name, problem)
