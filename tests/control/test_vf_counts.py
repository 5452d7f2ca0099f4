"""Another count of VFs for a PF: a plan first, then nothing of it is given until they are there.

h1 and h2: a PF on phy1 at 0000:05:00.0 (eth5) and one on phy2 at 0000:82:00.0 (eth130), 4 VFs each.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.control.scene import Scene, on
from tests.support.world import ADMIN, DEMO, a_card
from trunkline.control.desired import desired_config
from trunkline.control.hosts import get_host
from trunkline.control.pfs import VfCountPlan, set_vf_count, unset_vf_count
from trunkline.control.ports import create_port
from trunkline.control.requests import PortCreate
from trunkline.control.verifying import verify_hosts
from trunkline.domain.device import OfferedDevice
from trunkline.domain.errors import DeviceTaken, Forbidden, Invalid, NotFound, StateConflict
from trunkline.domain.ids import HostName
from trunkline.domain.listing import ListQuery
from trunkline.domain.port import Port, VnicType
from trunkline.domain.server import ServerState
from trunkline.reconcile.desired import VfCount
from trunkline.reconcile.report import DeviceCondition, DeviceFact


def cards(vf_count: int) -> tuple[OfferedDevice, ...]:
    """What h1 has, with so many VFs on its first PF, which can have 8."""
    pf, *vfs = a_card(5, "phy1", vf_count=vf_count, serial=1)
    pf = replace(pf, function=replace(pf.function, vf_count_max=8))
    return pf, *vfs, *a_card(0x82, "phy2", serial=1)


@pytest.fixture(autouse=True)
def _h1_has_room(scene: Scene) -> None:
    scene.agents["h1"].report(inventory=cards(4))


def ask(
    scene: Scene, count: int, *, apply: bool = False, drain: bool = False, pf: str = "eth5"
) -> VfCountPlan:
    plan = set_vf_count(scene.svc, ADMIN, "h1", pf, count, apply=apply, drain=drain)
    scene.index_agrees()
    assert verify_hosts(scene.svc, ADMIN, ListQuery()).verdicts == ()
    return plan


def wanted(scene: Scene) -> list[tuple[str, int]]:
    config = desired_config(scene.svc, HostName("h1"))
    return [(str(each.pf), each.count) for each in config.vf_counts]


def problems(scene: Scene) -> tuple[str, ...]:
    return get_host(scene.svc, ADMIN, "h1").out_of_service


def boot_on_h1(scene: Scene) -> ServerState:
    """Boot with h2 out of service."""
    return scene.boot(on(scene.blue)).server.state


def test_a_plan_says_what_it_takes_and_does_nothing(scene: Scene) -> None:
    generation = get_host(scene.svc, ADMIN, "h1").host.generation
    plan = ask(scene, 8)
    assert (plan.count, plan.wanted, plan.count_max, plan.applied) == (4, 8, 8, False)
    assert plan.in_the_way == ()
    assert plan.cost.startswith("its 4 VFs go")
    assert wanted(scene) == []
    assert get_host(scene.svc, ADMIN, "h1").host.generation == generation
    assert ask(scene, 4).cost == "nothing changes: it has so many"


def test_nothing_of_the_pf_is_given_until_its_new_vfs_are_there(scene: Scene) -> None:
    scene.agents["h2"].report(inventory=())
    assert ask(scene, 8, apply=True).applied
    assert wanted(scene) == [("0000:05:00.0", 8)]
    assert problems(scene) == ("eth5 has 4 VFs, and is to have 8",)
    assert boot_on_h1(scene) is ServerState.ERROR
    scene.agents["h1"].report(inventory=cards(0))
    scene.index_agrees()
    scene.agents["h1"].report(inventory=cards(6))
    assert problems(scene) == ("eth5 has 6 VFs, and is to have 8",), "what really came is told"
    assert boot_on_h1(scene) is ServerState.ERROR
    scene.agents["h1"].report(inventory=cards(8))
    scene.index_agrees()
    assert problems(scene) == ()
    assert boot_on_h1(scene) is ServerState.BUILD
    assert wanted(scene) == [("0000:05:00.0", 8)], "it is the host's to keep, over reboots"


def test_while_anybody_has_a_vf_nothing_is_changed(scene: Scene) -> None:
    scene.agents["h2"].report(inventory=())
    view = scene.boot(on(scene.blue))
    plan = ask(scene, 8)
    assert [(each.state, each.server_name) for each in plan.in_the_way] == [("claimed", "web")]
    with pytest.raises(StateConflict, match="in use by web"):
        ask(scene, 8, apply=True)
    assert wanted(scene) == []
    scene.settle(view.server.id)
    scene.delete(view.server.id)
    with pytest.raises(StateConflict, match="in use"):
        ask(scene, 8, apply=True, pf="0000:05:00.0")
    scene.clean("h1")
    assert ask(scene, 8, apply=True).applied


def test_a_pf_is_drained_and_changed_once_the_last_has_gone(scene: Scene) -> None:
    scene.agents["h2"].report(inventory=())
    view = scene.boot(on(scene.blue))
    scene.settle(view.server.id)
    generation = get_host(scene.svc, ADMIN, "h1").host.generation
    plan = ask(scene, 8, drain=True)
    assert plan.applied
    assert [each.server_name for each in plan.in_the_way] == ["web"]
    assert get_host(scene.svc, ADMIN, "h1").host.generation > generation, "its agent is told"
    assert wanted(scene) == [("0000:05:00.0", 8)]
    assert problems(scene) == ("eth5 has 4 VFs, and is to have 8",)
    assert boot_on_h1(scene) is ServerState.ERROR
    (server,) = desired_config(scene.svc, HostName("h1")).servers
    assert server.id == view.server.id, "it keeps what it has"
    scene.agents["h1"].report(inventory=cards(4))
    assert problems(scene) == ("eth5 has 4 VFs, and is to have 8",)

    scene.delete(view.server.id)
    scene.clean("h1")
    assert boot_on_h1(scene) is ServerState.ERROR, "it is not changed yet"
    scene.agents["h1"].report(inventory=cards(8))
    assert problems(scene) == ()
    assert boot_on_h1(scene) is ServerState.BUILD
    scene.index_agrees()


def test_a_pf_that_a_server_has_whole_is_drained_too(scene: Scene) -> None:
    scene.agents["h2"].report(inventory=())
    view = scene.boot(on(scene.blue, VnicType.DIRECT_PHYSICAL))
    scene.settle(view.server.id)
    assert ask(scene, 8, drain=True).applied
    assert problems(scene) == (), "VFs of it are not to be seen, nor awaited"
    scene.delete(view.server.id)
    (held,) = desired_config(scene.svc, HostName("h1")).releases
    clean = DeviceFact(address=held.address, epoch=held.epoch, condition=DeviceCondition.CLEAN)
    scene.agents["h1"].report(inventory=cards(4), devices=[clean])
    scene.index_agrees()
    assert verify_hosts(scene.svc, ADMIN, ListQuery()).verdicts == ()
    assert problems(scene) == ("eth5 has 4 VFs, and is to have 8",)
    assert boot_on_h1(scene) is ServerState.ERROR
    scene.agents["h1"].report(inventory=cards(4))
    assert problems(scene) == ("eth5 has 4 VFs, and is to have 8",)
    scene.agents["h1"].report(inventory=cards(8))
    assert boot_on_h1(scene) is ServerState.BUILD


def test_a_drain_can_be_taken_back(scene: Scene) -> None:
    scene.agents["h2"].report(inventory=())
    scene.boot(on(scene.blue))
    ask(scene, 8, drain=True)
    unset_vf_count(scene.svc, ADMIN, "h1", "eth5")
    assert (wanted(scene), problems(scene)) == ([], ())
    assert boot_on_h1(scene) is ServerState.BUILD


def test_a_drain_takes_nothing_from_those_of_whom_the_host_does_not_know(scene: Scene) -> None:
    bind_by_hand(scene)
    with pytest.raises(StateConflict, match=r"in use by a port without a server \(0000:05:02\.0\)"):
        ask(scene, 8, drain=True)
    assert (wanted(scene), problems(scene)) == ([], ())


def test_a_pf_whose_vfs_alone_are_told_of_is_remembered_while_it_has_none(scene: Scene) -> None:
    ask(scene, 2, apply=True)
    scene.agents["h1"].report(inventory=tuple(a_card(0x82, "phy2", serial=1)))
    assert wanted(scene) == [("0000:05:00.0", 2)]
    scene.index_agrees()


def test_what_the_card_can_not_have_is_refused(scene: Scene) -> None:
    with pytest.raises(Invalid, match="8 VFs at most"):
        ask(scene, 9)
    with pytest.raises(NotFound, match="eth6 on h1"):
        ask(scene, 2, pf="eth6")
    with pytest.raises(Forbidden):
        set_vf_count(scene.svc, DEMO, "h1", "eth5", 2, apply=False)


def test_a_host_is_told_which_pf_is_meant(scene: Scene) -> None:
    ask(scene, 8, apply=True)
    (said,) = desired_config(scene.svc, HostName("h1")).vf_counts
    assert isinstance(said, VfCount)
    assert said.identity is not None
    assert said.identity.mac == cards(4)[0].function.mac


def bind_by_hand(scene: Scene) -> Port:
    wanted = PortCreate(
        network_id=scene.blue.id, vnic_type=VnicType.DIRECT, host=HostName("h1"),
        profile={"pci_slot": "0000:05:02.0"},
    )  # fmt: skip
    return create_port(scene.svc, ADMIN, wanted).port


def test_no_port_is_bound_by_hand_to_a_vf_that_is_to_go(scene: Scene) -> None:
    ask(scene, 8, apply=True)
    with pytest.raises(DeviceTaken, match="eth5 has 4 VFs, and is to have 8"):
        bind_by_hand(scene)


def test_a_port_without_a_server_is_named_by_its_device(scene: Scene) -> None:
    bind_by_hand(scene)
    with pytest.raises(StateConflict, match=r"in use by a port without a server \(0000:05:02\.0\)"):
        ask(scene, 8, apply=True)


def test_what_was_asked_for_can_be_taken_back(scene: Scene) -> None:
    scene.agents["h2"].report(inventory=())
    ask(scene, 8, apply=True)
    with pytest.raises(Forbidden):
        unset_vf_count(scene.svc, DEMO, "h1", "eth5")
    unset_vf_count(scene.svc, ADMIN, "h1", "eth5")
    scene.index_agrees()
    assert wanted(scene) == []
    assert problems(scene) == ()
    assert boot_on_h1(scene) is ServerState.BUILD, "with the VFs that it has"
    with pytest.raises(StateConflict, match="nobody has said"):
        unset_vf_count(scene.svc, ADMIN, "h1", "eth5")
    with pytest.raises(NotFound):
        unset_vf_count(scene.svc, ADMIN, "h1", "eth6")
