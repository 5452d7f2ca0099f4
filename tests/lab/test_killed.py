"""The agent killed at each step, on a real kernel with real VFs: the next one ends all the same."""

from __future__ import annotations

import pytest

from lab.guest import cards
from lab.machine import LabHost
from tests.lab import kills_inside


@pytest.fixture
def host(lab_host: LabHost) -> LabHost:
    """VFs that their driver has taken: three on the first PF, one on the second."""
    for pf, count in (("pf1", 3), ("pf2", 1)):
        lab_host.channel.call(cards.set_vf_count, pf, count)
    return lab_host


def test_an_agent_killed_at_any_step_is_finished_by_the_next_with_nothing_twice(
    host: LabHost,
) -> None:
    before = host.channel.call(cards.vf_settings, "pf1")
    for kill, writes in (
        (kills_inside.kill_with_vfs, ("set pf1 vf 0", "name tl", "define", "start", "resume")),
        (kills_inside.kill_with_a_pf, ("echo 0 > ", "define", "start", "resume")),
    ):
        points = host.channel.call(kill, seconds=2400)
        for write in writes:
            assert any(write in point for point in points["plug"]), f"{write}: {points['plug']}"
        assert any("destroy" in point for point in points["unplug"])
    assert host.channel.call(cards.vf_settings, "pf1") == before
    assert host.channel.call(cards.read, "/sys/class/net/pf2/address") == cards.pf_mac(2)
