"""Plans that free devices, from what the store says of servers and the index of other hosts.

h1, h2, h3   0000:05:00.0 ── phy1   4 VFs   switch tor1 (h1, h2) or tor2 (h3)
             0000:82:00.0 ── phy2   4 VFs   switch tor9
"""

from __future__ import annotations

import pytest

from tests.control.scene import Scene, on
from tests.support.world import ADMIN, DEMO, PHY1, PHY2, AgentByHand, a_card, a_flavor, a_network
from trunkline.control.defrag import DefragAdvice, OnNumaNode, OnPf, OnSwitch, Where, defrag
from trunkline.control.hosts import set_host_enabled
from trunkline.control.services import Services
from trunkline.domain.errors import Forbidden, NotFound
from trunkline.domain.ids import HostName
from trunkline.domain.pci import PciAddress
from trunkline.domain.port import VnicType
from trunkline.placement.planning.defrag import Goal, NoPlan, Plan

H1_PHY1 = OnPf(HostName("h1"), PciAddress.parse("0000:05:00.0"))


@pytest.fixture
def scene(svc: Services) -> Scene:
    a_flavor(svc)
    agents = {
        name: AgentByHand(
            svc,
            name,
            a_card(5, PHY1, serial=n, tags={"switch": tor})
            + a_card(0x82, PHY2, serial=n, tags={"switch": "tor9"}),
        )
        for n, (name, tor) in enumerate((("h1", "tor1"), ("h2", "tor1"), ("h3", "tor2")), 1)
    }
    blue, red = a_network(svc, "blue", (PHY1, 100)), a_network(svc, "red", (PHY2, 200))
    return Scene(svc, blue, red, agents)


def only(scene: Scene, *names: str) -> None:
    """Let only these hosts take new servers."""
    for name in scene.agents:
        set_host_enabled(scene.svc, ADMIN, HostName(name), enabled=name in names, reason=None)


def ask(scene: Scene, where: Where, goal: Goal, states_max: int = 1000) -> DefragAdvice:
    return defrag(scene.svc, ADMIN, where, goal, states_max=states_max)


def fill_h1(scene: Scene) -> None:
    """One server with two VFs of phy1, one with one of each."""
    only(scene, "h1")
    scene.boot(on(scene.blue), on(scene.blue), name="two")
    scene.boot(on(scene.blue), on(scene.red), name="mixed")
    only(scene, "h1", "h2", "h3")


def test_the_server_with_most_devices_there_is_moved(scene: Scene) -> None:
    fill_h1(scene)
    advice = ask(scene, H1_PHY1, Goal(free=3))
    assert isinstance(advice.found, Plan)
    [move] = advice.found.moves
    assert (move.resident.name, advice.found.is_optimal, advice.found.is_best) == (
        "two",
        True,
        True,
    )
    assert (advice.found.free_before, advice.found.free_after) == (1, 3)
    assert advice.host_names[move.placed.host_id] in ("h2", "h3")
    assert {
        str(advice.devices[ref].function.address)[:8]
        for change in move.changes
        for ref in (change.before, change.after)
        if ref is not None
    } == {"0000:05:"}
    assert advice.pfs == (("h1", "0000:05:00.0"),)


def test_a_plan_changes_nothing(scene: Scene) -> None:
    fill_h1(scene)
    before = scene.devices()
    ask(scene, H1_PHY1, Goal(whole=True))
    assert scene.devices() == before
    scene.index_agrees()


def test_a_whole_pf_takes_every_server_with_a_device_of_it(scene: Scene) -> None:
    fill_h1(scene)
    found = ask(scene, H1_PHY1, Goal(whole=True)).found
    assert isinstance(found, Plan)
    assert [move.resident.name for move in found.moves] == ["mixed", "two"]
    assert found.is_optimal


def test_what_is_free_already_needs_no_move(scene: Scene) -> None:
    found = ask(scene, H1_PHY1, Goal(free=4)).found
    assert isinstance(found, Plan)
    assert (found.moves, found.is_optimal, found.free_before) == ((), True, 4)


def test_hosts_out_of_service_take_no_server_that_is_moved(scene: Scene) -> None:
    fill_h1(scene)
    only(scene, "h1")
    found = ask(scene, H1_PHY1, Goal(free=3)).found
    assert isinstance(found, NoPlan)
    assert (found.at_least, found.most, found.most_bound) == (None, 1, 1)
    only(scene, "h3")
    moved = ask(scene, H1_PHY1, Goal(free=3))
    assert isinstance(moved.found, Plan)
    assert {moved.host_names[move.placed.host_id] for move in moved.found.moves} == {"h3"}


def test_servers_that_leave_a_switch_do_not_go_to_another_host_on_it(scene: Scene) -> None:
    fill_h1(scene)
    advice = ask(scene, OnSwitch("tor1"), Goal(free=8))
    assert isinstance(advice.found, Plan)
    assert {advice.host_names[move.placed.host_id] for move in advice.found.moves} == {"h3"}
    assert [host for host, _ in advice.pfs] == ["h1", "h2"]


def test_who_is_in_the_way_is_told_with_the_reason(scene: Scene) -> None:
    only(scene, "h1")
    scene.boot(on(scene.blue, VnicType.DIRECT_PHYSICAL), name="whole")
    only(scene, "h1", "h2", "h3")
    for name in ("h2", "h3"):
        only(scene, name)
        scene.boot(on(scene.blue), name=f"on-{name}")
    only(scene, "h1", "h2", "h3")
    advice = ask(scene, H1_PHY1, Goal(free=1))
    assert isinstance(advice.found, NoPlan)
    assert advice.found.at_least is None
    [stuck] = advice.stuck
    assert stuck.resident.name == "whole"
    assert stuck.why is not None
    assert {reason.value: count for reason, count in stuck.why.counts.items()} == {"pf_in_use": 2}
    assert "h2" in stuck.why.smallest_change


def test_devices_on_their_way_back_are_nobodys_to_move(scene: Scene) -> None:
    only(scene, "h1")
    gone = scene.boot(on(scene.blue), name="gone")
    scene.delete(gone.server.id)
    only(scene, "h1", "h2", "h3")
    found = ask(scene, H1_PHY1, Goal(free=4)).found
    assert isinstance(found, NoPlan)
    assert (found.free, found.ownerless, found.at_least) == (3, 1, None)
    scene.clean("h1")
    assert isinstance(ask(scene, H1_PHY1, Goal(free=4)).found, Plan)


@pytest.mark.parametrize(
    "where",
    [
        OnPf(HostName("h9"), PciAddress.parse("0000:05:00.0")),
        OnPf(HostName("h1"), PciAddress.parse("0000:07:00.0")),
        OnNumaNode(HostName("h1"), 7),
        OnSwitch("tor77"),
    ],
)
def test_a_place_that_is_not_there_is_not_found(scene: Scene, where: Where) -> None:
    with pytest.raises(NotFound):
        ask(scene, where, Goal(free=1))


def test_tenants_plan_no_moves(scene: Scene) -> None:
    with pytest.raises(Forbidden):
        defrag(scene.svc, DEMO, H1_PHY1, Goal(free=1), states_max=10)
