"""What is read from RTM_NEWLINK: recorded from igb, and made up for what igb does not show."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.host.linux.link_bytes import Vf, new_link, nla
from trunkline.domain.ether import MacAddress
from trunkline.domain.vf import LinkState, VfChange, VlanProtocol
from trunkline.host.linux.link_messages import parse_link, set_vf
from trunkline.host.linux.netlink import Malformed

RECORDED = bytes.fromhex(
    (Path(__file__).parent / "recordings/igb.getlink.hex").read_text().replace("\n", "")
)


def test_what_igb_was_recorded_to_tell() -> None:
    """Kernel 6.12, an emulated 82576 with 7 VFs, VF 0 changed by hand."""
    link = parse_link(memoryview(RECORDED))
    assert (link.ifname, link.parent, link.is_up, link.carrier) == (
        "eth-phy1", "0000:01:00.0", True, True,
    )  # fmt: skip
    assert link.permanent_mac == MacAddress.parse("52:54:00:aa:01:00")
    assert sorted(link.vfs) == [0, 1, 2, 3, 4, 5, 6]
    assert link.vfs[0].mac.is_zero
    assert (link.vfs[0].spoof_check, link.vfs[0].trust, link.vfs[0].max_tx_rate_mbps) == (
        False, True, 100,
    )  # fmt: skip
    assert (link.vfs[1].spoof_check, link.vfs[1].trust, link.vfs[1].max_tx_rate_mbps) == (
        True, False, 0,
    )  # fmt: skip
    assert link.vfs[1].mac == MacAddress.parse("4e:d0:b1:64:43:84")


def test_everything_of_a_link_is_read() -> None:
    vfs = [
        Vf(0),
        Vf(1, "02:00:00:00:00:0b", vlan=100, qos=3, spoof_check=1, trust=0, link_state=2,
           min_rate=5, max_rate=500),
    ]  # fmt: skip
    link = parse_link(memoryview(new_link(vfs)))
    assert (link.index, link.ifname, link.alt_ifnames) == (7, "eth0", ("enp5s0f0",))
    assert (link.is_up, link.carrier) == (True, True)
    assert link.parent == "0000:05:00.0"
    assert link.permanent_mac == MacAddress.parse("00:1b:21:00:00:01")
    vf = link.vfs[1]
    assert (str(vf.mac), vf.vlan_id, vf.vlan_qos) == ("02:00:00:00:00:0b", 100, 3)
    assert (vf.spoof_check, vf.trust, vf.link_state) == (True, False, LinkState.DISABLE)
    assert (vf.min_tx_rate_mbps, vf.max_tx_rate_mbps) == (5, 500)


def test_what_a_driver_does_not_report_is_none() -> None:
    vf = parse_link(memoryview(new_link([Vf(0)]))).vfs[0]
    assert (vf.spoof_check, vf.trust) == (None, None)


def test_a_vlan_of_another_protocol_is_told_apart() -> None:
    link = parse_link(memoryview(new_link([Vf(0, vlan=100, protocol=0x88A8), Vf(1, vlan=100)])))
    assert link.vfs[0].vlan_protocol is VlanProtocol.DOT1AD
    assert link.vfs[1].vlan_protocol is VlanProtocol.DOT1Q


@pytest.mark.parametrize(
    ("vlan", "ether_type", "protocol"),
    [
        (100, 0x9100, None),
        (0, 0, VlanProtocol.DOT1Q),  # So ice tells of a VF without a VLAN.
        (0, 0x88A8, VlanProtocol.DOT1Q),
    ],
)
def test_a_protocol_is_known_by_name_and_without_a_vlan_says_nothing(
    vlan: int, ether_type: int, protocol: VlanProtocol | None
) -> None:
    link = parse_link(memoryview(new_link([Vf(0, vlan=vlan, protocol=ether_type)])))
    assert link.vfs[0].vlan_protocol is protocol


def test_of_vlans_that_differ_the_protocol_is_not_known() -> None:
    info = nla(1, struct.pack("=IIIH", 0, 100, 0, 0x0081) + bytes(2))
    other = nla(1, struct.pack("=IIIH", 0, 200, 0, 0xA888) + bytes(2))
    whole = new_link([Vf(0, vlan=100)])
    at = whole.index(nla(12, info))
    assert whole[at:].startswith(nla(12, info))
    both = _with_longer_vlan_list(nla(12, info + other))
    assert parse_link(memoryview(both)).vfs[0].vlan_protocol is None


def _with_longer_vlan_list(vlan_list: bytes) -> bytes:
    number = bytes(4)
    parts = [
        nla(1, number + bytes(32)), nla(2, number + struct.pack("=II", 100, 0)),
        nla(6, bytes(12)), nla(5, bytes(8)), vlan_list,
    ]  # fmt: skip
    header = struct.pack("=BxHiII", 0, 1, 7, 0, 0) + nla(21, struct.pack("=I", 1))
    return header + nla(22, nla(1, b"".join(parts)))


def test_an_ordinary_vlan_is_written_as_such_and_one_of_802_1ad_in_a_list() -> None:
    ordinary = VfChange(vlan_id=100, vlan_qos=3)
    same = VfChange(vlan_id=100, vlan_qos=3, vlan_protocol=VlanProtocol.DOT1Q)
    plain = nla(2, struct.pack("=III", 5, 100, 3))
    assert set_vf(7, 5, ordinary) == set_vf(7, 5, same) == _set_link(7, plain)
    outer = VfChange(vlan_id=100, vlan_qos=3, vlan_protocol=VlanProtocol.DOT1AD)
    info = struct.pack("=III", 5, 100, 3) + b"\x88\xa8" + bytes(2)
    assert set_vf(7, 5, outer) == _set_link(7, nla(12, nla(1, info)))


def _set_link(index: int, setting: bytes) -> bytes:
    """RTM_SETLINK of one VF, by the headers: IFLA_VFINFO_LIST of one IFLA_VF_INFO."""
    return struct.pack("=BxHiII", 0, 0, index, 0, 0) + nla(22, nla(1, setting))


@pytest.mark.parametrize("with_statistics", [True, False])
@pytest.mark.parametrize("count", [1, 64, 216, 217, 222, 223, 255, 334, 335, 512, 1000])
def test_more_vfs_than_16_bits_of_length_can_say_are_all_read(
    count: int, with_statistics: bool
) -> None:
    """The list's length wraps from some 222 VFs on; what follows the list is read all the same."""
    vfs = [
        Vf(each, f"02:00:00:00:{each >> 8:02x}:{each & 255:02x}", vlan=each)
        for each in range(count)
    ]
    link = parse_link(memoryview(new_link(vfs, with_statistics=with_statistics)))
    assert {index: (str(vf.mac), vf.vlan_id) for index, vf in link.vfs.items()} == {
        vf.index: (vf.mac, vf.vlan) for vf in vfs
    }
    assert (link.parent, link.alt_ifnames) == ("0000:05:00.0", ("enp5s0f0",))


@pytest.mark.parametrize("present", [[], [0, 2], list(range(1, 300))])
def test_vfs_that_the_driver_leaves_out_are_left_out(present: list[int]) -> None:
    """rtnl_fill_vfinfo() passes over a VF whose ndo_get_vf_config() fails."""
    link = parse_link(memoryview(new_link([Vf(each) for each in present], count=300)))
    assert sorted(link.vfs) == present
    assert link.parent == "0000:05:00.0"


def test_a_list_that_does_not_add_up_is_malformed() -> None:
    payload = bytearray(new_link([Vf(0), Vf(1)]))
    at = bytes(payload).index(b"\x16\0", 60)  # The type of IFLA_VFINFO_LIST: 22.
    payload[at - 2] ^= 4
    with pytest.raises(Malformed, match="does not agree"):
        parse_link(memoryview(bytes(payload)))


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (nla(22, nla(1, nla(1, bytes(36)))), "IFLA_NUM_VF is missing"),
        (nla(21, b"\1\0\0\0") + nla(22, nla(1, nla(2, bytes(12)))), "IFLA_VF_MAC is missing"),
        (nla(21, b"\1\0\0\0") + nla(22, nla(1, nla(1, bytes(8)))), "IFLA_VF_MAC has 8 bytes"),
        (nla(21, b"\1\0"), None),
    ],
)
def test_what_is_missing_or_short_is_named(broken: bytes, said: str | None) -> None:
    payload = bytes(16) + broken
    if said is None:
        assert parse_link(memoryview(payload)).vfs == {}
        return
    with pytest.raises(Malformed, match=said):
        parse_link(memoryview(payload))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_link_or_malformed(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        parse_link(memoryview(data))


@given(st.data())
def test_a_recorded_link_with_bytes_changed_is_a_link_or_malformed(data: st.DataObject) -> None:
    payload = bytearray(RECORDED)
    for _ in range(data.draw(st.integers(1, 6))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(payload)))
    with contextlib.suppress(Malformed):
        parse_link(memoryview(bytes(payload[:cut])))
