"""What befalls guests unasked: told, put right, and not without end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.agent.world import World
from tests.reconcile.scenes import a_server
from trunkline.agent.guests import Guests
from trunkline.agent.limits import Limits
from trunkline.domain.ids import ServerId
from trunkline.domain.server import PowerState
from trunkline.host.fake_hypervisor import FakeHypervisor
from trunkline.host.faults import RefuseNext
from trunkline.reconcile.desired import ServerConfig
from trunkline.reconcile.observed import DomainPower, DomainState, GuestFiles
from trunkline.reconcile.report import GuestEvent, GuestFact, ServerCondition

LIMITS = Limits()


def told(world: World) -> list[GuestFact]:
    return [fact for report in world.control.reports for fact in report.guests]


def power_of(world: World, server: ServerConfig) -> DomainPower:
    return world.machine.hypervisor.guests().domains[server.id].power


def crash(world: World, server_id: ServerId) -> None:
    world.machine.hypervisor.crash_guest(server_id)


def destroy(world: World, server_id: ServerId) -> None:
    operators(world).destroy(server_id)


def undefine(world: World, server_id: ServerId) -> None:
    operators(world).destroy(server_id)
    operators(world).undefine(server_id)


def suspend(world: World, server_id: ServerId) -> None:
    operators(world).suspend_guest(server_id)


def operators(world: World) -> FakeHypervisor:
    return FakeHypervisor(world.machine.hypervisor.path, world.machine.kernel, by="operator")


@pytest.mark.parametrize(
    ("befall", "event", "found", "done"),
    [
        (crash, GuestEvent.CRASHED, "crashed", "it is started again"),
        (destroy, GuestEvent.ENDED, "virsh destroy", "it is started again"),
        (undefine, GuestEvent.VANISHED, "was undefined", "it is started again"),
        (suspend, GuestEvent.SUSPENDED, "virsh suspend", "it is resumed"),
    ],
)
def test_what_befalls_a_guest_is_told_once_and_put_right(
    tmp_path: Path,
    befall: Callable[[World, ServerId], None],
    event: GuestEvent,
    found: str,
    done: str,
) -> None:
    world = World(tmp_path)
    agent, server = world.with_a_server()
    befall(world, server.id)
    world.run(agent, seconds=90)
    (fact,) = told(world)
    assert (fact.server_id, fact.boot_number, fact.event) == (server.id, server.boot_number, event)
    assert found in fact.found
    assert fact.done == done
    assert power_of(world, server) is DomainPower.RUNNING


def test_that_a_guest_runs_again_is_told_though_nothing_else_was_told_meanwhile(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    agent, server = world.with_a_server()
    world.control.reports.clear()
    crash(world, server.id)
    world.run(agent, seconds=2)
    assert world.control.server(server) == (ServerCondition.RUNNING, "")


def test_what_an_agent_does_itself_or_is_told_to_do_befalls_nobody(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent, server = world.with_a_server()
    for changed in (
        replace(server, boot_number=2),
        replace(server, boot_number=2, power=PowerState.STOPPED),
        replace(server, boot_number=3),
    ):
        world.control.want(changed)
        world.settle(agent)
    held = server.nics[0].device
    assert held is not None
    world.control.want(releases=(held,))
    world.settle(agent)
    world.machine.kernel.acting_as("boot").reboot()
    world.run(world.an_agent(), seconds=5)
    assert told(world) == []


def test_a_guest_that_powers_itself_off_has_not_crashed(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent, server = world.with_a_server()
    world.machine.hypervisor.power_off_guest(server.id)
    world.run(agent, seconds=5)
    assert told(world) == []
    assert world.control.server(server) == (ServerCondition.STOPPED, "")


def test_a_crash_while_no_agent_ran_is_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    _, server = world.with_a_server()
    crash(world, server.id)
    world.settle(world.an_agent())
    assert [fact.event for fact in told(world)] == [GuestEvent.CRASHED]


def test_what_could_not_be_told_is_told_later(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent, server = world.with_a_server()
    world.control.lose_reports = True
    crash(world, server.id)
    world.run(agent, seconds=5)
    world.control.lose_reports = False
    world.run(agent, seconds=5)
    assert [fact.event for fact in told(world)] == [GuestEvent.CRASHED]


def test_a_guest_that_crashes_again_and_again_is_left_and_its_server_fails(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent, server = world.with_a_server()
    for _ in range(LIMITS.restarts_max):
        crash(world, server.id)
        world.run(agent, seconds=2)
    crash(world, server.id)
    world.run(agent, seconds=5)
    facts = told(world)
    assert [fact.done for fact in facts] == [
        *["it is started again"] * LIMITS.restarts_max,
        "it is not started again",
    ]
    condition = world.control.server(server)
    assert condition is not None
    assert condition[0] is ServerCondition.FAILED
    assert "ended 4 times within 10 minutes" in condition[1]
    resumes = world.resumes()[server.id]
    world.run(agent, seconds=3600)
    assert world.resumes()[server.id] == resumes
    assert len(told(world)) == len(facts)
    rebooted = replace(server, boot_number=2)
    world.control.want(rebooted)
    world.settle(agent)
    assert power_of(world, server) is DomainPower.RUNNING
    for _ in range(LIMITS.restarts_max):
        crash(world, server.id)
        world.run(agent, seconds=2)
    assert power_of(world, server) is DomainPower.RUNNING, "it counts anew"


def test_crashes_that_are_far_apart_do_not_add_up(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent, server = world.with_a_server()
    for _ in range(3 * LIMITS.restarts_max):
        world.run(agent, seconds=LIMITS.restarts_window.total_seconds() / LIMITS.restarts_max)
        crash(world, server.id)
        world.run(agent, seconds=2)
    assert world.control.server(server) == (ServerCondition.RUNNING, "")


def test_a_guest_that_is_suspended_again_and_again_is_resumed_at_a_slow_pace(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    agent, server = world.with_a_server()
    for _ in range(LIMITS.restarts_max):
        suspend(world, server.id)
        world.run(agent, seconds=2)
    suspend(world, server.id)
    world.run(agent, seconds=LIMITS.check.total_seconds() - 5)
    assert power_of(world, server) is DomainPower.PAUSED
    assert told(world)[-1].done == "it is resumed in 60 s, since it was so often"
    world.run(agent, seconds=10)
    assert power_of(world, server) is DomainPower.RUNNING
    assert world.control.server(server) == (ServerCondition.RUNNING, "")


@pytest.mark.parametrize("hindrance", ["refused", "busy"])
def test_a_guest_that_can_not_be_resumed_once_its_rest_is_over_keeps_nobody_busy(
    tmp_path: Path, hindrance: str
) -> None:
    world = World(tmp_path)
    agent, server = world.with_a_server()
    for _ in range(LIMITS.restarts_max + 1):
        suspend(world, server.id)
        world.run(agent, seconds=2)
    if hindrance == "refused":
        world.machine.hypervisor.plant(RefuseNext(operation="resume", errno="EBUSY", times=100))
    else:
        world.change_domain(server, lambda domain: domain.update(under_way="destroy"))
    world.run(agent, seconds=LIMITS.check.total_seconds())
    steps, end = 0, world.now + timedelta(seconds=30)
    while world.now < end:
        world.now = max(agent.step(world.now), world.now + timedelta(milliseconds=1))
        steps += 1
    assert steps < 100


def a_domain(server: ServerConfig, power: DomainPower, **fields: str) -> DomainState:
    return DomainState(
        server_id=server.id, name=server.id, power=power, boot_number=server.boot_number,
        xml_digest="", **fields,  # type: ignore[arg-type]  # words alone
    )  # fmt: skip


def test_an_io_error_is_told_as_what_paused_the_guest(tmp_path: Path) -> None:
    world = World(tmp_path)
    server = a_server(1)
    world.control.want(server)
    config = world.control.config
    assert config is not None
    guests = Guests(LIMITS)
    running = a_domain(server, DomainPower.RUNNING)
    paused = a_domain(server, DomainPower.PAUSED, paused_by="an I/O error")
    assert guests.look(config, {server.id: running}, None, world.now) == []
    (noticed,) = guests.look(config, {server.id: paused}, None, world.now)
    assert noticed.fact.found == "its guest was paused by an I/O error"


@pytest.mark.parametrize("has_disk", [True, False])
def test_a_server_whose_disk_went_with_its_domain_is_not_given_an_empty_one(
    tmp_path: Path, has_disk: bool
) -> None:
    world = World(tmp_path)
    server = replace(a_server(1), disk_gib=1)
    world.control.want(server)
    config = world.control.config
    assert config is not None
    guests = Guests(LIMITS)
    running = a_domain(server, DomainPower.RUNNING)
    files = {server.id: GuestFiles(disk=1 if has_disk else None)}
    guests.look(config, {server.id: running}, files, world.now)
    (noticed,) = guests.look(config, {}, files, world.now + timedelta(seconds=1))
    assert noticed.fact.event is GuestEvent.VANISHED
    assert bool(noticed.gives_up) is not has_disk


def ends_in(world: World) -> list[str]:
    return [each.command for each in world.machine.hypervisor.log() if "destroy" in each.command]


def test_a_suspended_guest_that_an_older_release_defined_goes_on(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent, server = world.with_a_server()
    world.change_domain(
        server, lambda domain: domain["guest"].update(xml_digest="of another wording")
    )
    for each in (agent, world.an_agent()):
        suspend(world, server.id)
        world.run(each, seconds=10)
        assert power_of(world, server) is DomainPower.RUNNING
    assert ends_in(world) == []


def test_a_suspended_guest_that_can_not_be_resumed_is_kept(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent, server = world.with_a_server()
    world.machine.hypervisor.plant(RefuseNext(operation="resume", errno="ENOSPC", times=100))
    suspend(world, server.id)
    world.run(agent, seconds=300)
    assert power_of(world, server) is DomainPower.PAUSED
    world.machine.hypervisor.clear_faults()
    world.run(agent, seconds=120)
    assert power_of(world, server) is DomainPower.RUNNING
    assert ends_in(world) == []
