"""What the lab's card was recorded to say is read as what was done to it."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tests.support.lab_recordings import RECORDINGS, datagrams
from tests.support.sysfs_trees import replay
from trunkline.domain.device import DeviceKind
from trunkline.domain.pci import PciAddress
from trunkline.host.linux.inventory import Inventory, NetdevFacts
from trunkline.host.linux.link_messages import VfReading, parse_link
from trunkline.host.linux.netlink import messages, parse_answer
from trunkline.host.linux.uevents import parse_uevent

STATES = ("booted", "vfs", "programmed", "unplugged")
PF = PciAddress.parse("0000:01:00.0")


def vfs(state: str) -> dict[int, VfReading]:
    [payload] = datagrams(f"{state}.getlink")
    return dict(parse_link(memoryview(payload)).vfs)


def shown(vf: VfReading) -> tuple[object, ...]:
    return (
        str(vf.mac), vf.vlan_id, vf.vlan_qos, vf.spoof_check, vf.trust, vf.max_tx_rate_mbps,
    )  # fmt: skip


UNTOUCHED = ("00:00:00:00:00:00", 0, 0, True, False, 0)


def test_vfs_that_nobody_has_touched_are_read_as_such() -> None:
    assert vfs("booted") == {}
    assert [shown(vf) for vf in vfs("vfs").values()] == [UNTOUCHED] * 7


@pytest.mark.parametrize("state", ["programmed", "unplugged"])
def test_what_was_set_is_read_and_of_each_vf_its_own(state: str) -> None:
    found = vfs(state)
    assert shown(found[0]) == ("52:54:00:01:00:00", 100, 3, True, False, 0)
    assert shown(found[1])[1:] == (0, 0, False, True, 0)
    assert shown(found[2]) == ("00:00:00:00:00:00", 0, 0, True, False, 100)
    assert [shown(found[index]) for index in (3, 4, 5, 6)] == [UNTOUCHED] * 4


@pytest.mark.parametrize(("state", "count"), [*zip(STATES, (0, 7, 7, 7), strict=True)])
def test_the_inventory_of_each_state_is_read(tmp_path: Path, state: str, count: int) -> None:
    root = replay((RECORDINGS / f"{state}.sysfs").read_text(), tmp_path)
    reading = Inventory(root, netdev_facts=lambda *_: NetdevFacts(), serial=lambda _: None)
    read = reading.read()
    of_card = [each for address, each in read.items() if address.bus == PF.bus]
    assert [each.kind for each in of_card].count(DeviceKind.VF) == count
    assert read[PF].link_up is (state != "unplugged")


@pytest.mark.parametrize(("what", "carrier"), [("pulled", False), ("plugged", True)])
def test_a_cable_that_is_pulled_or_plugged_is_told(what: str, carrier: bool) -> None:
    told = [
        parse_link(message.payload)
        for datagram in datagrams(f"cable-{what}.newlink")
        for message in messages(datagram)
    ]
    assert [link.carrier for link in told if link.ifname == "pf1"][-1] is carrier


@pytest.mark.parametrize(
    ("what", "number"),
    [
        ("vlan-4096", errno.EINVAL),
        ("vf-out-of-range", errno.EINVAL),
        ("min-rate", errno.EINVAL),
        ("link-state", errno.EOPNOTSUPP),
    ],
)
def test_a_refusal_is_read(what: str, number: int) -> None:
    [datagram] = datagrams(f"refused-{what}.answer")
    [message] = messages(datagram)
    assert parse_answer(message).errno == number


def test_a_vf_that_comes_and_goes_is_told() -> None:
    events = [parse_uevent(datagram) for datagram in datagrams("vf-created.uevents")]
    of_vf = [
        (event.action, event.subsystem)
        for event in events
        if event is not None and "0000:01:10.0" in event.device
    ]
    kept = [(what, kind) for what, kind in of_vf if kind in ("pci", "net") and what != "change"]
    assert kept == [
        ("add", "pci"),
        ("add", "net"),
        ("bind", "pci"),
        ("remove", "net"),
        ("unbind", "pci"),
        ("remove", "pci"),
    ]
