"""Locks on servers: a locked one is changed by admins alone, until the lock is lifted."""

from __future__ import annotations

import enum
from typing import Final

from trunkline.domain.errors import ErrorKind, TrunklineError

REASON_CHARS_MAX: Final = 255  # Nova's.


class LockedBy(enum.Enum):
    """Who locked a server. The values are API."""

    OWNER = "owner"  # Somebody of its project.
    ADMIN = "admin"  # An admin, from another project: the owner can't lift it.


class ServerLocked(TrunklineError):
    """The server is locked, and the caller is no admin."""

    code = "server.locked"
    kind = ErrorKind.CONFLICT

    def __init__(self, server_id: str) -> None:
        super().__init__(f"Instance {server_id} is locked")
        self.server_id = server_id
