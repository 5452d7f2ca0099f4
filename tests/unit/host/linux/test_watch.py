"""LinuxWatch on this machine's own kernel: real events of netdevs, and what they are about."""

from __future__ import annotations

import errno
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from tests.support.netns import in_new_netns
from tests.support.sysfs_trees import Tree
from tests.support.waiting import wait_until
from tests.unit.host.linux.devlink_bytes import reporter
from tests.unit.host.linux.link_bytes import new_link
from trunkline.domain.pci import PciAddress
from trunkline.host.linux import netlink
from trunkline.host.linux.card_faults import CardFaults
from trunkline.host.linux.devlink_messages import Family, parse_event
from trunkline.host.linux.health import HealthChannel
from trunkline.host.linux.link_messages import RTM_NEWLINK
from trunkline.host.linux.uevents import Uevent
from trunkline.host.linux.watch import LinuxWatch
from trunkline.reconcile.interfaces import HostNews

PF, VF = PciAddress.parse("0000:05:00.0"), PciAddress.parse("0000:05:10.0")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path)
    tree.add(str(PF))
    tree.make_pf(str(PF))
    tree.add(str(VF))
    tree.make_vf(str(VF), of=str(PF), index=0)
    return tree


def said(tree: Tree, tell: Callable[[LinuxWatch], HostNews]) -> HostNews:
    with LinuxWatch(on_news=lambda: None, sysfs_root=tree.root) as watch:
        return tell(watch)


def event(action: str, subsystem: str, device: str) -> Uevent:
    return Uevent(action, subsystem, f"/devices/pci0000:00/0000:00:10.0/{device}")


@pytest.mark.parametrize("parent", [PF, VF])
def test_a_link_on_a_pf_or_on_a_vf_of_it_is_news_of_the_pf(tree: Tree, parent: PciAddress) -> None:
    message = netlink.message(RTM_NEWLINK, 0, 0, new_link(parent=str(parent)))
    assert said(tree, lambda watch: watch._from_links(message)) == HostNews(pfs=frozenset({PF}))


@pytest.mark.parametrize(
    ("told", "news"),
    [
        (event("add", "pci", str(VF)), HostNews(everything=True)),
        (event("remove", "pci", str(VF)), HostNews(everything=True)),
        (event("bind", "pci", str(VF)), HostNews(pfs=frozenset({PF}))),
        (event("unbind", "pci", str(PF)), HostNews(pfs=frozenset({PF}))),
        (event("move", "net", f"{VF}/net/eth5"), HostNews(pfs=frozenset({PF}))),
        (event("add", "block", f"{VF}/virtio0/block/vda"), HostNews()),
        (Uevent("add", "net", "/devices/virtual/net/tap0"), HostNews()),
    ],
)
def test_events_of_devices_say_where_to_look(tree: Tree, told: Uevent, news: HostNews) -> None:
    assert said(tree, lambda watch: watch._from_uevent(told)) == news


def test_a_link_message_that_can_not_be_read_means_that_all_is_to_be_read(tree: Tree) -> None:
    message = netlink.message(RTM_NEWLINK, 0, 0, b"short")
    assert said(tree, lambda watch: watch._from_links(message)).everything


@pytest.mark.system
def test_events_that_the_kernel_had_no_room_for_mean_that_all_is_to_be_read(tree: Tree) -> None:
    def act() -> None:
        with (
            LinuxWatch(on_news=lambda: None, sysfs_root=tree.root) as watch,
            socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as unread,
        ):
            unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            unread.bind((0, 1))
            unread.setblocking(False)
            for number in range(10):
                run(f"ip link add tl{number} type veth")
            assert watch._take_links(unread).everything
            assert watch._take_links(unread).is_empty

    in_new_netns(act)


@pytest.mark.system
@pytest.mark.parametrize(
    "change", ["ip link set br0 type bridge forward_delay 500", "ip link del br0"]
)
def test_what_is_done_to_a_bridge_itself_is_news_of_bridges(tree: Tree, change: str) -> None:
    def act() -> None:
        run("ip link add br0 up type bridge")
        with (
            LinuxWatch(on_news=lambda: None, sysfs_root=tree.root) as watch,
            socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as links,
        ):
            links.bind((0, 1))
            links.settimeout(30)
            run(change)
            assert watch._from_links(links.recv(1 << 16)).bridges

    in_new_netns(act)


def test_what_ends_its_listening_is_told_and_it_listens_again(tree: Tree) -> None:
    told, mended = threading.Event(), threading.Event()

    class Failing(LinuxWatch):
        failures = 0

        def _listen(self, *args: Any, **limits: Any) -> bool:
            if not mended.is_set():
                self.failures += 1
                raise LookupError("a mistake of ours")
            return super()._listen(*args, **limits)

    with (
        capture_logs() as logged,
        Failing(on_news=told.set, sysfs_root=tree.root, pause_seconds=0.01) as watch,
    ):
        wait_until(lambda: "a mistake of ours" in watch.problem, "it is told")
        assert told.wait(30), "what happened meanwhile was heard by nobody"
        wait_until(lambda: watch.failures > 2, "it goes on")
        assert len(logged) == 1, "it is the same problem"
        assert watch.take().everything
        mended.set()
        wait_until(lambda: watch.problem == "", "it hears again")
        assert watch._thread.is_alive()


class NoRoom:
    """A socket that the kernel had no room on, once."""

    def __init__(self) -> None:
        self._problems = [OSError(errno.ENOBUFS, "no room"), BlockingIOError()]

    def recvfrom(self, *_: int) -> None:
        raise self._problems.pop(0)


def test_lost_events_of_functions_take_nothing_from_what_devlink_told(tree: Tree) -> None:
    faults = CardFaults(tree.root)
    told = parse_event(memoryview(reporter("pci", str(PF), "fw", state=1)))
    assert told is not None
    faults.note_health(told)
    with LinuxWatch(on_news=lambda: None, sysfs_root=tree.root, faults=faults) as watch:
        assert watch._take_uevents(cast("socket.socket", NoRoom())).everything
    assert "reporter fw told" in faults.of(PF)


def test_devlink_is_asked_for_all_at_times(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it does not tell of by itself, such as reporters that went with a reload."""
    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    channel = HealthChannel(ours, Family(31, 14))
    monkeypatch.setattr("trunkline.host.linux.watch.open_health", lambda: channel)
    with ours, kernel:
        kernel.settimeout(30)
        ours.setblocking(False)
        with LinuxWatch(on_news=lambda: None, sysfs_root=tree.root, health_seconds=0.01):
            assert kernel.recv(4096) != kernel.recv(4096)


def test_devlink_that_can_not_be_asked_is_told_and_tried_again(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [OSError(errno.ENOMEM, "no memory"), TimeoutError("no answer")]
    was_seen = threading.Event()

    def refused() -> None:
        if len(answers) == 1:
            assert was_seen.wait(30)
        if answers:
            raise answers.pop(0)

    monkeypatch.setattr("trunkline.host.linux.watch.open_health", refused)
    with LinuxWatch(on_news=lambda: None, sysfs_root=tree.root, pause_seconds=0.01) as watch:
        assert "no memory" in watch.problem
        was_seen.set()
        wait_until(lambda: watch.problem == "", "it hears")
        assert watch.take().everything
    assert answers == []


def run(command: str) -> None:
    subprocess.run(command.split(), check=True)
