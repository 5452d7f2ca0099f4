"""Servers that are to have a new disk: the host makes it once, whatever happens meanwhile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.agent.test_disks import IMAGE, SlowStorage
from tests.agent.world import IGB, World, check
from tests.reconcile.scenes import a_nic, a_server
from trunkline.agent.loop import Agent
from trunkline.domain.ids import ImageId
from trunkline.domain.server import PowerState
from trunkline.reconcile.desired import ServerConfig
from trunkline.reconcile.interfaces import HostRefused
from trunkline.reconcile.observed import GuestFiles
from trunkline.reconcile.report import ServerCondition

OTHER = replace(IMAGE, id=ImageId("y"), sha512="cd" * 64)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def storage() -> SlowStorage:
    return SlowStorage()


def a_running_server(world: World, storage: SlowStorage) -> tuple[Agent, ServerConfig]:
    agent = world.an_agent(storage=storage)
    server = replace(a_server(1, a_nic(1, world.device(IGB, 0))), image=IMAGE)
    world.control.want(server)
    world.run(agent, seconds=2)
    storage.finish(server.id)
    world.settle(agent)
    check(world, server)
    return agent, server


def rebuilt(server: ServerConfig, **changes: object) -> ServerConfig:
    new = replace(
        server,
        image=OTHER,
        boot_number=server.boot_number + 1,
        disk_number=server.disk_number + 1,
    )
    return replace(new, **changes)  # type: ignore[arg-type]  # any field may be changed


def vf_writes(world: World) -> list[str]:
    return [write for write in world.agent_writes() if "ip link set" in write]


def xml_of(world: World, server: ServerConfig) -> str:
    text: str = world.raw_domains()[server.id]["xml"]
    return text


def test_a_server_ends_and_runs_on_its_new_disk_with_its_devices_as_they_were(
    world: World, storage: SlowStorage
) -> None:
    agent, server = a_running_server(world, storage)
    new, before = rebuilt(server), vf_writes(world)
    world.control.want(new)
    world.run(agent, seconds=30)
    assert world.raw_domains()[server.id].get("power", "shut off") == "shut off"
    assert (storage.asked[-1].number, storage.asked[-1].image) == (2, OTHER)
    assert world.control.server(new) == (ServerCondition.PENDING, "image x is being fetched")
    assert vf_writes(world) == before, "its VF stays as it is"
    storage.finish(server.id)
    world.settle(agent)
    check(world, new)
    assert world.control.server(new) == (ServerCondition.RUNNING, "")
    assert f"{server.id}.2.qcow2" in xml_of(world, server)
    assert len(storage.asked) == 2


def test_a_stopped_server_gets_its_disk_and_stays_stopped(
    world: World, storage: SlowStorage
) -> None:
    agent, server = a_running_server(world, storage)
    world.control.want(replace(server, power=PowerState.STOPPED))
    world.settle(agent)
    new = rebuilt(server, power=PowerState.STOPPED)
    world.control.want(new)
    world.run(agent, seconds=2)
    storage.finish(server.id)
    world.settle(agent)
    check(world, new)
    assert world.control.server(new) == (ServerCondition.STOPPED, "")


def test_a_run_that_ended_in_between_makes_no_second_disk(
    world: World, storage: SlowStorage
) -> None:
    agent, server = a_running_server(world, storage)
    new = rebuilt(server)
    world.control.want(new)
    world.run(agent, seconds=2)
    storage.finish(server.id)
    agent = world.an_agent(storage=storage)
    world.settle(agent)
    check(world, new)
    assert [step.number for step in storage.asked] == [1, 2]
    before = world.writes()
    world.settle(world.an_agent(storage=storage))
    assert world.writes() == before


@pytest.mark.parametrize("power", [PowerState.RUNNING, PowerState.STOPPED])
def test_a_disk_that_can_not_be_made_is_told_and_the_next_rebuild_is_tried(
    world: World, storage: SlowStorage, power: PowerState
) -> None:
    agent, server = a_running_server(world, storage)
    if power is PowerState.STOPPED:
        world.control.want(replace(server, power=power))
        world.settle(agent)
    new = rebuilt(server, power=power)
    world.control.want(new)
    world.run(agent, seconds=2)
    storage.finish(server.id, HostRefused("use image y", "it is larger than the disk"))
    world.run(agent, seconds=30)
    told = world.control.server(new)
    assert told is not None
    assert told[0] is ServerCondition.FAILED
    assert "it is larger than the disk" in told[1]
    world.control.want(replace(new, power=PowerState.STOPPED))
    world.run(agent, seconds=400)

    again = rebuilt(new, image=IMAGE, power=PowerState.RUNNING)
    world.control.want(again)
    world.run(agent, seconds=2)
    if storage.asked[-1].number == new.disk_number:  # What was begun goes on to its end.
        storage.finish(server.id)
        world.run(agent, seconds=2)
    storage.finish(server.id)
    world.settle(agent)
    check(world, again)


def test_a_disk_that_is_gone_is_made_again_by_a_rebuild_alone(
    world: World, storage: SlowStorage
) -> None:
    agent, server = a_running_server(world, storage)
    world.control.want(replace(server, power=PowerState.STOPPED))
    world.settle(agent)
    del storage.states[server.id]
    world.control.want(replace(server, boot_number=2))
    world.run(agent, seconds=5)
    told = world.control.server(replace(server, boot_number=2))
    assert told == (
        ServerCondition.FAILED,
        "its disk is gone from the host, and what was on it can't be made again",
    )
    new = rebuilt(server, boot_number=3)
    world.control.want(new)
    world.run(agent, seconds=2)
    storage.finish(server.id)
    world.settle(agent)
    check(world, new)


def test_a_guest_that_an_older_agent_started_on_its_old_disk_is_ended(
    world: World, storage: SlowStorage
) -> None:
    agent, server = a_running_server(world, storage)
    new = rebuilt(server)
    # What an agent that knows of no rebuilds reads of it.
    world.control.want(replace(new, disk_number=1, image=IMAGE))
    world.settle(agent)
    agent = world.an_agent(storage=storage)
    world.control.want(new)
    world.run(agent, seconds=2)
    assert world.raw_domains()[server.id].get("power", "shut off") == "shut off"
    storage.finish(server.id)
    world.settle(agent)
    check(world, new)
    assert f"{server.id}.2.qcow2" in xml_of(world, server)


def test_an_older_disk_than_there_is_is_never_made(world: World, storage: SlowStorage) -> None:
    agent, server = a_running_server(world, storage)
    storage.states[server.id] = GuestFiles(disk=3)
    world.control.want(rebuilt(server))
    world.run(agent, seconds=5)
    assert [step.number for step in storage.asked] == [1]
