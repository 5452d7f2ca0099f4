"""The audit trail: who changed which thing when. Written in the transaction of the change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One change to one thing."""

    number: int  # Rises with every event; 0 before it is stored.
    at: datetime
    actor: str  # `user NAME`, `agent HOST` or `system`.
    action: str  # e.g. `device.claim`, `device.clean`, `server.create`.
    subject: str  # What was changed: the kind and ID, e.g. `device 0000:05:10.0 on h1`.
    request_id: str = ""
    project_id: str | None = None
    host: str | None = None
    server_id: str | None = None
    port_id: str | None = None
    device_id: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)
    user_id: str | None = None  # Of a user's changes.
