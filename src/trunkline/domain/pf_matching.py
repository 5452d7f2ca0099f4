"""Which of the PFs that a host has now is which of those it had: one old, one new, or a fence.

A device keeps its ID, its owner and its history when its card is found elsewhere. That is done only
where no doubt is left: of a PF with owners, only to the one PF with its identity and no fewer VFs.
Where there is doubt the PF is fenced: its devices stay with their owners as they are recorded, it
is given to nobody, and what sits in its place is not taken in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from trunkline.domain.ids import PhysicalNetwork
from trunkline.domain.pci import PciAddress
from trunkline.domain.pf_identity import PfIdentity

# By VF index, None being the PF itself; None: no tag says it.
Cabling = Mapping[int | None, PhysicalNetwork | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPf:
    """A PF on record."""

    address: PciAddress
    identity: PfIdentity
    vf_count: int | None  # How many VFs it had; None: none are to be seen while a guest has it.
    held_vfs: frozenset[int]  # Indexes of those with owners.
    is_held: bool  # It or a VF of it has an owner.
    addresses: frozenset[PciAddress]  # Its own and its VFs'.
    held_on: Cabling = field(default_factory=dict)  # Of what of it has an owner.
    said: PciAddress | None = None  # Where it is now, says an operator.


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPf:
    """A PF that the host has now."""

    address: PciAddress
    identity: PfIdentity
    vf_count: int
    vf_indexes: frozenset[int]  # Of those that are told of.
    addresses: frozenset[PciAddress]
    cabled_to: Cabling = field(default_factory=dict)  # Of it and its VFs, as they are told of.


@dataclass(frozen=True, slots=True)
class PfMatches:
    """What became of the PFs on record."""

    now_at: Mapping[PciAddress, PciAddress]  # By the address on record; only those that were found.
    fences: Mapping[PciAddress, str] = field(default_factory=dict)  # On record: what is in doubt.
    shut_out: frozenset[PciAddress] = frozenset()  # Seen, and not to be taken in.
    # On record: why it can't be where an operator says that it is.
    refused: Mapping[PciAddress, str] = field(default_factory=dict)

    @property
    def moves(self) -> dict[PciAddress, PciAddress]:
        """Those that were found elsewhere."""
        return {old: new for old, new in self.now_at.items() if old != new}


def match_pfs(
    known: Iterable[KnownPf],
    seen: Iterable[SeenPf],
    *,
    others_held: Collection[PciAddress] = (),
) -> PfMatches:
    """Match one host's PFs on record with those that are there.

    Args:
        known: PFs on record.
        seen: PFs that are there.
        others_held: Where devices with owners are on record that are neither PFs nor VFs.
    """
    olds = {pf.address: pf for pf in known}
    news = {pf.address: pf for pf in seen}
    refused = {
        old.address: problem
        for old in olds.values()
        if old.said is not None and (problem := _why_not_there(old, old.said, olds, news))
    }
    found = {
        old.address: old.said
        for old in olds.values()
        if old.said is not None and old.address not in refused
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
    matches = _without_collisions(olds, news, found, doubts, frozenset(others_held))
    given_up = {
        old.address: f"what is on record at {old.said} has an owner"
        for old in olds.values()
        if old.said is not None
        and old.address not in refused
        and matches.now_at.get(old.address) != old.said
    }
    return replace(matches, refused=refused | given_up)


def _why_not_there(
    old: KnownPf,
    said: PciAddress,
    olds: Mapping[PciAddress, KnownPf],
    news: Mapping[PciAddress, SeenPf],
) -> str:
    """Say why a PF can't be where an operator says that it is; empty: it can.

    Its identity may be another, as of a card that replaces a broken one, and on record already.
    """
    new = news.get(said)
    if new is None:
        return f"there is no PF at {said} that is told of"
    if any(other.said == said for other in olds.values() if other is not old):
        return f"two are said to be at {said}"
    if not old.identity.agrees(new.identity):
        for other in olds.values():
            if other is old or other.said is not None or not other.is_held:
                continue
            is_there = other.address == said and other.identity.agrees(new.identity)
            if is_there or _may_be(other, new):
                return f"what is at {said} is the PF on record at {other.address}, which is in use"
    problem = _other_layout(old, new) if old.is_held else ""
    return f"{said} is there {problem}" if problem else ""


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
    others_held: frozenset[PciAddress],
) -> PfMatches:
    """Give up moves to where something held stays on record, until none is left."""
    while True:
        stay = [pf for pf in olds.values() if pf.is_held and pf.address not in found]
        kept = others_held.union(*(pf.addresses for pf in stay))
        blocked = {pf.address for pf in news.values() if pf.addresses & kept}
        given_up = [old for old, new in found.items() if new in blocked]
        for old in given_up:
            if olds[old].is_held:
                doubts[old] = (
                    f"it is at {found[old]} now, where something else with an owner is on record"
                )
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
    """Say in what its VFs, or their cables, are not as its owners have them; empty: in nothing."""
    # More are no doubt: a card that is pulled may be seen with its VFs going, one after the other.
    if old.vf_count is not None and new.vf_count < old.vf_count:
        return f"with {new.vf_count} VFs and not {old.vf_count}"
    lacking = sorted(old.held_vfs - new.vf_indexes)
    if lacking:
        return f"and its VF {lacking[0]} is not on offer there"
    for index, network in old.held_on.items():
        there = new.cabled_to.get(index, network)
        if there != network:
            return f"on physical network {there or 'none'} and not {network or 'none'}"
    return ""


def _places(pfs: Sequence[SeenPf]) -> str:
    return " and ".join(str(pf.address) for pf in sorted(pfs, key=lambda pf: pf.address))
