"""Who uses a VF, over a tree that is made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.sysfs_trees import Tree
from trunkline.domain.device import OPENED
from trunkline.host.linux import sysfs
from trunkline.host.linux.in_use import use_of

VF = "0000:05:10.0"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path / "sys")
    tree.add(VF, driver="igbvf", netdevs={"eth2v0": {"ifindex": "2"}})
    return tree


def use(tree: Tree, *, has_netdevs: bool = True, addresses: dict[str, str] | None = None) -> str:
    device = str(tree.root / "bus/pci/devices" / VF)
    return use_of(
        device,
        driver=sysfs.find_link_name(f"{device}/driver"),
        netdevs=sysfs.netdevs(device),
        has_netdevs=has_netdevs,
        addresses=addresses or {},
    )


def lose_netdev(tree: Tree) -> None:
    (tree.device(VF) / "net").rename(tree.root / "elsewhere")


def test_a_vf_on_its_own_driver_and_one_on_none_are_unused(tree: Tree) -> None:
    assert use(tree) == ""
    lose_netdev(tree)
    tree.bind(VF, None)
    assert use(tree) == ""


def test_a_vf_on_vfio_is_somebodys_while_it_is_open(tree: Tree) -> None:
    lose_netdev(tree)
    tree.bind(VF, "vfio-pci")
    enabled = tree.device(VF) / "enable"
    for times, is_somebodys in (("0", False), ("1", True), ("0", False)):
        enabled.write_text(f"{times}\n")
        assert (use(tree) == OPENED) is is_somebodys


def test_its_netdev_has_an_address(tree: Tree) -> None:
    assert use(tree, addresses={"eth9": "192.0.2.1"}) == ""
    assert use(tree, addresses={"eth2v0": "192.0.2.1"}) == "eth2v0 has the address 192.0.2.1"


@pytest.mark.parametrize("upper", ["macvtap0", "br0", "bond0"])
def test_something_is_on_top_of_its_netdev(tree: Tree, upper: str) -> None:
    link = tree.device(VF) / f"net/eth2v0/upper_{upper}"
    link.symlink_to(f"../../../../../virtual/net/{upper}")
    assert use(tree) == f"eth2v0 is below {upper}"


@pytest.mark.parametrize("driver", ["igbvf", "igb_uio"])
def test_its_driver_has_no_netdev_here(tree: Tree, driver: str) -> None:
    lose_netdev(tree)
    tree.bind(VF, driver)
    assert use(tree).startswith(f"{driver} has it without a netdev here")


def test_of_a_vf_that_is_no_ethernet_a_driver_needs_no_netdev(tree: Tree) -> None:
    lose_netdev(tree)
    assert use(tree, has_netdevs=False) == ""
