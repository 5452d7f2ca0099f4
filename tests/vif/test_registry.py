"""VIF types found by entry point, and what is said when they don't fit."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from trunkline.domain.port import VnicType
from trunkline.vif.base import VIF_TYPE_GROUP
from trunkline.vif.builtin import DirectVf, MacvtapVf
from trunkline.vif.registry import (
    DEFAULT_VIF_TYPES,
    BrokenVifType,
    DuplicateVifType,
    UnknownVifType,
    VifRegistry,
    load_vif_types,
)


def an_entry_point(value: str, name: str = "acme") -> EntryPoint:
    return EntryPoint(name=name, value=value, group=VIF_TYPE_GROUP)


def test_those_that_come_with_trunkline_are_registered_by_entry_point() -> None:
    installed = load_vif_types()
    assert installed.names() >= {"hw_veb", "hostdev_physical", "bridge", "mlnx_direct"}
    for vnic_type, name in DEFAULT_VIF_TYPES.items():
        chosen = installed.choose(vnic_type)
        assert chosen.name == name
        assert vnic_type in chosen.vnic_types


def test_one_name_can_stand_for_several_vnic_types() -> None:
    registry = VifRegistry([DirectVf(), MacvtapVf()])
    assert isinstance(registry.get("hw_veb", VnicType.DIRECT), DirectVf)
    assert isinstance(registry.get("hw_veb", VnicType.MACVTAP), MacvtapVf)


def test_a_preferred_vif_type_is_chosen() -> None:
    chosen = load_vif_types().choose(VnicType.MACVTAP, {VnicType.MACVTAP: "mlnx_direct"})
    assert chosen.name == "mlnx_direct"


def test_an_unknown_vif_type_is_refused_with_those_there_are() -> None:
    registry = VifRegistry([DirectVf()])
    with pytest.raises(UnknownVifType, match=r"'ovs' for VNIC type 'direct'.*give: hw_veb"):
        registry.get("ovs", VnicType.DIRECT)
    with pytest.raises(UnknownVifType, match="'macvtap'"):
        registry.get("hw_veb", VnicType.MACVTAP)


def test_two_claims_to_one_name_are_refused_with_both_named() -> None:
    class Another(DirectVf):
        pass

    with pytest.raises(DuplicateVifType) as refused:
        VifRegistry([DirectVf(), Another()])
    assert "trunkline.vif.builtin.DirectVf" in str(refused.value)
    assert "Another" in str(refused.value)


def test_one_distribution_seen_twice_is_no_duplicate() -> None:
    entry = an_entry_point("trunkline.vif.builtin:DirectVf")
    assert load_vif_types([entry, entry]).names() == {"hw_veb"}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("no.such.module:Vif", "No module named 'no'"),
        ("trunkline.vif.builtin:NoSuchClass", "NoSuchClass"),
        ("collections:OrderedDict", "lacks a part of trunkline.vif.base.VifType"),
    ],
)
def test_a_broken_entry_point_is_named(value: str, problem: str) -> None:
    with pytest.raises(BrokenVifType, match=problem) as refused:
        load_vif_types([an_entry_point(value)])
    assert value in str(refused.value)
