"""Writing the audit trail: in the transaction of the change, by whoever made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from prometheus_client import Counter

from trunkline.control import metrics
from trunkline.domain.audit import AuditEvent
from trunkline.domain.identity import Caller
from trunkline.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something: ``user NAME``, ``agent HOST`` or ``system``."""

    name: str
    request_id: str = ""
    user_id: str | None = None


SYSTEM = Actor("system")


def actor_of(caller: Caller) -> Actor:
    """Return the actor that a caller is."""
    return Actor(f"user {caller.user_name}", caller.request_id, caller.user_id)


def record(
    tx: Transaction,
    actor: Actor,
    at: datetime,
    action: str,
    subject: str,
    *,
    project_id: str | None = None,
    host: str | None = None,
    server_id: str | None = None,
    port_id: str | None = None,
    device_id: str | None = None,
    details: Mapping[str, object] | None = None,
) -> None:
    """Add an audit event. `action` is ``noun.verb``; `subject` names the thing for a reader."""
    tx.events.add(
        AuditEvent(
            number=0,
            at=at,
            actor=actor.name,
            action=action,
            subject=subject,
            request_id=actor.request_id,
            project_id=project_id,
            host=host,
            server_id=server_id,
            port_id=port_id,
            device_id=device_id,
            details=details or {},
            user_id=actor.user_id,
        )
    )
    tx.on_commit(_counter(action).inc)


@cache
def _counter(action: str) -> Counter:
    """Return what counts changes of one action; there are some dozens."""
    return metrics.CHANGES.labels(action)
