"""NICs that guests are given, and lose, while they run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.agent.world import IGB, MLX, World, check
from tests.reconcile.scenes import a_nic, a_server
from trunkline.domain.device import DeviceKind
from trunkline.domain.port import VnicType
from trunkline.domain.server import PowerState
from trunkline.domain.vf import VlanProtocol
from trunkline.host.faults import RefuseNext, SlowNext
from trunkline.reconcile.desired import HeldDevice, NicConfig, ServerConfig
from trunkline.reconcile.report import NicFact, ServerCondition


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def a_new_nic(world: World, kind: str) -> NicConfig:
    match kind:
        case "a VF":
            return a_nic(2, world.device(MLX, 1), vlan_id=200)
        case "a VF with a priority":
            return replace(a_nic(2, world.device(MLX, 1), vlan_id=200), vlan_qos=3)
        case "a macvtap":
            return a_nic(2, world.device(MLX, 1), VnicType.MACVTAP, vlan_id=200)
        case "a tap":
            return a_nic(2, None, VnicType.NORMAL, vlan_id=200)
    whole = HeldDevice(address=MLX, kind=DeviceKind.PF, epoch=1, pf_address=None, vf_index=None)
    return a_nic(2, whole, VnicType.DIRECT_PHYSICAL)


KINDS = ("a VF", "a VF with a priority", "a macvtap", "a tap", "a whole PF")


def with_nic(server: ServerConfig, nic: NicConfig) -> ServerConfig:
    return replace(server, nics=(*server.nics, nic))


def losing(server: ServerConfig, nic: NicConfig) -> ServerConfig:
    return replace(server, nics=tuple(n for n in server.nics if n != nic), leaving=(nic,))


def given_back(nic: NicConfig) -> tuple[HeldDevice, ...]:
    return () if nic.device is None else (nic.device,)


def commands(world: World, what: str) -> list[str]:
    return [write for write in world.writes() if what in write]


def tap(world: World, nic: NicConfig) -> dict[str, Any] | None:
    ports = world.raw_kernel().get("ports", [])
    return next((port for port in ports if port["ifname"] == nic.logical_name), None)


def check_tap(world: World, nic: NicConfig) -> None:
    port = tap(world, nic)
    assert port is not None
    assert (port["pvid"], list(port["vlans"])) == (nic.vlan_id, [str(nic.vlan_id)])


@pytest.mark.parametrize("kind", KINDS)
def test_a_guest_is_given_a_nic_and_loses_it_and_runs_on(kind: str, world: World) -> None:
    agent, server = world.with_a_server()
    nic = a_new_nic(world, kind)
    wider = with_nic(server, nic)
    world.control.want(wider)
    world.settle(agent)
    check(world, wider)
    assert world.control.server(wider) == (ServerCondition.RUNNING, "")
    assert not commands(world, "virsh destroy")
    if nic.device is None:
        check_tap(world, nic)

    world.control.want(losing(wider, nic))
    world.settle(agent)
    assert tap(world, nic) is None
    world.control.want(server, releases=given_back(nic))
    world.settle(agent)
    check(world, server)
    assert not commands(world, "virsh destroy")


def test_a_vf_is_as_it_should_be_before_the_guest_has_it(world: World) -> None:
    agent, server = world.with_a_server()
    nic = a_new_nic(world, "a VF")
    world.control.want(with_nic(server, nic))
    world.settle(agent)
    made = [write for write in world.agent_writes() if "attach-device" in write or "eth3" in write]
    assert "vlan 200" in made[0]
    assert "attach-device" in made[-1]
    assert not commands(world, "virsh suspend")


@pytest.mark.parametrize("kind", ["a tap", "a VF with a priority"])
def test_a_guest_is_halted_until_a_nic_that_comes_unfinished_is_finished(
    kind: str, world: World
) -> None:
    agent, server = world.with_a_server()
    nic = a_new_nic(world, kind)
    if kind != "a tap":
        nic = replace(nic, vlan_protocol=VlanProtocol.DOT1Q)
    world.control.want(with_nic(server, nic))
    world.settle(agent)
    libvirt = [entry.command.split()[1] for entry in world.machine.hypervisor.log()][-3:]
    assert libvirt == ["suspend", "attach-device", "resume"]
    assert not any(report.guests for report in world.control.reports), "nobody else halted it"


def test_a_stopped_server_has_the_nic_at_its_next_start(world: World) -> None:
    agent, server = world.with_a_server()
    stopped = replace(with_nic(server, a_new_nic(world, "a VF")), power=PowerState.STOPPED)
    world.control.want(stopped)
    world.settle(agent)
    started = replace(stopped, power=PowerState.RUNNING, boot_number=2)
    world.control.want(started)
    world.settle(agent)
    check(world, started)
    assert not commands(world, "attach-device")


class Killed(BaseException):
    """The agent's process ended."""


class KillAt:
    """Ends an agent at the Nth point that it comes to."""

    def __init__(self, number: int) -> None:
        self.left = number

    def reached(self, point: str) -> None:
        if self.left == 0:
            raise Killed(point)
        self.left -= 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["attach", "detach"])
def test_an_agent_that_is_killed_anywhere_is_followed_by_one_that_finishes(
    kind: str, way: str, tmp_path: Path
) -> None:
    for number in range(100):
        world = World(tmp_path / str(number))
        (tmp_path / str(number)).mkdir(exist_ok=True)
        agent, server = world.with_a_server()
        nic = a_new_nic(world, kind)
        wider = with_nic(server, nic)
        if way == "detach":
            world.control.want(wider)
            world.settle(agent)
        wanted = wider if way == "attach" else losing(wider, nic)
        world.control.want(wanted)
        killed = True
        try:
            world.settle(world.an_agent(KillAt(number)))
            killed = False
        except Killed:
            world.settle(world.an_agent())
        if way == "detach":
            world.control.want(server, releases=given_back(nic))
            world.settle(world.an_agent())
        check(world, wider if way == "attach" else server)
        assert not commands(world, "virsh destroy")
        if not killed:
            assert number > 2
            return
    raise AssertionError("it comes to no end")


def told_of_nics(world: World) -> list[NicFact]:
    return [fact for report in world.control.reports for fact in report.nics]


def test_a_nic_that_libvirt_refuses_is_told_of_and_the_guest_runs_on(world: World) -> None:
    agent, server = world.with_a_server()
    world.machine.hypervisor.plant(RefuseNext(operation="plug", errno="EINVAL"))
    nic = a_new_nic(world, "a VF")
    world.control.want(with_nic(server, nic))
    world.run(agent, seconds=60)
    (fact,) = told_of_nics(world)
    assert (fact.server_id, fact.port_id) == (server.id, nic.port_id)
    assert "refused as planted" in fact.reason
    world.control.want(server, releases=given_back(nic))
    world.settle(agent)
    check(world, server)
    assert world.resumes() == {server.id: 1}


def test_a_nic_that_a_guest_does_not_let_go_of_stays_its_own_and_is_told_of(world: World) -> None:
    agent, server = world.with_a_server()
    (nic,) = server.nics
    world.machine.hypervisor.plant(RefuseNext(operation="unplug", errno="EBUSY"))
    world.control.want(losing(server, nic))
    world.run(agent, seconds=60)
    (fact,) = told_of_nics(world)
    assert fact.port_id == nic.port_id
    assert not agent.is_settled
    check(world, server)
    world.machine.hypervisor.clear_faults()
    world.settle(agent, minutes=10)
    world.control.want(replace(server, nics=()), releases=given_back(nic))
    world.settle(agent)
    check(world, replace(server, nics=()))


def test_other_servers_get_on_while_libvirt_plugs_a_nic(world: World) -> None:
    agent, server = world.with_a_server()
    nic = a_new_nic(world, "a VF")
    wider, other = with_nic(server, nic), a_server(3, a_nic(3, world.device(IGB, 2)))
    world.machine.hypervisor.plant(SlowNext(operation="plug", times=1))
    world.control.want(wider)
    world.run(agent, seconds=5)
    world.control.want(wider, other)
    world.run(agent, seconds=5)
    assert world.control.server(other) == (ServerCondition.RUNNING, "")
    assert world.control.server(wider) != (ServerCondition.RUNNING, "")
    world.machine.hypervisor.go_on()
    world.settle(agent)
    check(world, wider, other)


def test_what_is_being_plugged_in_is_not_taken_back_meanwhile(world: World) -> None:
    """Its server is deleted while libvirt is at it; a new agent knows nothing of it."""
    agent, server = world.with_a_server()
    nic = a_new_nic(world, "a VF")
    world.machine.hypervisor.plant(SlowNext(operation="plug", times=1))
    world.control.want(with_nic(server, nic))
    world.run(agent, seconds=5)
    held = server.nics[0].device
    assert held is not None
    world.control.want(releases=(held, *given_back(nic)))
    again = world.an_agent()
    world.run(again, seconds=5)
    assert world.raw_vf(MLX, 1)["vlan_id"] == 200
    world.machine.hypervisor.go_on()
    world.settle(again)
    check(world)


def test_what_has_settled_is_quiet(world: World) -> None:
    agent, server = world.with_a_server()
    world.control.want(with_nic(server, a_new_nic(world, "a tap")))
    world.settle(agent)
    before = world.writes()
    for each in (agent, world.an_agent()):
        world.run(each, seconds=130)
    assert world.writes() == before
