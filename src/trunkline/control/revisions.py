"""The revision that a client has seen of what it changes or deletes: If-Match."""

from __future__ import annotations

from trunkline.domain.errors import GenerationMoved


def require_revision(what: str, ref: str, *, at: int, seen: int | None) -> None:
    """Raise `GenerationMoved` unless `what` is at the revision that was seen; None: any will do."""
    if seen not in (None, at):
        raise GenerationMoved(what, ref, seen_generation=seen or 0)
