"""How many patterns can be cut from what there is: found, with proof where time allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from trunkline.placement.planning.cuts import Cut
from trunkline.placement.planning.patterns import Pattern

_NO_LIMIT: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Packed:
    """Servers packed, and what the search for more has told."""

    times: tuple[int, ...]  # [pattern] Servers of it.
    at_most: int  # More do not fit; as many as are packed where that is proven.
    steps: int

    @property
    def count(self) -> int:
        """How many servers are packed."""
        return sum(self.times)


class Packer:
    """Packs servers of some patterns."""

    def __init__(self, patterns: Sequence[Pattern], cuts: Sequence[Cut]) -> None:
        self._patterns = [
            tuple((n, amount) for n, amount in enumerate(pattern) if amount) for pattern in patterns
        ]
        self._cuts = [(cut.resources, cut.least) for cut in cuts]

    def at_most(self, left: Sequence[int]) -> int:
        """How many servers the cuts leave room for."""
        found = _NO_LIMIT
        for resources, least in self._cuts:
            total = 0
            for n in resources:
                total += left[n]
            if total < found * least:
                found = total // least
        return found

    def pack(self, have: Sequence[int], goal: int, *, steps_max: int) -> Packed:
        """Pack as many servers as are found to fit, up to `goal`."""
        search = _Search(self, have, goal, steps_max)
        return search.run()

    def most_of(self, number: int, left: Sequence[int]) -> int:
        """How many servers of one pattern alone fit."""
        return min([left[n] // amount for n, amount in self._patterns[number]])

    def without(self, number: int, times: int, left: Sequence[int]) -> list[int]:
        """What is left after some servers of one pattern."""
        rest = list(left)
        for n, amount in self._patterns[number]:
            rest[n] -= times * amount
        return rest

    @property
    def size(self) -> int:
        """How many patterns there are."""
        return len(self._patterns)


class _Search:
    """First by what keeps the bound highest, then through everything."""

    def __init__(self, packer: Packer, have: Sequence[int], goal: int, steps_max: int) -> None:
        self._packer = packer
        self._have = have
        self._goal = min(goal, packer.at_most(have))
        self._steps_max = steps_max
        self._steps = 0
        self._times = [0] * packer.size  # [pattern] Of the branch that is looked at.
        self._best_times = [0] * packer.size
        self._best = 0

    def run(self) -> Packed:
        for number in range(self._packer.size):
            self._times[number] = min(self._goal, self._packer.most_of(number, self._have))
            self._keep(self._times[number])
            self._times[number] = 0
        if self._best < self._goal:
            self._descend()
        if self._best < self._goal:
            self._times = [0] * self._packer.size
            self._branch(0, self._have, 0)
        proven = self._best >= self._goal or self._steps <= self._steps_max
        at_most = self._best if proven else self._goal
        return Packed(tuple(self._best_times), at_most, self._steps)

    def _keep(self, count: int) -> None:
        """Keep what is packed in this branch, so many servers, if none before had more."""
        if count > self._best:
            self._best, self._best_times = count, [*self._times]

    def _descend(self) -> None:
        """Cut patterns that lower the bound by no more than themselves, while there are such."""
        left = list(self._have)
        done = 0
        while done < self._goal and self._steps <= self._steps_max:
            number, times = self._next(left, min(self._packer.at_most(left), self._goal - done))
            if not times:
                break
            left = self._packer.without(number, times, left)
            self._times[number] += times
            done += times
        self._keep(done)

    def _next(self, left: Sequence[int], bound: int) -> tuple[int, int]:
        best = (-1, 0, 0)  # Bound after one server of it, pattern, how many.
        for number in range(self._packer.size):
            times = min(self._packer.most_of(number, left), bound)
            while times:
                self._steps += 1
                after = self._packer.at_most(self._packer.without(number, times, left))
                if after + times >= bound:
                    return number, times
                if times == 1 and after > best[0]:
                    best = after, number, 1
                times //= 2
        return best[1:]

    def _branch(self, number: int, left: Sequence[int], done: int) -> None:
        """Try every number of servers of this pattern, most first, and of all after it."""
        self._steps += 1
        self._keep(done)
        if number == self._packer.size or self._is_over():
            return
        if done + self._packer.at_most(left) <= self._best:
            return
        for times in range(self._packer.most_of(number, left), -1, -1):
            self._times[number] = times
            self._branch(number + 1, self._packer.without(number, times, left), done + times)
            if self._is_over():
                break
        self._times[number] = 0

    def _is_over(self) -> bool:
        return self._best >= self._goal or self._steps > self._steps_max
