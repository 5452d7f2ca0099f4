"""Who may act on a device, and which news counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.agent.world import IGB, MLX, World, check
from tests.reconcile import scenes
from tests.reconcile.scenes import VIF_TYPES, a_config, a_host, a_nic, a_server
from tests.reconcile.scenes import vf as a_vf
from trunkline.domain.vf import VfChange
from trunkline.reconcile.observed import Journal
from trunkline.reconcile.plan import OlderGeneration, plan


def test_an_older_generation_is_refused_even_by_a_new_agent(tmp_path: Path) -> None:
    world = World(tmp_path)
    old, new = (
        a_server(1, a_nic(1, world.device(IGB, 0))),
        a_server(2, a_nic(2, world.device(MLX, 0))),
    )
    world.control.config = a_config(old, new, generation=7)
    world.settle(world.an_agent())
    before = world.writes()
    for agent in (world.an_agent(), world.an_agent()):
        world.control.late = [a_config(old, generation=6)] * 3
        world.run(agent, seconds=10)
        assert agent.config == world.control.config
    assert world.writes() == before
    check(world, old, new)


def test_a_repeated_and_a_late_answer_change_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = world.an_agent()
    server = a_server(1, a_nic(1, world.device(IGB, 0)))
    world.control.config = a_config(server, generation=2)
    world.settle(agent)
    before = world.writes()
    world.control.late = [a_config(server, generation=2), a_config(generation=1)]
    world.run(agent, seconds=10)
    assert world.writes() == before
    check(world, server)


def test_an_agent_that_is_not_listened_to_rests_until_it_is(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = world.an_agent()
    server = a_server(1, a_nic(1, world.device(IGB, 0)))
    world.control.shuts_out = True
    world.run(agent, seconds=5)
    assert "does not listen to this agent" in agent.problem
    world.control.config = a_config(server, generation=2)
    before = world.writes()
    world.run(agent, seconds=120)
    assert world.writes() == before
    world.control.shuts_out = False
    world.settle(agent)
    assert agent.problem == ""
    check(world, server)


def test_the_plan_itself_refuses_an_older_generation() -> None:
    with pytest.raises(OlderGeneration) as refused:
        plan(
            a_config(generation=4),
            a_host(journal=Journal(boot_id="boot-1", generation=5)),
            vif_types=VIF_TYPES,
        )
    assert (refused.value.generation, refused.value.seen_generation) == (4, 5)


def test_a_late_teardown_cannot_touch_the_devices_new_owner(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = world.an_agent()
    device = world.device(IGB, 0, epoch=5)
    server = a_server(1, a_nic(1, replace(device, epoch=6)))
    world.control.want(server)
    world.settle(agent)
    before = world.writes()
    # The same configuration with the old owner's release in it, and then the release alone.
    world.control.want(server, releases=(device,))
    world.run(agent, seconds=10)
    assert world.writes() == before
    check(world, server)
    assert world.control.condition(device) is None


def test_a_release_below_the_journals_epoch_is_not_acted_on_after_the_owner_is_gone(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    device = world.device(IGB, 0, epoch=5)
    server = a_server(1, a_nic(1, replace(device, epoch=6)))
    world.control.want(server)
    world.settle(world.an_agent())
    world.control.want(releases=(device,))
    agent = world.an_agent()
    world.run(agent, seconds=10)
    # The guest is not wanted and goes; its VF keeps what the owner of epoch 6 left on it.
    assert world.raw_vf(IGB, 0)["vlan_id"] == 100
    assert world.control.condition(device) is None
    assert not agent.is_settled


def test_a_server_with_an_outlived_epoch_gets_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = world.an_agent()
    device = world.device(IGB, 0, epoch=6)
    owner = a_server(1, a_nic(1, device))
    world.control.want(owner)
    world.settle(agent)
    before = world.writes()
    stale = a_server(2, a_nic(2, replace(device, epoch=5)), a_nic(3, world.device(MLX, 0)))
    world.control.want(owner, stale)
    world.run(agent, seconds=30)
    assert world.writes() == before
    check(world, owner)


def test_a_device_that_nobody_names_is_not_touched(tmp_path: Path) -> None:
    world = World(tmp_path)
    kernel = world.machine.kernel.acting_as("operator")
    kernel.set_vf(MLX, 3, VfChange(vlan_id=33, vlan_qos=0))
    server = a_server(1, a_nic(1, world.device(MLX, 0)))
    world.control.want(server)
    agent = world.an_agent()
    world.settle(agent)
    world.run(agent, seconds=300)
    assert world.raw_vf(MLX, 3)["vlan_id"] == 33


def test_a_device_moves_to_its_next_owner_only_by_way_of_its_original_state() -> None:
    # Server 1's guest still runs with the VF that server 2 is to have.
    one = a_server(1, a_nic(1, a_vf(scenes.IGB, 0)))
    two = a_server(2, a_nic(2, a_vf(scenes.IGB, 0, epoch=2)))
    made = plan(
        a_config(replace(one, nics=()), two),
        a_host(domains={one.id: scenes.a_domain(one)}),
        vif_types=VIF_TYPES,
    )
    assert [unit.outcome.value for unit in made.units] == ["to do", "waiting"]
    assert not made.units[1].steps
