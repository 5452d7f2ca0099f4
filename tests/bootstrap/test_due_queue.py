"""The order in which the agents of one process are stepped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from trunkline.bootstrap.agents import DueQueue
from trunkline.domain.ids import HostName

H1, H2, H3 = HostName("h1"), HostName("h2"), HostName("h3")
START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_nobody_is_taken_before_it_is_due() -> None:
    queue = DueQueue()
    assert (queue.first_due, queue.take(at(0))) == (None, None)
    queue.put(H1, at(2))
    assert (queue.first_due, queue.take(at(1.9))) == (at(2), None)
    assert (queue.take(at(2)), queue.take(at(9))) == (H1, None)


def test_a_woken_one_is_due_at_once_and_taken_once() -> None:
    queue = DueQueue()
    queue.put(H1, at(10))
    queue.put(H1, at(1))
    queue.put(H1, at(2))
    assert (queue.first_due, queue.take(at(2)), queue.take(at(20))) == (at(1), H1, None)


def test_one_woken_during_its_step_is_stepped_again_without_waiting_for_its_due() -> None:
    queue = DueQueue()
    queue.put(H1, at(0))
    assert queue.take(at(0)) == H1
    queue.put(H1, at(1))  # Woken.
    queue.put(H1, at(60))  # The step is over.
    assert queue.take(at(1)) == H1


def test_those_due_at_one_time_are_taken_in_the_order_they_came() -> None:
    queue = DueQueue()
    for name in (H3, H1, H2):
        queue.put(name, at(0))
    assert [queue.take(at(0)) for _ in range(3)] == [H3, H1, H2]


def test_one_that_is_due_is_not_starved_by_others_that_are_woken_all_the_time() -> None:
    queue = DueQueue()
    for name in (H1, H2, H3):
        queue.put(name, at(0.2))
    taken: list[HostName | None] = []
    for tenth in range(2, 92):  # A step takes 0.1 s; the others are woken before each.
        now = at(tenth / 10)
        queue.put(H1, now)
        queue.put(H2, now)
        first = queue.take(now)
        taken.append(first)
        if first is not None:
            queue.put(first, now + timedelta(seconds=0.2))
    assert min(taken.count(name) for name in (H1, H2, H3)) >= 20
