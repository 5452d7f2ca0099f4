"""The JSON of verifying: part of trunkline/v1, with its rules."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyBody:
    """Which hosts to verify: `limit` of them by name, after the one with ID `marker`."""

    limit: int
    marker: str | None = None
    mend: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyFinding:
    """One thing that is wrong."""

    host: str
    flaw: str  # index, use, held, pools, orphan, missing or stray.
    subject: str
    detail: str
    mended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyAnswer:
    """What was found on one page of hosts."""

    host_count: int
    marker: str | None  # Of the next page; None: there is none.
    findings: tuple[VerifyFinding, ...]
