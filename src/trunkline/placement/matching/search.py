"""The part of a match that no flow expresses: which family each NIC goes to that a rule binds.

A depth-first search over states. A state says how many copies of each bundle each family has, which
is all that the rest depends on: one reached twice, by another order or over families that may be
exchanged, is looked at once. At each state a flow over all that is open bounds what can come of it
from below; if its answer keeps the rules too, nothing better can, and the state is done.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from trunkline.placement.matching.bundles import make_bundles
from trunkline.placement.matching.flow import Flow, assign, rooms
from trunkline.placement.matching.layout import Layout
from trunkline.placement.matching.problem import Costs
from trunkline.placement.matching.search_state import Mode, SearchState
from trunkline.placement.matching.symmetry import Symmetry
from trunkline.placement.matching.verdict import broken_by, classes_at_fault, shared_pfs


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
    """One search, for one home of the guest.

    Args:
        layout: The problem.
        rows: What devices cost with the guest at that home.
        states_max: It gives up after so many, which `is_complete` then tells.
        judge_costs: If not, the first assignment will do. Then all is left out by which families
            differ that fit the same NICs.
        weights: How often each bundle had no family left, in an earlier search of the problem.
    """

    def __init__(
        self,
        layout: Layout,
        rows: Costs,
        *,
        states_max: int,
        judge_costs: bool = True,
        weights: Sequence[int] = (),
    ) -> None:
        if not judge_costs:
            rows = tuple(tuple(None if cost is None else 0 for cost in row) for row in rows)
        self._layout = layout
        self._bundles, self._free_classes = make_bundles(layout)
        self._state = SearchState(layout, rows, self._bundles)
        room = rooms(layout.problem.free, layout.family)
        self._room = [room[f] for f in self._state.families]
        self._symmetry = Symmetry(
            layout,
            self._looks(judge_costs=judge_costs),
            [bundle.copies for bundle in self._bundles],
        )
        self._states_max = states_max
        self._judge_costs = judge_costs
        # Where no slot can run out, a flow over what is open says nothing about whether it fits.
        nic_count = sum(layout.problem.counts)
        self._flow_tells = judge_costs or any(count < nic_count for count in layout.problem.free)
        self._found: Found | None = None
        self._best = _WORST
        self._floor = (0, 0)
        self.weights = list(weights or [1] * len(self._bundles))
        self.states = 0
        self.is_complete = True

    def find(self, incumbent: Found | None, floor: tuple[int, int]) -> Found | None:
        """Find an assignment better than `incumbent`; None: there is none, or it gave up.

        Args:
            incumbent: The best one so far, of any home.
            floor: A merit that none is below.
        """
        self._best = _WORST if incumbent is None else incumbent.merit
        self._floor = floor
        domains = self._state.domains()
        if isinstance(domains, list):
            self._descend(0, [bundle.copies for bundle in self._bundles], domains)
        return self._found

    def _looks(self, *, judge_costs: bool) -> list[Hashable]:
        """[family] Equal for families that differ in nothing but where they are."""
        layout = self._layout
        return [
            (
                self._state.sorts[f],
                self._room[f] if judge_costs else 0,
                layout.egress_left[f] if layout.egress_left else 0,
                layout.ingress_left[f] if layout.ingress_left else 0,
            )
            for f in self._state.families
        ]

    def _descend(self, soft: int, left: list[int], domains: list[int]) -> None:
        """Go on from a state.

        Args:
            soft: How far soft rules are from holding already.
            left: [bundle] Copies yet to be assigned.
            domains: [bundle] Families that each of these may go to.
        """
        self.states += 1
        flow = None
        floor = soft
        if self._flow_tells or not any(left):
            flow = self._flow(left, domains)
            if flow is None:
                return
            floor = self._state.soft_floor(left, domains) if self._judge_costs else 0
            if self._is_done(flow, floor):
                return
            shared = next(shared_pfs(self._layout, flow.taken), None)
            if shared is not None:
                self._decide(shared, soft, left, domains)
                return
        price, imbalance = (0, 0) if flow is None else (flow.price, flow.imbalance)
        u = self._next_bundle(left, domains, flow)
        left[u] -= 1
        for more, f in self._openings(u, domains[u]):
            if self._is_over():
                break
            if (price + max(floor, soft + more), imbalance) < self._best:
                self._state.enter(u, f, 1)
                self._go_on(f, soft + more, left, domains)
                self._state.enter(u, f, -1)
        left[u] += 1

    def _is_done(self, flow: Flow, floor: int) -> bool:
        """Whether nothing better than what is found can come of a state with this flow."""
        if (flow.price + floor, flow.imbalance) >= self._best:
            return True
        broken = broken_by(self._layout, flow.taken)
        if broken is None:
            return False
        found = Found(flow.taken, flow.price + broken, flow.imbalance)
        if found.merit < self._best:
            self._found, self._best = found, found.merit
        return broken == floor or not self._judge_costs

    def _decide(self, f: int, soft: int, left: list[int], domains: list[int]) -> None:
        """Go on with a family giving its VFs, and with its giving the PF itself."""
        for mode in (Mode.PARTS, Mode.WHOLE):
            if self._is_over():
                break
            self._state.modes[f] = mode
            self._go_on(f, soft, left, domains)
        self._state.modes[f] = Mode.EITHER

    def _go_on(self, f: int, soft: int, left: list[int], domains: list[int]) -> None:
        """Descend into a state in which a family has changed, if it is new and may end well."""
        modes = [mode.value for mode in self._state.modes]
        if self._symmetry.is_new(self._state.content, modes):
            narrowed = self._state.narrowed(f, left, domains)
            if isinstance(narrowed, list):
                self._descend(soft, left, narrowed)
            else:
                self.states += 1
                for u in narrowed.without_family:
                    self.weights[u] += 1

    def _flow(self, left: list[int], domains: list[int]) -> Flow | None:
        """The best that can come of a state, if the rules are kept in what is open."""
        problem = self._layout.problem
        rows, counts, of_class = self._state.rows(left, domains, self._free_classes)
        flow = assign(rows, counts, problem.free, self._layout.family)
        if flow is None:
            return None
        taken = [[0] * len(problem.free) for _ in problem.counts]
        for c, row in zip(of_class, flow.taken, strict=True):
            mine = taken[c]
            for slot, count in enumerate(row):
                if count:
                    mine[slot] += count
        return Flow(taken, flow.price, flow.imbalance)

    def _next_bundle(self, left: list[int], domains: list[int], flow: Flow | None) -> int:
        """Of the bundles over which the flow breaks rules, the one with the least choice."""
        at_fault = set() if flow is None else classes_at_fault(self._layout, flow.taken)

        def urgency(u: int) -> tuple[bool, float, int, int, int]:
            bundle = self._bundles[u]
            return (
                not any(c in at_fault for c, _ in bundle.nics),
                domains[u].bit_count() / self.weights[u],
                -max(bundle.egress, bundle.ingress),
                -bundle.size - len(bundle.members),
                u,
            )

        return min((u for u, copies in enumerate(left) if copies), key=urgency)

    def _openings(self, u: int, domain: int) -> list[tuple[int, int]]:
        """(what it breaks, family) for one copy of a bundle, the most promising first."""
        state = self._state
        openings = []
        for f in state.families:
            if domain >> f & 1:
                broken = state.broken_by(u, f)
                price = state.price(u, f)
                if broken is None or price is None:
                    continue
                rank = price + broken, state.used[f] - self._room[f]
                if not self._judge_costs:
                    rank, broken = (int((u, f) not in state.packed), rank[1]), 0
                openings.append((rank, broken, f))
        return [(broken, f) for _, broken, f in sorted(openings)]

    def _is_over(self) -> bool:
        if self._best <= self._floor or (self._found is not None and not self._judge_costs):
            return True
        if self.states >= self._states_max:
            self.is_complete = False
            return True
        return False


_WORST = (1 << 62, 0)


# A search that has begun at the wrong end is begun anew, with what it has learnt about which
# bundles are hard to find a family for, and with so many times the states.
_FIRST_STATES: Final = 100
_GROWTH: Final = 2


def find_any(layout: Layout, rows: Costs) -> Found | None:
    """Find any assignment, or prove that there is none, however many states it takes."""
    states_max = _FIRST_STATES
    weights: Sequence[int] = ()
    while True:
        search = Search(layout, rows, states_max=states_max, judge_costs=False, weights=weights)
        found = search.find(None, (0, 0))
        if found is not None or search.is_complete:
            return found
        weights = search.weights
        states_max *= _GROWTH
