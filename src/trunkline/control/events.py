"""The audit trail, for reading."""

from __future__ import annotations

from dataclasses import replace

from trunkline.control.access import visible_by
from trunkline.control.services import Services
from trunkline.domain.audit import AuditEvent
from trunkline.domain.identity import Caller
from trunkline.domain.listing import ListQuery
from trunkline.domain.policy import trunkline_rules as rules


def list_events(svc: Services, caller: Caller, query: ListQuery) -> list[AuditEvent]:
    """Return one page of events, newest first; tenants see those of their own project."""
    query = replace(query, visible_to=visible_by(caller, rules.LIST_EVENTS))
    return svc.store.read(lambda tx: tx.events.page(query))
