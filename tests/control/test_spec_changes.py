"""An operator changes which devices of a host are on offer, while some are held.

h1: one PF on phy1 at 0000:05:00.0 with 4 VFs from 0000:05:02.0 on.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.control.scene import Scene, on
from tests.support.clock import ManualClock
from tests.support.world import PHY1, PHY2, AgentByHand, a_card, a_flavor, a_network, a_world
from trunkline.control.services import Services
from trunkline.domain.device import DeviceKind, OfferedDevice
from trunkline.domain.port import VnicType
from trunkline.domain.server import ServerState

CARD = tuple(a_card(5, "phy1", serial=1))
VFS_ALONE = tuple(device for device in CARD if device.function.kind is DeviceKind.VF)


def a_scene(svc: Services, inventory: tuple[OfferedDevice, ...]) -> Scene:
    a_flavor(svc)
    agents = {"h1": AgentByHand(svc, "h1", inventory)}
    return Scene(
        svc, a_network(svc, "blue", (PHY1, 100)), a_network(svc, "red", (PHY2, 200)), agents
    )


def test_a_pf_can_be_taken_off_the_list_while_its_vfs_stay(svc: Services) -> None:
    scene = a_scene(svc, CARD)
    scene.agents["h1"].report(inventory=VFS_ALONE)
    assert all(" 0000:05:02." in line for line in scene.devices("free"))
    assert scene.boot(on(scene.blue)).server.state is ServerState.BUILD
    scene.index_agrees()


def test_a_pf_that_is_listed_after_its_vfs_were_given_out_is_not_given_out_whole(
    svc: Services,
) -> None:
    scene = a_scene(svc, VFS_ALONE)
    assert scene.boot(on(scene.blue)).server.state is ServerState.BUILD
    scene.agents["h1"].report(inventory=CARD)
    scene.index_agrees()
    whole = scene.boot(on(scene.blue, VnicType.DIRECT_PHYSICAL))
    assert whole.server.state is ServerState.ERROR
    assert scene.devices("blocked") == ["h1 0000:05:00.0 blocked"]


def test_a_pf_off_the_list_is_remembered_while_a_vf_of_it_is_held_and_forgotten_after(
    svc: Services,
) -> None:
    scene = a_scene(svc, CARD)
    view = scene.boot(on(scene.blue))
    scene.agents["h1"].report(inventory=VFS_ALONE)
    assert "h1 0000:05:00.0 withdrawn" in scene.devices()
    scene.settle(view.server.id)
    scene.delete(view.server.id)
    scene.clean("h1")
    scene.agents["h1"].report(inventory=VFS_ALONE)
    assert [line for line in scene.devices() if "05:00.0" in line] == []
    scene.index_agrees()


@pytest.mark.usefixtures("postgres_cluster")
def test_a_host_that_another_replica_hears_is_not_taken_for_silent(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("new_postgres_database")()
    with a_world(tmp_path, url=url) as hearing, a_world(tmp_path, url=url, seed=1) as other:
        scene = a_scene(hearing, CARD)
        other.store.write(other.fleet.refresh)
        for _ in range(2):  # Too long for one who heard nothing; never too long for one who does.
            for svc in (hearing, other):
                assert isinstance(svc.clock, ManualClock)
                svc.clock.advance(svc.limits.host_silent_seconds_max * 2 / 3)
            scene.agents["h1"].report()
        other.fleet.notice_silence()
        there = Scene(other, scene.blue, scene.red, {})
        assert there.boot(on(scene.blue)).server.state is ServerState.BUILD
