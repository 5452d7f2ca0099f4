"""Devices that others have besides servers: not placed on, shown so, and back when they are left.

h1: one PF on phy1 with 4 VFs, of which a guest that is not Trunkline's has VF 1.
"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.control.scene import Scene, on
from tests.support.world import ADMIN, PHY1, AgentByHand, a_card, a_flavor, a_network
from trunkline.control.devices import list_devices
from trunkline.control.events import list_events
from trunkline.control.hosts import get_host
from trunkline.control.pfs import set_vf_count
from trunkline.control.ports import create_port
from trunkline.control.requests import PortCreate
from trunkline.control.services import Services
from trunkline.control.verifying import verify_hosts
from trunkline.domain.audit import AuditEvent
from trunkline.domain.device import OfferedDevice
from trunkline.domain.errors import DeviceTaken, StateConflict
from trunkline.domain.ids import HostName
from trunkline.domain.listing import ListQuery
from trunkline.domain.port import VnicType
from trunkline.domain.server import ServerState

THEIRS = "libvirt domain vintage"
AT = "0000:05:02.1"


UNFIT = "shares IOMMU group 7 with 0000:05:00.0 (igb)"


def told(*used: int, whole: str = "", unfit: str = "") -> tuple[OfferedDevice, ...]:
    """What h1 tells while others have these of its VFs."""
    found = []
    for device in a_card(5, "phy1", serial=1):
        function = device.function
        words = whole if function.vf_index is None else THEIRS * (function.vf_index in used)
        if words:
            device = replace(device, function=replace(function, used_by=words), on_offer=False)
        if unfit and function.vf_index is not None:
            function = replace(device.function, unfit=unfit)
            device = replace(device, function=function, on_offer=False)
        found.append(device)
    return tuple(found)


@pytest.fixture
def one(svc: Services) -> Scene:
    a_flavor(svc)
    blue = a_network(svc, "blue", (PHY1, 100))
    return Scene(svc, blue, blue, {"h1": AgentByHand(svc, "h1", told(1))})


def report(scene: Scene, *devices: OfferedDevice) -> None:
    scene.agents["h1"].report(inventory=devices)
    scene.index_agrees()
    assert verify_hosts(scene.svc, ADMIN, ListQuery()).verdicts == ()


def events(scene: Scene) -> list[AuditEvent]:
    actions = ("device.taken_by_others", "device.left_by_others")
    return list_events(scene.svc, ADMIN, ListQuery(equals={"action": actions}))


def test_what_others_have_is_shown_so_and_given_to_nobody(one: Scene) -> None:
    assert one.devices("in_use") == [f"h1 {AT} in_use"]
    assert len(one.devices("free")) == 4
    (view,) = list_devices(one.svc, ADMIN, ListQuery(equals={"state": ("in_use",)}))
    assert view.device.function.used_by == THEIRS
    booted = [one.boot(on(one.blue)) for _ in range(4)]
    states = [each.server.state for each in booted]
    assert states == [ServerState.BUILD] * 3 + [ServerState.ERROR]
    assert one.devices("in_use") == [f"h1 {AT} in_use"]
    one.index_agrees()


def test_nobody_binds_a_port_to_it_by_hand(one: Scene) -> None:
    claim = PortCreate(
        network_id=one.blue.id, vnic_type=VnicType.DIRECT, host=HostName("h1"),
        profile={"pci_slot": AT},
    )  # fmt: skip
    with pytest.raises(DeviceTaken, match=f"others have it: {THEIRS}"):
        create_port(one.svc, ADMIN, claim)


def test_it_is_free_by_itself_when_others_leave_it_and_both_are_told(one: Scene) -> None:
    report(one, *told())
    assert one.devices("in_use") == []
    assert all(one.boot(on(one.blue)).server.state is ServerState.BUILD for _ in range(4))
    (left,) = events(one)[:1]
    assert (left.action, left.details) == ("device.left_by_others", {"was": THEIRS})
    assert left.subject == f"vf {AT} on h1"


def test_a_vf_of_a_server_that_others_grab_is_told_and_stays_the_servers(one: Scene) -> None:
    view = one.boot(on(one.blue))
    one.settle(view.server.id)
    report(one, *told(0, 1))
    (event,) = events(one)[:1]
    assert (event.action, event.server_id) == ("device.taken_by_others", view.server.id)
    assert event.details == {"used_by": THEIRS}
    assert event.project_id is None, "it is no tenant's to know who else is on the host"
    assert one.devices("active") == ["h1 0000:05:02.0 active"]
    one.delete(view.server.id)
    one.clean("h1")
    assert one.devices("in_use") == ["h1 0000:05:02.0 in_use", f"h1 {AT} in_use"]
    report(one, *told())
    assert len(one.devices("free")) == 5


def test_a_device_of_others_is_remembered_while_another_goes(one: Scene) -> None:
    view = one.boot(on(one.blue))
    one.settle(view.server.id)
    one.delete(view.server.id)
    one.clean("h1")
    assert one.devices("in_use") == [f"h1 {AT} in_use"]


def test_a_device_of_others_that_goes_is_forgotten(one: Scene) -> None:
    report(one, *(each for each in told() if str(each.function.address) != AT))
    assert [line for line in one.devices() if AT in line] == []


def test_a_pf_that_the_host_uses_is_not_given_whole_and_its_vfs_are(one: Scene) -> None:
    report(one, *told(whole="eth5 is below br0"))
    whole = one.boot(on(one.blue, VnicType.DIRECT_PHYSICAL))
    assert whole.server.state is ServerState.ERROR
    assert one.boot(on(one.blue)).server.state is ServerState.BUILD
    assert get_host(one.svc, ADMIN, "h1").out_of_service == ()


def test_a_vf_of_a_server_that_others_use_too_is_told_once_as_the_servers(one: Scene) -> None:
    one.settle(one.boot(on(one.blue)).server.id)
    report(one, *told(0, 1))
    plan = set_vf_count(one.svc, ADMIN, "h1", "eth5", 2, apply=False)
    assert [(str(each.address), each.used_by) for each in plan.in_the_way] == [
        (AT, THEIRS), ("0000:05:02.0", ""),
    ]  # fmt: skip


def test_vfs_of_others_are_in_the_way_of_another_count(one: Scene) -> None:
    plan = set_vf_count(one.svc, ADMIN, "h1", "eth5", 2, apply=False)
    assert [(str(each.address), each.state, each.used_by) for each in plan.in_the_way] == [
        (AT, "in_use", THEIRS)
    ]
    with pytest.raises(StateConflict, match=f"in use by {THEIRS} "):
        set_vf_count(one.svc, ADMIN, "h1", "eth5", 2, apply=True)


def test_what_no_guest_may_have_is_withdrawn_and_told_and_comes_back_by_itself(one: Scene) -> None:
    report(one, *told(1, unfit=UNFIT))
    assert one.devices("withdrawn") == [f"h1 0000:05:02.{at} withdrawn" for at in (0, 2, 3)]
    (view, *_) = list_devices(one.svc, ADMIN, ListQuery(equals={"state": ("withdrawn",)}))
    assert view.device.function.unfit == UNFIT
    assert one.boot(on(one.blue)).server.state is ServerState.ERROR
    of_group = list_events(one.svc, ADMIN, ListQuery(equals={"action": ("device.unfit",)}))
    assert len(of_group) == 4
    assert of_group[0].details == {"unfit": UNFIT}
    claim = PortCreate(
        network_id=one.blue.id, vnic_type=VnicType.DIRECT, host=HostName("h1"),
        profile={"pci_slot": "0000:05:02.0"},
    )  # fmt: skip
    with pytest.raises(DeviceTaken, match=re.escape(UNFIT)):
        create_port(one.svc, ADMIN, claim)
    plan = set_vf_count(one.svc, ADMIN, "h1", "eth5", 2, apply=False)
    assert [str(each.address) for each in plan.in_the_way] == [AT], "the count may be what mends it"
    report(one, *told(1))
    assert one.devices("withdrawn") == []
    assert one.boot(on(one.blue)).server.state is ServerState.BUILD


def test_what_no_guest_may_have_is_remembered_while_a_server_lets_go_of_another(one: Scene) -> None:
    view = one.boot(on(one.blue))
    one.settle(view.server.id)
    report(one, *told(1, unfit=UNFIT))
    assert len(one.devices("active")) == 1
    one.delete(view.server.id)
    one.clean("h1")
    assert len(one.devices("withdrawn")) == 3
