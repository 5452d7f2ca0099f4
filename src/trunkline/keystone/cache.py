"""What was found out about tokens, kept for a while. The tokens themselves are not."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from trunkline.domain.identity import Caller
from trunkline.keystone.answers import Unusable

CALLERS_KEPT_MAX: Final = 20_000  # Some 25 MB.
UNUSABLE_KEPT_MAX: Final = 10_000
UNUSABLE_SECONDS: Final = 10.0  # Short: a user may be given a role a moment after being refused.

Digest = bytes


def digest_of(token: str) -> Digest:
    """Return what a token is known by: it is random enough that SHA-256 needs no salt."""
    return hashlib.sha256(token.encode()).digest()


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: Caller | Unusable
    asked_at: datetime
    until: datetime


class AnswerCache:
    """Keeps Keystone's answers, the most recently used of them. Safe from any thread.

    Answers about tokens that are good for nothing are kept apart: whoever sends made-up tokens
    pushes out none of those that are valid.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._callers: OrderedDict[Digest, _Kept] = OrderedDict()
        self._unusable: OrderedDict[Digest, _Kept] = OrderedDict()

    def find(self, digest: Digest, now: datetime) -> Caller | Unusable | None:
        """Return what is known of a token, if it still counts; one that has expired is invalid."""
        with self._lock:
            for kept_by in (self._callers, self._unusable):
                kept = kept_by.get(digest)
                if kept is None:
                    continue
                # A clock that was put back must not make an answer last longer.
                if kept.asked_at <= now < kept.until:
                    kept_by.move_to_end(digest)
                    return kept.answer
                del kept_by[digest]
        return None

    def keep(self, digest: Digest, answer: Caller | Unusable, asked_at: datetime) -> None:
        """Remember an answer; `asked_at` is when the question was sent, not when it came back."""
        if isinstance(answer, Unusable):
            kept_by, size_max, seconds = self._unusable, UNUSABLE_KEPT_MAX, UNUSABLE_SECONDS
        else:
            kept_by, size_max, seconds = self._callers, CALLERS_KEPT_MAX, self._seconds
        until = asked_at + timedelta(seconds=min(seconds, self._seconds))
        if isinstance(answer, Caller) and answer.expires_at is not None:
            until = min(until, answer.expires_at)
        with self._lock:
            self._callers.pop(digest, None)
            self._unusable.pop(digest, None)
            kept_by[digest] = _Kept(answer, asked_at, until)
            if len(kept_by) > size_max:
                kept_by.popitem(last=False)
