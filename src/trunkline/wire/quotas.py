"""The JSON of quotas: part of trunkline/v1, with its rules."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaItem:
    """How much of one resource a project may hold, and holds."""

    project_id: str | None  # None: every project that has no quota of its own.
    project: str | None  # Its name; None: it has none here.
    resource: str  # A value of `domain.quota.Resource`.
    physical_network: str | None  # None: wherever it is cabled to.
    limit: int | None  # None: any amount, whatever other projects may.
    held: int | None  # None: of every project, or each group, user or server has its own.


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaBody:
    """A quota to be set."""

    limit: int | None
    physical_network: str | None = None


@dataclass(frozen=True, slots=True)
class QuotaList:
    """The answer that lists quotas."""

    quotas: tuple[QuotaItem, ...]
