"""Why a request fits nowhere: reasons counted over all hosts, the nearest hosts, a page of all.

Reasons are counted without looking at hosts one by one; only those that are told about are looked
at, and those that may be nearer than it seems.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from heapq import heappop, heappush
from itertools import islice
from typing import Final

from trunkline.domain.ids import HostId
from trunkline.placement.asks.edits import Size
from trunkline.placement.asks.request import Explanation, HostRefusal, Page, PlacementRequest
from trunkline.placement.hosts.bits import numbers_in
from trunkline.placement.index.columns import Columns
from trunkline.placement.index.fleet import Fleet
from trunkline.placement.reasons.judge import Judge
from trunkline.placement.reasons.refusals import Refusals

NEAREST: Final = 20  # Hosts told about where nobody says how many.

# Hosts looked at before the first are told about, as they may be nearer than it seems. Each takes
# some 2 ms where rules are hard to keep, and decisions wait; few requests need more than 30.
LOOKS_MAX: Final = 200


def explain(
    request: PlacementRequest,
    fleet: Fleet,
    *,
    nearest: int = NEAREST,
    page: Page | None = None,
    left_out: Collection[HostId] = (),
) -> Explanation:
    """Say why hosts refuse `request`.

    A host that could take it is not in the answer, so that for a request that fits somewhere this
    tells about the other hosts.

    Args:
        request: What was asked for.
        fleet: What there is.
        nearest: How many of the hosts that lack least to tell about, at least one.
        page: Which of all hosts to tell about besides.
        left_out: Hosts that are not asked, whatever they would say.
    """
    columns = fleet.columns()
    judge = Judge(request, columns)
    asked = columns.all_but(left_out)
    refusals = Refusals(request, columns, judge, asked)
    nearest_places, is_proven = _nearest(refusals, columns, judge, max(nearest, 1))
    listed, has_more = _page(refusals.refused, columns, page)

    def refusal(place: int) -> HostRefusal:
        host = columns.hosts[place]
        found = judge.refusal(host, refusals.rule_costs_at(place))
        assert found is not None, f"all columns and a look at {host.name} agree"
        return found

    told = tuple(map(refusal, nearest_places))
    asked_for = _asked_for(request, refusals.refused, columns)
    if not asked:
        smallest_change = "add a host: there is none yet"
    elif refusals.refused != asked:
        smallest_change = ""
    else:
        smallest_change = told[0].change
    return Explanation(
        host_count=refusals.refused.bit_count(),
        counts=refusals.counts(),
        nearest=told,
        smallest_change=smallest_change,
        is_proven=is_proven,
        asked_for=None if asked_for is None else refusal(asked_for),
        page=tuple(map(refusal, listed)),
        next_after=columns.hosts[listed[-1]].name if has_more else None,
    )


def _nearest(
    refusals: Refusals, columns: Columns, judge: Judge, count: int
) -> tuple[list[int], bool]:
    """Find the hosts that refuse where least would have to change, then by name.

    Returns:
        Their places, and whether it is known that no others are nearer. After so many looks, of
        those looked at the nearest come next.
    """
    found: list[int] = []
    is_proven = True
    waiting: list[tuple[Size, int]] = []  # Looked at, and maybe not the nearest.
    looks = 0
    for least, place in _nearest_first(refusals):
        size = least
        if refusals.is_rough >> place & 1:
            size = judge.size(columns.hosts[place])
            looks += 1
        heappush(waiting, (size, place))
        # Those that follow need as much as this one's bound, or more.
        while waiting and (waiting[0] <= (least, place) or looks > LOOKS_MAX):
            is_proven &= waiting[0] <= (least, place)
            found.append(heappop(waiting)[1])
            if len(found) == count:
                return found, is_proven
    rest = [place for _, place in sorted(waiting)]
    return [*found, *rest][:count], is_proven


def _nearest_first(refusals: Refusals) -> Iterator[tuple[Size, int]]:
    for least, hosts in refusals.nearest_first():
        for place in numbers_in(hosts):
            yield least, place


def _asked_for(request: PlacementRequest, refused: int, columns: Columns) -> int | None:
    """Return the place of the host that the request names, if it refuses, however far it is."""
    if request.only_host is None:
        return None
    place = columns.count_up_to(request.only_host) - 1
    if not refused & 1 << max(place, 0) or columns.hosts[place].name != request.only_host:
        return None
    return place


def _page(refused: int, columns: Columns, page: Page | None) -> tuple[list[int], bool]:
    """Return the places of the hosts of a page, and whether there are more after them."""
    if page is None:
        return [], False
    if page.after is not None:
        refused &= -1 << columns.count_up_to(page.after)
    found = list(islice(numbers_in(refused), page.limit))
    return found, refused.bit_count() > len(found)
