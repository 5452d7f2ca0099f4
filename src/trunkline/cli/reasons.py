"""Reasons, and how many hosts each stands at, as the commands print them."""

from __future__ import annotations

from collections.abc import Mapping


def words(reason: str) -> str:
    """E.g. `no free device`."""
    return reason.replace("_", " ")


def most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return reasons in words with their counts, the most frequent first."""
    in_order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(words(reason), count) for reason, count in in_order]
