"""The real clock and the real dice: made here, and given to whatever needs them."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime


class RealClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the time of day, UTC."""
        return datetime.now(UTC)


class RandomIds:
    """IDs and secrets from the operating system's random numbers."""

    def new_id(self) -> str:
        """Return a random UUID."""
        return str(uuid.uuid4())

    def new_secret(self) -> str:
        """Return 256 random bits as URL-safe text."""
        return secrets.token_urlsafe(32)
