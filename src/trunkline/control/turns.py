"""Placing where no other replica is placing just then.

Replicas rank alike, so each would choose the best host, at the same moment as the others: the first
one to commit wins, and the others decide in vain, again and again. So whoever places on a host
takes its *turn*, which lasts until the transaction ends. A request that finds it taken by another
replica leaves that host aside and goes to its next best one at once; it waits only if it fits
nowhere else. Decisions of this process know of each other by what is held in the index, and wait.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final

from trunkline.control.fleet import TooFew
from trunkline.control.metrics import TURNED_ASIDE
from trunkline.control.services import Services
from trunkline.domain.host import Host
from trunkline.domain.ids import HostId
from trunkline.placement.asks.request import PlacementRequest
from trunkline.placement.batch import Held, beside
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction

# Hosts that one request leaves to others before it waits: more than there are replicas.
ASIDE_MAX: Final = 8


@dataclass(slots=True)
class _Turns:
    """What one request has found out about turns, and the servers placed where it has them."""

    kept: list[Held] = field(default_factory=list)
    hosts: dict[HostId, Host] = field(default_factory=dict)  # Locked, their turns had.
    aside: set[HostId] = field(default_factory=set)
    waits: bool = False


def place_in_turn(
    tx: Transaction, svc: Services, request: PlacementRequest, *, least: int, most: int
) -> list[tuple[Host, list[Held]]] | TooFew:
    """Decide like `LiveFleet.place`, on hosts that stay as the decision has seen them.

    A host is locked, and read again if it had changed since the index last heard of it; then the
    decision is made again.

    Returns:
        What is held by host, in the order in which hosts are locked; or why it is too little.
    """
    turns = _Turns()
    while True:
        wanted = most - len(turns.kept)
        asked = beside(request, turns.kept)
        if turns.aside:
            asked = replace(asked, excluded_hosts=request.excluded_hosts | turns.aside)
        found = svc.fleet.place(tx, asked, least=max(0, least - len(turns.kept)), most=wanted)
        held = [] if isinstance(found, TooFew) else found
        if len(held) < wanted and turns.aside:
            _release(svc, held)
            turns.aside.clear()
            turns.waits = True
            continue
        if isinstance(found, TooFew):
            _release(svc, turns.kept)
            return replace(
                found,
                fitting=found.fitting + len(turns.kept),
                at_most=found.at_most + len(turns.kept),
            )
        settled = True
        for host_id, here in _by_host(found):
            if _is_settled(tx, svc, turns, host_id, here):
                turns.kept += here
            else:
                _release(svc, here)
                settled = False
        if settled:
            return [(turns.hosts[host_id], here) for host_id, here in _by_host(turns.kept)]


def _is_settled(
    tx: Transaction, svc: Services, turns: _Turns, host_id: HostId, here: Sequence[Held]
) -> bool:
    """Take the turn on a host, and say whether it is as the decision has seen it."""
    if host_id in turns.hosts:
        return True
    waits = turns.waits or svc.fleet.is_placing(host_id, besides=len(here))
    if not tx.hosts.take_turn(host_id, waits=waits):
        TURNED_ASIDE.inc()
        turns.aside.add(host_id)
        turns.waits = len(turns.aside) >= ASIDE_MAX
        return False
    # Locked before its devices are read: nothing takes them off its list from here on.
    host = turns.hosts[host_id] = tx.hosts.get(host_id, Lock.EXCLUSIVE)
    first = here[0]
    if host.generation == first.placed.seen_generation and first.hold.is_founded:
        return True
    svc.fleet.mark_stale(host_id)
    return False


def _by_host(found: Sequence[Held]) -> Iterator[tuple[HostId, list[Held]]]:
    """In the order in which hosts are locked; those of one host as they were held."""
    in_order = sorted(found, key=lambda held: held.placed.host_id)
    for host_id, here in groupby(in_order, key=lambda held: held.placed.host_id):
        yield host_id, list(here)


def _release(svc: Services, held: Sequence[Held]) -> None:
    for each in reversed(held):
        svc.fleet.release(each)
