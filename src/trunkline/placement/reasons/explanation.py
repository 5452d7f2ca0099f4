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
from trunkline.placement.hosts.bits import bits_of
from trunkline.placement.hosts.host_state import HostState
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
    judge = Judge(request)
    asked = columns.all_but(left_out)
    refusals = Refusals(request, columns, judge, asked)
    found = islice(_nearest(refusals, columns, judge), max(nearest, 1))
    told = tuple(_refusal(judge, host) for host in found)
    listed, has_more = _page(refusals.refused, columns, page)
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
        asked_for=_asked_for(request, refusals.refused, columns, judge),
        page=tuple(_refusal(judge, host) for host in listed),
        next_after=listed[-1].name if has_more else None,
    )


def _nearest(refusals: Refusals, columns: Columns, judge: Judge) -> Iterator[HostState]:
    """Yield the hosts that refuse, by the least that would have to change there, then by name.

    After so many looks, of those looked at the nearest come next, and others may be nearer.
    """
    waiting: list[tuple[Size, int]] = []  # Looked at, and maybe not the nearest.
    looks = 0
    for least, hosts in refusals.nearest_first():
        for bit in bits_of(hosts):
            place = bit.bit_length() - 1
            host = columns.hosts[place]
            found = least
            if refusals.is_rough & bit:
                found = judge.size(host)
                looks += 1
            while waiting and (waiting[0] < (least, place) or looks > LOOKS_MAX):
                yield columns.hosts[heappop(waiting)[1]]
            if found == least:  # Those that follow need as much, or more.
                yield host
            else:
                heappush(waiting, (found, place))
    while waiting:
        yield columns.hosts[heappop(waiting)[1]]


def _asked_for(
    request: PlacementRequest, refused: int, columns: Columns, judge: Judge
) -> HostRefusal | None:
    """Return what the host that the request names lacks, however far from the nearest it is."""
    if request.only_host is None:
        return None
    place = columns.count_up_to(request.only_host) - 1
    if not refused & 1 << max(place, 0) or columns.hosts[place].name != request.only_host:
        return None
    return _refusal(judge, columns.hosts[place])


def _page(refused: int, columns: Columns, page: Page | None) -> tuple[list[HostState], bool]:
    """Return the hosts of a page, and whether there are more after them."""
    if page is None:
        return [], False
    if page.after is not None:
        refused &= -1 << columns.count_up_to(page.after)
    found = [columns.hosts[bit.bit_length() - 1] for bit in islice(bits_of(refused), page.limit)]
    return found, refused.bit_count() > len(found)


def _refusal(judge: Judge, host: HostState) -> HostRefusal:
    refusal = judge.refusal(host)
    assert refusal is not None, f"all columns and a look at {host.name} agree"
    return refusal
