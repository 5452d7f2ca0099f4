"""A state of a search: how many copies of each bundle each family has, and what that leaves."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from trunkline.placement.matching.bounds import Apart, narrow_by_bandwidth
from trunkline.placement.matching.bundles import Bundle
from trunkline.placement.matching.flow import assign
from trunkline.placement.matching.layout import Layout
from trunkline.placement.matching.packing import find_packing
from trunkline.placement.matching.problem import Costs, Row


@dataclass(frozen=True, slots=True)
class DeadEnd:
    """A state that can't come to an end, and the bundles that have no family left in it."""

    without_family: Sequence[int]


class Mode(enum.Enum):
    """What a family gives: its PF, or other devices."""

    EITHER = 0  # Not decided yet.
    PARTS = 1
    WHOLE = 2


class SearchState:
    """Changed in place by `enter`, and back."""

    def __init__(self, layout: Layout, rows: Costs, bundles: Sequence[Bundle]) -> None:
        self._layout = layout
        self._rows = rows
        self._bundles = bundles
        self.families = range(layout.family_count)
        self.content = [[0] * len(bundles) for _ in self.families]  # [family][bundle]
        self.used = [0] * len(self.families)  # NICs of bundles.
        self.packed = set[tuple[int, int]]()  # (bundle, family) by which guarantees can be had.
        self.modes = [Mode.EITHER] * len(self.families)
        self._egress = list(layout.egress_left)
        self._ingress = list(layout.ingress_left)
        self._at: list[dict[int, int]] = [{} for _ in layout.rules]  # [rule] NICs by place.
        self._slots_of: list[list[int]] = [[] for _ in self.families]
        for slot, f in enumerate(layout.family):
            self._slots_of[f].append(slot)
        self._apart = Apart(layout, bundles)
        self._wanted = [bundle.egress for bundle in bundles], [bundle.ingress for bundle in bundles]
        self._members = [  # [rule] Units.
            [u for u, bundle in enumerate(bundles) if any(n == rule for rule, _ in bundle.members)]
            for n in range(len(layout.rules))
        ]
        self._sizes = [  # [rule] NICs.
            sum(layout.problem.counts[c] for c in placed.rule.classes) for placed in layout.rules
        ]
        self._prices: dict[tuple[int, Mode, tuple[int, ...]], int | None] = {}
        self.sorts = self._sorts()

    def _sorts(self) -> list[int]:
        """Equal for families that the same NICs fit at the same prices, as far as it matters."""
        problem = self._layout.problem
        enough = sum(problem.counts)
        looks = [
            tuple(
                (
                    tuple([row[s] for row in self._rows]),
                    min(problem.free[s], enough),
                    problem.whole[s],
                )
                for s in slots
            )
            for slots in self._slots_of
        ]
        number = {look: n for n, look in enumerate(dict.fromkeys(looks))}
        return [number[look] for look in looks]

    def enter(self, u: int, f: int, copies: int) -> None:
        """Put a copy of a bundle into a family, or with -1 take it out again."""
        bundle = self._bundles[u]
        self.content[f][u] += copies
        self.used[f] += copies * bundle.size
        if bundle.egress:
            self._egress[f] = (self._egress[f] or 0) - copies * bundle.egress
        if bundle.ingress:
            self._ingress[f] = (self._ingress[f] or 0) - copies * bundle.ingress
        for n, about in bundle.members:
            at, place = self._at[n], self._layout.rules[n].place[f]
            at[place] = at.get(place, 0) + copies * about
            if not at[place]:
                del at[place]

    def may_enter(self, u: int, f: int) -> bool:
        """Whether one more copy of a bundle could be in a family, as things are."""
        bundle = self._bundles[u]
        if bundle.egress and (self._egress[f] or 0) < bundle.egress:
            return False
        if bundle.ingress and (self._ingress[f] or 0) < bundle.ingress:
            return False
        return self.price(u, f) is not None and self.broken_by(u, f) is not None

    def broken_by(self, u: int, f: int) -> int | None:
        """How much further soft rules would be from holding, as costs; None: not a hard one."""
        more = 0
        for n, about in self._bundles[u].members:
            placed = self._layout.rules[n]
            here = placed.place[f] in self._at[n]
            if placed.rule.apart:
                broken = about - (placed.known[f] and not here)
            else:
                broken = int(bool(self._at[n]) and not here)
            if broken and placed.rule.hard:
                return None
            more += broken
        return more * self._layout.unit

    def price(self, u: int, f: int) -> int | None:
        """What the devices of a family's bundles cost with one more copy; None: too much for it."""
        content = list(self.content[f])
        content[u] += 1
        key = self.sorts[f], self.modes[f], tuple(content)
        if key not in self._prices:
            self._prices[key] = self._price(f, self._class_counts(content))
        return self._prices[key]

    def _price(self, f: int, counts: Sequence[int]) -> int | None:
        problem = self._layout.problem
        classes = [c for c, count in enumerate(counts) if count]
        prices = []
        for whole in (False, True):
            slots = [s for s in self._slots_of[f] if problem.whole[s] is whole]
            if not slots or (whole and sum(counts) > 1) or self.modes[f] is _SHUTS[whole]:
                continue
            flow = assign(
                [tuple([self._rows[c][s] for s in slots]) for c in classes],
                [counts[c] for c in classes],
                [problem.free[s] for s in slots],
                [f] * len(slots),
            )
            if flow is not None:
                prices.append(flow.price)
        return min(prices, default=None)

    def _class_counts(self, content: Sequence[int]) -> list[int]:
        counts = [0] * len(self._rows)
        for bundle, copies in zip(self._bundles, content, strict=True):
            if copies:
                for c, count in bundle.nics:
                    counts[c] += count * copies
        return counts

    def domains(self) -> list[int] | DeadEnd:
        """[bundle] The families that a copy may go to, as bits."""
        domains = [
            sum(1 << f for f in self.families if self.may_enter(u, f))
            for u in range(len(self._bundles))
        ]
        narrowest = self._narrowest([bundle.copies for bundle in self._bundles], domains)
        if isinstance(narrowest, list) and not self._can_pack(narrowest):
            return DeadEnd([])
        return narrowest

    def _can_pack(self, domains: Sequence[int]) -> bool:
        bundles = self._bundles
        waiting = [
            u
            for u, bundle in enumerate(bundles)
            if bundle.egress or bundle.ingress
            for _ in range(bundle.copies)
        ]
        egress, ingress = (
            self._egress or [0] * len(self.used),
            self._ingress or [0] * len(self.used),
        )
        packed = find_packing(
            [(bundles[u].egress, bundles[u].ingress) for u in waiting],
            [domains[u] for u in waiting],
            [(one or 0, other or 0) for one, other in zip(egress, ingress, strict=True)],
        )
        if packed is not None:
            self.packed.update(zip(waiting, packed, strict=True))
        return packed is not None

    def narrowed(self, f: int, left: Sequence[int], domains: Sequence[int]) -> list[int] | DeadEnd:
        """The domains after something has entered `f`."""
        narrowed = list(domains)
        for u, copies in enumerate(left):
            if not copies:
                continue
            domain = domains[u]
            for other in self.families if self._bundles[u].members else (f,):
                if domain >> other & 1 and (
                    self.broken_by(u, other) is None if other != f else not self.may_enter(u, f)
                ):
                    domain ^= 1 << other
            if not domain:
                return DeadEnd([u])
            narrowed[u] = domain
        return self._narrowest(left, narrowed)

    def _narrowest(self, left: Sequence[int], domains: list[int]) -> list[int] | DeadEnd:
        narrowed: list[int] | None = domains
        for wanted, has in ((self._wanted[0], self._egress), (self._wanted[1], self._ingress)):
            if narrowed is not None and any(wanted):
                narrowed = narrow_by_bandwidth(wanted, left, has, narrowed)
        if narrowed is None:
            return DeadEnd([])
        crowded = self._apart.without_places(left, narrowed)
        return DeadEnd(crowded) if crowded else narrowed

    def rows(
        self, left: Sequence[int], domains: Sequence[int], free_classes: Sequence[int]
    ) -> tuple[list[Row], list[int], list[int]]:
        """Rows for a flow, with their counts and classes: what has a family stays in it."""
        problem = self._layout.problem
        rows: list[Row] = []
        counts: list[int] = []
        of_class: list[int] = []
        parts = wholes = 0  # Families, as bits, that can give VFs, or the PF, to what is open.
        for f in self.families:
            here = 1 << f
            may_part = here if self.modes[f] is not Mode.WHOLE else 0
            may_whole = here if self.modes[f] is not Mode.PARTS and self.used[f] <= 1 else 0
            for c, count in self._classes_in(f):
                row = self._row(c, may_part, may_whole)
                if all(cost is None or problem.whole[s] for s, cost in enumerate(row)):
                    may_part = 0
                rows.append(row)
                counts.append(count)
                of_class.append(c)
            parts |= may_part
            wholes |= 0 if self.used[f] else may_whole
        for u, copies in enumerate(left):
            for c, count in self._bundles[u].nics if copies else ():
                rows.append(self._row(c, domains[u] & parts, domains[u] & wholes))
                counts.append(copies * count)
                of_class.append(c)
        for c in free_classes:
            rows.append(self._row(c, parts, wholes))
            counts.append(problem.counts[c])
            of_class.append(c)
        return rows, counts, of_class

    def _classes_in(self, f: int) -> list[tuple[int, int]]:
        if not self.used[f]:
            return []
        counts = self._class_counts(self.content[f])
        return [(c, count) for c, count in enumerate(counts) if count]

    def _row(self, c: int, parts: int, wholes: int) -> Row:
        """A class's row within some families, other ones for PFs taken whole."""
        problem, family = self._layout.problem, self._layout.family
        return tuple(
            [
                cost
                if cost is not None and (wholes if problem.whole[s] else parts) >> family[s] & 1
                else None
                for s, cost in enumerate(self._rows[c])
            ]
        )

    def soft_floor(self, left: Sequence[int], domains: Sequence[int]) -> int:
        """How far soft rules will be from holding at least, as costs."""
        total = 0
        for n, placed in enumerate(self._layout.rules):
            if placed.rule.hard:
                continue
            reach = [
                {placed.place[f] for f in self.families if domains[u] >> f & 1}
                for u in self._members[n]
                if left[u]
            ]
            at = set(self._at[n])
            if placed.rule.apart:
                known = {placed.place[f] for f in self.families if placed.known[f]}
                total += self._sizes[n] - len(at.union(*reach) & known)
            elif at:
                total += len(at) - 1 + any(not places & at for places in reach)
            else:
                total += not set.intersection(*reach)
        return total * self._layout.unit


_SHUTS = {False: Mode.WHOLE, True: Mode.PARTS}
