"""Hosts that are not heard take no new servers; what nobody could hear is not held against them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.control.scene import Scene, on
from tests.support.clock import ManualClock
from tests.support.world import AgentByHand, a_card
from trunkline.control.fleet import LiveFleet
from trunkline.control.services import Services
from trunkline.domain.server import ServerState


@pytest.fixture
def pass_seconds(svc: Services) -> Callable[[float], None]:
    assert isinstance(svc.clock, ManualClock)
    return svc.clock.advance


def restarted(scene: Scene) -> Scene:
    """The same, with a control plane that knows what the store has and no more."""
    svc = scene.svc
    fleet = LiveFleet(
        svc.clock, host_silent_seconds_max=svc.limits.host_silent_seconds_max, replicated=False
    )
    svc.store.read(fleet.load)
    return replace(scene, svc=replace(svc, fleet=fleet))


def hosts_that_take_servers(scene: Scene) -> list[str]:
    scene.svc.store.write(scene.svc.fleet.refresh)  # As every decision does.
    hosts = scene.svc.store.read(lambda tx: tx.hosts.all())
    return sorted(host.name for host in hosts if scene.svc.fleet.view(host.id).up)


def test_after_an_outage_the_hosts_that_were_there_before_it_take_servers_at_once(
    scene: Scene, pass_seconds: Callable[[float], None]
) -> None:
    limit = scene.svc.limits.host_silent_seconds_max
    pass_seconds(10 * limit)
    after = restarted(scene)
    assert hosts_that_take_servers(after) == ["h1", "h2"]
    assert after.boot(on(after.blue)).server.state is ServerState.BUILD


def test_they_are_out_when_they_stay_silent_now_that_somebody_listens(
    scene: Scene, pass_seconds: Callable[[float], None]
) -> None:
    limit = scene.svc.limits.host_silent_seconds_max
    pass_seconds(10 * limit)
    after = restarted(scene)
    pass_seconds(limit - 1)
    after.svc.fleet.notice_silence()
    assert hosts_that_take_servers(after) == ["h1", "h2"]
    AgentByHand(after.svc, "h2", a_card(5, "phy1", serial=2), run_id="another")
    pass_seconds(2)
    after.svc.fleet.notice_silence()
    assert hosts_that_take_servers(after) == ["h2"]


def test_a_host_that_was_silent_before_the_outage_still_is(
    scene: Scene, pass_seconds: Callable[[float], None]
) -> None:
    limit = scene.svc.limits.host_silent_seconds_max
    pass_seconds(limit + 1)
    scene.agents["h2"].report()
    pass_seconds(10 * limit)
    assert hosts_that_take_servers(restarted(scene)) == ["h2"]


def test_silence_among_others_that_are_heard_is_no_outage(
    scene: Scene, pass_seconds: Callable[[float], None]
) -> None:
    pass_seconds(scene.svc.limits.host_silent_seconds_max + 1)
    scene.agents["h1"].report()
    assert hosts_that_take_servers(restarted(scene)) == ["h1"]
