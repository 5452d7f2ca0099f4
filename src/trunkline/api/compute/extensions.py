"""Handlers of ``/extensions``: an old way to ask what is served, which some clients still go."""

from __future__ import annotations

from typing import Any, Final

from trunkline.api.http import Request, Response
from trunkline.control.services import Services
from trunkline.domain.errors import NotFound

_UPDATED: Final = "2014-12-03T00:00:00Z"  # When Nova stopped to count; the same for all.
_NAMESPACE: Final = "http://docs.openstack.org/compute/ext/fake_namespaces"

# Nova's names and aliases, of what is served here.
_SERVED: Final = {
    "os-admin-actions": "AdminActions", "os-aggregates": "Aggregates",
    "os-attach-interfaces": "AttachInterfaces", "os-availability-zone": "AvailabilityZone",
    "os-config-drive": "ConfigDrive", "os-console-output": "ConsoleOutput",
    "os-extended-availability-zone": "ExtendedAvailabilityZone",
    "os-extended-server-attributes": "ExtendedServerAttributes",
    "os-extended-status": "ExtendedStatus", "os-flavor-extra-specs": "FlavorExtraSpecs",
    "os-flavor-manage": "FlavorManage", "os-hypervisors": "Hypervisors",
    "os-instance-actions": "InstanceActions", "os-keypairs": "Keypairs",
    "os-lock-server": "LockServer", "os-migrations": "Migrations",
    "os-multiple-create": "MultipleCreate", "os-quota-sets": "Quotas",
    "os-scheduler-hints": "SchedulerHints", "os-services": "Services",
    "os-used-limits": "UsedLimits", "os-user-data": "UserData",
}  # fmt: skip


def list_(_: Services, __: Request) -> Response:
    """Answer ``GET /extensions``."""
    return Response(body={"extensions": [_body(alias) for alias in sorted(_SERVED)]})


def show(_: Services, request: Request) -> Response:
    """Answer ``GET /extensions/{alias}``."""
    alias = request.params["alias"]
    if alias not in _SERVED:
        raise NotFound("extension", alias)
    return Response(body={"extension": _body(alias)})


def _body(alias: str) -> dict[str, Any]:
    return {
        "alias": alias,
        "name": _SERVED[alias],
        "description": "",
        "links": [],
        "namespace": _NAMESPACE,
        "updated": _UPDATED,
    }
