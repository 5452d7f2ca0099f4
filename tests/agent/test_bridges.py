"""Normal ports: taps in their VLAN before the guest runs, drift put right, nothing left behind.

br-phy1: uplink eth2, the netdev of the igb PF, which has VFs
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.agent.world import IGB, World
from tests.reconcile.scenes import a_nic, a_server
from trunkline.agent.loop import Agent
from trunkline.domain.ether import MacAddress
from trunkline.domain.port import VnicType
from trunkline.domain.server import PowerState
from trunkline.domain.vf import LinkState
from trunkline.host import fake_bridges
from trunkline.host.faults import RefuseNext
from trunkline.host.machine import KernelState
from trunkline.reconcile.desired import ServerConfig
from trunkline.reconcile.interfaces import NOTHING_OF_OURS
from trunkline.reconcile.report import DriftPolicy, ServerCondition

TAGGED = a_nic(1, None, VnicType.NORMAL, vlan_id=120)
FLAT = a_nic(2, None, VnicType.NORMAL, vlan_id=0)
TAP = TAGGED.logical_name
OTHER_MAC = MacAddress.parse("02:00:00:00:00:77")


def by_hand(world: World, act: Callable[[KernelState], None]) -> None:
    world.machine.kernel.acting_as("operator").write("by_hand", "by hand", act)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    uplink = fake_bridges.make_port("br-phy1", "eth2", is_uplink=True)
    by_hand(made, lambda state: state.ports.append(uplink))
    return made


def serve(world: World, *servers: ServerConfig, drift: DriftPolicy = DriftPolicy.REPAIR) -> Agent:
    world.control.want(*servers)
    agent = world.an_agent(drift=drift)
    world.settle(agent)
    return agent


def ports(world: World) -> dict[str, Any]:
    """PVID and VLANs of each port; of a VLAN, whether it leaves untagged."""
    return {
        port["ifname"]: (port.get("pvid", 0), port.get("vlans", {}))
        for port in world.raw_kernel()["ports"]
    }


def addresses(world: World) -> list[str]:
    [pf] = [each for each in world.raw_kernel()["pfs"] if each["address"] == str(IGB)]
    return list(pf.get("addresses", []))


def commands(world: World) -> list[str]:
    """What the agent wrote to kernel and libvirt, in order."""
    kernel = [(e.number, 0, e.command) for e in world.machine.kernel.log() if e.by == "agent"]
    libvirt = [
        (e.kernel_number, 1, e.command) for e in world.machine.hypervisor.log() if e.by == "agent"
    ]
    return [command for _, _, command in sorted(kernel + libvirt)]


BEFORE = {"eth2": (1, {"1": True})}


def test_a_tap_is_in_its_vlan_before_the_guest_runs_and_nothing_is_left_of_it(
    world: World,
) -> None:
    server = a_server(1, TAGGED, FLAT, a_nic(3, world.device(IGB, 0), vlan_id=120))
    agent = serve(world, server)
    assert ports(world) == {
        "eth2": (1, {"1": True, "120": False}),
        TAP: (120, {"120": True}),
        FLAT.logical_name: (1, {"1": True}),
    }
    assert sorted(addresses(world)) == sorted([str(TAGGED.mac), str(FLAT.mac)])
    done = commands(world)
    resumed = next(at for at, each in enumerate(done) if each.startswith("virsh resume"))
    bridging = [at for at, each in enumerate(done) if each.startswith("bridge")]
    assert len(bridging) == 5
    assert max(bridging) < resumed

    world.control.want(releases=(world.device(IGB, 0),))
    world.settle(agent)
    assert ports(world) == BEFORE
    assert addresses(world) == []


def test_a_new_run_writes_nothing(world: World) -> None:
    serve(world, a_server(1, TAGGED, FLAT))
    before = commands(world)
    world.settle(world.an_agent())
    assert commands(world) == before


def test_what_several_servers_need_stays_until_the_last_has_gone(world: World) -> None:
    other = replace(a_nic(4, None, VnicType.NORMAL, vlan_id=120))
    agent = serve(world, a_server(1, TAGGED), a_server(2, other))
    world.control.want(a_server(2, other))
    world.settle(agent)
    assert ports(world)["eth2"] == (1, {"1": True, "120": False})
    assert addresses(world) == [str(other.mac)]
    world.control.want(replace(a_server(2, other), power=PowerState.STOPPED))
    world.settle(agent)
    assert ports(world) == BEFORE
    assert addresses(world) == []


def test_what_the_helper_does_not_take_away_stays_and_holds_nothing_else_up(world: World) -> None:
    other = a_nic(4, None, VnicType.NORMAL, vlan_id=130)
    agent = serve(world, a_server(1, TAGGED, other))
    refusal = RefuseNext(operation="set_port_vlan", errno=NOTHING_OF_OURS, times=1)
    world.machine.kernel.plant(refusal)
    world.control.want()
    world.settle(agent)
    assert ports(world)["eth2"] == (1, {"1": True, "120": False}), "an older helper added it"
    assert addresses(world) == []
    before = commands(world)
    world.settle(world.an_agent())
    assert commands(world) == before


def test_what_was_there_before_stays(world: World) -> None:
    def act(state: KernelState) -> None:
        fake_bridges.set_port_vlan(state, "eth2", 120, untagged=False, member=True)
        fake_bridges.set_address(state, "eth2", TAGGED.mac, present=True)
        fake_bridges.set_address(state, "eth2", OTHER_MAC, present=True)

    by_hand(world, act)
    agent = serve(world, a_server(1, TAGGED))
    world.control.want()
    world.settle(agent)
    assert ports(world)["eth2"] == (1, {"1": True, "120": False})
    assert set(addresses(world)) == {str(TAGGED.mac), str(OTHER_MAC)}


def test_a_port_that_is_down_is_cut_off_and_gets_its_network_back(world: World) -> None:
    down = replace(TAGGED, link_state=LinkState.DISABLE)
    agent = serve(world, a_server(1, down, replace(FLAT, link_state=LinkState.DISABLE)))
    cut_off: tuple[int, dict[str, bool]] = (0, {})
    assert (ports(world)[TAP], ports(world)[FLAT.logical_name]) == (cut_off, cut_off)
    done = commands(world)
    resumed = next(at for at, each in enumerate(done) if each.startswith("virsh resume"))
    assert f"bridge vlan del dev {TAP} vid 1" in done[:resumed]
    before = commands(world)
    world.settle(world.an_agent())
    assert commands(world) == before

    by_hand(world, HANDS["other VLAN"])
    world.run(agent, seconds=5)
    assert ports(world)[TAP] == cut_off, "what is down stays down"
    world.control.want(a_server(1, TAGGED, FLAT))
    world.settle(agent)
    assert ports(world)[TAP] == (120, {"120": True})
    assert ports(world)[FLAT.logical_name] == (1, {"1": True})
    world.control.want(a_server(1, down, FLAT))
    world.settle(agent)
    assert ports(world)[TAP] == cut_off
    assert not any(each.startswith("virsh destroy") for each in commands(world))
    told = [drift for report in world.control.reports for drift in report.drifts]
    assert [(drift.ifname, drift.repaired) for drift in told] == [(TAP, True)], "by hand, once"


HANDS: dict[str, Callable[[KernelState], None]] = {
    "other VLAN": lambda state: fake_bridges.set_port_vlan(
        state, TAP, 130, untagged=True, member=True
    ),
    "no VLAN": lambda state: fake_bridges.set_port_vlan(
        state, TAP, 120, untagged=False, member=False
    ),
    "tagged": lambda state: fake_bridges.set_port_vlan(
        state, TAP, 120, untagged=False, member=True
    ),
    "uplink without": lambda state: fake_bridges.set_port_vlan(
        state, "eth2", 120, untagged=False, member=False
    ),
    "uplink untagged": lambda state: fake_bridges.set_port_vlan(
        state, "eth2", 120, untagged=True, member=True
    ),
    "no address": lambda state: fake_bridges.set_address(state, "eth2", TAGGED.mac, present=False),
}


@pytest.mark.parametrize("hand", HANDS)
def test_what_is_changed_by_hand_is_put_right_in_the_next_step(world: World, hand: str) -> None:
    agent = serve(world, a_server(1, TAGGED, a_nic(3, world.device(IGB, 0), vlan_id=120)))
    world.run(agent, seconds=5)
    before = ports(world)[TAP], ports(world)["eth2"][1]["120"], addresses(world)
    by_hand(world, HANDS[hand])
    for _ in range(2):
        world.now = max(agent.step(world.now), world.now + timedelta(seconds=1))
    assert (ports(world)[TAP], ports(world)["eth2"][1]["120"], addresses(world)) == before
    told = [drift for report in world.control.reports for drift in report.drifts]
    assert [(drift.address, drift.repaired) for drift in told] == [(None, True)]
    assert told[0].ifname in (TAP, "eth2")
    assert told[0].found


def test_drift_that_is_to_be_reported_is_told_once_and_left(world: World) -> None:
    agent = serve(world, a_server(1, TAGGED), drift=DriftPolicy.REPORT)
    by_hand(world, HANDS["other VLAN"])
    world.run(agent, seconds=130)
    assert ports(world)[TAP][0] == 130
    told = [drift for report in world.control.reports for drift in report.drifts]
    assert [(drift.ifname, drift.repaired) for drift in told] == [(TAP, False)]
    assert "130 pvid untagged" in told[0].found


def test_an_uplink_that_was_out_of_its_bridge_comes_back_by_the_policy_too(world: World) -> None:
    agent = serve(world, a_server(1, TAGGED), drift=DriftPolicy.REPORT)

    def take_out(state: KernelState) -> None:
        state.ports = [port for port in state.ports if port.ifname != "eth2"]

    by_hand(world, take_out)
    world.run(agent, seconds=130)
    uplink = fake_bridges.make_port("br-phy1", "eth2", is_uplink=True)
    by_hand(world, lambda state: state.ports.append(uplink))
    world.run(agent, seconds=130)
    assert ports(world)["eth2"] == (1, {"1": True})
    told = [drift for report in world.control.reports for drift in report.drifts]
    assert [(drift.found, drift.repaired) for drift in told] == [
        ("without VLAN 120 on eth2", False)
    ]


def refusal(world: World, server: ServerConfig) -> str:
    world.control.want(server)
    world.run(world.an_agent(), seconds=60)
    told = world.control.server(server)
    assert told is not None
    assert told[0] is ServerCondition.FAILED
    assert world.raw_domains() == {}
    return told[1]


def test_a_bridge_without_filtering_carries_flat_networks_only(world: World) -> None:
    by_hand(world, lambda state: state.unfiltered_bridges.append("br-phy1"))
    told = refusal(world, a_server(1, TAGGED))
    assert "ip link set br-phy1 type bridge vlan_filtering 1" in told
    server = a_server(2, FLAT)
    serve(world, server)
    assert world.control.server(server) == (ServerCondition.RUNNING, "")


def test_a_port_that_is_down_is_refused_on_a_bridge_that_can_not_cut_it_off(world: World) -> None:
    by_hand(world, lambda state: state.unfiltered_bridges.append("br-phy1"))
    told = refusal(world, a_server(1, replace(FLAT, link_state=LinkState.DISABLE)))
    assert f"bridge br-phy1 can't cut off port {FLAT.port_id}, which is down" in told
    assert "ip link set br-phy1 type bridge vlan_filtering 1" in told


def test_a_vlan_that_the_uplink_carries_untagged_is_refused(world: World) -> None:
    told = refusal(world, a_server(1, replace(TAGGED, vlan_id=1)))
    assert "eth2 carries VLAN 1 without its tag" in told


def test_an_uplink_without_an_untagged_network_carries_no_flat_one(world: World) -> None:
    by_hand(
        world,
        lambda state: fake_bridges.set_port_vlan(state, "eth2", 1, untagged=False, member=False),
    )
    assert "eth2 carries no untagged network" in refusal(world, a_server(1, FLAT))


def test_a_bridge_that_there_is_not_is_refused(world: World) -> None:
    told = refusal(world, a_server(1, replace(TAGGED, bridge="br-nowhere")))
    assert "the host has no bridge br-nowhere" in told


def test_after_a_reboot_all_is_made_anew_and_old_additions_are_forgotten(world: World) -> None:
    serve(world, a_server(1, TAGGED))
    world.machine.kernel.reboot()
    agent = world.an_agent()
    world.settle(agent)
    assert ports(world) == {"eth2": (1, {"1": True, "120": False}), TAP: (120, {"120": True})}
    world.control.want()
    world.settle(agent)
    assert ports(world) == BEFORE
    assert addresses(world) == []


class _Dropped(BaseException):
    """The agent ends here; nothing is unwound that matters, since all is on disk."""


class _DropAt:
    def __init__(self, number: int) -> None:
        self._left = number

    def reached(self, _point: str) -> None:
        self._left -= 1
        if self._left == 0:
            raise _Dropped


def test_an_agent_that_is_dropped_at_any_point_leaves_nothing_in_the_end(tmp_path: Path) -> None:
    points = 0
    while True:
        points += 1
        world = World(tmp_path / str(points))
        uplink = fake_bridges.make_port("br-phy1", "eth2", is_uplink=True)
        by_hand(world, lambda state, uplink=uplink: state.ports.append(uplink))  # type: ignore[misc]  # mypy can't infer lambdas with defaults
        agent = world.an_agent(_DropAt(points))
        try:
            world.control.want(a_server(1, TAGGED))
            world.settle(agent)
            world.control.want()
            world.settle(agent)
        except _Dropped:
            agent = world.an_agent()
            world.control.want()
            world.settle(agent)
            assert ports(world) == BEFORE, points
            assert addresses(world) == [], points
            continue
        break
    assert points > 20
