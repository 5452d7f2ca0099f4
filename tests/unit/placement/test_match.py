"""Demands by PCI flavor: attributes by expression, devices on no network, kinds that may differ."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.placement.builders import (
    a_fleet,
    a_host,
    a_nic,
    a_pf,
    a_request,
    device_ids,
    only_refusal,
    placed,
    refused,
    vfs,
)
from trunkline.domain.device import DeviceKind, DeviceRef
from trunkline.domain.device_pool import PoolMember
from trunkline.domain.ids import DeviceId
from trunkline.domain.pci_flavor import Alternative, Condition, How
from trunkline.placement.asks.request import NicDemand, Reason

MODEL_X5: Alternative = (Condition("e.model", How.GLOB, ("x5*",)),)
RACK_A_OR_B: Alternative = (Condition("e.rack", How.EXACT, ("a", "b")),)


def a_gpu(name: str, model: str, *, free: bool = True) -> PoolMember:
    attributes = {"vendor_id": "10de", "e.model": model}
    return PoolMember(
        ref=DeviceRef(DeviceId(name)), kind=DeviceKind.PLAIN, address=name,
        attributes=attributes, taken=not free,
    )  # fmt: skip


def an_accelerator(name: str, *alternatives: Alternative, vf_too: bool = False) -> NicDemand:
    or_kinds = frozenset({DeviceKind.VF} if vf_too else ())
    return NicDemand(
        nic=name, kind=DeviceKind.PLAIN, options=(), match=alternatives, or_kinds=or_kinds
    )


def test_a_nic_gets_a_device_that_its_network_and_its_flavor_both_allow() -> None:
    host = a_host(
        "h1",
        vfs("plain", 1),
        vfs("elsewhere", 1, "phy2", model="x520"),
        vfs("right", 1, model="x520"),
    )
    nic = replace(a_nic("n", "phy1"), match=(MODEL_X5,))
    assert device_ids(placed(a_request(nic), a_fleet(host))) == ["right.0"]


def test_any_alternative_will_do_and_all_of_its_conditions_must() -> None:
    either = replace(a_nic("n", "phy1"), match=(MODEL_X5, RACK_A_OR_B))
    both = replace(a_nic("n", "phy1"), match=((*MODEL_X5, *RACK_A_OR_B),))
    fleet = a_fleet(a_host("h1", vfs("p", 1, rack="b")))
    assert device_ids(placed(a_request(either), fleet)) == ["p.0"]
    assert refused(a_request(both), fleet)


def test_nics_of_unlike_flavors_are_chosen_for_together_in_any_order() -> None:
    """A flavor that any device meets must not take the only one of a picky one's."""
    picky = replace(a_nic("picky", "phy1"), match=(MODEL_X5,))
    easy = replace(a_nic("easy", "phy1"), match=((*RACK_A_OR_B,),))
    fleet = a_fleet(a_host("h1", vfs("p", 1, rack="a", model="x5"), vfs("q", 1, rack="a")))
    assert device_ids(placed(a_request(picky, easy), fleet)) == ["p.0", "q.0"]
    assert device_ids(placed(a_request(easy, picky), fleet)) == ["q.0", "p.0"]


def test_a_tag_that_a_flavor_asks_for_is_not_given_in_vain() -> None:
    nic = replace(a_nic("n", "phy1"), match=(MODEL_X5,))
    fleet = a_fleet(a_host("h1", vfs("p", 1, model="x5", rack="a"), vfs("q", 1, model="x5")))
    assert device_ids(placed(a_request(nic), fleet)) == ["q.0"]


def test_a_device_on_no_network_is_had_beside_nics() -> None:
    fleet = a_fleet(a_host("h1", vfs("p", 2), a_gpu("gpu0", "a100"), a_gpu("gpu1", "x500")))
    answer = placed(a_request(a_nic("n", "phy1"), an_accelerator("g", MODEL_X5)), fleet)
    assert device_ids(answer) == ["p.0", "gpu1"]
    assert [choice.segment_id for choice in answer.choices] == ["on phy1", None]


def test_a_demand_of_two_kinds_takes_either_and_never_a_whole_pf() -> None:
    host = a_host("h1", a_pf("p", model="x5"), vfs("p", 1, model="x5"), a_gpu("gpu0", "x5"))
    wanted = [an_accelerator(f"d{n}", MODEL_X5, vf_too=True) for n in range(3)]
    fleet = a_fleet(host)
    assert sorted(map(str, device_ids(placed(a_request(*wanted[:2]), fleet)))) == ["gpu0", "p.0"]
    assert refused(a_request(*wanted), fleet)


def test_a_refusal_tells_the_flavors_conditions() -> None:
    host = a_host("h1", vfs("p", 2, rack="c"), a_gpu("gpu0", "x5", free=False))
    nic = replace(a_nic("n", "phy1"), match=(RACK_A_OR_B, MODEL_X5))
    refusal = only_refusal(a_request(nic, an_accelerator("g", MODEL_X5)), host)
    assert [(each.reason, each.detail) for each in refusal.nics] == [
        (
            Reason.NO_MATCHING_DEVICE,
            "2 VFs with e.physical_network=phy1, none of them with e.rack=a|b or e.model~x5* too",
        ),
        (Reason.NO_FREE_DEVICE, "e.model~x5*: 1 PCI function, 0 free"),
    ]
    told = refused(a_request(an_accelerator("g", MODEL_X5)), a_fleet(host)).explanation
    assert told.smallest_change == "one more free PCI function with e.model~x5* on h1 (for g)"
