"""What hosts have on offer, whoever owns it: the facts by which refusals are worded.

Decisions read what can be chosen; to say why nothing can, all that is there has to be known too.
What the owners of PFs shut, and what PFs out of service would have, is kept for those hosts alone
where there is any.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Final

from trunkline.domain.nic_rules import Scope
from trunkline.placement.hosts.bits import Counter, Planes
from trunkline.placement.hosts.host_state import HostState
from trunkline.placement.hosts.structure import Structure
from trunkline.placement.index.lanes import SCOPES, Fits, Lanes

_PF: Final = SCOPES.index(Scope.PF)
_NO_PF: Final = 1 << 20  # Dearer than any: where a host has no further PF that would have to go.


class RareColumns:
    """Numbers slot by slot that few hosts have: the others cost nothing."""

    def __init__(self) -> None:
        self._columns: list[Counter] = []  # [slot]
        self._on: dict[int, Sequence[int]] = {}  # [place][slot]

    def put(self, place: int, numbers: Sequence[int]) -> None:
        """Change a host's numbers; empty: it has none."""
        if not numbers and place not in self._on:
            return
        before = self._on.pop(place, ())
        self._columns += [Counter() for _ in range(len(numbers) - len(self._columns))]
        pairs = zip_longest(before, numbers, fillvalue=0)
        for column, (was, is_now) in zip(self._columns, pairs, strict=False):
            column.change(place, was, is_now)
        if numbers:
            self._on[place] = numbers

    def count(self, fits: Fits) -> Counter:
        """Add the numbers of some slots up, of each the hosts given."""
        total = Counter()
        if self._on:
            for slot, hosts in fits.items():
                if slot < len(self._columns):
                    total.add(self._columns[slot], hosts)
        return total


class Offers:
    """Columns slot by slot; places are those of the hosts given, a list that is kept up to date."""

    def __init__(self, hosts: Sequence[HostState], lanes: Lanes) -> None:
        self.vfs_of_a_pf_max = 0  # On offer; of any host that ever was here.
        for structure in {host.structure for host in hosts}:
            self._note_size(structure)
        self._every = (1 << len(hosts)) - 1
        self._lanes = lanes
        self._shut = RareColumns()
        self._out = RareColumns()
        self.twice_owned = 0  # Hosts with a PF that has an owner, and VFs of it have some too.
        self._owned_on = [host.owned_counts() for host in hosts]  # [place][slot]
        by_slot = zip_longest(*self._owned_on, fillvalue=0)
        self._owned = [Counter(numbers) for numbers in by_slot]  # [slot] On offer or not.
        for place, host in enumerate(hosts):
            self._put_rare(place, host)

    def offered(self, fits: Fits) -> Counter:
        """Count what hosts offer in these slots together."""
        total = Counter()
        for slot, hosts in fits.items():
            total.add(self._lanes.slots[slot].offered, hosts)
        return total

    def having(self, fits: Fits) -> int:
        """Return the hosts that offer any device in these slots."""
        found = 0
        for slot, hosts in fits.items():
            found |= self._lanes.slots[slot].offered.at_least(1, hosts)
        return found

    def shut(self, fits: Fits) -> Counter:
        """Count PFs that have owners, and VFs without owners of these PFs, in these slots."""
        return self._shut.count(fits)

    def out(self, fits: Fits) -> int:
        """Return the hosts that would offer devices in these slots by PFs out of service."""
        return self._out.count(fits).at_least(1, self._every)

    def pf_prices(self, fits: Fits, count: int) -> list[Planes]:
        """Count what would have to be free so that PFs in these slots can be had whole.

        That is the PF itself, if it has an owner, and those of its VFs that have one; of the PFs on
        offer that can't be had now, the cheapest of each host, the next, and so on.
        """
        slots, wanted = self._lanes.slots, dict[int, int]()  # [family] Hosts.
        for slot, hosts in fits.items():
            lane = slots[slot]
            taken = lane.offered.at_least(1, hosts)
            taken ^= lane.usable.at_least(1, taken)
            for family, here in lane.at[_PF].items():
                wanted[family] = wanted.get(family, 0) | taken & here
        found: list[Planes] = []
        for family, hosts in wanted.items():
            price = Counter.where(self._every ^ hosts, _NO_PF)
            for slot, owned in enumerate(self._owned):
                if mine := hosts & slots[slot].at[_PF].get(family, 0):
                    price.add(owned, mine)
            dearest: Planes = price
            for number, cheaper in enumerate(found):
                found[number], dearest = cheaper.in_order(dearest)
            found.append(dearest)
        return found[:count]

    def follow(self, place: int, host: HostState) -> None:
        """Follow a change of owners, or of what is in service, on one host."""
        self._put_owned(place, host.owned_counts())
        self._put_rare(place, host)

    def replace(self, place: int, host: HostState) -> None:
        """Follow a host that was put anew."""
        self._note_size(host.structure)
        self.follow(place, host)

    def _put_rare(self, place: int, host: HostState) -> None:
        self._out.put(place, host.out)
        self._shut.put(place, _shut_on(host) if host.given_away else ())
        if (host.given_away and _is_twice_owned(host)) != bool(self.twice_owned >> place & 1):
            self.twice_owned ^= 1 << place

    def _put_owned(self, place: int, counts: tuple[int, ...]) -> None:
        before, self._owned_on[place] = self._owned_on[place], counts
        self._owned += [Counter() for _ in range(len(counts) - len(self._owned))]
        pairs = zip_longest(before, counts, fillvalue=0)
        for column, (was, is_now) in zip(self._owned, pairs, strict=False):
            if was != is_now:
                column.change(place, was, is_now)

    def _note_size(self, structure: Structure) -> None:
        for family in structure.families:
            if family.whole is not None:
                vfs = sum(structure.slots[part].offered.bit_count() for part in family.parts)
                self.vfs_of_a_pf_max = max(self.vfs_of_a_pf_max, vfs)


def _is_twice_owned(host: HostState) -> bool:
    """No decision leads there, but nothing keeps a host from telling it."""
    return any(
        family.whole is not None
        and host.owned(family.whole)
        and any(host.owned(part) for part in family.parts)
        for family in host.structure.families
    )


def _shut_on(host: HostState) -> Sequence[int]:
    """[slot] How many devices of it the owner of their PF shuts."""
    shut = [0] * len(host.offered)
    for family in host.structure.families:
        whole = family.whole
        if whole is not None and host.owned(whole):
            shut[whole] = host.offered[whole]
            for part in family.parts:
                shut[part] = host.free(part).bit_count()
    return shut
