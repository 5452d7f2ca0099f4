"""What projects have used: how long their servers were there, as long as deleted ones are kept."""

from __future__ import annotations

from datetime import datetime

from trunkline.control.access import of_project, require
from trunkline.control.services import Services
from trunkline.domain.identity import Caller
from trunkline.domain.listing import ListQuery, SortKey
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.server import Server
from trunkline.domain.server_filter import ServerFilter


def require_usage(caller: Caller, project_id: str | None) -> None:
    """Raise `Forbidden` if what this project, or each one (None), has used is not for `caller`."""
    if project_id is None:
        require(caller, rules.LIST_USAGE)
    else:
        require(caller, rules.SHOW_USAGE, of_project(project_id))


def list_used(
    svc: Services,
    caller: Caller,
    begin: datetime,
    end: datetime,
    *,
    page: ListQuery,
    project_id: str | None,
) -> list[Server]:
    """Return a page of the servers that were there between two times, by project.

    Those count that have run: what never found a host, or was refused there, has used nothing.

    Raises:
        Forbidden: Those of this project, or (None) of all, are not for the caller.
    """
    require_usage(caller, project_id)
    query = ListQuery(
        visible_to=project_id,
        sort=(SortKey("project_id"),),
        limit=page.limit,
        marker=page.marker,
    )
    chosen = ServerFilter(deleted=None, launched_before=end, there_after=begin)
    return svc.store.read(lambda tx: tx.servers.page(query, chosen))
