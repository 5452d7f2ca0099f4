"""The part of a match that no flow expresses: which family each bound NIC goes to.

A depth-first search over states. A state says how many copies of each unit each family has, which
is all that the rest depends on: one reached twice, by another order or over families that are
interchangeable, is looked at once. The unit with the fewest families left goes next. What fits
inside one family, and its price, is worked out exactly and once (`_cell`); NICs that no rule
binds follow by flow at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trunkline.placement.flow import assign, rooms
from trunkline.placement.layout import Layout
from trunkline.placement.problem import Costs, Row
from trunkline.placement.symmetry import Symmetry
from trunkline.placement.units import Unit, make_units


@dataclass(frozen=True, slots=True)
class Found:
    """An assignment that keeps all hard rules."""

    taken: list[list[int]]  # [class][slot]
    cost: int  # Scaled, with what is soft.
    imbalance: int

    @property
    def merit(self) -> tuple[int, int]:
        """What is compared; less is better."""
        return self.cost, self.imbalance


class Search:
    """One search, for one home of the guest."""

    def __init__(self, layout: Layout, rows: Costs) -> None:
        self._layout = layout
        self._problem = layout.problem
        self._rows = rows
        self._units, self._free_classes = make_units(layout, rows)
        self._families = range(layout.family_count)
        self._slots_of: list[list[int]] = [[] for _ in self._families]
        for slot, f in enumerate(layout.family):
            self._slots_of[f].append(slot)
        self._nic_count = sum(self._problem.counts)
        room = rooms(self._problem.free, layout.family)
        self._room = [room[f] for f in self._families]
        self._found: Found | None = None
        self._best = _WORST
        self._floor = (0, 0)
        self._states_max: int | None = None
        self._judge_costs = True
        self.states = 0
        self.is_complete = True

    def best(
        self, incumbent: Found | None, floor: tuple[int, int], states_max: int
    ) -> Found | None:
        """Find an assignment better than `incumbent`; None: there is none, or it gave up.

        Args:
            incumbent: The best one so far, of any home.
            floor: A merit that nothing can be below.
            states_max: It gives up after so many, which `is_complete` then tells.
        """
        self._start(judge_costs=True)
        self._best = incumbent.merit if incumbent is not None else _WORST
        self._floor = floor
        self._states_max = states_max
        self._descend(0, self._free_floor(), [u.copies for u in self._units], self._domains())
        return self._found

    def any(self) -> Found | None:
        """Find any assignment, or prove that there is none, however long it takes.

        Costs are left out, and with them all by which families differ that fit the same NICs.
        """
        self._start(judge_costs=False)
        self._descend(0, 0, [u.copies for u in self._units], self._domains())
        return self._found

    def _start(self, *, judge_costs: bool) -> None:
        self._judge_costs = judge_costs
        self._found, self._best, self._floor, self._states_max = None, _WORST, (0, 0), None
        layout, problem = self._layout, self._problem
        self._content = [[0] * len(self._units) for _ in self._families]  # [family][unit]
        self._used = [0] * len(self._families)  # NICs of units.
        self._egress = list(layout.egress_left)
        self._ingress = list(layout.ingress_left)
        self._at: list[dict[int, int]] = [{} for _ in layout.rules]  # [rule] NICs by place.
        self._cells: dict[tuple[int, tuple[int, ...]], int | None] = {}
        sorts = [self._sort(f) for f in self._families]
        number = {sort: n for n, sort in enumerate(dict.fromkeys(sorts))}
        self._sorts = [number[sort] for sort in sorts]
        looks = [
            (
                sort,
                self._room[f] if judge_costs else 0,
                layout.egress_left[f] if any(problem.egress) else None,
                layout.ingress_left[f] if any(problem.ingress) else None,
            )
            for f, sort in enumerate(self._sorts)
        ]
        self._symmetry = Symmetry(layout, looks, [u.copies for u in self._units])
        self._cheapest = [
            min((p for f in self._families if (p := self._price(f, u, 0)) is not None), default=0)
            for u in range(len(self._units))
        ]

    def _free_floor(self) -> int:
        """What NICs that no rule binds cost at least."""
        if not self._free_classes:
            return 0
        flow = assign(
            [self._rows[c] for c in self._free_classes],
            [self._problem.counts[c] for c in self._free_classes],
            self._problem.free,
            self._layout.family,
        )
        assert flow is not None, "the flow over all classes found an assignment"
        return flow.price

    def _sort(self, f: int) -> object:
        """Equal for families that the same NICs fit at the same prices, so far as it matters."""
        problem = self._problem
        return tuple(
            (
                tuple(row[s] if self._judge_costs or row[s] is None else 0 for row in self._rows),
                min(problem.free[s], self._nic_count),
                problem.whole[s],
            )
            for s in self._slots_of[f]
        )

    def _domains(self) -> list[int]:
        """[unit] The families that a copy may go to, as bits."""
        return [
            sum(1 << f for f in self._families if self._may_enter(u, f))
            for u in range(len(self._units))
        ]

    def _may_enter(self, u: int, f: int) -> bool:
        unit = self._units[u]
        if unit.egress and (self._egress[f] or 0) < unit.egress:
            return False
        if unit.ingress and (self._ingress[f] or 0) < unit.ingress:
            return False
        return self._price(f, u, 1) is not None and self._broken_by(unit, f) is not None

    # What entering a family costs.

    def _price(self, f: int, u: int, more: int) -> int | None:
        """The price of what a family has, with one more copy of a unit; None: too much for it.

        With `more` 0: the price of one copy alone in the family.
        """
        content = list(self._content[f]) if more else [0] * len(self._units)
        content[u] += 1
        return self._cell(f, tuple(content))

    def _cell(self, f: int, content: tuple[int, ...]) -> int | None:
        key = self._sorts[f], content
        if key not in self._cells:
            self._cells[key] = self._cell_price(f, content)
        return self._cells[key]

    def _cell_price(self, f: int, content: tuple[int, ...]) -> int | None:
        counts = self._class_counts(content)
        classes = [c for c, count in enumerate(counts) if count]
        prices = []
        for whole in (False, True):
            slots = [s for s in self._slots_of[f] if self._problem.whole[s] is whole]
            if not slots or (whole and sum(counts) > 1):
                continue
            flow = assign(
                [self._cell_row(c, slots) for c in classes],
                [counts[c] for c in classes],
                [self._problem.free[s] for s in slots],
                [f] * len(slots),
            )
            if flow is not None:
                prices.append(flow.price)
        return min(prices, default=None)

    def _cell_row(self, c: int, slots: Sequence[int]) -> Row:
        row = self._rows[c]
        if self._judge_costs:
            return tuple(row[s] for s in slots)
        return tuple(None if row[s] is None else 0 for s in slots)

    def _class_counts(self, content: Sequence[int]) -> list[int]:
        counts = [0] * len(self._problem.counts)
        for unit, copies in zip(self._units, content, strict=True):
            for c, count in unit.nics:
                counts[c] += count * copies
        return counts

    def _broken_by(self, unit: Unit, f: int) -> int | None:
        """How much further soft rules would be from holding; None: a hard one would not hold."""
        more = 0
        for n, about in unit.members:
            placed = self._layout.rules[n]
            here = placed.place[f] in self._at[n]
            if placed.rule.apart:
                broken = about - (placed.known[f] and not here)
            else:
                broken = int(bool(self._at[n]) and not here)
            if broken and placed.rule.hard:
                return None
            more += broken
        return more if self._judge_costs else 0

    # The search itself.

    def _descend(self, cost: int, free_floor: int, left: list[int], domains: list[int]) -> None:
        """Go on from a state. `cost` is of what is assigned; `left` the copies yet to be."""
        open_units = [u for u, copies in enumerate(left) if copies]
        if not open_units:
            self._finish(cost)
            return
        u = min(open_units, key=lambda one: (domains[one].bit_count(), *self._urgency(one)))
        left[u] -= 1
        for price, f in self._openings(u, domains[u]):
            if self._is_over():
                break
            self._enter(u, f, 1)
            at_least = cost + price + free_floor
            at_least += sum(self._cheapest[o] * left[o] for o in open_units)
            if self._could_be_better(at_least) and self._symmetry.is_new(self._content):
                self.states += 1
                narrowed = self._narrowed(f, left, domains)
                if narrowed is not None:
                    self._descend(cost + price, free_floor, left, narrowed)
            self._enter(u, f, -1)
        left[u] += 1

    def _urgency(self, u: int) -> tuple[int, int, int]:
        unit = self._units[u]
        return -max(unit.egress, unit.ingress), -unit.size - len(unit.members), u

    def _openings(self, u: int, domain: int) -> list[tuple[int, int]]:
        """(price, family) for one copy of a unit, the most promising first."""
        unit = self._units[u]
        openings = []
        for f in self._families:
            if domain >> f & 1:
                broken = self._broken_by(unit, f)
                price = self._price(f, u, 1)
                if broken is not None and price is not None:
                    already = self._cell(f, tuple(self._content[f])) or 0
                    openings.append((price - already + broken, f))
        return sorted(openings, key=lambda one: (one[0], self._used[one[1]] - self._room[one[1]]))

    def _is_over(self) -> bool:
        if self._best <= self._floor:
            return True
        if not self._judge_costs:
            return self._found is not None
        if self._states_max is not None and self.states >= self._states_max:
            self.is_complete = False
            return True
        return False

    def _could_be_better(self, at_least: int) -> bool:
        cost, imbalance = self._best
        return at_least < cost or (at_least == cost and self._imbalance_floor() < imbalance)

    def _imbalance_floor(self) -> int:
        """What the imbalance is at least: all NICs to come from the fullest families."""
        fullest = max(self._room)
        total = 0
        room = []
        for had, used in zip(self._room, self._used, strict=True):
            total += used * (fullest - had) + used * (used - 1) // 2
            room.append(had - used)
        for _ in range(self._nic_count - sum(self._used)):
            most = max(room)
            total += fullest - most
            room[room.index(most)] -= 1
        return total

    def _enter(self, u: int, f: int, copies: int) -> None:
        """Put a copy of a unit into a family, or with -1 take it out again."""
        unit = self._units[u]
        self._content[f][u] += copies
        self._used[f] += copies * unit.size
        if unit.egress:
            self._egress[f] = (self._egress[f] or 0) - copies * unit.egress
        if unit.ingress:
            self._ingress[f] = (self._ingress[f] or 0) - copies * unit.ingress
        for n, about in unit.members:
            at, place = self._at[n], self._layout.rules[n].place[f]
            at[place] = at.get(place, 0) + copies * about
            if not at[place]:
                del at[place]

    def _narrowed(self, f: int, left: Sequence[int], domains: Sequence[int]) -> list[int] | None:
        """The domains after something has entered `f`; None: it can't come to an end."""
        narrowed = list(domains)
        union = needed = 0
        for u, copies in enumerate(left):
            if not copies:
                continue
            unit = self._units[u]
            domain = domains[u]
            for other in self._families if unit.members else (f,):
                if domain >> other & 1 and (
                    self._broken_by(unit, other) is None
                    if other != f
                    else not self._may_enter(u, f)
                ):
                    domain ^= 1 << other
            if not domain:
                return None
            narrowed[u] = domain
            union |= domain
            needed += copies * unit.size
        return narrowed if self._suffices(left, union) else None

    def _suffices(self, left: Sequence[int], union: int) -> bool:
        """Whether bandwidth would do if it could be cut at will."""
        for wants, have in (
            ([unit.egress for unit in self._units], self._egress),
            ([unit.ingress for unit in self._units], self._ingress),
        ):
            wanted = [want for want, copies in zip(wants, left, strict=True) if copies and want]
            if not wanted:
                continue
            least = min(wanted)
            total = sum(want * copies for want, copies in zip(wants, left, strict=True))
            if total > sum(
                mbps for f, mbps in enumerate(have) if mbps and mbps >= least and union >> f & 1
            ):
                return False
        return True

    # The end of a branch.

    def _finish(self, cost: int) -> None:
        """All units have their families: choose slots, for the NICs that no rule binds too."""
        if self._judge_costs and not self._free_classes:
            merit = (cost, self._imbalance_floor())
            if merit >= self._best:
                return
        rows, counts, of_class = self._rows_of_state()
        flow = assign(rows, counts, self._problem.free, self._layout.family)
        if flow is None:
            return
        taken = [[0] * len(self._problem.free) for _ in self._problem.counts]
        for c, row in zip(of_class, flow.taken, strict=True):
            for slot, count in enumerate(row):
                taken[c][slot] += count
        found = Found(taken, flow.price + self._broken_now(taken), flow.imbalance)
        if found.merit < self._best:
            self._found, self._best = found, found.merit

    def _broken_now(self, taken: list[list[int]]) -> int:
        used = self._layout.used(taken)
        return sum(placed.broken(used) for placed in self._layout.rules)

    def _rows_of_state(self) -> tuple[list[Row], list[int], list[int]]:
        """Rows for a flow, their counts and their classes: each class split by its families."""
        rows: list[Row] = []
        counts: list[int] = []
        of_class: list[int] = []
        taken_whole = set()
        for f in self._families:
            for c, count in enumerate(self._class_counts(self._content[f])):
                if count:
                    whole = self._takes_whole(f)
                    taken_whole |= {f} if whole else set()
                    rows.append(self._row_in(c, f, whole=whole))
                    counts.append(count)
                    of_class.append(c)
        for c in self._free_classes:
            rows.append(
                tuple(
                    None
                    if self._problem.whole[s] or self._layout.family[s] in taken_whole
                    else cost
                    for s, cost in enumerate(self._rows[c])
                )
            )
            counts.append(self._problem.counts[c])
            of_class.append(c)
        return rows, counts, of_class

    def _takes_whole(self, f: int) -> bool:
        """Whether what a family gives is the PF itself: it must be, or it is cheaper."""
        counts = self._class_counts(self._content[f])
        if sum(counts) != 1:
            return False
        row = self._rows[counts.index(1)]
        prices = [
            (cost, not self._problem.whole[s])
            for s in self._slots_of[f]
            if (cost := row[s]) is not None and self._problem.free[s]
        ]
        return not min(prices)[1]

    def _row_in(self, c: int, f: int, *, whole: bool) -> Row:
        return tuple(
            cost if self._layout.family[s] == f and self._problem.whole[s] is whole else None
            for s, cost in enumerate(self._rows[c])
        )


_WORST = (1 << 62, 0)
