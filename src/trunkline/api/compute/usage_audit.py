"""Handlers of ``/os-instance_usage_audit_log``: of Nova's periodic audit, which none runs here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from trunkline.api.compute.paging import every_page, read_time
from trunkline.api.http import Request, Response
from trunkline.control.hosts import list_hosts
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid
from trunkline.domain.policy import compute_rules as rules

_PERIOD: Final = timedelta(hours=1)
_YEAR_1: Final = datetime.min.replace(tzinfo=UTC)
_SHOWN: Final = "%Y-%m-%d %H:%M:%S"


def list_(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-instance_usage_audit_log``: of the last whole hour."""
    return Response(body={"instance_usage_audit_logs": _log(svc, request, svc.clock.now())})


def show(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-instance_usage_audit_log/{before}``: of the last hour before a time."""
    before = read_time("before", request.params["before"])
    return Response(body={"instance_usage_audit_log": _log(svc, request, before)})


def _log(svc: Services, request: Request, before: datetime) -> dict[str, Any]:
    end = before.replace(minute=0, second=0, microsecond=0)
    if end - _YEAR_1 < _PERIOD:
        raise Invalid("before", "there is no hour before it")
    by = rules.LIST_USAGE_AUDITS
    views = every_page(
        lambda query: list_hosts(svc, request.caller, query, by=by), lambda view: view.host.id
    )
    hosts = sorted(view.host.name for view in views)
    return {
        "hosts_not_run": hosts,
        "log": {},
        "num_hosts": len(hosts),
        "num_hosts_done": 0,
        "num_hosts_not_run": len(hosts),
        "num_hosts_running": 0,
        "overall_status": f"0 of {len(hosts)} hosts done. 0 errors.",
        "period_beginning": (end - _PERIOD).strftime(_SHOWN),
        "period_ending": end.strftime(_SHOWN),
        "total_errors": 0,
        "total_instances": 0,
    }
