"""What hosts have on offer, whoever owns it: the facts by which refusals are worded.

Decisions read what can be chosen; to say why nothing can, all that is there has to be known too.
What is on offer changes only when a host is put anew. What the owners of PFs shut is kept for
those hosts alone that have given a PF away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trunkline.placement.hosts.bits import Counter, bitmap_of, bits_of
from trunkline.placement.hosts.host_state import HostState
from trunkline.placement.hosts.structure import Structure
from trunkline.placement.index.pf_prices import PfPrices


class Offers:
    """Columns by profile; places are those of the hosts given, a list that is kept up to date."""

    def __init__(self, hosts: Sequence[HostState]) -> None:
        found: dict[int, dict[int, int]] = {}  # [profile][place]
        self.vfs_of_a_pf_max = 0  # On offer; of any host that ever was here.
        for place, host in enumerate(hosts):
            for profile, count in _offered_on(host.structure).items():
                found.setdefault(profile, {})[place] = count
        for structure in {host.structure for host in hosts}:
            self._note_size(structure)
        self._size = len(hosts)
        self._hosts = hosts
        self._pf_prices: PfPrices | None = None  # None: nobody has asked for whole PFs.
        self._offered = {profile: Counter(counts, self._size) for profile, counts in found.items()}
        self._having = {profile: bitmap_of(counts, self._size) for profile, counts in found.items()}
        self._shut: dict[int, Counter] = {}
        self._shut_on: dict[int, Mapping[int, int]] = {}  # [place][profile]
        self.twice_owned = 0  # Hosts with a PF that has an owner, and VFs of it have some too.
        for place, host in enumerate(hosts):
            self.follow(place, host)

    def offered(self, profiles: int) -> Counter:
        """Count what hosts offer of these profiles together."""
        return _total(self._offered, profiles)

    def having(self, profiles: int) -> int:
        """Return the hosts that offer any device of these profiles."""
        found = 0
        for bit in bits_of(profiles):
            found |= self._having.get(bit.bit_length() - 1, 0)
        return found

    def shut(self, profiles: int) -> Counter:
        """Count PFs that have owners, and VFs without owners of these PFs, of these profiles."""
        return _total(self._shut, profiles)

    def pf_prices(self) -> PfPrices:
        """Return what it takes to free PFs."""
        if self._pf_prices is None:
            self._pf_prices = PfPrices(self._hosts)
        return self._pf_prices

    def follow(self, place: int, host: HostState) -> None:
        """Follow a change of owners on one host."""
        if self._pf_prices is not None:
            self._pf_prices.follow(place, host)
        if not host.given_away and place not in self._shut_on:
            return
        before = self._shut_on.pop(place, {})
        now = _shut_on(host) if host.given_away else {}
        for profile in before.keys() | now.keys():
            if before.get(profile) != now.get(profile):
                self._shut.setdefault(profile, Counter()).put(place, now.get(profile, 0))
        if host.given_away:
            self._shut_on[place] = now
        if (host.given_away and _is_twice_owned(host)) != bool(self.twice_owned >> place & 1):
            self.twice_owned ^= 1 << place

    def replace(self, place: int, before: Structure, now: Structure) -> None:
        """Follow a host that was put anew, as to what it offers; `follow` tells the rest."""
        if before is now:
            return
        self._note_size(now)
        was, offered = _offered_on(before), _offered_on(now)
        for profile in was.keys() | offered.keys():
            count = offered.get(profile, 0)
            self._offered.setdefault(profile, Counter()).put(place, count)
            if bool(count) != bool(was.get(profile)):
                self._having[profile] = self._having.get(profile, 0) ^ 1 << place

    def _note_size(self, structure: Structure) -> None:
        for family in structure.families:
            if family.whole is not None:
                vfs = sum(structure.slots[part].offered.bit_count() for part in family.parts)
                self.vfs_of_a_pf_max = max(self.vfs_of_a_pf_max, vfs)


def _total(counters: Mapping[int, Counter], profiles: int) -> Counter:
    total = Counter()
    for bit in bits_of(profiles):
        counter = counters.get(bit.bit_length() - 1)
        if counter is not None:
            total.add(counter)
    return total


def _offered_on(structure: Structure) -> dict[int, int]:
    offered: dict[int, int] = {}
    for profile, slot in zip(structure.profile_numbers, structure.slots, strict=True):
        if slot.offered:
            offered[profile] = offered.get(profile, 0) + slot.offered.bit_count()
    return offered


def _is_twice_owned(host: HostState) -> bool:
    """No decision leads there, but nothing keeps a host from telling it."""
    return any(
        family.whole is not None
        and host.owned(family.whole)
        and any(host.owned(part) for part in family.parts)
        for family in host.structure.families
    )


def _shut_on(host: HostState) -> dict[int, int]:
    shut: dict[int, int] = {}
    numbers, slots = host.structure.profile_numbers, host.structure.slots
    for family in host.structure.families:
        whole = family.whole
        if whole is None or not host.owned(whole):
            continue
        counts = [(whole, slots[whole].offered.bit_count())]
        counts += [(part, host.free(part).bit_count()) for part in family.parts]
        for slot, count in counts:
            if count:
                shut[numbers[slot]] = shut.get(numbers[slot], 0) + count
    return shut
