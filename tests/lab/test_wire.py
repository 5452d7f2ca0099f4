"""What is captured outside the lab host has the VLAN and priority that its PF was told."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from lab.guest import cards
from lab.machine import LabHost
from lab.wire import Capture, Frame, NotACapture, WrongOnTheWire

MAC, PEER = "52:54:00:01:00:00", "52:54:00:bb:01:00"


def ethernet(source: str, *, vlan: int | None, priority: int = 0) -> bytes:
    macs = bytes.fromhex((PEER + source).replace(":", ""))
    tag = b"" if vlan is None else struct.pack("!HH", 0x8100, priority << 13 | vlan)
    return macs + tag + b"\x08\x00" + b"payload"


def pcap(path: Path, *frames: bytes) -> Capture:
    path.write_bytes(
        struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65536, 1)
        + b"".join(struct.pack("<IIII", 0, 0, len(f), len(f)) + f for f in frames)
    )
    return Capture(path)


def test_a_tag_is_read(tmp_path: Path) -> None:
    [frame] = pcap(tmp_path / "x", ethernet(MAC, vlan=120, priority=5)).frames()
    assert frame == Frame(MAC, PEER, 120, 5, 0x0800, b"payload")


@pytest.mark.parametrize(
    ("frames", "complaint"),
    [
        ([ethernet(MAC, vlan=None)], "untagged"),
        ([ethernet(MAC, vlan=121)], "VLAN 121"),
        ([ethernet(MAC, vlan=120, priority=1)], "priority 1"),
        ([ethernet(MAC, vlan=120), ethernet(MAC, vlan=None)], "untagged"),
        ([ethernet(PEER, vlan=120)], "no frame"),
        ([], "no frame"),
    ],
)
def test_a_frame_that_is_wrong_or_missing_is_told(
    tmp_path: Path, frames: list[bytes], complaint: str
) -> None:
    capture = pcap(tmp_path / "x", *frames)
    with pytest.raises(WrongOnTheWire, match=complaint):
        capture.check(MAC, vlan=120)


def test_a_mark_leaves_out_what_was_before(tmp_path: Path) -> None:
    capture = pcap(tmp_path / "x", ethernet(MAC, vlan=None))
    mark = capture.mark()
    with (tmp_path / "x").open("ab") as file:
        tagged = ethernet(MAC, vlan=120)
        file.write(struct.pack("<IIII", 0, 0, len(tagged), len(tagged)) + tagged)
        file.write(struct.pack("<IIII", 0, 0, 60, 60) + b"half of it")
    assert [frame.vlan for frame in capture.frames(mark)] == [120]
    capture.check(MAC, vlan=120, since=mark)


def test_what_is_no_capture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\x0a\x0d\x0d\x0a" * 10)
    with pytest.raises(NotACapture):
        Capture(tmp_path / "x").frames()


def test_a_vf_sends_with_the_tag_that_its_pf_was_told(lab_host_with_vfs: LabHost) -> None:
    call, capture = lab_host_with_vfs.channel.call, lab_host_with_vfs.capture("phy1")
    call(cards.set_vf, "pf1", 0, mac=MAC, vlan={"vlan": 120, "qos": 3})
    call(cards.use_vf, "pf1", 0, namespace="guest", address="198.51.100.1/24")
    call(cards.use_wire, "phy1", vlan=120, namespace="peer", address="198.51.100.2/24")
    mark = capture.mark()
    assert call(cards.answers, "guest", "198.51.100.2")
    capture.check(MAC, vlan=120, priority=3, since=mark)
    with pytest.raises(WrongOnTheWire, match="VLAN 120"):
        capture.check(MAC, vlan=121, priority=3, since=mark)

    call(cards.set_vf, "pf1", 0, vlan=130)
    mark = capture.mark()
    assert not call(cards.answers, "guest", "198.51.100.2")
    capture.check(MAC, vlan=130, since=mark)

    call(cards.set_vf, "pf1", 0, vlan=0)
    mark = capture.mark()
    assert not call(cards.answers, "guest", "198.51.100.2")
    with pytest.raises(WrongOnTheWire, match="untagged"):
        capture.check(MAC, vlan=130, since=mark)


def test_vfs_of_one_vlan_reach_each_other_and_those_of_two_do_not(
    lab_host_with_vfs: LabHost,
) -> None:
    call = lab_host_with_vfs.channel.call
    for vf_index, vlan in enumerate((100, 100, 200)):
        call(cards.set_vf, "pf1", vf_index, mac=f"52:54:00:01:00:0{vf_index}", vlan=vlan)
        address = f"198.51.100.1{vf_index}/24"
        call(cards.use_vf, "pf1", vf_index, namespace=f"guest{vf_index}", address=address)
    assert call(cards.answers, "guest0", "198.51.100.11")
    assert not call(cards.answers, "guest0", "198.51.100.12")
    call(cards.set_vf, "pf1", 2, vlan=100)
    assert call(cards.answers, "guest0", "198.51.100.12")
