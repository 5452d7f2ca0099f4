"""Which units of a plan failed how often, and when they are due again."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from trunkline.agent.apply import NotAsWritten
from trunkline.agent.limits import Limits
from trunkline.reconcile.desired import HeldDevice, NicConfig, ServerConfig
from trunkline.reconcile.interfaces import HostRefused
from trunkline.reconcile.plan import Unit, UnitKind
from trunkline.reconcile.steps import Resume

Subject = ServerConfig | HeldDevice | NicConfig | None


@dataclass(slots=True)
class Attempts:
    """What is remembered about one unit that did not succeed."""

    subject: Subject  # Another one is another matter: its attempts count from 0.
    count: int
    due: datetime
    reason: str
    gave_up: bool = False
    under_way: bool = False  # The next try has been begun, and will be news: nothing is due.


class AttemptBook:
    """Attempts by unit."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_key: dict[str, Attempts] = {}

    def find(self, unit: Unit) -> Attempts | None:
        """Return what is remembered about `unit`; None: it has not failed."""
        found = self._by_key.get(unit.key)
        return found if found is not None and found.subject == subject_of(unit) else None

    def is_due(self, unit: Unit, now: datetime) -> bool:
        """Whether `unit` may be tried now."""
        found = self.find(unit)
        return found is None or found.due <= now

    def failed(
        self, unit: Unit, reason: str, now: datetime, *, for_good: bool, may_give_up: bool = True
    ) -> Attempts:
        """Note that `unit` failed; `gave_up` of the answer says whether that was the last try."""
        limits = self._limits
        found = self.find(unit) or Attempts(
            subject=subject_of(unit), count=0, due=now, reason=reason
        )
        found.count += 1
        found.reason = reason
        found.under_way = False
        is_last = found.gave_up or for_good or found.count >= limits.attempts_max
        found.gave_up = may_give_up and is_last
        wait = min(limits.backoff_first * 2 ** min(found.count - 1, 16), limits.backoff_max)
        found.due = now + (limits.gave_up_retry if found.gave_up else wait)
        self._by_key[unit.key] = found
        return found

    def begun(self, unit: Unit) -> None:
        """Note that the next try of `unit` takes its time; its failures go on counting."""
        found = self.find(unit)
        if found is not None:
            found.under_way = True

    def succeeded(self, unit: Unit) -> None:
        """Forget that `unit` ever failed."""
        self._by_key.pop(unit.key, None)

    def drop_others(self, unit: Unit) -> None:
        """Forget what failed for `unit` when another configuration was wanted."""
        if self.find(unit) is None:
            self._by_key.pop(unit.key, None)

    def keep_only(self, keys: Collection[str]) -> None:
        """Forget all units but these."""
        for key in self._by_key.keys() - set(keys):
            del self._by_key[key]

    def dues(self) -> Iterator[datetime]:
        """Yield when each failed unit is due again."""
        for found in self._by_key.values():
            if not found.under_way:
                yield found.due


def subject_of(unit: Unit) -> Subject:
    """Return the part of the configuration that `unit` is about; None: a guest not in it."""
    return unit.server or unit.device or unit.nic


def may_give_up(unit: Unit, refusal: HostRefused) -> bool:
    """Say whether a unit that is refused again and again may be given up, and its guest with it.

    A guest that runs is ended only by what its driver has the last word on, rates aside: where it
    refuses, or ignores, what keeps networks apart. While the helper is away, or a PF is in a reset,
    the guest runs on, and it is tried again. So are VFs that the helper lets nobody make: a PF that
    has just come has another name for a moment than the one that the device specs know.
    """
    if unit.changes_rates_alone or (unit.kind is UnitKind.MAKE and refusal.unasked):
        return False
    if not unit.guest_runs or isinstance(refusal, NotAsWritten):
        return True
    if any(isinstance(step, Resume) for step in unit.steps):
        return False  # Suspended, and not to be had back just now: its memory is not thrown away.
    # A PF that is renamed, or recovers from a fault, has no netdev for a moment.
    is_gone = refusal.errno_name == "ENODEV"
    return not (refusal.transient or refusal.unasked or is_gone)
