"""The JSON of quotas: part of trunkline/v1, with its rules."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaItem:
    """How many devices of one kind a project may hold, and holds."""

    project_id: str
    project: str  # Its name.
    kind: str  # vf, pf or plain.
    physical_network: str | None  # None: wherever the devices are cabled to.
    limit: int
    held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaBody:
    """A quota to be set."""

    limit: int
    physical_network: str | None = None


@dataclass(frozen=True, slots=True)
class QuotaList:
    """The answer that lists quotas."""

    quotas: tuple[QuotaItem, ...]
