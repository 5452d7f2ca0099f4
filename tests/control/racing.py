"""Races of two use cases at two replicas: one stands still before each of its statements in turn,
while the other runs into it. Whoever wins, everything is held once, and losers are told why.

What they act on, a round, is made fresh each time; hosts of earlier rounds are disabled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, Protocol, TypeAlias, TypeVar

import pytest

from tests.control import holdings
from tests.control.standing_still import count_statements, run_into, sampled
from tests.support.world import a_flavor, a_world
from trunkline.control.services import Services
from trunkline.domain.errors import GenerationMoved, StoreUnavailable, TrunklineError
from trunkline.domain.ids import HostName
from trunkline.domain.listing import ListQuery
from trunkline.domain.server import ServerState

FAILED = ListQuery(equals={"state": (ServerState.ERROR.value,)})


class Round(Protocol):
    """What the use cases of one race act on."""

    @property
    def hosts(self) -> tuple[HostName, ...]: ...


R = TypeVar("R", bound=Round)
R_co = TypeVar("R_co", bound=Round, covariant=True)
Problems: TypeAlias = Sequence[BaseException | None]  # What became of the two: None, it succeeded.
UseCase: TypeAlias = Callable[[Services, R], object]
Outcome: TypeAlias = Callable[[Services, R, Problems], None]
Race: TypeAlias = tuple[UseCase[R], UseCase[R], Outcome[R]]


class Rounds(Protocol[R_co]):
    """Makes one round after the other in the same database."""

    def next(self) -> R_co: ...


@dataclass(frozen=True)
class Replicas(Generic[R]):
    first: Services
    second: Services
    rounds: Rounds[R]


@contextmanager
def two_replicas(
    home: Path, url: str, rounds: Callable[[Services], Rounds[R]]
) -> Iterator[Replicas[R]]:
    """One pair for all races, as each has hosts of its own; only the first failure is news."""
    with a_world(home, url=url) as first, a_world(home, url=url, seed=1) as second:
        a_flavor(first)
        yield Replicas(first, second, rounds(first))


def both_win(svc: Services, its: object, problems: Problems) -> None:
    assert problems == [None, None], problems


def one_wins(svc: Services, its: object, problems: Problems) -> None:
    assert sorted(problem is None for problem in problems) == [False, True], problems


def any_wins(svc: Services, its: object, problems: Problems) -> None:
    """Who is refused depends on who was first; that it is told why is checked of every race."""


def the_first_wins(svc: Services, its: object, problems: Problems) -> None:
    assert problems[0] is None, problems


def the_second_wins(svc: Services, its: object, problems: Problems) -> None:
    assert problems[1] is None, problems


def cases(races: Mapping[str, Race[R]]) -> list[object]:
    """Return each race with who stands still: once only if both do the same."""
    return [
        pytest.param(name, turn, id=f"{name}, {which} stands still")
        for name, (one, two, _) in races.items()
        for turn, which in enumerate(("the first", "the second"))
        if turn == 0 or one is not two
    ]


def run_race(replicas: Replicas[R], race: Race[R], turn: int, *, points_max: int) -> None:
    """Run a race, stopped before so many statements of one of the two in turn."""
    first, second, rounds = replicas.first, replicas.second, replicas.rounds
    *pair, outcome = race
    standing, other = pair[turn], pair[1 - turn]
    count = count_statements(first, partial(standing, first, rounds.next()))
    for number in sampled(count, points_max):
        its = rounds.next()
        second.store.write(second.fleet.refresh)
        caught, problems = run_into(
            (first, partial(standing, first, its)), partial(other, second, its), number
        )
        assert caught, "it takes fewer statements than counted"
        check_losers(first, problems)
        holdings.check(first, second, hosts=its.hosts)
        outcome(first, its, problems[::-1] if turn else problems)


def check_losers(svc: Services, problems: Problems) -> None:
    """Whoever did not get what it asked for was told so in words that it can act on."""
    for problem in problems:
        if problem is not None and not isinstance(problem, TrunklineError):
            raise problem
        assert not isinstance(problem, StoreUnavailable | GenerationMoved)
    servers = svc.store.read(lambda tx: tx.servers.page(FAILED))
    assert all(server.fault and server.fault.message for server in servers)
