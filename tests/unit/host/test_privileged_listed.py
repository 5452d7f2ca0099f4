"""What the helper lets callers touch where its configuration leaves something to be found."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from tests.reconcile.scenes import IGB, MLX, functions
from tests.unit.host.helper_scene import OTHER_PF, PF, address, make_tree, permissions
from trunkline.domain.device_spec_parsing import parse_device_specs
from trunkline.domain.ids import PhysicalNetwork
from trunkline.domain.pci import PciAddress
from trunkline.host.privileged import requests
from trunkline.host.privileged.listed import Listed
from trunkline.host.privileged.permissions import NotAllowed

ETH2: dict[str, object] = {"address": "auto", "ifname": "eth2", "physical_network": "phy1"}
NAMED: dict[str, object] = {"address": OTHER_PF, "physical_network": "phy2"}


def test_a_pf_that_is_not_found_just_now_holds_up_no_other(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    net = tree.device(PF) / "net"
    (net / "eth2").rename(tmp_path / "eth2")  # As while a guest has the PF.
    allowed = permissions(tree, device_specs=(ETH2, NAMED))
    allowed.check(requests.SetVfCount(pf=address(OTHER_PF), count=4))
    with pytest.raises(NotAllowed):
        allowed.check(requests.SetVfCount(pf=address(PF), count=4))
    (tmp_path / "eth2").rename(net / "eth2")
    allowed.check(requests.SetVfCount(pf=address(PF), count=4))


def test_a_bridge_is_looked_up_until_it_is_found() -> None:
    uplinks: dict[str, Collection[PciAddress]] = {"br-one": [], "br-two": [MLX]}
    phy1, phy2 = PhysicalNetwork("phy1"), PhysicalNetwork("phy2")
    specs = parse_device_specs([ETH2], allow_auto=True)
    listed = Listed(specs, {phy1: "auto", phy2: "br-two"}, uplinks=lambda: uplinks)
    listed.offered(functions())
    assert listed.bridges == {"br-two"}, "what is not found is nobody's, and no bridge auto is"
    uplinks["br-one"] = [IGB]
    listed.offered(functions())
    assert listed.bridges == {"br-one", "br-two"}
    uplinks["br-one"] = []
    listed.offered(functions())
    assert listed.bridges == {"br-one", "br-two"}
