"""Counts of hosts by what stands against them, as JSON has them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import TypeVar

R = TypeVar("R", bound=enum.Enum)


def counts_by_reason(counts: Mapping[R, int]) -> dict[str, int]:
    """Name the reasons by their values, which are API."""
    return {reason.value: count for reason, count in counts.items()}
