"""Servers that are alike, placed together: as many as fit, up to a number.

One after the other, as if they had been asked for so, each where ranking wants it. If that ends
too early, an earlier one may have taken what a later one can't do without: two NICs of a server
may compete for devices of which the one has no others. A server is on one host, so each host is
put right by itself: its share of the servers is chosen anew, all of them together.

Hosts that took none are left out, as they could take none then, and nothing has changed there. So
the number found is the largest there is. Only where rules cross each other is a search needed, and
it has a limit; where that is reached, the answer says how many more may fit.

A server group sets limits to hosts, one by one, so that this holds of its members too; but for the
first members of a group that must be on one host: for these, hosts are tried one after another.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from trunkline.placement.asks.request import NicDemand, Placed, PlacementRequest
from trunkline.placement.hosts.feasibility import site_of
from trunkline.placement.hosts.host_state import HostState
from trunkline.placement.index.fleet import Fleet, Hold
from trunkline.placement.place import find_placement, hosts_in_order, place_within
from trunkline.placement.planning.capacity import Counter, Unlimited, rows_of
from trunkline.placement.planning.resources import Share

# Bounds that searches look at for one batch, on all its hosts together. All decisions of the
# process wait meanwhile: some 0.2 s.
STEPS_MAX: Final = 20_000


@dataclass(frozen=True, slots=True)
class Held:
    """One server's place, and what keeps it from others."""

    placed: Placed
    hold: Hold


@dataclass(frozen=True, slots=True)
class Batch:
    """The servers that have a place."""

    held: list[Held]
    at_most: int  # More would not have fitted, as far as was wanted; so many at least have a place.


def hold_batch(
    request: PlacementRequest, most: int, fleet: Fleet, *, spread_key: str = ""
) -> Batch:
    """Place and hold up to `most` servers, each as `request` says; none if not even one fits.

    Args:
        request: One server's.
        most: How many at most.
        fleet: Where; it is changed by the holds.
        spread_key: As `place` has it.
    """
    if request.fellows is not None and request.fellows.must_gather and most > 1:
        return _gathered(request, most, fleet, spread_key)
    held = _one_by_one(request, most, fleet, spread_key)
    wants_devices = any(nic.kind is not None for nic in request.nics)
    if not held or len(held) == most or not wants_devices:
        return Batch(held, len(held))
    held, unproven = _put_right(request, most, fleet, held)
    held += _one_by_one(request, most, fleet, spread_key, held)
    return Batch(held, min(most, len(held) + unproven))


def beside(request: PlacementRequest, held: Iterable[Held]) -> PlacementRequest:
    """Return what one more server asks for beside these, whose fellow it is in its group."""
    fellows = request.fellows
    if fellows is None:
        return request
    for host_id, count in Tally(each.placed.host_id for each in held).items():
        fellows = fellows.and_on(host_id, count)
    return replace(request, fellows=fellows)


def _one_by_one(
    request: PlacementRequest,
    most: int,
    fleet: Fleet,
    spread_key: str,
    held: Sequence[Held] = (),
) -> list[Held]:
    """Hold places up to a number, with those held already; return the new ones."""
    asked, found = beside(request, held), list[Held]()
    while len(held) + len(found) < most:
        placed = find_placement(asked, fleet, spread_key=spread_key)
        if placed is None:
            break
        found.append(_hold(placed, request, fleet))
        asked = beside(asked, found[-1:])
    return found


def _gathered(request: PlacementRequest, most: int, fleet: Fleet, spread_key: str) -> Batch:
    """Hold as many as fit on some one host: on the best of those that take all, or take most.

    Hosts are counted one by one, those in like states but once, until one takes all.
    """
    found: HostState | None = None
    best = at_most = 0
    try:
        counter = Counter(replace(request, fellows=None), steps_max=STEPS_MAX)
    except Unlimited:  # Of no size, with no device: as many as are wanted fit anywhere.
        counter = None
    for host in hosts_in_order(request, fleet, spread_key=spread_key):
        least = may_fit = most
        if counter is not None:
            [row] = rows_of([host])
            count = counter.host(row)
            least, may_fit = count.least, min(most, count.most)
        at_most = max(at_most, may_fit)
        if least > best:
            found, best = host, least
            if best >= most:
                break
    if found is None:  # None is known to fit: the search has ended at its limit, it may be.
        placed = find_placement(request, fleet, spread_key=spread_key)
        found = None if placed is None else fleet.find_host(placed.host_id)
    if found is None:
        return Batch([], 0)
    held = hold_batch(replace(request, only_host=found.name, fellows=None), most, fleet).held
    return Batch(held, max(at_most, len(held)))


def _put_right(
    request: PlacementRequest, most: int, fleet: Fleet, held: Sequence[Held]
) -> tuple[list[Held], int]:
    """Choose each host's servers anew, as many as fit there.

    Returns:
        What is held now, and how many more may fit on these hosts, unproven.
    """
    counter = Counter(request, steps_max=STEPS_MAX) if request.is_ruled else None
    lacking = most - len(held)
    kept: list[Held] = []
    unproven = 0
    for host_id in dict.fromkeys(each.placed.host_id for each in held):
        here = [each for each in held if each.placed.host_id == host_id]
        wanted = len(here) + lacking
        if request.fellows is not None:
            wanted = min(wanted, request.fellows.room_on(host_id) or wanted)
        if wanted > len(here):
            if counter is None:
                better, may_fit = _matched_together(request, fleet, here, wanted), 0
            else:
                better, may_fit = _shared_out(request, fleet, here, wanted, counter)
            lacking -= len(better) - len(here)
            unproven += may_fit
            here = better
        kept += here
    return kept, unproven


def _shared_out(
    request: PlacementRequest, fleet: Fleet, here: Sequence[Held], most: int, counter: Counter
) -> tuple[list[Held], int]:
    """Give each server of a host a share of it, under rules that each keeps by itself.

    Returns:
        As many as are found to fit, at least those that are `here`; and how many more may fit.
    """
    host = _vacated(fleet, here)
    [row] = rows_of([host])
    count = counter.host(row)
    shares: list[Share] = []
    if count.least > len(here):
        shares = counter.choose(row, min(count.least, most))
    if len(shares) > len(here):
        held = [_hold_share(request, fleet, host, share) for share in shares]
    else:
        held = [_hold(each.placed, request, fleet) for each in here]
    return held, max(0, min(count.most, most) - len(held))


def _hold_share(request: PlacementRequest, fleet: Fleet, host: HostState, share: Share) -> Held:
    site = site_of(host, request)
    if share.node is not None:
        assert site.numa_nodes is not None, "a share has a node where the host reports some"
        at = site.numa_nodes.index(share.node)
        site = replace(site, numa_nodes=(share.node,), numa_sockets=(site.numa_sockets[at],))
    site = replace(
        site,
        egress_left=_no_more_than(share.egress, site.egress_left),
        ingress_left=_no_more_than(share.ingress, site.ingress_left),
    )
    placed = place_within(request, fleet, host.id, usable=_usable_of(share, host), site=site)
    assert placed is not None, "a share is enough for a server"
    return _hold(placed, request, fleet)


def _no_more_than(owed: Mapping[int, int], left: Sequence[int | None]) -> tuple[int | None, ...]:
    return tuple([owed.get(family, mbps) for family, mbps in enumerate(left)])


def _usable_of(share: Share, host: HostState) -> tuple[int, ...]:
    """Count the share's devices by slot: of slots that are one to it, those with most left."""
    usable = [0] * len(host.usable)
    for slots, count in share.devices:
        lacking = count
        for slot in sorted(slots, key=lambda slot: -host.usable[slot]):
            usable[slot] = min(lacking, host.usable[slot])
            lacking -= usable[slot]
        assert not lacking, "shares are taken from what there is"
    return tuple(usable)


def _matched_together(
    request: PlacementRequest, fleet: Fleet, here: Sequence[Held], most: int
) -> list[Held]:
    """Return the largest number that fits on one host, held; at least those that are `here`.

    Without rules n servers are one with all their NICs, and a flow finds its devices.
    """
    host = _vacated(fleet, here)
    best: Sequence[Placed] = [each.placed for each in here]
    nic_count = sum(nic.kind is not None for nic in request.nics)
    low, high = len(here), min(most, sum(host.usable) // nic_count)
    while low < high:  # What fits for n fits for fewer.
        middle = (low + high + 1) // 2
        found = _match(request, fleet, host, middle)
        if found is None:
            high = middle - 1
        else:
            low, best = middle, found
    return [_hold(placed, request, fleet) for placed in best]


def _vacated(fleet: Fleet, here: Sequence[Held]) -> HostState:
    """Undo what is held on a host."""
    for each in reversed(here):
        fleet.undo(each.hold)
    host = fleet.find_host(here[0].placed.host_id)
    assert host is not None, "servers were held there"
    return host


def _match(
    request: PlacementRequest, fleet: Fleet, host: HostState, count: int
) -> list[Placed] | None:
    """Place so many servers on one host, as if they were one."""
    nics = [nic for number in range(count) for nic in _nics_of(request, number)]
    together = replace(
        request,
        nics=tuple(nics),
        vcpus=request.vcpus * count,
        memory_mib=request.memory_mib * count,
        disk_gib=request.disk_gib * count,
        only_host=host.name,
    )
    placed = find_placement(together, fleet)
    if placed is None:
        return None
    each = len(request.nics)
    return [
        replace(
            placed,
            choices=tuple(
                replace(choice, nic=nic.nic)
                for choice, nic in zip(
                    placed.choices[number * each : (number + 1) * each], request.nics, strict=True
                )
            ),
        )
        for number in range(count)
    ]


def _nics_of(request: PlacementRequest, number: int) -> Iterator[NicDemand]:
    return (replace(nic, nic=f"{number}/{nic.nic}") for nic in request.nics)


def _hold(placed: Placed, request: PlacementRequest, fleet: Fleet) -> Held:
    """Hold a choice, of the host's generation as it is by now."""
    host = fleet.find_host(placed.host_id)
    assert host is not None, "a choice names a host of the fleet"
    if placed.seen_generation != host.generation:
        placed = replace(placed, seen_generation=host.generation)
    return Held(placed, fleet.hold(placed, request))
