"""Handlers of ``/os-quota-sets`` and ``/os-quota-class-sets``: quotas as Nova knows them.

What Nova limits and is not limited here, or the same for all, is shown as it is, and can't be set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.parsing import Fields, body_fields
from trunkline.api.problems import HttpProblem
from trunkline.api.versions import Microversion
from trunkline.control.access import of_project, refusal, require
from trunkline.control.quotas import (
    LimitView,
    default_limits,
    project_limits,
    set_quotas,
    unset_quotas,
)
from trunkline.control.services import Services
from trunkline.domain.errors import NotFound
from trunkline.domain.host import COUNT_MAX
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.quota import Resource

UNLIMITED: Final = -1
RESOURCES: Final[Mapping[str, Resource]] = {
    "instances": Resource.SERVERS,
    "cores": Resource.CORES,
    "ram": Resource.MEMORY_MIB,
    "key_pairs": Resource.KEY_PAIRS,
    "metadata_items": Resource.METADATA_ITEMS,
    "server_group_members": Resource.SERVER_GROUP_MEMBERS,
    "server_groups": Resource.SERVER_GROUPS,
}
# The same for all. What is not served has no limit, or, where a limit means something, none of it.
FIXED_LIMITS: Final[Mapping[str, int]] = {
    "fixed_ips": UNLIMITED,
    "floating_ips": 0,
    "injected_file_content_bytes": 0,
    "injected_file_path_bytes": 0,
    "injected_files": 0,
    "security_group_rules": UNLIMITED,
    "security_groups": UNLIMITED,
}
_BEFORE_36: Final = ("fixed_ips", "floating_ips", "security_group_rules", "security_groups")
_BEFORE_57: Final = (
    "injected_file_content_bytes",
    "injected_file_path_bytes",
    "injected_files",
)
_CLASS: Final = "default"
# Nova forgot quota classes until 2.50: both changes that it lacked came then.
_CLASS_CAUGHT_UP: Final = 50
_GROUPS: Final = ("server_group_members", "server_groups")


def show(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-quota-sets/{project}``."""
    project_id, limits = _project(svc, request)
    shown = _names(request.version, {name: _limit(limits[RESOURCES[name]]) for name in RESOURCES})
    return Response(body={"quota_set": {"id": project_id, **shown}})


def show_detailed(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-quota-sets/{project}/detail``: with what is in use."""
    project_id, limits = _project(svc, request)
    used = {name: limits[RESOURCES[name]].held for name in RESOURCES}
    shown = _names(request.version, {name: _limit(limits[RESOURCES[name]]) for name in RESOURCES})
    details = {
        name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0}
        for name, limit in shown.items()
    }
    return Response(body={"quota_set": {"id": project_id, **details}})


def show_defaults(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-quota-sets/{project}/defaults``: what those without quotas may hold."""
    project_id, _ = _project(svc, request)
    return Response(body={"quota_set": {"id": project_id, **_defaults(svc, request.version)}})


def update(svc: Services, request: Request) -> Response:
    """Set quotas of a project; ``force`` lets them be less than what it holds."""
    require(request.caller, rules.UPDATE_QUOTAS)
    if "user_id" in request.query:
        raise HttpProblem(400, "user_id: quotas are of projects here, not of users")
    project_id, _ = _project(svc, request)
    fields = body_fields(request, "quota_set")
    force = fields.boolean("force", default=False)
    if "tenant_id" in fields and fields.text("tenant_id") != project_id:
        raise fields.invalid("tenant_id", "must be the project of the path")
    limits = _wanted(fields, request.version, besides=("force", "tenant_id"))
    set_quotas(svc, request.caller, project_id, limits, below_held=force, by=rules.UPDATE_QUOTAS)
    _, now = _project(svc, request)
    shown = _names(request.version, {name: _limit(now[RESOURCES[name]]) for name in RESOURCES})
    return Response(body={"quota_set": shown})


def remove(svc: Services, request: Request) -> Response:
    """Answer ``DELETE /os-quota-sets/{project}``: what all projects have holds again."""
    require(request.caller, rules.DELETE_QUOTAS)
    if "user_id" in request.query:
        raise HttpProblem(400, "user_id: quotas are of projects here, not of users")
    project_id, _ = _project(svc, request)
    unset_quotas(svc, request.caller, project_id, RESOURCES.values(), by=rules.DELETE_QUOTAS)
    return Response(status=202)


def show_class(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-quota-class-sets/{class}``; there is one, ``default``."""
    require(request.caller, rules.SHOW_QUOTA_CLASS)
    name = request.params["class"]
    _require_default(name)
    return Response(body={"quota_class_set": {"id": name, **_class(svc, request.version)}})


def update_class(svc: Services, request: Request) -> Response:
    """Set what every project may hold that has no quota of its own."""
    require(request.caller, rules.UPDATE_QUOTA_CLASS)
    _require_default(request.params["class"])
    fields = body_fields(request, "quota_class_set")
    limits = _wanted(fields, request.version, besides=())
    set_quotas(svc, request.caller, None, limits, by=rules.UPDATE_QUOTA_CLASS)
    return Response(body={"quota_class_set": _class(svc, request.version)})


def _require_default(name: str) -> None:
    if name != _CLASS:
        raise NotFound("quota class", name)


def _class(svc: Services, version: Microversion) -> dict[str, int]:
    if version.minor >= _CLASS_CAUGHT_UP:
        return _defaults(svc, version)
    shown = _defaults(svc, Microversion(2, 1))
    return {name: limit for name, limit in shown.items() if name not in _GROUPS}


def _project(svc: Services, request: Request) -> tuple[str, Mapping[Resource, LimitView]]:
    """Look a project up: as Nova, 400 where there is none, 403 where it is another's."""
    ref = request.params["project"]
    if not request.caller.may(rules.SHOW_QUOTAS, of_project(ref)):
        raise refusal(rules.SHOW_QUOTAS)
    try:
        project, limits = project_limits(svc, request.caller, ref, by=rules.SHOW_QUOTAS)
    except NotFound:
        raise HttpProblem(400, f"Project ID {ref[:64]} is not a valid project.") from None
    return project.id, limits


def _defaults(svc: Services, version: Microversion) -> dict[str, int]:
    limits = default_limits(svc)
    return _names(
        version,
        {name: _number(limits[resource]) for name, resource in RESOURCES.items()},
    )


def _names(version: Microversion, limits: Mapping[str, int]) -> dict[str, int]:
    """Return the limits that this version shows."""
    gone = (_BEFORE_36 if version.minor >= 36 else ()) + (_BEFORE_57 if version.minor >= 57 else ())
    return {name: limit for name, limit in {**FIXED_LIMITS, **limits}.items() if name not in gone}


def _wanted(
    fields: Fields, version: Microversion, *, besides: tuple[str, ...]
) -> list[tuple[Resource, None, int | None]]:
    known = _names(version, dict.fromkeys(RESOURCES, UNLIMITED))
    fields.require_only((*known, *besides))
    wanted: list[tuple[Resource, None, int | None]] = []
    for name in fields.names():
        if name in besides:
            continue
        limit = fields.integer(name, low=UNLIMITED, high=COUNT_MAX)
        if name in RESOURCES:
            wanted.append((RESOURCES[name], None, None if limit == UNLIMITED else limit))
        elif limit != known[name]:
            raise fields.invalid(name, f"is {known[name]} here for all, and can't be set")
    return wanted


def _limit(view: LimitView) -> int:
    return _number(view.limit)


def _number(limit: int | None) -> int:
    return UNLIMITED if limit is None else limit
