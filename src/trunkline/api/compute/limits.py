"""Handler of ``/limits``: what a project may have, and has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from trunkline.api.compute.quota_sets import FIXED_LIMITS, RESOURCES, UNLIMITED
from trunkline.api.http import Request, Response
from trunkline.api.versions import Microversion
from trunkline.control.quotas import LimitView, project_limits
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.quota import Resource

# By Nova's name of a quota: the name of the limit, and the minor version that took it away.
_LIMITS: Final[tuple[tuple[str, str, int | None], ...]] = (
    ("instances", "maxTotalInstances", None), ("cores", "maxTotalCores", None),
    ("ram", "maxTotalRAMSize", None), ("key_pairs", "maxTotalKeypairs", None),
    ("metadata_items", "maxServerMeta", None), ("metadata_items", "maxImageMeta", 39),
    ("server_groups", "maxServerGroups", None),
    ("server_group_members", "maxServerGroupMembers", None),
    ("injected_files", "maxPersonality", 57),
    ("injected_file_content_bytes", "maxPersonalitySize", 57),
    ("floating_ips", "maxTotalFloatingIps", 36), ("security_groups", "maxSecurityGroups", 36),
    ("security_group_rules", "maxSecurityGroupRules", 36),
)  # fmt: skip
_USED: Final[tuple[tuple[str, str, int | None], ...]] = (
    ("instances", "totalInstancesUsed", None), ("cores", "totalCoresUsed", None),
    ("ram", "totalRAMUsed", None), ("server_groups", "totalServerGroupsUsed", None),
    ("floating_ips", "totalFloatingIpsUsed", 36),
    ("security_groups", "totalSecurityGroupsUsed", 36),
)  # fmt: skip


def show(svc: Services, request: Request) -> Response:
    """Answer ``GET /limits``: of the caller's project, or of `tenant_id` for admins."""
    minor = request.version.minor
    for name in request.query.names():
        if name not in ("tenant_id", "reserved") and minor >= 57:
            raise Invalid(name, "unknown; there is tenant_id")
    project = request.query.find("tenant_id") or request.caller.own_project
    try:
        _, limits = project_limits(svc, request.caller, project, by=rules.SHOW_QUOTAS)
    except NotFound as missing:
        raise Invalid("tenant_id", missing.message) from missing
    return Response(body={"limits": {"rate": [], "absolute": _absolute(limits, request.version)}})


def _absolute(limits: Mapping[Resource, LimitView], version: Microversion) -> dict[str, Any]:
    most = {name: limits[resource].limit for name, resource in RESOURCES.items()}
    held = {name: limits[resource].held for name, resource in RESOURCES.items()}
    known = {name: UNLIMITED if limit is None else limit for name, limit in most.items()}
    known |= FIXED_LIMITS

    def there(before: int | None) -> bool:
        return before is None or version.minor < before

    return {shown: known[name] for name, shown, before in _LIMITS if there(before)} | {
        shown: held.get(name, 0) for name, shown, before in _USED if there(before)
    }
