"""Servers that are alike, placed together: as many as fit, up to a number.

One after the other, as if they had been asked for so, each where ranking wants it. If that ends
too early, an earlier one may have taken what a later one can't do without: two NICs of a server
may compete for devices of which the one has no others. A server is on one host, so each host is
put right by itself: its share of the servers is matched anew, all of them together.

Hosts that took none are left out, as they could take none then, and nothing has changed there. So
the number found is the largest there is, but for two cases, in which it is no less than what one
after the other gives: rules over the NICs of a server, where more than `RULED_NICS_MAX` NICs would
have to be matched at once; and NUMA policies, where all servers matched together have one home.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from trunkline.domain.ids import HostId
from trunkline.placement.asks.request import GroupRule, NicDemand, Placed, PlacementRequest
from trunkline.placement.index.fleet import Fleet, Hold
from trunkline.placement.place import find_placement

RULED_NICS_MAX: Final = 16  # Of all servers on a host; a search, so its time may double with each.


@dataclass(frozen=True, slots=True)
class Held:
    """One server's place, and what keeps it from others."""

    placed: Placed
    hold: Hold


def hold_batch(
    request: PlacementRequest, most: int, fleet: Fleet, *, spread_key: str = ""
) -> list[Held]:
    """Place and hold up to `most` servers, each as `request` says; none if not even one fits.

    Args:
        request: One server's.
        most: How many at most.
        fleet: Where; it is changed by the holds.
        spread_key: As `place` has it.
    """
    held = _one_by_one(request, most, fleet, spread_key)
    if held and len(held) < most:
        held = _put_right(request, most, fleet, held)
        held += _one_by_one(request, most - len(held), fleet, spread_key)
    return held


def _one_by_one(request: PlacementRequest, most: int, fleet: Fleet, spread_key: str) -> list[Held]:
    held: list[Held] = []
    while len(held) < most:
        placed = find_placement(request, fleet, spread_key=spread_key)
        if placed is None:
            break
        held.append(_hold(placed, request, fleet))
    return held


def _put_right(
    request: PlacementRequest, most: int, fleet: Fleet, held: Sequence[Held]
) -> list[Held]:
    """Match each host's servers anew, as many as fit there."""
    lacking = most - len(held)
    kept: list[Held] = []
    for host_id in dict.fromkeys(each.placed.host_id for each in held):
        here = [each for each in held if each.placed.host_id == host_id]
        if lacking:
            better = _matched_together(request, fleet, here, len(here) + lacking)
            lacking -= len(better) - len(here)
            here = better
        kept += here
    return kept


def _matched_together(
    request: PlacementRequest, fleet: Fleet, here: Sequence[Held], most: int
) -> list[Held]:
    """Return the largest number that fits on one host, held; at least those that are `here`."""
    for each in reversed(here):
        fleet.undo(each.hold)
    best: Sequence[Placed] = [each.placed for each in here]
    low, high = len(here), min(most, _at_most(request, fleet, here[0].placed.host_id))
    while low < high:  # What fits for n fits for fewer.
        middle = (low + high + 1) // 2
        found = _match(request, fleet, here[0].placed.host_id, middle)
        if found is None:
            high = middle - 1
        else:
            low, best = middle, found
    return [_hold(placed, request, fleet) for placed in best]


def _at_most(request: PlacementRequest, fleet: Fleet, host_id: HostId) -> int:
    """No more than so many are worth trying on a host."""
    nics = [nic for nic in request.nics if nic.kind is not None]
    if not nics:  # Nothing that one could take from another.
        return 0
    if request.rules:
        return RULED_NICS_MAX // len(nics)
    host = fleet.find_host(host_id)
    assert host is not None, "servers were held there"
    return sum(host.usable) // len(nics)


def _match(
    request: PlacementRequest, fleet: Fleet, host_id: HostId, count: int
) -> list[Placed] | None:
    """Place so many servers on one host, as if they were one."""
    host = fleet.find_host(host_id)
    assert host is not None, "servers were held there"
    nics = [nic for number in range(count) for nic in _nics_of(request, number)]
    together = replace(
        request,
        nics=tuple(nics),
        vcpus=request.vcpus * count,
        memory_mib=request.memory_mib * count,
        disk_gib=request.disk_gib * count,
        only_host=host.name,
        rules=tuple(rule for number in range(count) for rule in _rules_of(request, number)),
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
    return (replace(nic, nic=_name(nic.nic, number)) for nic in request.nics)


def _rules_of(request: PlacementRequest, number: int) -> Iterator[GroupRule]:
    return (
        replace(rule, nics=frozenset(_name(nic, number) for nic in rule.nics))
        for rule in request.rules
    )


def _name(nic: str, number: int) -> str:
    return f"{number}/{nic}"


def _hold(placed: Placed, request: PlacementRequest, fleet: Fleet) -> Held:
    """Hold a choice, of the host's generation as it is by now."""
    host = fleet.find_host(placed.host_id)
    assert host is not None, "a choice names a host of the fleet"
    placed = replace(placed, seen_generation=host.generation)
    return Held(placed, fleet.hold(placed, request))
