"""Handlers of ``/allocation_candidates`` and ``/usages``."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from trunkline.api.http import Request, Response
from trunkline.api.placement.filters import parse_member_of, parse_resources, parse_traits
from trunkline.api.placement.render import CACHE_HEADERS_SINCE
from trunkline.control import providers
from trunkline.control.services import Services
from trunkline.domain.candidates import (
    Candidate,
    CandidateSearch,
    CandidatesWanted,
    RequestGroup,
)
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.policy import placement_rules as rules
from trunkline.domain.providers import ProviderTree, ResourceProvider
from trunkline.wire.json import encode

GROUPS_MAX: Final = 64
_KEPT_BYTES_MAX: Final = 8192  # Of one tree's part: a host with a dozen PFs has no more.
_SERVED_SINCE: Final = 10
_USAGES_SINCE: Final = 9
_ALLOCATIONS_BY_PROVIDER_SINCE: Final = 12
_TRAITS_SINCE: Final = 17
_EVERY_CLASS_SINCE: Final = 27
_TREES_SINCE: Final = 29
_MAPPINGS_SINCE: Final = 34
_GROUPS_WITHOUT_RESOURCES_SINCE: Final = 36
_CONSUMER_TYPES_SINCE: Final = 38
# Parameters of one group, and the version that brought each.
_OF_GROUP: Final = {"resources": 10, "required": 17, "member_of": 21, "in_tree": 31}
_OF_REQUEST: Final = {"limit": 16, "group_policy": 25, "root_required": 35, "same_subtree": 36}
_NUMBERS_SINCE: Final = 25  # As suffixes of groups; words came later.
_WORDS_SINCE: Final = 33
_NUMBER: Final = re.compile(r"(?P<what>[a-z_]+?)(?P<suffix>[1-9][0-9]*)?")
_WORD: Final = re.compile(
    r"(?P<what>resources|required|member_of|in_tree)(?P<suffix>[A-Za-z0-9_-]{1,64})?"
)


@dataclass(frozen=True, slots=True)
class _Part:
    """What the answer says of one tree, as JSON."""

    found: int  # Ways, of which early versions are told those of one provider alone.
    ways: Sequence[bytes]
    summaries: Sequence[bytes]  # Members of an object.

    @property
    def is_small(self) -> bool:
        """Whether it may be kept for the next who asks the same."""
        return sum(map(len, (*self.ways, *self.summaries))) <= _KEPT_BYTES_MAX


def list_(svc: Services, request: Request) -> Response:
    """Answer each way to serve a request from the providers of one host, at this moment."""
    _require(request, _SERVED_SINCE, "allocation candidates")
    wanted = _wanted(request)
    trees = providers.list_trees(svc, request.caller, by=rules.LIST_CANDIDATES)
    minor = request.version.minor
    parts = list(_parts(trees, wanted, minor, asked=(minor, request.query.pairs)))
    ways = b",".join(way for part in parts for way in part.ways)
    summaries = b",".join(summary for part in parts for summary in part.summaries)
    fresh = minor >= CACHE_HEADERS_SINCE
    return Response(
        body=b'{"allocation_requests":[%b],"provider_summaries":{%b}}' % (ways, summaries),
        headers={"Cache-Control": "no-cache"} if fresh else {},
    )


def _parts(
    trees: Iterable[ProviderTree], wanted: CandidatesWanted, minor: int, *, asked: Hashable
) -> Iterator[_Part]:
    """Yield what is to be said of each tree, made once for as long as its host stays as it is."""
    search = CandidateSearch(wanted)
    classes = {name for group in wanted.groups for name in group.resources}
    for tree in trees:
        part: _Part | None = tree.kept.get(asked)
        if part is not None and part.found <= search.left:
            search.count(part.found)
        else:
            part = _part(tree, search.of_tree(tree.providers), classes, minor)
            if search.left and part.is_small:  # None: there may be more ways than these.
                tree.keep(asked, part)
        yield part
        if not search.left:
            break


def _part(tree: ProviderTree, ways: Sequence[Candidate], classes: set[str], minor: int) -> _Part:
    found = len(ways)
    if minor < _TREES_SINCE:
        ways = [way for way in ways if way.is_of_one_provider]
    in_use = {one for way in ways for one in way.resources}
    return _Part(
        found=found,
        ways=[encode(_request_body(way, minor)) for way in ways],
        summaries=[
            b"%b:%b" % (encode(one.id), encode(_summary_body(one, minor, classes)))
            for one in tree.providers
            # Of those in use, and later of their trees.
            if one.id in in_use or (ways and minor >= _TREES_SINCE)
        ],
    )


def show_usages(svc: Services, request: Request) -> Response:
    """Answer what a project, or a user of it, holds of each class of resource."""
    _require(request, _USAGES_SINCE, "usages")
    query, minor = request.query, request.version.minor
    known = {"project_id", "user_id"} | (
        {"consumer_type"} if minor >= _CONSUMER_TYPES_SINCE else set()
    )
    for name in query.names():
        if name not in known:
            raise Invalid(name, f"is not served here; served are {', '.join(sorted(known))}")
    project_id = query.find("project_id")
    if not project_id:
        raise Invalid("project_id", "is required")
    held = providers.usages_of_project(
        svc, request.caller, project_id, user_id=query.find("user_id")
    )
    if minor < _CONSUMER_TYPES_SINCE:
        return Response(body={"usages": dict(held.resources)})
    asked = query.find("consumer_type") or ""
    name = "INSTANCE" if asked in ("", "INSTANCE") else asked
    if asked not in ("", "all", "INSTANCE") or not held.consumers:
        return Response(body={"usages": {}})
    usages = {"consumer_count": held.consumers, **held.resources}
    return Response(body={"usages": {name: usages}})


def _require(request: Request, since: int, what: str) -> None:
    if request.version.minor < since:
        raise NotFound(what, f"at version {request.version}: ask for 1.{since} or newer")


def _wanted(request: Request) -> CandidatesWanted:
    """Read the query string.

    Raises:
        Invalid: A name is not served at this version, a value is of another form, or groups do not
            go together.
    """
    query, minor = request.query, request.version.minor
    by_suffix: dict[str, dict[str, list[str]]] = {}
    for name in query.names():
        if name in _OF_REQUEST:
            _require_version(name, _OF_REQUEST[name], minor)
            continue
        what, suffix = _group_of(name, minor)
        by_suffix.setdefault(suffix, {})[what] = query.all(name)
    if len(by_suffix) > GROUPS_MAX:
        raise Invalid("resources", f"{GROUPS_MAX} groups can be asked for at once")
    same_subtrees = [_suffixes(value, by_suffix) for value in query.all("same_subtree")]
    groups = [_group(suffix, values, minor, same_subtrees) for suffix, values in by_suffix.items()]
    if not any(group.resources for group in groups):
        raise Invalid("resources", "is required, as in resources=VCPU:1")
    policy = query.find("group_policy")
    if policy not in (None, "none", "isolate"):
        raise Invalid("group_policy", "must be none or isolate")
    with_resources = [group for group in groups if group.suffix and group.resources]
    if policy is None and len(with_resources) > 1:
        raise Invalid("group_policy", "is required where several groups have a suffix")
    limit = query.find("limit")
    return CandidatesWanted(
        groups=groups,
        isolated=policy == "isolate",
        root_traits=[
            demand
            for value in query.all("root_required")
            for demand in parse_traits(value, "root_required", minor)
        ],
        same_subtrees=same_subtrees,
        limit=None if limit is None else _limit(limit),
    )


def _group_of(name: str, minor: int) -> tuple[str, str]:
    """Tell a group's parameter from its suffix: ``resources_NIC1`` is ``resources`` of _NIC1."""
    form = _WORD if minor >= _WORDS_SINCE else _NUMBER
    match = form.fullmatch(name)
    if match is None or match["what"] not in _OF_GROUP:
        known = ", ".join((*_OF_GROUP, *_OF_REQUEST))
        raise Invalid(name[:60], f"is not served here; served are {known}")
    suffix = match["suffix"] or ""
    _require_version(name, max(_OF_GROUP[match["what"]], _NUMBERS_SINCE if suffix else 0), minor)
    return match["what"], suffix


def _require_version(name: str, since: int, minor: int) -> None:
    if minor < since:
        raise Invalid(name, f"is served from version 1.{since}, not at 1.{minor}")


def _group(
    suffix: str,
    values: Mapping[str, list[str]],
    minor: int,
    same_subtrees: list[frozenset[str]],
) -> RequestGroup:
    def last(what: str) -> str | None:
        return values[what][-1] if what in values else None

    resources = parse_resources(last("resources"))
    if not resources:
        may_lack = minor >= _GROUPS_WITHOUT_RESOURCES_SINCE and any(
            suffix in each for each in same_subtrees
        )
        if not suffix or not may_lack:
            raise Invalid(f"resources{suffix}", "is required beside what its providers must have")
    return RequestGroup(
        suffix=suffix,
        resources=resources,
        traits=[
            demand
            for value in values.get("required", ())
            for demand in parse_traits(value, f"required{suffix}", minor)
        ],
        member_of=parse_member_of(values.get("member_of", ()), minor),
        in_tree=last("in_tree"),
    )


def _suffixes(value: str, known: Mapping[str, object]) -> frozenset[str]:
    found = frozenset(value.split(","))
    for suffix in found:
        if not suffix or suffix not in known:
            raise Invalid("same_subtree", f"{suffix[:60]!r} is the suffix of no group")
    return found


def _limit(value: str) -> int:
    if not value.isdecimal() or len(value) > 10 or int(value) < 1:
        raise Invalid("limit", f"{value[:60]!r} is no whole number of 1 or more")
    return int(value)


def _request_body(way: Candidate, minor: int) -> dict[str, Any]:
    if minor < _ALLOCATIONS_BY_PROVIDER_SINCE:
        return {
            "allocations": [
                {"resource_provider": {"uuid": one}, "resources": amounts}
                for one, amounts in way.resources.items()
            ]
        }
    body: dict[str, Any] = {
        "allocations": {one: {"resources": amounts} for one, amounts in way.resources.items()}
    }
    if minor >= _MAPPINGS_SINCE:
        body["mappings"] = way.mappings
    return body


def _summary_body(provider: ResourceProvider, minor: int, classes: set[str]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "resources": {
            name: {"capacity": each.total - each.reserved, "used": each.used}
            for name, each in provider.inventories.items()
            if minor >= _EVERY_CLASS_SINCE or name in classes
        }
    }
    if minor >= _TRAITS_SINCE:
        body["traits"] = sorted(provider.traits)
    if minor >= _TREES_SINCE:
        body |= {
            "parent_provider_uuid": provider.parent_id,
            "root_provider_uuid": provider.host_id,
        }
    return body
