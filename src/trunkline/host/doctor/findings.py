"""A finding: one prerequisite, how it stands, and what to do."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Verdict(enum.Enum):
    """How a prerequisite stands."""

    OK = "ok"
    WARNING = "warning"  # Servers can run; something will surprise somebody.
    MISSING = "missing"  # No server with a device can run before it is mended.


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor."""

    check: str  # What was looked at: `iommu`, `card 0000:05:00.0`.
    verdict: Verdict
    found: str
    fix: str = ""  # The exact thing to do; empty if nothing is to be done.


def ok(check: str, found: str) -> Finding:
    """Make a finding that all is well."""
    return Finding(check, Verdict.OK, found)


def warning(check: str, found: str, fix: str) -> Finding:
    """Make a finding that does not keep servers from running."""
    return Finding(check, Verdict.WARNING, found, fix)


def missing(check: str, found: str, fix: str) -> Finding:
    """Make a finding that does."""
    return Finding(check, Verdict.MISSING, found, fix)
