"""Netlink's bytes, held against pyroute2's reading of them, and against any bytes at all."""

from __future__ import annotations

import contextlib
import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from trunkline.domain.ether import MacAddress
from trunkline.domain.vf import LinkState, VfChange
from trunkline.host.linux import link_messages, netlink
from trunkline.host.linux.netlink import Answer, Malformed, Message


def as_pyroute2_reads(payload: bytes) -> ifinfmsg:
    header = struct.pack("=IHHII", 16 + len(payload), link_messages.RTM_SETLINK, 0, 1, 0)
    decoded = ifinfmsg(header + payload)
    decoded.decode()
    return decoded


def test_a_change_is_built_as_pyroute2_reads_it() -> None:
    change = VfChange(
        mac=MacAddress.parse("02:00:00:00:00:0a"),
        vlan_id=100,
        vlan_qos=3,
        min_tx_rate_mbps=5,
        max_tx_rate_mbps=500,
        spoof_check=True,
        link_state=LinkState.DISABLE,
        trust=False,
    )
    decoded = as_pyroute2_reads(link_messages.set_vf(7, 2, change))
    assert decoded["index"] == 7
    info = decoded.get_attr("IFLA_VFINFO_LIST").get_attr("IFLA_VF_INFO")
    assert info.get_attr("IFLA_VF_MAC")["vf"] == 2
    assert info.get_attr("IFLA_VF_MAC")["mac"].startswith("02:00:00:00:00:0a")
    assert {key: info.get_attr("IFLA_VF_VLAN")[key] for key in ("vf", "vlan", "qos")} == {
        "vf": 2, "vlan": 100, "qos": 3,
    }  # fmt: skip
    rates = info.get_attr("IFLA_VF_RATE")
    assert (rates["vf"], rates["min_tx_rate"], rates["max_tx_rate"]) == (2, 5, 500)
    assert info.get_attr("IFLA_VF_SPOOFCHK")["spoofchk"] == 1
    assert info.get_attr("IFLA_VF_LINK_STATE")["link_state"] == 2
    assert info.get_attr("IFLA_VF_TRUST")["trust"] == 0


def test_a_change_carries_only_what_it_names() -> None:
    decoded = as_pyroute2_reads(link_messages.set_vf(7, 0, VfChange(trust=True)))
    info = decoded.get_attr("IFLA_VFINFO_LIST").get_attr("IFLA_VF_INFO")
    assert [name for name, _ in info["attrs"]] == ["IFLA_VF_TRUST"]


def test_a_name_is_looked_for_with_its_final_nul() -> None:
    decoded = as_pyroute2_reads(link_messages.get_link_by_name("eth0"))
    assert decoded.get_attr("IFLA_IFNAME") == "eth0"


def error(number: int, *, text: bytes | None = None, capped: bool = True) -> Message:
    """An NLMSG_ERROR as the kernel makes it, for a request of 40 bytes."""
    payload = struct.pack("=iIHHII", -number, 40, 19, 5, 1, 0) + (b"" if capped else bytes(24))
    flags = 0x100 if capped else 0
    if text is not None:
        flags |= 0x200
        payload += netlink.attribute(2, b"\1\0\0\0") + netlink.attribute(1, text + b"\0")
    return Message(netlink.NLMSG_ERROR, flags, 1, memoryview(payload))


@pytest.mark.parametrize("capped", [True, False])
def test_a_refusal_has_its_errno_and_what_the_driver_says(capped: bool) -> None:
    answer = netlink.parse_answer(error(errno.EINVAL, text=b"Rate too high", capped=capped))
    assert answer == Answer(errno.EINVAL, "Rate too high")
    assert netlink.parse_answer(error(errno.EPERM, capped=capped)) == Answer(errno.EPERM)
    assert netlink.parse_answer(error(0, capped=capped)) == Answer(0)


def test_several_messages_of_a_datagram_are_told_apart() -> None:
    datagram = netlink.message(16, 0, 1, b"abcde") + bytes(3) + netlink.message(2, 0, 1, b"")
    assert [(each.type, bytes(each.payload)) for each in netlink.messages(datagram)] == [
        (16, b"abcde"),
        (2, b""),
    ]


@given(st.binary(max_size=400))
def test_any_bytes_are_messages_or_malformed(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        for each in netlink.messages(data):
            assert len(each.payload) <= len(data)
            with contextlib.suppress(Malformed):
                netlink.parse_answer(each)


@given(st.binary(max_size=200), st.integers(0, 0x3FF))
def test_any_bytes_are_an_answer_or_malformed(data: bytes, flags: int) -> None:
    with contextlib.suppress(Malformed):
        answer = netlink.parse_answer(Message(2, flags, 1, memoryview(data)))
        assert answer.errno >= 0


@given(st.binary(max_size=200))
def test_any_bytes_are_attributes_or_malformed(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        for _, value in netlink.attributes(memoryview(data)):
            assert len(value) <= len(data)


@given(st.lists(st.tuples(st.integers(0, 0x3FFF), st.binary(max_size=20)), max_size=8))
def test_attributes_are_read_as_they_were_written(pairs: list[tuple[int, bytes]]) -> None:
    data = b"".join(netlink.attribute(*pair) for pair in pairs)
    assert [(type_, bytes(value)) for type_, value in netlink.attributes(memoryview(data))] == pairs
