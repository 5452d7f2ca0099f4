"""The helper takes away of bridges and cards what it has added, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.sysfs_trees import Tree
from tests.unit.host.helper_scene import MAC, PF, Reading, make_tree, permissions, refused, running
from trunkline.domain.bridge import BridgePort
from trunkline.domain.pci import PciAddress
from trunkline.host.privileged import requests
from trunkline.host.privileged.additions import found_again, read_additions
from trunkline.host.privileged.client import HelperClient
from trunkline.host.privileged.permissions import NotAllowed
from trunkline.reconcile.interfaces import NOTHING_OF_OURS
from trunkline.reconcile.observed import PfAddress, UplinkVlan


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return make_tree(tmp_path)


def test_of_an_uplink_that_goes_which_came_from_here_whoever_runs_now(tree: Tree) -> None:
    with running(tree) as (path, recorder):
        client = HelperClient(path)
        client.set_bridge_vlan("eth2", 100)
        client.set_bridge_vlan("eth2", 7)
    assert [each[:3] for each in recorder.done] == [
        ("set_bridge_vlan", "eth2", 100), ("set_bridge_vlan", "eth2", 7),
    ]  # fmt: skip
    with running(tree) as (path, recorder):
        client = HelperClient(path)
        client.set_bridge_vlan("eth2", 100, member=False)
        found = refused(lambda: client.set_bridge_vlan("eth2", 7, member=False))
        assert "VLAN 7 on eth2 (index 12) was not added by this helper" in str(found)
        assert (found.errno_name, found.transient) == (NOTHING_OF_OURS, False)
        for again in (
            lambda: client.set_bridge_vlan("eth2", 100, member=False),
            lambda: client.set_fdb_entry("eth2", MAC, present=False),
        ):
            assert refused(again).errno_name == NOTHING_OF_OURS
    assert recorder.done == [("set_bridge_vlan", "eth2", 100, False, False)]


def test_a_vlan_of_ours_that_lost_its_tag_may_get_it_back(tree: Tree) -> None:
    allowed = permissions(tree)
    kernel = allowed._kernel
    assert isinstance(kernel, Reading)
    request = requests.SetBridgeVlan(ifname="eth2", vlan_id=100)
    allowed.check(request)
    kernel.uplink = BridgePort(ifname="eth2", pvid=100, vlans={100: True}, is_uplink=True)
    allowed.check(request)


def test_a_netdev_of_the_same_name_is_another_uplink(tree: Tree) -> None:
    allowed = permissions(tree)
    allowed.check(requests.SetBridgeVlan(ifname="eth2", vlan_id=100))
    (tree.root / "class/net/eth2/ifindex").write_text("99\n")
    with pytest.raises(NotAllowed):
        allowed.check(requests.SetBridgeVlan(ifname="eth2", vlan_id=100, member=False))


def test_an_address_that_a_card_had_already_stays_with_it(tree: Tree) -> None:
    allowed = permissions(tree)
    kernel = allowed._kernel
    assert isinstance(kernel, Reading)
    kernel.addresses = frozenset({MAC})
    allowed.check(requests.SetFdbEntry(ifname="eth2", mac=MAC))
    with pytest.raises(NotAllowed):
        allowed.check(requests.SetFdbEntry(ifname="eth2", mac=MAC, present=False))


@pytest.mark.parametrize("content", ["", "{}", "[1]", "[" * 5000])
def test_of_notes_that_can_not_be_read_nothing_is_taken_away(tree: Tree, content: str) -> None:
    (tree.root.parent / "additions.json").write_text(content)
    with pytest.raises(NotAllowed):
        permissions(tree).check(requests.SetBridgeVlan(ifname="eth2", vlan_id=7, member=False))


def test_an_agent_whose_journal_is_lost_finds_again_what_was_added(tree: Tree) -> None:
    allowed = permissions(tree)
    for request in (
        requests.SetBridgeVlan(ifname="eth2", vlan_id=100),
        requests.SetBridgeVlan(ifname="eth2", vlan_id=7),  # It was there before.
        requests.SetFdbEntry(ifname="eth2", mac=MAC),
    ):
        allowed.check(request)
    file = tree.root.parent / "additions.json"
    assert file.stat().st_mode & 0o777 == 0o644
    functions = {each.address: each for each in allowed._kernel.functions().values()}
    assert set(found_again(read_additions(file), functions, tree.root)) == {
        UplinkVlan(bridge="br-phy1", ifname="eth2", vlan_id=100),
        PfAddress(pf=PciAddress.parse(PF), mac=MAC),
    }
    (tree.root / "class/net/eth2/ifindex").write_text("99\n")
    assert not set(found_again(read_additions(file), functions, tree.root))
