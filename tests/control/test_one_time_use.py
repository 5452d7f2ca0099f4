"""Devices for one use: clean again, and nobody's until an operator frees them.

h1, h2                            network blue: vlan 100 on phy1
├─ 0000:05:00.0  phy1, 4 VFs      h1 alone says that its card on phy1 is for one use
└─ 0000:82:00.0  phy2, 4 VFs
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.control.scene import Scene, on
from tests.support.world import ADMIN, DEMO, PHY1, a_card
from trunkline.control.desired import desired_config
from trunkline.control.devices import list_devices
from trunkline.control.events import list_events
from trunkline.control.explaining import explain
from trunkline.control.one_time_use import free_device
from trunkline.control.pfs import set_vf_count
from trunkline.control.ports import create_port
from trunkline.control.providers import allocations_of_provider, list_providers
from trunkline.control.requests import ExplainRequest, PortCreate
from trunkline.control.verifying import verify_hosts
from trunkline.control.views import ServerView
from trunkline.domain.device import OfferedDevice
from trunkline.domain.errors import DeviceTaken, Forbidden, NotFound, StateConflict
from trunkline.domain.ids import HostName
from trunkline.domain.listing import ListQuery
from trunkline.domain.pci import PciAddress
from trunkline.domain.port import VnicType
from trunkline.domain.server import ServerState
from trunkline.reconcile.report import DeviceCondition, DeviceFact

PF = PciAddress.parse("0000:05:00.0")
VF = PciAddress.parse("0000:05:02.0")


def once(vf_count: int = 4) -> list[OfferedDevice]:
    card = a_card(5, "phy1", vf_count=vf_count)
    return [replace(device, one_time_use=True) for device in card]


@pytest.fixture
def scene(scene: Scene) -> Scene:
    scene.agents["h2"].report(inventory=())
    scene.agents["h1"].report(inventory=tuple(once()))
    return scene


def use_up(scene: Scene, vnic_type: VnicType = VnicType.DIRECT) -> ServerView:
    """Have a server on h1, and delete it; its device comes back clean."""
    view = scene.boot(on(scene.blue, vnic_type))
    assert view.server.state is ServerState.BUILD, view.server.fault
    scene.settle(view.server.id)
    scene.delete(view.server.id)
    assert scene.devices("reserved") == []
    scene.clean("h1")
    return view


def actions(scene: Scene) -> list[str]:
    return [event.action for event in list_events(scene.svc, ADMIN, ListQuery())]


def test_a_used_device_is_nobodys_until_it_is_freed(scene: Scene) -> None:
    use_up(scene)
    assert scene.devices("reserved") == [f"h1 {VF} reserved"]
    (shown,) = list_devices(scene.svc, ADMIN, ListQuery(equals={"state": ("reserved",)}))
    assert shown.allocation is not None
    assert (shown.allocation.server_id, shown.allocation.port_id) == (None, None)
    assert shown.allocation.wire is None, "its VLAN is not on it any more"
    assert desired_config(scene.svc, HostName("h1")).releases == (), "nothing is to be done"
    assert "device.reserve" in actions(scene)
    scene.index_agrees()

    for _ in range(3):  # The other VFs of the card.
        assert scene.boot(on(scene.blue)).server.state is ServerState.BUILD
    assert scene.boot(on(scene.blue)).server.state is ServerState.ERROR
    free_device(scene.svc, ADMIN, "h1", VF)
    assert scene.devices("free", "reserved") == [f"h1 {VF} free"]
    assert actions(scene)[0] == "device.free"
    scene.index_agrees()
    view = scene.boot(on(scene.blue))
    assert view.nics[0].port.device is not None
    assert view.nics[0].port.device.function.address == VF


def test_a_late_or_repeated_report_frees_nothing(scene: Scene) -> None:
    use_up(scene)
    (shown,) = list_devices(scene.svc, ADMIN, ListQuery(equals={"state": ("reserved",)}))
    assert shown.allocation is not None
    clean = DeviceFact(address=VF, epoch=shown.allocation.epoch, condition=DeviceCondition.CLEAN)
    scene.agents["h1"].report(devices=[clean])
    scene.agents["h1"].report(inventory=tuple(once()))
    scene.agents["h1"].report(inventory=tuple(a_card(5, "phy1")))
    assert scene.devices("reserved") == [f"h1 {VF} reserved"], "whatever specs say since"
    scene.agents["h1"].report(inventory=())
    assert scene.devices("reserved") == [f"h1 {VF} reserved"], "nor is it forgotten"
    free_device(scene.svc, ADMIN, "h1", VF)
    assert scene.devices() == []
    scene.index_agrees()


def test_one_that_did_not_come_back_clean_is_reserved_once_it_does(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    scene.settle(view.server.id)
    scene.delete(view.server.id)
    (held,) = desired_config(scene.svc, HostName("h1")).releases
    dirty = DeviceFact(address=VF, epoch=held.epoch, condition=DeviceCondition.DIRTY, reason="EIO")
    scene.agents["h1"].report(devices=[dirty])
    with pytest.raises(StateConflict, match=r"did not come back clean \(EIO\)"):
        free_device(scene.svc, ADMIN, "h1", VF)
    scene.clean("h1")
    assert scene.devices("reserved") == [f"h1 {VF} reserved"]


def test_what_is_not_reserved_is_not_freed(scene: Scene) -> None:
    with pytest.raises(StateConflict, match="it is not reserved: nobody has it"):
        free_device(scene.svc, ADMIN, "h1", VF)
    view = scene.boot(on(scene.blue))
    with pytest.raises(StateConflict, match=f"server {view.server.id} has it"):
        free_device(scene.svc, ADMIN, "h1", VF)
    scene.delete(view.server.id)
    with pytest.raises(StateConflict, match="still being taken back"):
        free_device(scene.svc, ADMIN, "h1", VF)
    with pytest.raises(NotFound, match="on h1"):
        free_device(scene.svc, ADMIN, "h1", PciAddress.parse("0000:99:00.0"))
    with pytest.raises(Forbidden):
        free_device(scene.svc, DEMO, "h1", VF)


def test_a_used_vf_keeps_its_pf_from_being_given_whole_and_from_other_counts(scene: Scene) -> None:
    use_up(scene)
    assert scene.boot(on(scene.blue, VnicType.DIRECT_PHYSICAL)).server.state is ServerState.ERROR
    plan = set_vf_count(scene.svc, ADMIN, "h1", "eth5", 2, apply=False)
    assert [each.state for each in plan.in_the_way] == ["reserved"]
    with pytest.raises(StateConflict, match=r"nobody since its use .* trunkline device free"):
        set_vf_count(scene.svc, ADMIN, "h1", "eth5", 2, apply=True)
    free_device(scene.svc, ADMIN, "h1", VF)
    assert set_vf_count(scene.svc, ADMIN, "h1", "eth5", 2, apply=True).applied


def test_a_used_vf_is_reserved_still_once_a_drained_pf_has_its_new_vfs(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    scene.settle(view.server.id)
    assert set_vf_count(scene.svc, ADMIN, "h1", "eth5", 2, apply=False, drain=True).applied
    scene.delete(view.server.id)
    scene.clean("h1")
    for vf_count in (0, 2):
        scene.agents["h1"].report(inventory=tuple(once(vf_count)))
        assert scene.devices("reserved") == [f"h1 {VF} reserved"]
        scene.index_agrees()
    assert scene.boot(on(scene.blue)).server.state is ServerState.BUILD
    assert scene.boot(on(scene.blue)).server.state is ServerState.ERROR, "the other is reserved"


def test_a_pf_freed_after_its_use_is_out_of_service_until_it_has_its_vfs(scene: Scene) -> None:
    view = scene.boot(on(scene.blue, VnicType.DIRECT_PHYSICAL))
    scene.settle(view.server.id)
    assert set_vf_count(scene.svc, ADMIN, "h1", "eth5", 2, apply=False, drain=True).applied
    scene.delete(view.server.id)
    scene.clean("h1")
    assert scene.devices("reserved") == [f"h1 {PF} reserved"]
    free_device(scene.svc, ADMIN, "h1", PF)
    scene.index_agrees()
    assert verify_hosts(scene.svc, ADMIN, ListQuery()).verdicts == ()
    assert scene.boot(on(scene.blue)).server.state is ServerState.ERROR
    scene.agents["h1"].report(inventory=tuple(once(2)))
    assert scene.boot(on(scene.blue)).server.state is ServerState.BUILD


def test_a_used_pf_keeps_its_vfs_with_it(scene: Scene) -> None:
    use_up(scene, VnicType.DIRECT_PHYSICAL)
    assert scene.devices("reserved") == [f"h1 {PF} reserved"]
    assert scene.agents["h1"].last_ack.send_all, "its VFs are to be seen again"
    assert scene.boot(on(scene.blue)).server.state is ServerState.ERROR
    free_device(scene.svc, ADMIN, "h1", PF)
    assert scene.boot(on(scene.blue)).server.state is ServerState.BUILD
    scene.index_agrees()


def test_no_port_is_bound_by_hand_to_a_used_device(scene: Scene) -> None:
    use_up(scene)
    claim = PortCreate(
        network_id=scene.blue.id, vnic_type=VnicType.DIRECT, host=HostName("h1"),
        profile={"pci_slot": str(VF)},
    )  # fmt: skip
    with pytest.raises(DeviceTaken, match=f"for one use; trunkline device free h1 {VF}"):
        create_port(scene.svc, ADMIN, claim)


def test_placements_users_see_it_as_reserved_and_nobodys(scene: Scene) -> None:
    use_up(scene)
    (card,) = (each for each in list_providers(scene.svc, ADMIN) if each.name == f"h1_{PF}")
    counted = card.inventories["SRIOV_NET_VF"]
    assert (counted.total, counted.reserved, counted.used, counted.free) == (4, 1, 0, 3)
    _, held = allocations_of_provider(scene.svc, ADMIN, card.id)
    assert held == []
    (of_phy1,) = scene.svc.store.read(
        lambda tx: [each for each in tx.capacity.device_counts([PHY1]) if each.kind.value == "vf"]
    )
    assert (of_phy1.total, of_phy1.free, of_phy1.reserved) == (4, 3, 1)


def test_an_explanation_says_that_it_is_reserved(scene: Scene) -> None:
    scene.agents["h1"].report(inventory=tuple(once(1)))
    use_up(scene)
    asked = ExplainRequest(nics=(on(scene.blue),), flavor_id=None)
    answer = explain(scene.svc, ADMIN, asked)
    assert answer.explanation is not None
    assert "1 of these devices is reserved after its use" in answer.explanation.smallest_change


def test_the_records_agree(scene: Scene) -> None:
    use_up(scene)
    assert verify_hosts(scene.svc, ADMIN, ListQuery()).verdicts == ()
