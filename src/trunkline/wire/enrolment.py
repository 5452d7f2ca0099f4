"""The JSON of enrolment: part of trunkline/v1, with its rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class EnrolBody:
    """An agent's first words: what lets its host have a credential."""

    key: str  # The enrolment key, or an enrolment token.
    token: str | None = None  # The credential that the agent made up; None: the service makes one.


@dataclass(frozen=True, slots=True)
class EnrolAnswer:
    """The host's own credential; an older one of the same host is worthless from now on."""

    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentTokenBody:
    """An enrolment token to be made."""

    host: str | None = None  # None: for any host that is not enrolled yet.
    ttl_seconds: int | None = None  # None: a day.


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentTokenItem:
    """An enrolment token, without its text."""

    id: str
    host: str | None
    state: str  # unused, used or expired.
    created_by: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    used_by: str | None


@dataclass(frozen=True, slots=True)
class EnrolmentTokenAnswer:
    """A token that was just made: the only answer that has its text."""

    token: str
    enrolment_token: EnrolmentTokenItem


@dataclass(frozen=True, slots=True)
class EnrolmentTokenList:
    """The answer that lists enrolment tokens."""

    enrolment_tokens: tuple[EnrolmentTokenItem, ...]
