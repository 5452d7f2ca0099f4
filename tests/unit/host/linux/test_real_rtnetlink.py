"""Requests to this machine's own rtnetlink, in network namespaces of their own.

`ip` and `bridge` make what is looked at, and look at what was made.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.netns import in_new_netns
from trunkline.domain.ether import MacAddress
from trunkline.host.linux.ethtool import firmware_version
from trunkline.host.linux.rtnetlink import KernelRtnetlink, read_link, read_link_by_name
from trunkline.host.linux.tap_queue import drop_waiting
from trunkline.host.privileged.direct import DirectWrites
from trunkline.reconcile.interfaces import HostRefused

pytestmark = pytest.mark.system  # iproute2, and leave to make network namespaces


def run(command: str) -> str:
    return subprocess.run(command.split(), check=True, capture_output=True, text=True).stdout


def links() -> dict[str, Any]:
    return {each["ifname"]: each for each in json.loads(run("ip -j -d link show"))}


def names() -> dict[str, tuple[bool, list[str]]]:
    return {
        ifname: ("UP" in link["flags"], link.get("altnames", []))
        for ifname, link in links().items()
    }


def errno_of(act: Callable[[], None]) -> str:
    with pytest.raises(HostRefused) as refused:
        act()
    return refused.value.errno_name


def test_a_link_is_read_by_index_and_by_name() -> None:
    def act() -> None:
        run("ip link add tl0 address 02:00:00:00:00:0a up type veth peer name tl1")
        run("ip link property add dev tl0 altname another-name")
        link = read_link_by_name(KernelRtnetlink(), "tl0")
        assert (link.ifname, link.alt_ifnames, link.is_up) == ("tl0", ("another-name",), True)
        assert link.index == links()["tl0"]["ifindex"]
        assert read_link(KernelRtnetlink(), link.index).ifname == "tl0"
        assert read_link_by_name(KernelRtnetlink(), "another-name").ifname == "tl0"
        assert link.parent is None

    in_new_netns(act)


def test_what_is_not_there_is_enodev() -> None:
    def act() -> None:
        with pytest.raises(OSError) as refused:
            read_link(KernelRtnetlink(), 4711)
        assert refused.value.errno == errno.ENODEV
        with pytest.raises(OSError) as refused:
            read_link_by_name(KernelRtnetlink(), "nothing")
        assert refused.value.errno == errno.ENODEV

    in_new_netns(act)


def test_a_driver_is_asked_for_its_firmware() -> None:
    def act() -> None:
        run("ip link add tl0 type veth peer name tl1")
        assert firmware_version("tl0") is None  # It has none, and says so.
        assert firmware_version("lo") is None  # It can't be asked.
        with pytest.raises(OSError) as refused:
            firmware_version("nothing")
        assert refused.value.errno == errno.ENODEV

    in_new_netns(act)


@pytest.mark.parametrize("up", [True, False])
def test_a_netdev_is_renamed_and_is_as_up_as_before(up: bool) -> None:
    def act() -> None:
        run(f"ip link add tl0 {'up' if up else ''} type veth peer name tl1")
        DirectWrites().rename_netdev("tl0", "tl0123456789ab")
        assert ("UP" in links()["tl0123456789ab"]["flags"]) == up
        assert "tl0" not in links()

    in_new_netns(act)


def test_a_name_that_is_taken_is_refused_and_changes_nothing() -> None:
    def act() -> None:
        run("ip link add tl0 up type veth peer name tl1")
        run("ip link property add dev tl1 altname taken")
        before = names()
        writes = DirectWrites()
        assert errno_of(lambda: writes.rename_netdev("tl0", "tl1")) == "EEXIST"
        assert errno_of(lambda: writes.rename_netdev("tl0", "taken")) == "EEXIST"
        assert errno_of(lambda: writes.rename_netdev("tl2", "tl3")) == "ENODEV"
        assert errno_of(lambda: writes.rename_netdev("taken", "tl3")) == "ENODEV"
        for bad in ("sixteen-bytes-xx", "", ".", "..", "a/b", "a b", "a:b", "tl%d", "tl\0x"):
            assert errno_of(lambda bad=bad: writes.rename_netdev("tl0", bad)) == "EINVAL"  # type: ignore[misc]  # mypy can't infer lambdas with defaults
        assert names() == before

    in_new_netns(act)


def test_a_netdev_takes_an_alternative_name_of_its_own_as_its_name() -> None:
    def act() -> None:
        run("ip link add tl0 up type veth peer name tl1")
        run("ip link property add dev tl0 altname mine")
        DirectWrites().rename_netdev("tl0", "mine")
        assert "altnames" not in links()["mine"]

    in_new_netns(act)


def test_the_name_it_has_already_is_nothing_to_do() -> None:
    def act() -> None:
        run("ip link add tl0 type veth peer name tl1")
        DirectWrites().rename_netdev("tl0", "tl0")

    in_new_netns(act)


def test_addresses_are_added_to_a_netdevs_own_table_and_removed() -> None:
    mac = MacAddress.parse("02:00:00:00:00:0c")

    def known() -> list[str]:
        shown = json.loads(run("bridge -j fdb show dev tl0"))
        return [each["mac"] for each in shown if "self" in each["flags"]]

    def act() -> None:
        run("ip link add tl1 type veth peer name tl2")
        run("ip link add tl0 link tl1 type macvlan mode passthru nopromisc")
        writes = DirectWrites()
        writes.set_fdb_entry("tl0", mac)
        assert str(mac) in known()
        writes.set_fdb_entry("tl0", mac, present=False)
        assert str(mac) not in known()

    in_new_netns(act)


TAP = "tl0123456789ab"
FRAME = b"\xff" * 6 + bytes.fromhex("020000000001") + b"\x08\x00" + b"for somebody else" * 4


@contextlib.contextmanager
def a_tap() -> Iterator[tuple[int, socket.socket]]:
    """A tap that is up: what reads from it as QEMU does, and what sends to its guest."""
    guest = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        # Source: Linux include/uapi/linux/if_tun.h, TUNSETIFF, IFF_TAP | IFF_NO_PI.
        fcntl.ioctl(guest, 0x400454CA, struct.pack("16sH", TAP.encode(), 0x1002))
        run(f"ip link set {TAP} up")
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as network:
            network.bind((TAP, 0))
            yield guest, network
    finally:
        os.close(guest)


def received(guest: int) -> int:
    """How many frames of ours wait for the guest; they are read."""
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            count += os.read(guest, 2000) == FRAME
    return count


def test_what_waits_in_a_tap_is_thrown_away_and_what_comes_later_is_not() -> None:
    def act() -> None:
        with a_tap() as (guest, network):
            for _ in range(3):
                network.send(FRAME)
            assert received(guest) == 3, "they wait"
            for _ in range(3):
                network.send(FRAME)
            drop_waiting(KernelRtnetlink(), links()[TAP]["ifindex"])
            assert received(guest) == 0
            network.send(FRAME)
            assert received(guest) == 1
            assert links()[TAP]["txqlen"] == 1000

    in_new_netns(act)


def test_a_tap_that_was_left_without_a_queue_gets_one_again() -> None:
    def act() -> None:
        with a_tap() as (guest, network):
            run(f"ip link set {TAP} txqueuelen 0")
            drop_waiting(KernelRtnetlink(), links()[TAP]["ifindex"])
            network.send(FRAME)
            assert received(guest) == 1

    in_new_netns(act)


def test_a_netdev_that_is_no_tap_keeps_its_queue() -> None:
    def act() -> None:
        run("ip link add tl0 txqueuelen 77 type veth peer name tl1")
        drop_waiting(KernelRtnetlink(), links()["tl0"]["ifindex"])
        assert links()["tl0"]["txqlen"] == 77

    in_new_netns(act)
