"""Which of the PFs that a host has now is which of those it had: one old, one new, or a fence.

A device keeps its ID, its owner and its history when its card is found elsewhere. That is done only
where no doubt is left: of a PF with owners, only to the one PF with its identity and as many VFs.
Where there is doubt the PF is fenced: its devices stay with their owners as they are recorded, it
is given to nobody, and what sits in its place is not taken in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from trunkline.domain.pci import PciAddress
from trunkline.domain.pf_identity import PfIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPf:
    """A PF on record."""

    address: PciAddress
    identity: PfIdentity
    vf_count: int | None  # How many VFs it had; None: none are to be seen while a guest has it.
    held_vfs: frozenset[int]  # Indexes of those with owners.
    is_held: bool  # It or a VF of it has an owner.
    addresses: frozenset[PciAddress]  # Its own and its VFs'.
    # Where it is now, says an operator: taken for true if a PF with these VFs is there.
    said: PciAddress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPf:
    """A PF that the host has now."""

    address: PciAddress
    identity: PfIdentity
    vf_count: int
    vf_indexes: frozenset[int]  # Of those that are told of.
    addresses: frozenset[PciAddress]


@dataclass(frozen=True, slots=True)
class PfMatches:
    """What became of the PFs on record."""

    now_at: Mapping[PciAddress, PciAddress]  # By the address on record; only those that were found.
    fences: Mapping[PciAddress, str] = field(default_factory=dict)  # On record: what is in doubt.
    shut_out: frozenset[PciAddress] = frozenset()  # Seen, and not to be taken in.

    @property
    def moves(self) -> dict[PciAddress, PciAddress]:
        """Those that were found elsewhere."""
        return {old: new for old, new in self.now_at.items() if old != new}


def match_pfs(known: Iterable[KnownPf], seen: Iterable[SeenPf]) -> PfMatches:
    """Match one host's PFs on record with those that are there."""
    olds = {pf.address: pf for pf in known}
    news = {pf.address: pf for pf in seen}
    said = Counter(old.said for old in olds.values())
    found = {
        old.address: old.said
        for old in olds.values()
        if old.said in news
        and said[old.said] == 1  # Two can't be in one place: that is as good as nothing said.
        and old.held_vfs <= news[old.said].vf_indexes
    }
    taken = set(found.values())
    for address, old in olds.items():
        here = news.get(address)
        if address in found or address in taken or here is None:
            continue
        if old.identity.agrees(here.identity):
            found[address] = address
    doubts: dict[PciAddress, str] = {}
    _find_moved(olds, news, found, doubts)
    return _without_collisions(olds, news, found, doubts)


def _find_moved(
    olds: Mapping[PciAddress, KnownPf],
    news: Mapping[PciAddress, SeenPf],
    found: dict[PciAddress, PciAddress],
    doubts: dict[PciAddress, str],
) -> None:
    """Add those that sit elsewhere now, and say of the others that are held what is in doubt."""
    known_as = Counter(pf.identity for pf in olds.values())
    free = [news[address] for address in news.keys() - found.values()]
    for address, old in olds.items():
        if address in found:
            continue
        # A MAC that can't be read leaves it open which port of the card it is.
        alike = [pf for pf in news.values() if pf.identity == old.identity and old.identity.mac]
        here = [pf for pf in free if _may_be(old, pf)]
        if alike == here and len(here) == known_as[old.identity] == 1:
            (new,) = here
            problem = _other_layout(old, new) if old.is_held else ""
            if problem:
                doubts[address] = f"it is at {new.address} now, {problem}"
            else:
                found[address] = new.address
        elif old.is_held and here:
            doubts[address] = f"{_places(here)} may be it, and nothing proves it"
        elif old.is_held and address in news:
            doubts[address] = f"another card is in its place: {news[address].identity}"


def _may_be(old: KnownPf, new: SeenPf) -> bool:
    """Whether the MAC is the same and nothing else speaks against it; serials may be unread."""
    mac = old.identity.mac
    return mac is not None and mac == new.identity.mac and old.identity.agrees(new.identity)


def _without_collisions(
    olds: Mapping[PciAddress, KnownPf],
    news: Mapping[PciAddress, SeenPf],
    found: dict[PciAddress, PciAddress],
    doubts: dict[PciAddress, str],
) -> PfMatches:
    """Give up moves to where something held stays on record, until none is left."""
    while True:
        stay = [pf for pf in olds.values() if pf.is_held and pf.address not in found]
        kept = frozenset[PciAddress]().union(*(pf.addresses for pf in stay))
        blocked = {pf.address for pf in news.values() if pf.addresses & kept}
        given_up = [old for old, new in found.items() if new in blocked]
        for old in given_up:
            if olds[old].is_held:
                doubts[old] = f"it is at {found[old]} now, where another PF in doubt is on record"
            del found[old]
        if not given_up:
            break
    doubtful = {olds[old].identity for old in doubts}
    for pf in stay:
        here = [new for new in news.values() if new.addresses & pf.addresses]
        if here:
            doubts.setdefault(pf.address, f"{_places(here)} has addresses of it, and is another")
    unmatched = news.keys() - found.values()
    shut_out = {
        address
        for address in unmatched
        if address in blocked
        or news[address].identity in doubtful
        or any(_may_be(olds[old], news[address]) for old in doubts)
    }
    return PfMatches(found, doubts, frozenset(shut_out))


def _other_layout(old: KnownPf, new: SeenPf) -> str:
    if old.vf_count is not None and new.vf_count != old.vf_count:
        return f"with {new.vf_count} VFs and not {old.vf_count}"
    lacking = sorted(old.held_vfs - new.vf_indexes)
    return f"and its VF {lacking[0]} is not on offer there" if lacking else ""


def _places(pfs: Sequence[SeenPf]) -> str:
    return " and ".join(str(pf.address) for pf in sorted(pfs, key=lambda pf: pf.address))
