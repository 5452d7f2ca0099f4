"""An agent whose guests have disks, which take their time and may fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tests.agent.world import IGB, World, check
from tests.reconcile.scenes import a_nic, a_server
from trunkline.domain.ids import ImageId, ServerId
from trunkline.host.faults import RefuseNext
from trunkline.reconcile.desired import ImageSource
from trunkline.reconcile.interfaces import HostNews, HostRefused
from trunkline.reconcile.observed import GuestFiles
from trunkline.reconcile.report import ServerCondition
from trunkline.reconcile.steps import MakeDisk, WriteConfigDrive

IMAGE = ImageSource(id=ImageId("x"), sha512="ab" * 64, size_bytes=1, disk_format="raw")


class SlowStorage:
    """Disks that are made when the test says so. Satisfies `Storage` and `HostWatch`."""

    def __init__(self) -> None:
        self.asked: list[MakeDisk] = []
        self.drives: list[str] = []
        self.states: dict[ServerId, GuestFiles] = {}
        self._failed: dict[ServerId, HostRefused] = {}
        self._news = HostNews()

    def files(self) -> Mapping[ServerId, GuestFiles]:
        return dict(self.states)

    def make_disk(self, step: MakeDisk) -> None:
        failed = self._failed.pop(step.server_id, None)
        if failed is not None:
            raise failed
        self.asked.append(step)
        found = self.states.get(step.server_id, GuestFiles())
        self.states[step.server_id] = replace(found, doing="image x is being fetched")

    def write_config_drive(self, step: WriteConfigDrive) -> None:
        self.drives.append(step.name)

    def delete(self, server_id: ServerId) -> None:
        self.states.pop(server_id, None)

    problem = ""

    def take(self) -> HostNews:
        news, self._news = self._news, HostNews()
        return news

    def finish(self, server_id: ServerId, failure: HostRefused | None = None) -> None:
        if failure is None:
            number = next(s.number for s in reversed(self.asked) if s.server_id == server_id)
            self.states[server_id] = GuestFiles(disk=number)
        else:
            self.states[server_id] = replace(self.states[server_id], doing="")
            self._failed[server_id] = failure
        self._news = HostNews(domains=True)


def test_a_server_waits_for_its_disk_as_long_as_it_takes_and_then_runs(tmp_path: Path) -> None:
    world, storage = World(tmp_path), SlowStorage()
    agent = world.an_agent(storage=storage)
    server = replace(a_server(1, a_nic(1, world.device(IGB, 0))), image=IMAGE)
    world.control.want(server)
    world.run(agent, seconds=600)
    assert len(storage.asked) == 1
    assert world.control.server(server) == (ServerCondition.PENDING, "image x is being fetched")
    assert world.writes() == [], "no device is touched for a guest that can't start yet"
    storage.finish(server.id)
    world.settle(agent, minutes=0.1)
    check(world, server)
    assert world.control.server(server) == (ServerCondition.RUNNING, "")


def test_a_restarted_agent_asks_again(tmp_path: Path) -> None:
    world, storage = World(tmp_path), SlowStorage()
    server = replace(a_server(1), image=IMAGE)
    world.control.want(server)
    world.run(world.an_agent(storage=storage), seconds=5)
    storage = SlowStorage()
    agent = world.an_agent(storage=storage)
    world.run(agent, seconds=5)
    assert len(storage.asked) == 1
    storage.finish(server.id)
    world.settle(agent)
    check(world, server)


def test_an_image_that_can_not_be_used_fails_the_server_with_the_reason(tmp_path: Path) -> None:
    world, storage = World(tmp_path), SlowStorage()
    agent = world.an_agent(storage=storage)
    server = replace(a_server(1), image=IMAGE)
    world.control.want(server)
    world.run(agent, seconds=5)
    storage.finish(server.id, HostRefused("fetch image x", "it stands on another file"))
    world.run(agent, seconds=5)
    condition = world.control.server(server)
    assert condition == (ServerCondition.FAILED, "fetch image x: it stands on another file")
    assert storage.asked == [MakeDisk(server_id=server.id, image=IMAGE, disk_gib=10)]


def test_what_may_pass_is_tried_again(tmp_path: Path) -> None:
    world, storage = World(tmp_path), SlowStorage()
    agent = world.an_agent(storage=storage)
    server = replace(a_server(1), image=IMAGE)
    world.control.want(server)
    world.run(agent, seconds=1)
    for _ in range(3):
        storage.finish(server.id, HostRefused("fetch image x", "broke off", transient=True))
        world.run(agent, seconds=20)
    assert len(storage.asked) == 4
    storage.finish(server.id)
    world.settle(agent)
    check(world, server)


def test_the_disk_of_a_server_that_left_meanwhile_is_deleted_once_it_is_made(
    tmp_path: Path,
) -> None:
    world, storage = World(tmp_path), SlowStorage()
    agent = world.an_agent(storage=storage)
    server = replace(a_server(1), image=IMAGE)
    world.control.want(server)
    world.run(agent, seconds=5)
    world.control.want()
    world.settle(agent)
    storage.finish(server.id)
    world.run(agent, seconds=5)
    assert storage.states == {}
    world.settle(agent)


def test_a_server_whose_domain_was_undefined_keeps_its_disk_when_it_can_not_be_started(
    tmp_path: Path,
) -> None:
    world, storage = World(tmp_path), SlowStorage()
    agent = world.an_agent(storage=storage)
    server = replace(a_server(1, a_nic(1, world.device(IGB, 0))), image=IMAGE)
    world.control.want(server)
    world.run(agent, seconds=5)
    storage.finish(server.id)
    world.settle(agent)
    for each in (agent, world.an_agent(storage=storage)):
        world.machine.hypervisor.plant(
            RefuseNext(operation="start_paused", errno="EINVAL", times=1)
        )
        world.machine.hypervisor.destroy(server.id)
        world.machine.hypervisor.undefine(server.id)
        world.run(each, seconds=60)
        told = world.control.server(server)
        assert told is not None
        assert told[0] is ServerCondition.FAILED
        assert storage.states[server.id].disk == 1
        server = replace(server, boot_number=server.boot_number + 1)
        world.control.want(server)
        world.settle(each)
