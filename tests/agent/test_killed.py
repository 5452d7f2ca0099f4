"""The agent killed at every point of every scenario: the next one finishes, nothing twice.

Killed means SIGKILL of a process: a child is forked for each point, and ends itself there.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.agent.scenarios import SCENARIOS, Stage
from tests.agent.world import World, check
from tests.support.probes import Killer, Recorder


def kill_at(world: World, number: int) -> None:
    """Run an agent in a child process until it is killed at its nth point."""
    child = os.fork()
    if child == 0:
        try:
            world.settle(world.an_agent(Killer(number)))
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"point {number} was never reached"
    assert os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_agent_killed_at_any_point_is_finished_by_the_next_with_nothing_twice(
    name: str, tmp_path: Path
) -> None:
    stage = Stage(SCENARIOS[name], tmp_path)
    servers, _ = stage.wants
    uninterrupted, recorder = stage.a_world(), Recorder()
    uninterrupted.settle(uninterrupted.an_agent(recorder))
    check(uninterrupted, *servers)
    assert len(recorder.points) >= 4
    for number, point in enumerate(recorder.points):
        world = stage.a_world()
        kill_at(world, number)
        world.settle(world.an_agent())
        check(world, *servers)
        assert world.agent_writes() == uninterrupted.agent_writes(), f"killed at: {point}"
        before = world.writes()
        world.settle(world.an_agent())
        assert world.writes() == before, f"killed at: {point}"
