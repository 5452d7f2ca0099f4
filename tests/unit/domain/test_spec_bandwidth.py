"""What specs say that PFs can guarantee."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.domain.test_device_spec import FUNCTIONS, IXGBE
from trunkline.domain.bandwidth import Bandwidth
from trunkline.domain.device_spec import Offering, contradictions, offered
from trunkline.domain.device_spec_parsing import InvalidDeviceSpecs, parse_device_specs

BOTH_WAYS = {"egress_mbps": 8000, "ingress_mbps": 6000}


@pytest.mark.parametrize("offer", ["all", "pf", "vfs"])
def test_bandwidth_is_the_pfs_whatever_of_it_is_on_offer(offer: str) -> None:
    specs = parse_device_specs([{"ifname": "eth2", "offer": offer} | BOTH_WAYS])
    told = {str(each.function.address): each.bandwidth for each in offered(FUNCTIONS, specs)}
    assert told.pop("0000:05:00.0") == Bandwidth(egress_mbps=8000, ingress_mbps=6000)
    assert set(told.values()) <= {None}


def test_the_first_spec_that_says_a_bandwidth_of_a_pf_decides() -> None:
    specs = parse_device_specs(
        [
            {"vendor_id": "15b3", "egress_mbps": 1},
            {"ifname": "eth2", "physical_network": "phy1"},
            {"vendor_id": "8086", "egress_mbps": 5},
            {"product_id": "10fb", "egress_mbps": 7, "ingress_mbps": 7},
        ]
    )
    found = {str(each.function.address): each.bandwidth for each in offered(FUNCTIONS, specs)}
    assert found["0000:05:00.0"] == Bandwidth(egress_mbps=5)
    assert found["0000:82:00.0"] == Bandwidth(egress_mbps=1)


def test_a_pf_guarantees_no_more_than_its_link_carries_and_follows_it() -> None:
    specs = parse_device_specs([{"ifname": "eth2"} | BOTH_WAYS])
    offering = Offering(specs)
    for speed, expected in ((None, (8000, 6000)), (7000, (7000, 6000)), (1000, (1000, 1000))):
        pf = replace(IXGBE, speed_mbps=speed)
        (device,) = offering({pf.address: pf})
        assert device.bandwidth is not None
        assert (device.bandwidth.egress_mbps, device.bandwidth.ingress_mbps) == expected


def test_more_bandwidth_than_the_link_carries_is_told_with_the_key_to_lower() -> None:
    specs = parse_device_specs([{"ifname": "eth2"} | BOTH_WAYS])
    assert contradictions([replace(IXGBE, speed_mbps=8000)], specs) == ()
    (fault,) = contradictions([replace(IXGBE, speed_mbps=7999)], specs)
    assert "0000:05:00.0" in fault
    assert fault.endswith("its link carries 7999; lower egress_mbps")


def test_bandwidth_said_of_vfs_alone_is_told_with_the_pf_to_say_it_of() -> None:
    faults = contradictions(FUNCTIONS, parse_device_specs([{"product_id": "10ed"} | BOTH_WAYS]))
    assert len(faults) == 1
    assert "say it in a spec that matches its PF 0000:05:00.0" in faults[0]


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "8000", 2**31])
@pytest.mark.parametrize("key", ["egress_mbps", "ingress_mbps"])
def test_a_bandwidth_that_is_no_number_of_mbits_is_told(key: str, value: object) -> None:
    with pytest.raises(InvalidDeviceSpecs, match=rf"{key}: expected a whole number of Mbit/s"):
        parse_device_specs([{"ifname": "eth2", key: value}])


@pytest.mark.parametrize(
    ("beside", "problem"),
    [({"exclude": True}, "excluded"), ({"offer": "plain"}, "plain functions")],
)
def test_a_bandwidth_where_it_has_no_meaning_is_told(
    beside: dict[str, object], problem: str
) -> None:
    with pytest.raises(InvalidDeviceSpecs, match=rf"egress_mbps: has no meaning for .*{problem}"):
        parse_device_specs([{"ifname": "eth2", "egress_mbps": 1} | beside])
