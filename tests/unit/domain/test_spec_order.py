"""Device specs that stand in each other's way: which are refused, and that no others are."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.test_device_spec import FUNCTIONS
from trunkline.domain.device_spec import offered, shadowed
from trunkline.domain.device_spec_parsing import InvalidDeviceSpecs, parse_device_specs

SPECS = st.fixed_dictionaries(
    {},
    optional={
        "address": st.sampled_from(
            ["0000:05:*.*", "0000:05:00.*", "0000:05:00.0", "0000:82:00.0", "*:*:*.2", "*:*:*.*"]
        ),
        "vendor_id": st.sampled_from(["8086", "15b3"]),
        "ifname": st.sampled_from(["eth2", "eth*", "eth?", "*"]),
        "serial": st.just("S5"),
        "offer": st.sampled_from(["all", "pf", "vfs", "plain"]),
        "exclude": st.booleans(),
        "physical_network": st.sampled_from(["phy1", "phy2"]),
    },
)


def test_specs_of_cards_told_apart_by_serial_or_mac_contradict_nothing() -> None:
    for key, values in (
        ("serial", ("S5", "S6")),
        ("mac", ("00:1b:21:00:00:05", "00:1b:21:00:00:06")),
    ):
        one, other = (
            {key: value, "physical_network": f"phy{number}"} for number, value in enumerate(values)
        )
        assert len(parse_device_specs([one, other])) == 2


def test_a_spec_after_one_that_means_all_that_it_does_is_refused() -> None:
    wide: dict[str, object] = {"vendor_id": "8086", "physical_network": "phy1"}
    narrow: dict[str, object] = {"vendor_id": "8086", "ifname": "eth2"}
    for later in (
        narrow | {"exclude": True},
        narrow | {"physical_network": "phy2"},
        narrow | {"serial": "S5", "offer": "vfs"},
    ):
        with pytest.raises(InvalidDeviceSpecs) as refused:
            parse_device_specs([wide, later])
        assert str(refused.value).endswith(
            "device_specs[1]: never counts: device_specs[0], which stands before it, means all that"
            " it does; put this one first"
        )
        assert len(parse_device_specs([later, wide])) == 2
    for counts in (
        narrow | {"physical_network": "phy1", "vf_count": 4},
        {"vendor_id": "15b3", "ifname": "eth2"},
        {"ifname": "eth2"},
    ):
        assert len(parse_device_specs([wide, counts])) == 2
    assert len(parse_device_specs([wide | {"offer": "vfs"}, narrow])) == 2, "its PF is meant by it"


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ({"address": "0000:05:*.*"}, {"address": "0000:05:00.0"}),
        ({"address": "0000:05:*.*"}, {"address": "0000:05:00.0", "vendor_id": "8086"}),
        ({"address": {"bus": "05|82"}}, {"address": "0000:82:00.0"}),
        ({"address": "*:*:*.*"}, {"address": "0000:8?:*.*"}),
        ({"ifname": "eth*"}, {"ifname": "eth2"}),
        ({"ifname": "*"}, {"ifname": "eth*"}),
    ],
)
def test_a_spec_behind_a_pattern_that_takes_it_in_is_left_to_the_doctor(
    wide: dict[str, object], narrow: dict[str, object]
) -> None:
    on_phy1, on_phy2 = {**wide, "physical_network": "phy1"}, {**narrow, "physical_network": "phy2"}
    functions = {function.address: function for function in FUNCTIONS}
    assert shadowed(functions, parse_device_specs([on_phy1, on_phy2])) == {1: (0,)}
    assert len(parse_device_specs([on_phy2, on_phy1])) == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"address": "0000:05:*.*"}, {"address": "0000:82:00.0"}),
        ({"address": "0000:05:*.0"}, {"address": "0000:05:00.*"}),
        ({"address": "0000:05:*.*"}, {"ifname": "eth2"}),
        ({"ifname": "eth?"}, {"ifname": "eth*"}),
        ({"ifname": "eth[0-3]"}, {"ifname": "eth4"}),
    ],
)
def test_patterns_that_may_differ_are_left_to_the_machine(
    first: dict[str, object], second: dict[str, object]
) -> None:
    assert len(parse_device_specs([first, second])) == 2


def test_what_decides_about_nothing_on_a_machine_is_told_with_those_that_do() -> None:
    functions = {function.address: function for function in FUNCTIONS}

    def told(*raw: Mapping[str, object]) -> dict[int, tuple[int, ...]]:
        return shadowed(functions, parse_device_specs(raw))

    by_name = {"ifname": "eth2"}
    assert told({"address": "0000:05:*.*"}, by_name) == {1: (0,)}
    assert told(by_name, {"address": "0000:05:*.*"}) == {1: (0,)}, "PFs mean their VFs"
    assert told({"address": "0000:05:*.*"}, by_name | {"vf_count": 4}) == {}
    assert told({"address": "0000:05:*.*", "offer": "pf"}, by_name) == {}, "it has the VFs"
    assert told({"address": "0000:99:*.*"}, by_name) == {}


@given(st.lists(SPECS, min_size=2, max_size=4))
def test_what_never_counts_takes_no_nic_from_anybody_and_gives_none(
    raw: list[dict[str, object]],
) -> None:
    try:
        specs = [spec for each in raw for spec in parse_device_specs([each])]
    except InvalidDeviceSpecs:
        return
    *before, last = specs
    if any(each.leaves_nothing_to(last) for each in before):
        assert offered(FUNCTIONS, before) == offered(FUNCTIONS, specs)
