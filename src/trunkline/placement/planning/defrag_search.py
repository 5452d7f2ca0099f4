"""The fewest servers to move: branch and bound over which leave, and where each of them goes.

How many have to be moved is bounded from below by the servers that gain most. Each number is tried
out whole before the next one, until one is enough. A server that as many hosts could take alone as
there are moves in the plan needs no place in the search: whatever the others do, a host is left
for it. For the rest, every host that could take them is tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from trunkline.domain.ids import HostId
from trunkline.placement.planning.defrag_bounds import Bounds, Candidate
from trunkline.placement.planning.defrag_goal import Cover, Mover
from trunkline.placement.planning.defrag_grounds import Grounds, Party, Visit

REFIT: Final = 0


@dataclass(frozen=True, slots=True, eq=False)
class Pick:
    """A server that is moved."""

    candidate: Candidate
    option: int  # REFIT, or one of the other hosts, the best being 1.
    cost: int
    host_id: HostId | None  # None: to another host, whichever is left; there is one.


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chosen:
    """Servers that can all be moved, together."""

    picks: tuple[Pick, ...] = ()
    parties: Mapping[HostId, Party] = field(default_factory=dict)
    gain: int = 0
    cost: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class Findings:
    """What a search has found out."""

    best: Chosen | None = None  # Enough to reach the goal.
    is_best: bool = False  # No plan with so few moves moves less.
    at_least: int | None = None  # Moves that are needed; None: no number is enough.
    most: int = 0  # What can be gained for sure, if the goal was not reached.
    most_bound: int = 0  # And more than this can't be.
    stuck: tuple[Mover, ...] = ()  # Servers that can go nowhere.
    states: int = 0


class Search:
    """One search over one cover, with a limit on the states that it looks at."""

    def __init__(self, cover: Cover, grounds: Grounds, *, moves_max: int) -> None:
        self._need = cover.need
        self._grounds = grounds
        self._bounds = Bounds(cover, grounds, moves_max=moves_max)
        self._candidates = self._bounds.candidates
        self._moves_max = min(moves_max, len(self._candidates))
        self._likes: dict[HostId, object] = {}
        self._states = 0
        self._states_max = 0
        self._most = Chosen()
        self._best: Chosen | None = None
        self.at_least = self._bounds.at_least(cover.need)

    def run(self, *, states_max: int) -> Findings:
        """Look for the plan with the fewest moves; of these, the one that moves least."""
        self._states_max = states_max
        self._grounds.undecided = False
        if self.at_least is None or self.at_least <= self._moves_max:
            self._gather(0, Chosen())
        if self._most.gain >= self._need:
            return self._fewest(self._most)
        everything = min(len(self._candidates), self._need)  # Each move gains something.
        is_proven = self._is_proven and self._moves_max >= everything
        return Findings(
            at_least=None if is_proven else self.at_least,
            most=self._most.gain,
            most_bound=self._most.gain if is_proven else self._bounds.gain_max,
            stuck=tuple(self._bounds.stuck),
            states=self._states,
        )

    @property
    def _is_out(self) -> bool:
        return self._states >= self._states_max

    @property
    def _is_proven(self) -> bool:
        """Whether all was tried, and each refusal is certain."""
        return not self._is_out and not self._grounds.undecided

    def _fewest(self, first: Chosen) -> Findings:
        """Lower the number of moves, from a first plan, as far as it goes."""
        assert self.at_least is not None
        at_least, is_rising, is_best = self.at_least, True, False
        for number in range(at_least, len(first.picks) + 1):
            self._best = first if number == len(first.picks) else None
            self._grounds.undecided = False
            self._choose(0, number, Chosen())
            is_rising = is_rising and self._is_proven
            if self._best is not None:
                is_best = is_rising
                break
            if is_rising:
                at_least = number + 1
        return Findings(
            best=self._best or first,
            is_best=is_best,
            at_least=at_least,
            stuck=tuple(self._bounds.stuck),
            states=self._states,
        )

    def _choose(self, start: int, number: int, chosen: Chosen) -> None:
        """Try all ways to move so many servers, those before `start` being decided."""
        left = number - len(chosen.picks)
        if not left:
            if self._best is None or chosen.cost < self._best.cost:
                self._best = chosen
            return
        for at in range(start, len(self._candidates) - left + 1):
            if chosen.gain + self._bounds.gain(at, left) < self._need:
                return
            least = chosen.cost + self._bounds.cost(at, left)
            if self._best is not None and least >= self._best.cost:
                return
            if not self._is_repetition(start, at):
                for more in self._moved(at, number, chosen):
                    self._choose(at + 1, number, more)

    def _gather(self, start: int, chosen: Chosen) -> None:
        """Move servers until the goal is reached; or find out how much can be gained at most."""
        if chosen.gain > self._most.gain:
            self._most = chosen
        left = self._moves_max - len(chosen.picks)
        for at in range(start, len(self._candidates)):
            if chosen.gain + self._bounds.gain(at, left) <= self._most.gain:
                return
            if not self._is_repetition(start, at):
                for more in self._moved(at, self._moves_max, chosen):
                    self._gather(at + 1, more)
                    if self._most.gain >= self._need:
                        return

    def _is_repetition(self, start: int, at: int) -> bool:
        """Whether a candidate was left out just now that is like this one."""
        return at > start and self._candidates[at - 1].kind == self._candidates[at].kind

    def _moved(self, at: int, number: int, chosen: Chosen) -> Iterator[Chosen]:
        """Move one more server, in each way that fits beside the others."""
        one = self._candidates[at]
        last = chosen.picks[-1] if chosen.picks else None
        from_option = last.option if last is not None and last.candidate.kind == one.kind else 0
        tried = set[object]()
        for pick in self._options(one, number):
            if pick.option < from_option:
                continue
            if self._is_out:
                return
            self._states += 1
            parties = chosen.parties
            if pick.host_id is not None:
                party = parties.get(pick.host_id)
                like = None if party is not None else self._like(pick.host_id)
                if like is not None and like in tried:
                    continue
                visit = Visit(one.mover, is_refit=pick.option == REFIT)
                party = self._grounds.join(party, visit, pick.host_id)
                if party is None:
                    continue
                tried.add(like)
                parties = {**parties, pick.host_id: party}
            yield Chosen(
                picks=(*chosen.picks, pick),
                parties=parties,
                gain=chosen.gain + one.gain,
                cost=chosen.cost + pick.cost,
            )

    def _options(self, one: Candidate, number: int) -> Iterator[Pick]:
        """Yield what can be done with one server, the cheapest first."""
        if one.refit_cost is not None:
            yield Pick(one, REFIT, one.refit_cost, one.mover.resident.host_id)
        if len(one.hosts) >= number:
            yield Pick(one, 1, one.go_cost, None)
        else:
            for option, host_id in enumerate(one.hosts, start=1):
                yield Pick(one, option, one.go_cost, host_id)

    def _like(self, host_id: HostId) -> object:
        """What hosts are equal in of which only the first needs to be tried."""
        found = self._likes.get(host_id)
        if found is None:
            found = self._likes[host_id] = self._grounds.likeness(host_id)
        return found
