"""Loading the driver of a VF anew, in a directory like sysfs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.sysfs_trees import Tree
from trunkline.host.linux import udev
from trunkline.host.linux.vf_driver import WAIT_SECONDS, reload_vf_driver
from trunkline.reconcile.interfaces import HostRefused

PF, VF = "0000:05:00.0", "0000:05:10.0"


@dataclass
class Clock:
    """Time passes as it is waited for; `then` happens at some time, once."""

    then: Callable[[], None] = lambda: None
    at: float = 0.0
    now: float = 0.0

    def wait(self, seconds: float, concerns: Callable[[str], bool]) -> bool:
        assert concerns(VF)
        assert not concerns(PF)
        before, self.now = self.now, self.now + seconds
        if before < self.at <= self.now:
            self.then()
        return False


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path / "sys")
    tree.add(PF, driver="igb", netdevs={"eth2": {"ifindex": "1"}})
    tree.make_pf(PF)
    tree.add(VF, driver="igbvf", netdevs={"eth2v0": {"ifindex": "2"}})
    tree.make_vf(VF, of=PF, index=0)
    (tree.device(VF) / "driver/unbind").touch()
    probe(tree).touch()
    return tree


def probe(tree: Tree) -> Path:
    return tree.root / "bus/pci/drivers_probe"


def reload(
    tree: Tree, clock: Clock | None = None, is_named: Callable[[str], bool] = lambda _: True
) -> None:
    clock = clock or Clock()
    reload_vf_driver(
        str(tree.device(VF)),
        drivers_probe=str(probe(tree)),
        listen=lambda: nullcontext(clock),
        is_named=is_named,
        monotonic=lambda: clock.now,
    )


def test_a_vf_is_unbound_and_bound_to_what_the_kernel_finds(tree: Tree) -> None:
    reload(tree)
    assert (tree.device(VF) / "driver/unbind").read_text() == VF
    assert probe(tree).read_text() == VF


def test_a_vf_without_a_driver_is_bound(tree: Tree) -> None:
    (tree.device(VF) / "driver").unlink()
    reload(tree)
    assert probe(tree).read_text() == VF


def test_its_netdev_is_waited_for_until_udev_has_named_it(tree: Tree) -> None:
    net = tree.device(VF) / "net"
    (net / "eth2v0").rename(tree.root / "later")

    def come() -> None:
        (tree.root / "later").rename(net / "eth0")

    clock = Clock(then=come, at=1.0)
    reload(tree, clock, lambda netdev: netdev.endswith("/net/eth0") and clock.now >= 2)
    assert 2 <= clock.now < 2.1


def test_a_netdev_that_does_not_come_is_told_and_may_be_tried_again(tree: Tree) -> None:
    (tree.device(VF) / "net/eth2v0").rename(tree.root / "gone")
    clock = Clock()
    with pytest.raises(HostRefused, match=r"no netdev 15 s later; its driver is igbvf") as refused:
        reload(tree, clock)
    assert refused.value.transient
    assert WAIT_SECONDS <= clock.now < WAIT_SECONDS + 1


def test_a_vf_that_would_get_no_driver_back_keeps_the_one_it_has(tree: Tree) -> None:
    (tree.device(PF) / "sriov_drivers_autoprobe").write_text("0\n")
    with pytest.raises(HostRefused, match="sriov_drivers_autoprobe"):
        reload(tree)
    assert (tree.device(VF) / "driver/unbind").read_text() == ""


def test_a_vf_that_is_gone_is_enodev(tree: Tree) -> None:
    (tree.device(VF) / "driver/unbind").unlink()
    with pytest.raises(HostRefused) as refused:
        reload(tree)
    assert refused.value.errno_name == "ENOENT"


def test_udev_is_done_with_a_netdev_once_that_is_in_its_database(
    tree: Tree, tmp_path: Path
) -> None:
    netdev, run = str(tree.device(VF) / "net/eth2v0"), tmp_path / "udev"
    assert udev.is_done_with(netdev, run=str(run))  # None runs here.
    (run / "data").mkdir(parents=True)
    (run / "control").touch()
    assert not udev.is_done_with(netdev, run=str(run))
    (run / "data/n2").touch()
    assert udev.is_done_with(netdev, run=str(run))
    assert not udev.is_done_with(f"{netdev}-gone", run=str(run))
