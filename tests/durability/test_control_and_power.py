"""What the control plane acknowledged survives the loss of power; what it did not, is there wholly
or not at all: ports, bindings, allocations, generations, use of hosts and audit trail together.

The programs of `control_story` run under the storage shim, which forgets what was not synced.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from tests.control import holdings
from tests.control.faulty_store import contents
from tests.durability.control_story import boot, direct, story
from tests.support.durability.events import Operation
from tests.support.durability.fixtures import RunUnderShim
from tests.support.durability.recording import Recording
from tests.support.environments import REPOSITORY
from tests.support.world import a_world
from trunkline.control.services import Services
from trunkline.domain.ids import HostName
from trunkline.domain.listing import ListQuery

pytestmark = pytest.mark.slow

POINTS_MAX = 45  # Moments of a recording that the power is cut at.
Rows = dict[str, list[tuple[object, ...]]]


def record(run: RunUnderShim, program: str, home: Path) -> Recording:
    home.mkdir()
    command = [sys.executable, "-m", "tests.durability.control_story", program, str(home)]
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'src'}"}
    recording = run(command, home, env=environment)
    assert recording.returncode == 0, recording.stderr
    return recording


def moments(recording: Recording) -> list[int]:
    """Points spread over all after "begun": half of them right after an acknowledgement."""
    said = [
        number + 1
        for number, event in enumerate(recording.events)
        if event.operation is Operation.OUTPUT
    ]
    after = list(recording.points()[said[0] :])
    return sorted({*_spread(said, POINTS_MAX // 2), *_spread(after, POINTS_MAX // 2)})


def _spread(points: list[int], count: int) -> list[int]:
    return points[:: max(1, len(points) // count)]


@dataclass(frozen=True)
class Reference:
    """What the rows are after each commit of the story, and at which commit each step ended."""

    states: list[Rows] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    commits_at: list[int] = field(default_factory=list)  # How many there were after each step.

    def expected(self, acknowledged: int) -> list[Rows]:
        """What may be there: all of that many steps, and of the next one some whole commits."""
        first = self.commits_at[acknowledged - 1]
        last = self.commits_at[min(acknowledged, len(self.commits_at) - 1)]
        return self.states[first - 1 : last]


@contextmanager
def on_commit(svc: Services, act: Callable[[], None]) -> Iterator[None]:
    def watch(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement == "COMMIT":
            act()

    event.listen(svc.store._engine, "after_cursor_execute", watch)
    try:
        yield
    finally:
        event.remove(svc.store._engine, "after_cursor_execute", watch)


@pytest.fixture
def reference(tmp_path: Path) -> Reference:
    """The same story with the power on all the while."""
    home = tmp_path / "reference"
    home.mkdir()
    made = Reference()
    with (
        a_world(home) as svc,
        on_commit(svc, lambda: made.states.append(contents(home / "trunkline.db"))),
    ):
        for step in story(svc):
            made.steps.append(step)
            made.commits_at.append(len(made.states))
    return made


def check_that_it_goes_on(home: Path) -> None:
    """The index made from what is left agrees with it, and a server can be asked for."""
    with a_world(home, seed=7) as svc:
        holdings.check(svc, hosts=[HostName("h1")])
        networks = svc.store.read(lambda tx: tx.networks.page(ListQuery()))
        if networks:
            boot(svc, direct(networks[0].id))
            holdings.check(svc, hosts=[HostName("h1")])


def test_each_use_case_is_one_transaction(reference: Reference) -> None:
    counts = {
        step: after - before
        for (before, after), step in zip(
            pairwise(reference.commits_at), reference.steps[1:], strict=True
        )
    }
    # An upload says `saving` first, and `active` once the bytes are on the disk.
    assert counts.pop("image uploaded") == 2
    assert set(counts.values()) == {1}, counts


def test_power_loss_leaves_whole_steps_and_every_acknowledged_one(
    run_under_shim: RunUnderShim, tmp_path: Path, reference: Reference
) -> None:
    recording = record(run_under_shim, "story", tmp_path / "data")
    assert recording.acknowledged(len(recording.events)) == reference.steps
    looked_at, reopened = 0, set()
    for point in moments(recording):
        acknowledged = len(recording.acknowledged(point))
        allowed = reference.expected(acknowledged)
        for crashed in recording.crash_images(point, prefixes_max=3, random_count=2):
            found = contents(crashed / "trunkline.db")
            assert found in allowed, f"{crashed.parent.name}/{crashed.name}"
            looked_at += 1
            state = (acknowledged, allowed.index(found))
            if state not in reopened:
                reopened.add(state)
                check_that_it_goes_on(crashed)
    assert looked_at > 5 * len(reference.commits_at)


def test_servers_that_many_made_at_once_survive_power_loss(
    run_under_shim: RunUnderShim, tmp_path: Path
) -> None:
    recording = record(run_under_shim, "crowd", tmp_path / "data")
    looked_at = 0
    for point in moments(recording)[::2]:
        said = [line.split() for line in recording.acknowledged(point)[1:]]
        made, deleting, deleted = (
            {server for word, server in said if word == spoken}
            for spoken in ("made", "deleting", "deleted")
        )
        for crashed in recording.crash_images(point, prefixes_max=1, random_count=0):
            with a_world(crashed, seed=7) as svc:
                holdings.check(svc, hosts=[HostName("h1")])
                there = {
                    server.id for server in svc.store.read(lambda tx: tx.servers.page(ListQuery()))
                }
            assert not deleted & there, "deleted, and back again"
            assert made - deleting <= there, "made, and gone"
            looked_at += 1
    assert looked_at > POINTS_MAX
