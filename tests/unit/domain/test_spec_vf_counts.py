"""How many VFs PFs are to have, as device specs say it."""

from __future__ import annotations

import pytest

from tests.support.doctor_facts import IGB, MLX, WELL
from trunkline.domain.device_spec import vf_counts
from trunkline.domain.device_spec_parsing import InvalidDeviceSpecs, parse_device_specs


def test_the_first_spec_that_says_it_decides_and_no_card_is_asked_for_more_than_it_can() -> None:
    specs = parse_device_specs([
        {"ifname": "eth2"},
        {"address": "0000:05:*.*", "vf_count": 40},
        {"vendor_id": "8086", "vf_count": 2},
        {"ifname": "eth3", "vf_count": 6, "offer": "vfs"},
    ])  # fmt: skip
    assert vf_counts(WELL.functions, specs) == {IGB: 7, MLX: 6}
    assert vf_counts(WELL.functions, specs[:1]) == {}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"vf_count": 0}, "vf_count: expected 1 to 65535, found 0"),
        ({"vf_count": 65536}, "expected 1 to 65535"),
        ({"vf_count": "7"}, "expected 1 to 65535, found '7'"),
        ({"vf_count": True}, "expected 1 to 65535"),
        ({"vf_count": 7, "offer": "pf"}, "no meaning where no VFs are on offer"),
        ({"vf_count": 7, "exclude": True}, "no meaning for what is excluded"),
    ],
)
def test_a_count_that_is_none_is_told(given: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidDeviceSpecs) as refused:
        parse_device_specs([{"ifname": "eth2", **given}])
    assert any(problem in fault for fault in refused.value.faults), refused.value.faults
