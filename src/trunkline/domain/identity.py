"""Who may ask: users, projects, roles, tokens."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from trunkline.domain.ids import ProjectId, UserId


class Role(enum.Enum):
    """Keystone's default roles; each implies the ones after it."""

    ADMIN = "admin"
    MEMBER = "member"
    READER = "reader"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What networks, ports, servers and images belong to."""

    id: ProjectId
    name: str
    description: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody with a password. `password_hash` is argon2's encoded form."""

    id: UserId
    name: str
    password_hash: str
    enabled: bool = True
    default_project_id: ProjectId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is asking, for one request: made from a token, or by the program for itself."""

    user_id: UserId
    user_name: str
    project_id: ProjectId
    project_name: str
    roles: frozenset[Role]
    request_id: str = ""  # `req-…`, as in the response header and in audit rows.
    expires_at: datetime | None = None

    @property
    def is_admin(self) -> bool:
        """May do anything, in every project."""
        return Role.ADMIN in self.roles

    @property
    def can_write(self) -> bool:
        """May change things of the own project."""
        return self.is_admin or Role.MEMBER in self.roles
