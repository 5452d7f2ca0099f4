"""The live fleet index: what placement decides on, kept in step with the store.

One process decides under one lock, on an index in memory. A choice is held in the index from the
decision until its transaction commits (then it is taken) or rolls back (then it is undone). A
host on which that can't be told, as after a lost race, is marked stale and read again, alone,
before the next decision. With several replicas the change feed says which hosts others changed.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Final

from trunkline.control.hearing import Hearing
from trunkline.control.host_views import HostViews
from trunkline.domain.aggregate import DEFAULT_ZONE
from trunkline.domain.bandwidth import Guarantee
from trunkline.domain.clock import Clock
from trunkline.domain.device import DeviceRef
from trunkline.domain.host import Host
from trunkline.domain.ids import DeviceId, HostId, ZoneName
from trunkline.domain.server import Server
from trunkline.placement.asks.request import Explanation, NotPlaced, Page, Placed, PlacementRequest
from trunkline.placement.batch import Held, beside, hold_batch
from trunkline.placement.hosts.bits import numbers_in
from trunkline.placement.hosts.host_state import HostState
from trunkline.placement.hosts.views import HostView, view_differences
from trunkline.placement.index.criteria import DEFAULT_RANKING, Ranking
from trunkline.placement.index.fleet import Fleet, Hold
from trunkline.placement.place import candidates, find_placement, place
from trunkline.placement.planning.capacity import HostRow, rows_of
from trunkline.placement.reasons.explanation import NEAREST, explain
from trunkline.store.changes import NO_CHANGE
from trunkline.store.transaction import Transaction

COPIED_AT_ONCE: Final = 100  # Hosts: about 2 ms, for which decisions wait.
_TAKERS_AT_ONCE: Final = 8  # Hosts found under one lock: a millisecond.


@dataclass(frozen=True, slots=True)
class TooFew:
    """Fewer servers fit than were asked for at least; nothing is held."""

    fitting: int  # Known to fit.
    at_most: int  # More are known not to fit, as far as that many were wanted.
    refused: NotPlaced  # Why one more does not fit beside those that fit.


class LiveFleet:
    """The fleet as this process sees it. All methods may be called from any thread."""

    def __init__(
        self,
        clock: Clock,
        *,
        host_silent_seconds_max: int,
        replicated: bool,
        spread_key: str = "",
        ranking: Ranking = DEFAULT_RANKING,
        default_zone: ZoneName = DEFAULT_ZONE,
    ) -> None:
        """Make an empty index; `load` fills it.

        Args:
            clock: Tells which hosts have been silent too long.
            host_silent_seconds_max: Longer unheard of, and a host takes no new servers.
            replicated: Other processes write to the same store, so the change feed is followed.
            spread_key: This process's own, where there are several: of hosts that rank equal, each
                process then prefers others, and they don't race for the first.
            ranking: Which hosts come first.
            default_zone: The availability zone of hosts that no aggregate puts into one.
        """
        self._hearing = Hearing(clock, host_silent_seconds_max)
        self._replicated = replicated
        self._spread_key = spread_key
        self._views = HostViews(self.is_up, default_zone)
        self._lock = threading.RLock()
        self._fleet = Fleet(ranking)
        self._last_seen: dict[HostId, datetime | None] = {}
        self._stale: set[HostId] = set()
        self._change_read = NO_CHANGE
        # Holds whose transactions have not ended, by host.
        self._deciding: Counter[HostId] = Counter()

    def load(self, tx: Transaction) -> None:
        """Read every host from the store, once, at start."""
        with self._lock:
            self._change_read = tx.changes.newest()
            hosts = tx.hosts.all()
            self._hearing.begin(host.last_seen for host in hosts)
            for host, view in self._views.of_all(tx, hosts):
                self._put(host, view)
            self._fleet.columns().offers()  # Not at the cost of the first who asks for a server.

    def place(
        self, tx: Transaction, request: PlacementRequest, *, least: int = 1, most: int = 1
    ) -> list[Held] | TooFew:
        """Decide for servers that are alike; hold what was chosen until `tx` commits or rolls back.

        Args:
            tx: The transaction that it will be written in.
            request: One server's.
            least: If fewer fit, none is held.
            most: How many are wanted.
        """
        with self._lock:
            self._catch_up(tx)
            batch = hold_batch(request, most, self._fleet, spread_key=self._spread_key)
            found = batch.held
            if len(found) >= least:
                for held in found:
                    self._deciding[held.hold.host_id] += 1
                    tx.on_commit(partial(self._locked, partial(self._confirm, held.hold)))
                    tx.on_rollback(partial(self.release, held))
                return found
            # Why there is no room for one more beside those that fit.
            result = place(beside(request, found), self._fleet)
            assert isinstance(result, NotPlaced), "no more are held than fit"
            for held in reversed(found):
                self._fleet.undo(held.hold)
            return TooFew(fitting=len(found), at_most=batch.at_most, refused=result)

    def release(self, held: Held) -> None:
        """Give back what was held, if it is: nothing of it will be written."""
        with self._lock:
            if not held.hold.undone:
                self._fleet.undo(held.hold)
                self._end(held.hold)

    def is_placing(self, host_id: HostId, *, besides: int) -> bool:
        """Say whether other transactions of this process place servers on a host just now.

        Args:
            host_id: The host.
            besides: Servers that the caller's own transaction places there.
        """
        with self._lock:
            return self._deciding[host_id] > besides

    def explain(
        self,
        tx: Transaction,
        request: PlacementRequest,
        *,
        nearest: int = NEAREST,
        page: Page | None = None,
        left_out: Collection[HostId] = (),
    ) -> Placed | Explanation:
        """Say where a request would go, or why nowhere; nothing is held.

        Args:
            tx: Of the caller.
            request: What is asked for.
            nearest: How many of the hosts that lack least to tell about.
            page: Which of all hosts to tell about besides.
            left_out: Hosts that are not asked why; they may still be where it goes.
        """
        with self._lock:
            self._catch_up(tx)  # Does nothing on a snapshot: `refresh` before.
            placed = find_placement(request, self._fleet, spread_key=self._spread_key)
            return placed or explain(
                request, self._fleet, nearest=nearest, page=page, left_out=left_out
            )

    def rows(self) -> list[HostRow]:
        """Take down what capacities are counted from, by name; `refresh` before."""
        with self._lock:
            return rows_of(self._fleet.columns().hosts)

    def branch(self, views: Sequence[HostView] = ()) -> Fleet:
        """Return a copy to try things on, with some hosts added or put anew; `refresh` before.

        Hosts are copied some at a time, so that decisions wait for no more than that. Each host is
        as it was at one moment, and hosts may be of moments some milliseconds apart.
        """
        with self._lock:
            branch = self._fleet.branch()
            waiting = deque(self._fleet.host_ids())
        while waiting:
            with self._lock:
                for _ in range(min(COPIED_AT_ONCE, len(waiting))):
                    host = self._fleet.find_host(waiting.popleft())
                    if host is not None:
                        branch.adopt(host.copy())
        for view in views:
            with self._lock:  # What hosts built alike share is this index's.
                branch.put_host(view)
        return branch

    @property
    def spread_key(self) -> str:
        """What permutes hosts that rank equal in this process."""
        return self._spread_key

    def takers(self, request: PlacementRequest, *, at_most: int) -> list[HostView]:
        """Return the hosts that could take a server, best first, as values; nothing is held.

        Decisions of others come between: each host is as it was at one moment.
        """
        found = candidates(request, self._fleet)
        views: list[HostView] = []
        while len(views) < at_most:
            with self._lock:
                some = islice(found, min(_TAKERS_AT_ONCE, at_most - len(views)))
                more = [self._fleet.view(placed.host_id) for placed in some]
            if not more:
                break
            views += more
        return views

    def hosts_having(self, attribute: tuple[str, str]) -> tuple[HostId, ...]:
        """Return the hosts with a device that has an attribute, in no particular order."""
        with self._lock:
            return self._fleet.hosts_having(attribute)

    def zones(self) -> dict[ZoneName, bool]:
        """Return each availability zone that has hosts, and whether one of them is enabled."""
        with self._lock:
            columns = self._fleet.columns()
            return {name: bool(hosts & columns.enabled) for name, hosts in columns.zones().items()}

    def hosts_in_zone(self, zone: ZoneName) -> list[HostId]:
        """Return the hosts of an availability zone, by name."""
        with self._lock:
            columns = self._fleet.columns()
            return [columns.hosts[place].id for place in numbers_in(columns.in_zone(zone))]

    def is_up(self, host: Host) -> bool:
        """Say whether a host's agent has been heard within the limit, and can use the host."""
        return not host.problem and self._hearing.is_recent(host.last_seen)

    def mark_stale(self, host_id: HostId) -> None:
        """Read this host again before the next decision."""
        with self._lock:
            self._stale.add(host_id)

    def reload_after(self, tx: Transaction, host_id: HostId) -> None:
        """Read this host again once `tx` is durable; what changed is known to the store alone.

        Other replicas do so too, and the provider trees.
        """
        tx.hosts.note_status_change(host_id)
        tx.on_commit(lambda: self.mark_stale(host_id))

    def note_generation(self, tx: Transaction, host_id: HostId, generation: int) -> None:
        """Follow a generation that `tx` raised."""
        self._after(tx, host_id, lambda: self._fleet.set_generation(host_id, generation))

    def note_freed(self, tx: Transaction, host_id: HostId, devices: Collection[DeviceRef]) -> None:
        """Follow devices that `tx` freed."""
        self._after(tx, host_id, lambda: self._fleet.free_devices(host_id, devices))

    def note_taken(self, tx: Transaction, host_id: HostId, device: DeviceRef) -> None:
        """Follow a device that `tx` took without placement: an admin's claim."""
        self._after(tx, host_id, lambda: self._fleet.take_device(host_id, device))

    def note_service(
        self, tx: Transaction, host_id: HostId, problems: Mapping[DeviceId, str]
    ) -> None:
        """Follow that `tx` took PFs out of service, or put them back into it."""

        def follow() -> None:
            for kin_id, problem in problems.items():
                self._fleet.set_service(host_id, kin_id, problem)

        self._after(tx, host_id, follow)

    def note_owed(
        self, tx: Transaction, host_id: HostId, kin_id: DeviceId, guarantee: Guarantee
    ) -> None:
        """Follow that `tx` let a PF owe more without placement; less if it is negative."""
        self._after(tx, host_id, lambda: self._fleet.owe(host_id, kin_id, guarantee))

    def note_left(self, tx: Transaction, server: Server) -> None:
        """Follow processors, memory and disk that `server` gives back by `tx` to its host."""
        host_id, use = server.host_id, server.use
        assert host_id is not None, "a server that leaves was on a host"
        self._after(
            tx,
            host_id,
            lambda: self._fleet.adjust(
                host_id,
                vcpus=use.vcpus,
                memory_mib=use.memory_mib,
                disk_gib=use.disk_gib,
                numa_node=server.numa_node,
            ),
        )

    def note_heard(self, tx: Transaction, host_id: HostId, *, at: datetime, problem: str) -> None:
        """Follow that a host's agent was heard, and why it can't use the host, if it can't."""

        def hear() -> None:
            host = self._fleet.find_host(host_id)
            if host is not None:  # Right whatever else has happened to it: see `_follow`.
                self._last_seen[host_id] = at
                up = not problem and self._hearing.is_recent(at)
                self._fleet.set_status(host_id, enabled=host.enabled, up=up, problem=problem)

        tx.on_commit(lambda: self._locked(hear))

    def notice_silence(self) -> None:
        """Take hosts that have been silent too long out of placement. Called every few seconds."""
        with self._lock:
            for host in self._fleet.hosts():
                if not host.up or self._hearing.is_recent(self._last_seen.get(host.id)):
                    continue
                if self._replicated:
                    self._stale.add(host.id)  # Another replica may have heard it: the store knows.
                else:
                    self._fleet.set_status(host.id, enabled=host.enabled, up=False)

    def refresh(self, tx: Transaction) -> None:
        """Read again what is known to be stale; every decision does so first.

        In a write transaction: a snapshot may be older than the index, and is not read.
        """
        with self._lock:
            self._catch_up(tx)

    def view(self, host_id: HostId) -> HostView:
        """Return the index's view of a host, to be held against the store's."""
        with self._lock:
            return self._fleet.view(host_id)

    def differences(self, tx: Transaction, host: Host) -> tuple[str, ...]:
        """Hold the index's view of a host against the store's, `up` apart: time decides that.

        What a transaction has written that is not committed, or not told by the change feed yet,
        differs rightly: only what differs time and again is wrong.
        """
        with self._lock:
            self._catch_up(tx)
            stored = self.stored_view(tx, host)
            if self._fleet.find_host(host.id) is None:
                return ("the index does not have it",)
            return tuple(view_differences(self._fleet.view(host.id), stored))

    def stored_view(self, tx: Transaction, host: Host) -> HostView:
        """Make the view of a host from the store alone."""
        return self._views.of(tx, host)

    def _catch_up(self, tx: Transaction) -> None:
        if not tx.sees_newest:
            # What it would read may be older than what was followed already, and would stay: a
            # change is told of once.
            return
        if self._replicated:
            self._change_read, changed = tx.changes.since(self._change_read)
            self._stale.update(changed)
        while self._stale:
            host_id = self._stale.pop()
            host = tx.hosts.find(host_id)
            if host is None:
                self._fleet.remove_host(host_id)
            else:
                self._put(host, self.stored_view(tx, host))
                # If `tx` fails, what was just read may never have been.
                tx.on_rollback(partial(self.mark_stale, host_id))

    def _confirm(self, hold: Hold) -> None:
        """What was held has an owner in the store now, unless it was released before."""
        if hold.undone:
            return
        self._fleet.confirm(hold)
        self._end(hold)

        def take() -> None:
            for device in hold.devices:
                self._fleet.take_device(hold.host_id, device)

        # Twice is once: right however often the host has been read since.
        self._follow(hold.host_id, take, read=self._fleet.find_host(hold.host_id))

    def _end(self, hold: Hold) -> None:
        self._deciding[hold.host_id] -= 1
        if not self._deciding[hold.host_id]:
            del self._deciding[hold.host_id]

    def _follow(
        self, host_id: HostId, effect: Callable[[], None], *, read: HostState | None
    ) -> None:
        """Let the index follow one change of a host that is durable.

        The host may have been read since, with the change in it and with later ones: by this
        transaction, by another that shares its commit, or by any where transactions run side by
        side. Then a difference would count twice. So it is read again.
        """
        if host_id not in self._last_seen or host_id in self._stale:
            return
        if self._replicated or self._fleet.find_host(host_id) is not read:
            self._stale.add(host_id)
            return
        try:
            effect()
        except BaseException:
            self._stale.add(host_id)
            raise

    def _put(self, host: Host, view: HostView) -> None:
        self._last_seen[host.id] = host.last_seen
        self._fleet.put_host(view)

    def _after(self, tx: Transaction, host_id: HostId, effect: Callable[[], None]) -> None:
        with self._lock:
            read = self._fleet.find_host(host_id)
        tx.on_commit(lambda: self._locked(lambda: self._follow(host_id, effect, read=read)))

    def _locked(self, effect: Callable[[], None]) -> None:
        with self._lock:
            effect()
