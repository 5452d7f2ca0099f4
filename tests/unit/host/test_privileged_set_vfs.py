"""A VF that a server has may be set on, and brought back, though it is taken off the list."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.sysfs_trees import Tree
from tests.unit.host.helper_scene import (
    PF,
    SPECS,
    VF0,
    Reading,
    address,
    make_tree,
    permissions,
)
from trunkline.domain.vf import VfSettings
from trunkline.host.privileged import requests
from trunkline.host.privileged.permissions import NotAllowed, Permissions
from trunkline.reconcile.interfaces import HostRefused

EVERY_VF = SPECS[1:]
WITHOUT_VF0 = ({"address": VF0, "exclude": True}, *EVERY_VF)
SET_VF0 = requests.SetVf(pf=address(PF), vf_index=0, trust=True)
SET_VF1 = requests.SetVf(pf=address(PF), vf_index=1, trust=True)
WITH_TRUST = {0: VfSettings(trust=True), 1: VfSettings()}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return make_tree(tmp_path)


def started(
    tree: Tree, specs: tuple[dict[str, object], ...], vfs: dict[int, VfSettings]
) -> Permissions:
    """The helper's, with these device specs and with VFs that are so."""
    allowed = permissions(tree, device_specs=specs)
    assert isinstance(allowed._kernel, Reading)
    allowed._kernel.vfs = vfs
    return allowed


def test_a_vf_that_was_set_may_be_set_until_it_is_as_it_was(tree: Tree) -> None:
    before = {0: VfSettings(), 1: VfSettings()}
    started(tree, EVERY_VF, before).check(SET_VF0)
    for _ in range(2):
        now = started(tree, WITHOUT_VF0, WITH_TRUST)
        now.check(SET_VF0)
        now.check(requests.RenameNetdev(old="eth2v0", new="tl0123456789ab"))
        now.check(requests.ReloadVfDriver(vf=address(VF0)))
    now = started(tree, WITHOUT_VF0, before)
    with pytest.raises(NotAllowed, match=f"VF 0 of {PF} is not on offer"):
        now.check(SET_VF0)
    now = started(tree, WITHOUT_VF0, WITH_TRUST)
    with pytest.raises(NotAllowed):
        now.check(SET_VF0)


def test_a_vf_that_was_never_set_here_stays_off_the_list(tree: Tree) -> None:
    started(tree, EVERY_VF, WITH_TRUST).check(SET_VF1)
    now = started(tree, WITHOUT_VF0, WITH_TRUST)
    now.check(SET_VF1)
    with pytest.raises(NotAllowed):
        now.check(SET_VF0)


def test_what_it_was_before_the_first_write_is_what_counts(tree: Tree) -> None:
    untouched = {0: VfSettings(spoof_check=False), 1: VfSettings()}
    started(tree, EVERY_VF, untouched).check(SET_VF0)
    started(tree, EVERY_VF, WITH_TRUST).check(SET_VF0)
    started(tree, WITHOUT_VF0, WITH_TRUST).check(SET_VF0)
    now = started(tree, WITHOUT_VF0, untouched)
    with pytest.raises(NotAllowed):
        now.check(SET_VF0)


def test_one_whose_netdev_has_a_servers_name_is_not_back(tree: Tree) -> None:
    before = {0: VfSettings(), 1: VfSettings()}
    started(tree, EVERY_VF, before).check(SET_VF0)
    net = tree.device(VF0) / "net"
    (net / "eth2v0").rename(net / "tl0123456789ab")
    now = started(tree, WITHOUT_VF0, before)
    now.check(requests.RenameNetdev(old="tl0123456789ab", new="eth2v0"))


@pytest.mark.parametrize("how", ["by the helper", "by others", "by others at once"])
def test_vfs_that_are_made_anew_are_others(tree: Tree, how: str) -> None:
    allowed = started(tree, EVERY_VF, {0: VfSettings(), 1: VfSettings()})
    allowed.check(SET_VF0)
    if how == "by the helper":
        gone = requests.SetVfCount(pf=address(PF), count=0)
        allowed.check(gone)
        allowed.note_done(gone)
    else:
        tree.remove(VF0)
        held = tree.root / "held"  # So that the new link does not get the inode of the old one.
        held.symlink_to("nothing")
        if how == "by others":
            started(tree, WITHOUT_VF0, {}).check(SET_VF1)
        tree.add(VF0, driver="igbvf", netdevs={"eth2v0": {"ifindex": "2"}})
        tree.make_vf(VF0, of=PF, index=0)
    with pytest.raises(NotAllowed):
        started(tree, WITHOUT_VF0, WITH_TRUST).check(SET_VF0)


def test_a_record_that_can_not_be_read_allows_nothing(tree: Tree) -> None:
    started(tree, EVERY_VF, WITH_TRUST).check(SET_VF0)
    (tree.root.parent / "vfs.json").write_bytes(b"[{")
    with pytest.raises(NotAllowed):
        started(tree, WITHOUT_VF0, {0: VfSettings(vlan_id=7)}).check(SET_VF0)


def test_a_pf_that_can_not_be_read_holds_up_no_other(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    started(tree, EVERY_VF, WITH_TRUST).check(SET_VF0)
    now = started(tree, WITHOUT_VF0, WITH_TRUST)

    def refuse(*_: object) -> None:
        raise HostRefused("ip link show", "Input/output error", errno_name="EIO")

    monkeypatch.setattr(Reading, "vf_settings", refuse)
    now.check(requests.ReloadVfDriver(vf=address(VF0)))


def test_what_can_not_be_stored_is_forgotten_and_holds_up_nothing(tree: Tree) -> None:
    before = {0: VfSettings(), 1: VfSettings()}
    started(tree, EVERY_VF, before).check(SET_VF0)
    started(tree, EVERY_VF, before).check(SET_VF1)
    (tree.root.parent / "vfs.json.new").mkdir()
    now = started(tree, WITHOUT_VF0, {0: VfSettings(), 1: VfSettings(trust=True)})
    now.check(SET_VF1)
    with pytest.raises(NotAllowed):
        now.check(SET_VF0)
