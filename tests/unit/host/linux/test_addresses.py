"""IP addresses of netdevs: this machine's own kernel tells them, and tells when they change."""

from __future__ import annotations

import errno
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.netns import in_new_netns
from tests.support.sysfs_trees import Tree
from trunkline.domain.pci import PciAddress
from trunkline.host.linux.addresses import addresses_by_netdev, parse_address
from trunkline.host.linux.netlink import Malformed
from trunkline.host.linux.rtnetlink import KernelRtnetlink
from trunkline.host.linux.watch import LinuxWatch
from trunkline.reconcile.interfaces import HostNews

PF = PciAddress.parse("0000:05:00.0")


def run(command: str) -> None:
    subprocess.run(command.split(), check=True)


@pytest.mark.system
def test_addresses_are_told_by_netdev_and_those_of_the_link_are_not() -> None:
    def act() -> None:
        run("ip link set lo up")
        run("ip link add tl0 up type veth peer name tl1")
        run("ip address add 192.0.2.1/24 dev tl1")
        run("ip address add 2001:db8::1/64 dev tl0 nodad")
        run("ip address add fe80::5/64 dev tl0 nodad")
        assert addresses_by_netdev(KernelRtnetlink()) == {
            "tl0": "2001:db8::1", "tl1": "192.0.2.1",
        }  # fmt: skip

    in_new_netns(act)


@pytest.mark.system
def test_the_kernel_is_asked_once_however_many_netdevs_have_addresses() -> None:
    def act() -> None:
        run("ip link set lo up")
        for number in range(3):
            run(f"ip link add tl{number} type veth peer name tm{number}")
            run(f"ip address add 192.0.2.{number + 1}/24 dev tl{number}")
        rtnetlink = Counting()
        assert set(addresses_by_netdev(rtnetlink)) == {"tl0", "tl1", "tl2"}
        assert rtnetlink.times == 1

    in_new_netns(act)


@dataclass
class Counting(KernelRtnetlink):
    """Counts what this machine's kernel is asked."""

    times: int = 0

    def exchange(self, type_: int, payload: bytes, *, flags: int = 0) -> list[memoryview]:
        self.times += 1
        return super().exchange(type_, payload, flags=flags)


@pytest.mark.system
def test_an_address_that_comes_is_news_of_its_function(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    tree.add(str(PF))
    (tree.root / "class/net/tl0").mkdir(parents=True)
    (tree.root / "class/net/tl0/device").symlink_to(f"../../../bus/pci/devices/{PF}")

    def act() -> None:
        run("ip link add tl0 type veth peer name tl1")
        with (
            LinuxWatch(on_news=lambda: None, sysfs_root=tree.root) as watch,
            socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as told,
        ):
            told.bind((0, 0x10))  # RTMGRP_IPV4_IFADDR
            told.settimeout(30)
            run("ip address add 192.0.2.1/24 dev tl0")
            assert watch._from_links(told.recv(1 << 16)) == HostNews(pfs=frozenset({PF}))
            run("ip address add 192.0.2.1/24 dev tl1")
            assert watch._from_links(told.recv(1 << 16)).is_empty

    in_new_netns(act)


@dataclass
class Interrupted:
    """Tells of addresses that change meanwhile, so many times."""

    times: int

    def exchange(self, type_: int, payload: bytes, *, flags: int = 0) -> list[memoryview]:
        self.times -= 1
        if self.times >= 0:
            raise OSError(errno.EAGAIN, "what rtnetlink told of changed meanwhile")
        return []


def test_what_changes_while_it_is_told_is_asked_for_again_and_not_for_ever() -> None:
    assert addresses_by_netdev(Interrupted(3)) == {}
    with pytest.raises(OSError, match="changed meanwhile"):
        addresses_by_netdev(Interrupted(1000))


@given(st.binary(max_size=64))
def test_any_bytes_are_an_address_or_none(data: bytes) -> None:
    try:
        parse_address(memoryview(data))
    except Malformed:
        return
