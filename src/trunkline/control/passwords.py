"""Passwords: hashing, checking in equal time whoever is asked for, and stopping those who guess."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from trunkline.domain.errors import ErrorKind, TrunklineError

FAILURES_MAX: Final = 10  # Wrong passwords for one user from one address, …
FAILURE_WINDOW: Final = timedelta(minutes=1)  # … within this time.
GUESSERS_MAX: Final = 10_000  # Remembered at most; the oldest is forgotten for a new one.


class TooManyAttempts(TrunklineError):
    """Too many wrong passwords came for this user from this address; try again later."""

    code = "identity.too_many_attempts"
    kind = ErrorKind.TOO_MANY

    def __init__(self) -> None:
        super().__init__(f"too many wrong passwords: wait {FAILURE_WINDOW.seconds} seconds")


class Passwords:
    """Argon2id; the parameters of each hash stand in it."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """Hash with `hasher`; the default takes some 50 ms and 64 MiB for each password."""
        self._hasher = hasher or PasswordHasher()

    def hash(self, password: str) -> str:
        """Return what to store."""
        return self._hasher.hash(password)

    def matches(self, password: str, stored_hash: str | None) -> bool:
        """Say whether `password` is the one that was hashed.

        With None (there is no such user) it takes as long, so that the time tells no names.
        """
        try:
            self._hasher.verify(self._nobody if stored_hash is None else stored_hash, password)
        except (VerificationError, InvalidHashError):
            return False
        return stored_hash is not None

    @cached_property
    def _nobody(self) -> str:
        return self._hasher.hash("the password of nobody")


@dataclass(slots=True)
class _Failures:
    since: datetime
    count: int


class AttemptLimiter:
    """Counts wrong passwords, in memory: a guesser gets few tries, the owner elsewhere is free."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()

    def require_allowed(self, user: str, address: str, now: datetime) -> None:
        """Raise `TooManyAttempts` if `address` has used up its tries for `user`."""
        with self._lock:
            failures = self._failures.get((user, address))
            if failures is None or now - failures.since >= FAILURE_WINDOW:
                return
            if failures.count >= FAILURES_MAX:
                raise TooManyAttempts

    def failed(self, user: str, address: str, now: datetime) -> None:
        """Count a wrong password."""
        with self._lock:
            failures = self._failures.pop((user, address), None)
            if failures is None or now - failures.since >= FAILURE_WINDOW:
                failures = _Failures(now, 0)
            failures.count += 1
            self._failures[user, address] = failures
            while len(self._failures) > GUESSERS_MAX:
                self._failures.popitem(last=False)

    def succeeded(self, user: str, address: str) -> None:
        """Forget the wrong ones: the right one came."""
        with self._lock:
            self._failures.pop((user, address), None)
