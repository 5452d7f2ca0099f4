"""Cards of a host change their slots: devices stay what they are, or are fenced.

h1 has a card on phy1 at bus 5 and one on phy2 at bus 0x82, with 4 VFs each; the tags are said of
each card, not of its slot.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.control.scene import Scene, on
from tests.support.world import ADMIN, DEMO, PHY1, PHY2, AgentByHand, a_card, a_flavor, a_network
from trunkline.control.desired import desired_config
from trunkline.control.events import list_events
from trunkline.control.flavors import set_extra_specs
from trunkline.control.hosts import get_host
from trunkline.control.pci_flavors import PciFlavorCreate, create_pci_flavor
from trunkline.control.pfs import rekey_pf
from trunkline.control.services import Services
from trunkline.control.verifying import verify_hosts
from trunkline.domain.device import DeviceKind, OfferedDevice, PciFunction
from trunkline.domain.errors import Forbidden, NotFound, StateConflict
from trunkline.domain.ids import DeviceId, FlavorId, HostName
from trunkline.domain.listing import ListQuery
from trunkline.domain.pci import PciAddress
from trunkline.domain.server import ServerState
from trunkline.reconcile.report import ReportAck

BLUE, RED = 5, 0x82


def card(bus: int, *, of: int = BLUE, vf_count: int = 4) -> list[OfferedDevice]:
    """The card that was at bus `of` first, with its MAC and tags, at a bus."""
    physical_network = "phy1" if of == BLUE else "phy2"
    (first, *_) = a_card(of, physical_network, serial=1)
    pf, *vfs = a_card(bus, physical_network, vf_count=vf_count, serial=1)
    mac = first.function.mac
    return [replace(pf, function=replace(pf.function, mac=mac, serial=f"S{of}")), *vfs]


BEFORE = (*card(BLUE), *card(RED, of=RED))


@pytest.fixture
def one(svc: Services) -> Scene:
    a_flavor(svc)
    agents = {"h1": AgentByHand(svc, "h1", BEFORE)}
    return Scene(
        svc, a_network(svc, "blue", (PHY1, 100)), a_network(svc, "red", (PHY2, 200)), agents
    )


def report(scene: Scene, *devices: OfferedDevice) -> ReportAck:
    ack = scene.agents["h1"].report(inventory=devices)
    scene.index_agrees()
    assert verify_hosts(scene.svc, ADMIN, ListQuery()).verdicts == ()
    return ack


def rows(scene: Scene) -> dict[str, tuple[DeviceId, str, int]]:
    """By address: ID, physical network and epoch of each device."""
    records = scene.svc.store.read(lambda tx: tx.devices.of_host(tx.hosts.get_by_name("h1").id))
    return {
        str(each.device.function.address): (
            each.id, str(each.device.physical_network), each.epoch
        )
        for each in records
    }  # fmt: skip


def held(scene: Scene) -> dict[str, tuple[str, int, int]]:
    """By server: the address of its VF, its index and the epoch, as its host is told."""
    config = desired_config(scene.svc, HostName("h1"))
    return {
        str(server.id): (str(nic.device.address), nic.device.vf_index or 0, nic.device.epoch)
        for server in config.servers
        for nic in server.nics
        if nic.device is not None
    }


def actions(scene: Scene, *wanted: str) -> list[str]:
    found = list_events(scene.svc, ADMIN, ListQuery(equals={"action": wanted}))
    return [event.action for event in reversed(found)]


def test_cards_that_change_places_take_their_devices_and_servers_along(one: Scene) -> None:
    blue, red = one.boot(on(one.blue)), one.boot(on(one.red))
    for view in (blue, red):
        one.settle(view.server.id)
    before, had = rows(one), held(one)
    generation = get_host(one.svc, ADMIN, "h1").host.generation
    report(one, *card(RED), *card(BLUE, of=RED))
    after, has = rows(one), held(one)

    def swapped(address: str) -> str:
        moves = {"0000:05": "0000:82", "0000:82": "0000:05"}
        return moves[address[:7]] + address[7:]

    assert {swapped(at): row[:2] for at, row in before.items()} == {
        at: row[:2] for at, row in after.items()
    }
    for server, (address, vf_index, epoch) in had.items():
        assert has[server][:2] == (swapped(address), vf_index)
        assert has[server][2] > epoch, "nothing that was told of the new address before counts"
        assert has[server][2] > max(row[2] for row in before.values())
    assert get_host(one.svc, ADMIN, "h1").host.generation > generation
    assert actions(one, "pf.move", "pf.fenced") == ["pf.move", "pf.move"]
    assert one.boot(on(one.blue)).server.state is ServerState.BUILD
    assert all(row[1] == "phy1" for at, row in rows(one).items() if at.startswith("0000:82"))


def test_a_renamed_pf_is_the_same(one: Scene) -> None:
    before = rows(one)
    pf, *rest = BEFORE
    report(one, replace(pf, function=replace(pf.function, ifname="ens1f0np0")), *rest)
    assert rows(one) == before


def test_a_serial_that_was_read_once_is_remembered(one: Scene) -> None:
    pf, *rest = BEFORE
    report(one, replace(pf, function=replace(pf.function, serial=None)), *rest)
    records = one.svc.store.read(lambda tx: tx.devices.of_host(tx.hosts.get_by_name("h1").id))
    assert "S5" in {each.device.function.serial for each in records}


def test_a_card_that_comes_up_with_fewer_vfs_is_waited_for(one: Scene) -> None:
    view = one.boot(on(one.blue))
    before = rows(one)
    report(one, *card(9, vf_count=0), *card(RED, of=RED))
    (problem,) = get_host(one.svc, ADMIN, "h1").out_of_service
    assert "it is at 0000:09:00.0 now, with 0 VFs and not 4" in problem
    assert "trunkline pf rekey h1 0000:05:00.0 ADDRESS" in problem
    assert one.boot(on(one.blue)).server.state is ServerState.ERROR
    assert held(one)[view.server.id][0].startswith("0000:05:"), "nothing of it is touched"
    report(one, *card(9), *card(RED, of=RED))
    assert held(one)[view.server.id][0].startswith("0000:09:")
    assert rows(one)["0000:09:00.0"][0] == before["0000:05:00.0"][0]
    assert rows(one)["0000:09:02.0"][0] == before["0000:05:02.0"][0], "the VF that it has"
    assert actions(one, "pf.move", "pf.fenced", "pf.unfenced") == [
        "pf.fenced", "pf.unfenced", "pf.move",
    ]  # fmt: skip


def another(bus: int) -> list[OfferedDevice]:
    pf, *vfs = a_card(bus, "phy1", serial=77)
    return [replace(pf, function=replace(pf.function, serial="S77")), *vfs]


def test_another_card_in_its_place_is_given_to_nobody_until_the_servers_are_gone(
    one: Scene,
) -> None:
    view = one.boot(on(one.blue))
    one.settle(view.server.id)
    before = rows(one)
    report(one, *another(BLUE), *card(RED, of=RED))
    assert one.boot(on(one.blue)).server.state is ServerState.ERROR
    assert held(one)[view.server.id][0].startswith("0000:05:")
    assert rows(one).items() <= before.items()
    config = desired_config(one.svc, HostName("h1"))
    (device,) = config.servers[0].held_devices
    assert device.pf is not None
    assert device.pf.serial == "S5", "the agent sees that this is not the card"
    one.delete(view.server.id)
    one.clean("h1")  # What is not there is clean.
    assert one.agents["h1"].last_ack.send_all
    report(one, *another(BLUE), *card(RED, of=RED))
    assert not {row[0] for at, row in rows(one).items() if at[:7] == "0000:05"} & {
        row[0] for row in before.values()
    }
    assert get_host(one.svc, ADMIN, "h1").out_of_service == ()
    assert one.boot(on(one.blue)).server.state is ServerState.BUILD


def test_of_two_that_may_be_it_the_operator_says_which(one: Scene) -> None:
    view = one.boot(on(one.blue))
    mine = PciAddress.parse("0000:05:00.0")
    there = PciAddress.parse("0000:0b:00.0")
    with pytest.raises(StateConflict, match="no doubt"):
        rekey_pf(one.svc, ADMIN, "h1", mine, there)
    report(one, *card(9), *card(11), *card(RED, of=RED))
    (problem,) = get_host(one.svc, ADMIN, "h1").out_of_service
    assert "0000:09:00.0 and 0000:0b:00.0 may be it" in problem
    assert one.boot(on(one.blue)).server.state is ServerState.ERROR, "neither is given away"
    rekey_pf(one.svc, ADMIN, "h1", mine, there)
    assert one.agents["h1"].report().send_all, "a full report is asked for"
    report(one, *card(9), *card(11), *card(RED, of=RED))
    assert held(one)[view.server.id][0].startswith("0000:0b:")
    assert get_host(one.svc, ADMIN, "h1").out_of_service == ()
    assert one.boot(on(one.blue)).server.state is ServerState.BUILD


def test_only_an_admin_says_where_a_pf_is(one: Scene) -> None:
    mine = PciAddress.parse("0000:05:00.0")
    with pytest.raises(Forbidden):
        rekey_pf(one.svc, DEMO, "h1", mine, mine)
    with pytest.raises(NotFound, match=r"0000:07:00\.0 on h1"):
        rekey_pf(one.svc, ADMIN, "h1", PciAddress.parse("0000:07:00.0"), mine)


def plain_at(address: str) -> OfferedDevice:
    return OfferedDevice(
        function=PciFunction(
            address=PciAddress.parse(address), kind=DeviceKind.PLAIN, vendor_id="10de",
            product_id="1eb8", driver="nvidia",
        ),
    )  # fmt: skip


def test_a_card_may_come_to_where_another_kind_of_device_was(one: Scene) -> None:
    view = one.boot(on(one.blue))
    report(one, *BEFORE, plain_at("0000:09:00.0"), plain_at("0000:09:02.1"))
    moved = [*card(9), *card(RED, of=RED)]
    report(one, *moved)
    assert held(one)[view.server.id][0].startswith("0000:09:")
    assert rows(one).keys() == {str(each.function.address) for each in moved}


def test_a_card_does_not_come_to_where_somebody_has_another_kind_of_device(one: Scene) -> None:
    view = one.boot(on(one.blue))
    had = held(one)
    gpu = plain_at("0000:09:02.1")
    report(one, *BEFORE, gpu)
    create_pci_flavor(one.svc, ADMIN, PciFlavorCreate(name="gpu", match=[{"vendor_id": "10de"}]))
    set_extra_specs(one.svc, ADMIN, FlavorId("small"), {"pci_passthrough:pci_flavor": "gpu:1"})
    assert [str(each.function.address) for each in one.boot().devices] == ["0000:09:02.1"]
    report(one, *card(9), *card(RED, of=RED))
    (problem,) = get_host(one.svc, ADMIN, "h1").out_of_service
    assert "where something else with an owner is on record" in problem
    assert held(one)[view.server.id] == had[view.server.id]


def test_what_an_operator_says_of_a_pf_is_of_the_next_report_alone(one: Scene) -> None:
    view = one.boot(on(one.blue))
    mine = PciAddress.parse("0000:05:00.0")
    report(one, *card(9), *card(11), *card(RED, of=RED))
    rekey_pf(one.svc, ADMIN, "h1", mine, PciAddress.parse("0000:0d:00.0"))
    report(one, *card(9), *card(11), *card(RED, of=RED))
    assert actions(one, "pf.rekey_refused") == ["pf.rekey_refused"]
    report(one, *card(9), *card(11), *another(13), *card(RED, of=RED))
    assert held(one)[view.server.id][0].startswith("0000:05:"), "it was not said of this card"


def said(one: Scene, *there: OfferedDevice, at: str) -> str:
    """Have blue's PF said to be at an address where there are these devices; what comes of it."""
    mine = PciAddress.parse("0000:05:00.0")
    report(one, *there)
    assert get_host(one.svc, ADMIN, "h1").out_of_service
    rekey_pf(one.svc, ADMIN, "h1", mine, PciAddress.parse(at))
    report(one, *there)
    query = ListQuery(equals={"action": ("pf.rekey_refused",)})
    return " ".join(str(each.details["problem"]) for each in list_events(one.svc, ADMIN, query))


def test_a_pf_is_not_put_where_another_one_with_servers_plainly_is(one: Scene) -> None:
    blue, red = one.boot(on(one.blue)), one.boot(on(one.red))
    report(one, *another(BLUE))
    rekey_pf(
        one.svc, ADMIN, "h1", PciAddress.parse("0000:05:00.0"), PciAddress.parse("0000:09:00.0")
    )
    report(one, *another(BLUE), *card(9, of=RED))
    assert held(one)[red.server.id][0].startswith("0000:09:")
    assert held(one)[blue.server.id][0].startswith("0000:05:")
    (refused,) = list_events(one.svc, ADMIN, ListQuery(equals={"action": ("pf.rekey_refused",)}))
    assert refused.details["problem"] == (
        "what is at 0000:09:00.0 is the PF on record at 0000:82:00.0, which is in use"
    )


def test_a_pf_is_not_put_where_its_servers_would_not_find_their_vfs(one: Scene) -> None:
    one.boot(on(one.blue))
    pf, *vfs = card(9, vf_count=2)
    stranger = replace(pf, function=replace(pf.function, mac=another(13)[0].function.mac))
    there = (*another(BLUE), stranger, *vfs, *card(RED, of=RED))
    assert "with 2 VFs and not 4" in said(one, *there, at="0000:09:00.0")


def test_a_pf_is_not_put_on_another_physical_network_under_its_servers(one: Scene) -> None:
    view = one.boot(on(one.blue))
    there = [replace(each, tags={"physical_network": "phy2"}) for each in card(9)]
    problem = said(one, *there, *card(RED, of=RED), at="0000:09:00.0")
    assert "on physical network phy2 and not phy1" in problem
    assert held(one)[view.server.id][0].startswith("0000:05:")
