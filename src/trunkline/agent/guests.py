"""Noticing what befell guests that nobody had asked for, and how often it did.

Only what happens while this run looks on is noticed, but for a crash, which libvirt remembers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from trunkline.agent.limits import Limits
from trunkline.domain.ids import ServerId
from trunkline.domain.server import PowerState
from trunkline.reconcile.desired import HostConfig, ServerConfig
from trunkline.reconcile.nic_steps import Suspend
from trunkline.reconcile.observed import DomainPower, DomainState, GuestFiles
from trunkline.reconcile.report import GuestEvent, GuestFact
from trunkline.reconcile.steps import Destroy, Step

_FOUND = {
    GuestEvent.CRASHED: "its guest crashed, or its QEMU was killed",
    GuestEvent.ENDED: "its guest was ended on the host, as by virsh destroy",
    GuestEvent.VANISHED: "its libvirt domain was undefined on the host",
}
_HALTS = (Destroy, Suspend)
_SUSPENDED = "its guest was suspended on the host, as by virsh suspend"
_AGAIN = "it is started again"


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something that befell a guest of `server`."""

    server: ServerConfig
    fact: GuestFact
    gives_up: str = ""  # Why it is not started again; empty: it is.


@dataclass(slots=True)
class _Guest:
    """What this run knows of one server's guest."""

    boot_number: int
    seen: DomainPower | None = None  # Last; None: never, or this agent has halted it since.
    ends: deque[datetime] = field(default_factory=deque)
    pauses: deque[datetime] = field(default_factory=deque)
    paused_until: datetime | None = None  # Not to be resumed before.


class Guests:
    """The guests of one host."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._guests: dict[ServerId, _Guest] = {}

    def forget(self) -> None:
        """Begin anew: the host was booted, by which no guest has ended of itself."""
        self._guests.clear()

    def note_steps(self, steps: Iterable[Step]) -> None:
        """Note that this agent is about to end or to suspend guests by some of its steps."""
        for step in steps:
            guest = self._guests.get(step.server_id) if isinstance(step, _HALTS) else None
            if guest is not None:
                guest.seen = None

    def rests(self, server_id: ServerId, now: datetime) -> bool:
        """Whether a guest is to stay paused for now."""
        guest = self._guests.get(server_id)
        return guest is not None and guest.paused_until is not None and now < guest.paused_until

    def dues(self) -> Iterator[datetime]:
        """Yield when guests that stay paused are due to be resumed."""
        for guest in self._guests.values():
            if guest.paused_until is not None:
                yield guest.paused_until

    def look(
        self,
        config: HostConfig,
        domains: Mapping[ServerId, DomainState],
        files: Mapping[ServerId, GuestFiles] | None,
        now: datetime,
    ) -> list[Noticed]:
        """Compare what there is with what was seen last; return what befell guests meanwhile."""
        noticed = []
        wanted = {
            each.id: each for each in config.servers if each.wanted_power is PowerState.RUNNING
        }
        for server_id in self._guests.keys() - wanted.keys():
            del self._guests[server_id]
        for server in wanted.values():
            guest = self._guests.get(server.id)
            if guest is None or guest.boot_number != server.boot_number:
                guest = self._guests[server.id] = _Guest(server.boot_number)
            if guest.paused_until is not None and guest.paused_until <= now:
                guest.paused_until = None  # Once over it is due no more: attempts have their own.
            domain = domains.get(server.id)
            if domain is not None and (domain.doing or domain.boot_number < server.boot_number):
                continue  # It is being started or ended, or is to be started afresh.
            event = _event(guest.seen, domain)
            guest.seen = None if domain is None else domain.power
            if domain is None or domain.power is not DomainPower.PAUSED:
                guest.paused_until = None
            if event is GuestEvent.SUSPENDED:
                assert domain is not None
                noticed.append(self._suspended(server, guest, domain, now))
            elif event is not None:
                lost = event is GuestEvent.VANISHED and _has_lost_disk(server, files)
                noticed.append(self._ended(server, guest, event, now, lost_disk=lost))
        return noticed

    def _suspended(
        self, server: ServerConfig, guest: _Guest, domain: DomainState, now: datetime
    ) -> Noticed:
        found = f"its guest was paused by {domain.paused_by}" if domain.paused_by else _SUSPENDED
        done = "it is resumed"
        if self._count(guest.pauses, now) > self._limits.restarts_max:
            guest.paused_until = now + self._limits.check
            done += f" in {self._limits.check.total_seconds():.0f} s, since it was so often"
        return Noticed(server, _fact(server, GuestEvent.SUSPENDED, found, done))

    def _ended(
        self, server: ServerConfig, guest: _Guest, event: GuestEvent, now: datetime, *,
        lost_disk: bool,
    ) -> Noticed:  # fmt: skip
        found, why = _FOUND[event], ""
        count, limits = self._count(guest.ends, now), self._limits
        if lost_disk:
            found += ", and its disk deleted"
            why = "its libvirt domain and its disk were deleted on the host"
        elif count > limits.restarts_max:
            minutes = limits.restarts_window.total_seconds() / 60
            why = (
                f"its guest ended {count} times within {minutes:.0f} minutes without being asked"
                f" to; the last time {found}"
            )
        done = "it is not started again" if why else _AGAIN
        return Noticed(server, _fact(server, event, found, done), why)

    def _count(self, times: deque[datetime], now: datetime) -> int:
        times.append(now)
        while times[0] <= now - self._limits.restarts_window:
            times.popleft()
        return len(times)


def _event(seen: DomainPower | None, domain: DomainState | None) -> GuestEvent | None:
    power = None if domain is None else domain.power
    if power is DomainPower.CRASHED:
        return None if seen is DomainPower.CRASHED else GuestEvent.CRASHED
    if seen is not DomainPower.RUNNING:
        return None
    if power is None:
        return GuestEvent.VANISHED
    if power is DomainPower.PAUSED:
        return GuestEvent.SUSPENDED
    return GuestEvent.ENDED if power is DomainPower.SHUT_OFF else None


def _has_lost_disk(server: ServerConfig, files: Mapping[ServerId, GuestFiles] | None) -> bool:
    if files is None or not server.disk_gib:
        return False
    return files.get(server.id, GuestFiles()).disk != server.disk_number


def _fact(server: ServerConfig, event: GuestEvent, found: str, done: str) -> GuestFact:
    return GuestFact(
        server_id=server.id, boot_number=server.boot_number, event=event, found=found, done=done
    )
