"""What servers are chosen by that no single field of theirs says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFilter:
    """Everything that is said must hold. Patterns are SQL's, escaped with a backslash."""

    deleted: bool | None = False  # None: deleted ones too.
    locked: bool | None = None
    launched_before: datetime | None = None  # At this time at the latest; None: or never.
    there_after: datetime | None = None  # Not deleted before this time.
    ip: str | None = None  # A pattern: some IPv4 address is like it.
    ip6: str | None = None


EXISTING: Final = ServerFilter()
