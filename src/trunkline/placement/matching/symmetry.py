"""Which states of a search are one: families, and whole places, that may be exchanged."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from trunkline.placement.matching.layout import Layout


@dataclass(frozen=True, slots=True)
class _Place:
    """A place with the places in it, or, the innermost, with families."""

    places: tuple[_Place, ...]
    families: tuple[int, ...]


class Symmetry:
    """Recognises states that it has seen, under another numbering of like families.

    The places that rules speak of form a tree when each kind of place lies within the next one:
    PFs on cards, cards on NUMA nodes. Then like subtrees may be exchanged. Where kinds of places
    cross, only families in the very same places are alike.
    """

    def __init__(
        self, layout: Layout, looks: Sequence[Hashable], copies_max: Sequence[int]
    ) -> None:
        """Begin.

        Args:
            layout: With the rules, and what is one place for them.
            looks: [family] Equal for families that differ in nothing but where they are.
            copies_max: [bundle]
        """
        kinds = {placed.place for placed in layout.rules}
        kinds.discard(tuple(range(layout.family_count)))
        places = sorted(kinds, key=lambda place: (len(set(place)), place))
        # Whether a place is known tells families apart like anything else about them.
        known = sorted({placed.known for placed in layout.rules})
        full: list[Hashable] = [(look, tuple(k[f] for k in known)) for f, look in enumerate(looks)]
        if not _are_nested(places):
            full = [(one, tuple(p[f] for p in places)) for f, one in enumerate(full)]
            places = []
        number = {look: n for n, look in enumerate(dict.fromkeys(full))}
        self._look = [number[one] for one in full]
        self._radix = [len(number)]
        for copies in copies_max:
            self._radix.append(self._radix[-1] * (copies + 1))
        self._root = _tree(range(layout.family_count), places)
        self._seen: set[object] = set()

    def is_new(self, content: Sequence[Sequence[int]], modes: Sequence[int]) -> bool:
        """Whether no state like this one was asked about before.

        Args:
            content: [family][bundle] Copies.
            modes: [family] Whatever else a state says of it; 0 to 2.
        """
        signs = [
            look + sum(map(int.__mul__, bundles, self._radix)) + mode * self._radix[-1]
            for look, bundles, mode in zip(self._look, content, modes, strict=True)
        ]
        key = _canonical(self._root, signs)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True


def _are_nested(places: Sequence[Sequence[int]]) -> bool:
    """Whether each kind of place lies within the one before it."""
    return all(
        len(set(zip(inner, outer, strict=True))) == len(set(inner))
        for outer, inner in pairwise(places)
    )


def _tree(families: Sequence[int], places: Sequence[Sequence[int]]) -> _Place:
    if not places:
        return _Place((), tuple(families))
    by_place: dict[int, list[int]] = {}
    for f in families:
        by_place.setdefault(places[0][f], []).append(f)
    return _Place(tuple(_tree(inner, places[1:]) for inner in by_place.values()), ())


def _canonical(place: _Place, signs: Sequence[int]) -> tuple[object, ...]:
    """What a place holds, in an order of its own: equal for places that may be exchanged."""
    if not place.places:
        return tuple(sorted([signs[f] for f in place.families]))
    return tuple(sorted([_canonical(inner, signs) for inner in place.places]))
