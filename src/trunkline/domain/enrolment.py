"""Enrolment tokens: each lets one host enrol, once, and no longer than until it expires."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from trunkline.domain.ids import EnrolmentTokenId, HostName

LIFETIME: Final = timedelta(hours=24)  # Where nobody says: until the host is installed.
LIFETIME_MAX: Final = timedelta(days=30)  # A longer one lies in a file that nobody remembers.


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentToken:
    """What is kept of a token; its text is told once, to who has it made."""

    id: EnrolmentTokenId
    host: HostName | None  # The only host that may use it; None: any that has no credential yet.
    created_by: str  # The user's name.
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    used_by: HostName | None = None

    def state(self, now: datetime) -> str:
        """Say how it stands: `unused`, `used` or `expired`."""
        if self.used_at is not None:
            return "used"
        return "unused" if now < self.expires_at else "expired"
