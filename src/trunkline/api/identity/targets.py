"""What roles are given in, as paths and queries name it: a project, a domain or the system."""

from __future__ import annotations

from trunkline.api.http import Request
from trunkline.domain.errors import NotFound
from trunkline.domain.identity import SYSTEM, project_in, target_of_domain
from trunkline.domain.ids import DomainId, RoleTarget


def target_of(request: Request) -> RoleTarget:
    """Return what a path is about."""
    params = request.params
    if "project_id" in params:
        target = RoleTarget(params["project_id"])
        if project_in(target) is None:
            raise NotFound("project", params["project_id"])
        return target
    if "domain_id" in params:
        return target_of_domain(DomainId(params["domain_id"]))
    return SYSTEM
