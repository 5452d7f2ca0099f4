"""Which devices specs put on offer.

::

    0000:05:00.0 eth2 ixgbe 8086:10fb   VFs 0000:05:10.{0,2} 8086:10ed
    0000:82:00.0 eth3 mlx5  15b3:1017   VFs 0000:82:00.{2,3} 15b3:1018
    0000:00:1f.0 a plain function       8086:a0a0
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.domain.device import DeviceKind, OfferedDevice, PciFunction, device_attributes
from trunkline.domain.device_spec import DeviceSpec, Offering, contradictions, offered
from trunkline.domain.device_spec_parsing import InvalidDeviceSpecs, parse_device_specs
from trunkline.domain.ether import MacAddress
from trunkline.domain.pci import PciAddress
from trunkline.domain.spec_patterns import glob_regex


def a_function(address: str, ids: str, *, pf: str | None = None, ifname: str = "") -> PciFunction:
    vendor_id, product_id = ids.split(":")
    return PciFunction(
        address=PciAddress.parse(address),
        kind=DeviceKind.VF if pf else DeviceKind.PF,
        vendor_id=vendor_id,
        product_id=product_id,
        ifname=ifname or None,
        pf_address=PciAddress.parse(pf) if pf else None,
    )


IXGBE = replace(
    a_function("0000:05:00.0", "8086:10fb", ifname="eth2"),
    serial="S5",
    mac=MacAddress.parse("00:1b:21:00:00:05"),
)
MLX5 = a_function("0000:82:00.0", "15b3:1017", ifname="eth3")
PLAIN = replace(a_function("0000:00:1f.0", "8086:a0a0"), kind=DeviceKind.PLAIN)
FUNCTIONS = (
    MLX5,
    IXGBE,
    a_function("0000:05:10.0", "8086:10ed", pf="0000:05:00.0", ifname="eth2v0"),
    a_function("0000:05:10.2", "8086:10ed", pf="0000:05:00.0"),
    a_function("0000:82:00.2", "15b3:1018", pf="0000:82:00.0"),
    a_function("0000:82:00.3", "15b3:1018", pf="0000:82:00.0"),
    PLAIN,
)
ALL_IXGBE = ["0000:05:00.0", "0000:05:10.0", "0000:05:10.2"]
ALL_MLX5 = ["0000:82:00.0", "0000:82:00.2", "0000:82:00.3"]


def on_list(specs: Sequence[DeviceSpec]) -> list[OfferedDevice]:
    return [each for each in offered(FUNCTIONS, specs) if each.on_offer]


def on_offer(*raw: dict[str, object]) -> list[str]:
    return [str(each.function.address) for each in on_list(parse_device_specs(raw))]


def test_nothing_is_on_offer_without_a_spec() -> None:
    assert on_offer() == []


@pytest.mark.parametrize(
    "spec",
    [
        {"address": "0000:05:00.0"},
        {"address": "0000:05:*.*"},
        {"address": "*:05:*.*"},
        {"address": {"bus": "05", "slot": "00", "function": "[0-1]"}},
        {"address": {"bus": "0[0-9]"}},
        {"ifname": "eth2"},
        {"ifname": "eth[!3]"},
        {"vendor_id": "8086"},
        {"vendor_id": "0x8086", "product_id": "10FB"},
        {"serial": "S5"},
        {"mac": "00:1B:21:00:00:05"},
    ],
)
def test_a_spec_that_matches_a_pf_means_its_vfs_too(spec: dict[str, object]) -> None:
    assert on_offer(spec) == ALL_IXGBE


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"address": "0000:05:10.2"}, ["0000:05:10.2"]),
        ({"product_id": "10ed"}, ["0000:05:10.0", "0000:05:10.2"]),
        ({"ifname": "eth2v*"}, ["0000:05:10.0"]),
        ({"address": "0001:05:00.0"}, []),
        ({"vendor_id": "8086", "ifname": "eth3"}, []),
        ({"serial": "S6"}, []),
        ({"mac": "00:1b:21:00:00:06"}, []),
    ],
)
def test_a_spec_that_matches_vfs_means_only_them(
    spec: dict[str, object], expected: list[str]
) -> None:
    assert on_offer(spec) == expected


def test_offer_says_whether_pfs_or_vfs_are_meant() -> None:
    assert on_offer({"ifname": "eth2", "offer": "all"}) == ALL_IXGBE
    assert on_offer({"ifname": "eth2", "offer": "pf"}) == ALL_IXGBE[:1]
    assert on_offer({"ifname": "eth2", "offer": "vfs"}) == ALL_IXGBE[1:]


THE_PLAIN_ONE = str(PLAIN.address)


@pytest.mark.parametrize(
    "spec",
    [
        {"address": "*:*:*.*", "offer": "plain"},
        {"vendor_id": "8086", "product_id": "a0a0"},
        {"product_id": "a0a0", "tags": {"model": "x"}},
        {"product_id": "a0a0", "offer": "plain", "physical_network": "phy1"},
    ],
)
def test_plain_functions_are_on_offer_by_specs_that_mean_them(spec: dict[str, object]) -> None:
    assert on_offer(spec) == [THE_PLAIN_ONE]


@pytest.mark.parametrize(
    "spec",
    [
        {"address": "*:*:*.*"},
        {"address": THE_PLAIN_ONE},
        {"vendor_id": "8086"},
        {"product_id": "a0a0", "physical_network": "phy1"},
        {"product_id": "a0a0", "offer": "vfs"},
    ],
)
def test_a_spec_for_cards_gives_no_plain_function_away(spec: dict[str, object]) -> None:
    assert THE_PLAIN_ONE not in on_offer(spec)


def test_an_excluded_plain_function_is_off_offer() -> None:
    offering: dict[str, object] = {"product_id": "a0a0", "offer": "plain"}
    assert on_offer({"address": THE_PLAIN_ONE, "exclude": True}, offering) == []


def test_specs_of_functions_apart_contradict_nothing() -> None:
    cards: dict[str, object] = {"vendor_id": "8086", "physical_network": "phy1"}
    assert parse_device_specs([cards, {"vendor_id": "8086", "offer": "plain"}])
    with pytest.raises(InvalidDeviceSpecs, match="disagrees on them"):
        parse_device_specs(
            [
                {"vendor_id": "8086", "offer": "plain"},
                {"vendor_id": "8086", "offer": "plain", "tags": {"a": "b"}},
            ]
        )


def test_what_is_excluded_is_off_offer_with_its_vfs() -> None:
    everything: dict[str, object] = {"address": "*:*:*.*"}
    assert on_offer({"ifname": "eth2", "exclude": True}, everything) == ALL_MLX5
    assert on_offer({"address": "0000:05:10.0", "exclude": True}, everything) == [
        "0000:05:00.0",
        "0000:05:10.2",
        *ALL_MLX5,
    ]


def test_the_first_spec_that_means_a_device_decides() -> None:
    specs = parse_device_specs(
        [
            {"address": "0000:05:10.0", "tags": {"group": "first"}},
            {"vendor_id": "8086", "tags": {"group": "second"}},
        ]
    )
    tags = {str(each.function.address): each.tags["group"] for each in offered(FUNCTIONS, specs)}
    assert tags == {
        "0000:05:00.0": "second",
        "0000:05:10.0": "first",
        "0000:05:10.2": "second",
    }


def test_tags_show_with_their_prefix_beside_the_facts() -> None:
    (spec,) = parse_device_specs(
        [{"ifname": "eth2", "physical_network": "phy1", "tags": {"rack": "a"}}]
    )
    device = offered(FUNCTIONS, [spec])[0]
    assert device.physical_network == "phy1"
    assert device_attributes(device) == {
        "vendor_id": "8086",
        "product_id": "10fb",
        "dev_type": "pf",
        "e.physical_network": "phy1",
        "e.rack": "a",
    }


def test_what_the_driver_can_set_shows_on_vfs_alone() -> None:
    vf = next(each for each in FUNCTIONS if each.kind is DeviceKind.VF)

    def abilities(driver: str | None, function: PciFunction = vf) -> set[str]:
        device = OfferedDevice(function=replace(function, pf_driver=driver))
        return {name for name in device_attributes(device) if name.startswith("can.")}

    assert abilities("ixgbe") == {
        "can.max_tx_rate", "can.spoof_check", "can.trust", "can.vlan_qos",
    }  # fmt: skip
    assert abilities("mlx5_core") == abilities("ixgbe") | {"can.min_tx_rate", "can.link_state"}
    assert abilities("unheard_of") == abilities(None) == abilities("ixgbe", IXGBE) == set()


def test_a_pf_and_its_vfs_on_different_physical_networks_contradict() -> None:
    def of(*raw: dict[str, object]) -> tuple[str, ...]:
        return contradictions(FUNCTIONS, parse_device_specs(raw))

    assert of({"ifname": "eth2", "physical_network": "phy1"}) == ()
    (fault,) = of(
        {"product_id": "10ed", "physical_network": "phy2"},
        {"ifname": "eth2", "physical_network": "phy1"},
    )
    assert fault == (
        "PF 0000:05:00.0 is on physical network phy1, and its VF 0000:05:10.0 on phy2;"
        " make them the same"
    )


def test_a_switch_is_said_of_a_pf_or_of_its_vfs_but_not_two_of_them() -> None:
    def of(pf: dict[str, object], vf: dict[str, object]) -> tuple[str, ...]:
        raw = [{"product_id": "10ed", **vf}, {"ifname": "eth2", **pf}]
        return contradictions(FUNCTIONS, parse_device_specs(raw))

    assert of({"switch": "s1"}, {"switch": "s1"}) == ()
    assert of({"switch": "s1"}, {}) == () == of({}, {"switch": "s1"})
    (fault,) = of({"switch": "s1"}, {"switch": "s2"})
    assert fault == (
        "PF 0000:05:00.0 is on switch s1, and its VF 0000:05:10.0 on s2; make them the same"
    )


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ([3], "device_specs[0]: expected a table, found int"),
        ([{}], "device_specs[0]: matches nothing in particular; add one of vendor_id,"),
        ([{"tags": {"a": "b"}}], "device_specs[0]: matches nothing in particular"),
        (
            [{"mac": "00:1b:21"}],
            "device_specs[0].mac: not a MAC address",
        ),
        (
            [{"ifname": "eth2", "adress": "0000:05:00.0"}],
            "device_specs[0].adress: unknown; did you mean address?",
        ),
        ([{"ifname": "a", "tags": {"switch": "s1"}}], "tags.switch: stands beside `tags`, not in"),
        ([{"ifname": "a", "switch": 1}], "device_specs[0].switch: expected text, found 1"),
        ([{"ifname": "a", "exclude": True, "switch": "s"}], "switch: has no meaning for what is"),
        ([{"vendor_id": "80867"}], "device_specs[0].vendor_id: not a PCI vendor or product ID"),
        ([{"product_id": 1234}], "device_specs[0].product_id: expected text, found 1234"),
        ([{"address": "05:00.0"}], "device_specs[0].address: not a whole PCI address: '05:00.0'"),
        ([{"address": "0000:05:20.0"}], "'20' in '0000:05:20.0' is no PCI slot"),
        ([{"address": "0000:05:00.8"}], "'8' in '0000:05:00.8' is no PCI function"),
        ([{"address": "0000:5:00.0"}], "'5' in '0000:5:00.0' is no PCI bus"),
        ([{"address": "0000:05:xx.0"}], "'xx' in '0000:05:xx.0' is neither hex digits nor"),
        ([{"address": 5}], "device_specs[0].address: expected text or a table, found 5"),
        ([{"address": {}}], "device_specs[0].address: empty; add one of domain, bus, slot"),
        ([{"address": {"buss": "05"}}], "device_specs[0].address.buss: unknown; known are domain"),
        ([{"address": {"bus": "("}}], "device_specs[0].address.bus: not a pattern: '('"),
        ([{"address": {"bus": 5}}], "device_specs[0].address.bus: expected a regular expression"),
        ([{"address": {"bus": "5"}}], "is no PCI bus"),
        ([{"ifname": "sixteen-bytes-xx"}], "device_specs[0].ifname: 'sixteen-bytes-xx' is longer"),
        ([{"ifname": "eth[z-a]"}], "device_specs[0].ifname: not a pattern: 'eth[z-a]'"),
        ([{"ifname": "eth2", "offer": "vf"}], "device_specs[0].offer: 'vf' is unknown; write"),
        ([{"ifname": "eth2", "exclude": "yes"}], "device_specs[0].exclude: expected true or false"),
        (
            [{"ifname": "eth2", "exclude": True, "physical_network": "phy1"}],
            "device_specs[0].physical_network: has no meaning for what is excluded; remove it",
        ),
        (
            [{"ifname": "eth2", "physical_network": ""}],
            "device_specs[0].physical_network: expected",
        ),
        ([{"ifname": "eth2", "physical_network": "p" * 256}], "longer than 255 bytes"),
        ([{"ifname": "eth2", "tags": ["a"]}], "device_specs[0].tags: expected a table"),
        ([{"ifname": "eth2", "tags": {"driver": "x"}}], "tags.driver: the name of a hardware fact"),
        ([{"ifname": "eth2", "tags": {"e.rack": "x"}}], "tags.e.rack: not a tag's name"),
        ([{"ifname": "eth2", "tags": {"physical_network": "x"}}], "move it one level up"),
        ([{"ifname": "eth2", "tags": {"rack": 3}}], "tags.rack: expected text of 1 to 255 bytes"),
        (
            [{"ifname": "eth2"}, {"ifname": "eth2"}],
            "device_specs[1]: the same spec again; remove one of them",
        ),
        (
            [
                {"address": "0000:05:00.0", "physical_network": "phy1"},
                {"address": "0000:05:00.0", "physical_network": "phy2"},
            ],
            (
                "device_specs[1]: matches the same devices as device_specs[0], which puts them on"
                " physical network phy1, this one on phy2; remove one of them"
            ),
        ),
        (
            [
                {"ifname": "eth2", "offer": "pf", "physical_network": "phy1"},
                {"ifname": "eth2", "offer": "vfs", "physical_network": "phy2"},
            ],
            "device_specs[1]: matches the same devices as device_specs[0]",
        ),
        (
            [{"address": "0000:AB:*.*"}, {"address": "0000:ab:*.*", "tags": {"rack": "a"}}],
            "device_specs[1]: matches the same devices as device_specs[0], and disagrees on them",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(raw: list[object], fault: str) -> None:
    with pytest.raises(InvalidDeviceSpecs) as invalid:
        parse_device_specs(raw)
    assert len(invalid.value.faults) == 1
    assert fault in invalid.value.faults[0]


def test_all_mistakes_are_told_at_once_under_the_callers_path() -> None:
    with pytest.raises(InvalidDeviceSpecs) as invalid:
        parse_device_specs([{"vendor_id": "x"}, {"ifname": ""}], path="host[2].device_spec")
    assert [fault.split(":")[0] for fault in invalid.value.faults] == [
        "host[2].device_spec[0].vendor_id",
        "host[2].device_spec[1].ifname",
    ]


def test_pf_and_vfs_may_have_a_spec_each_on_one_physical_network() -> None:
    one: dict[str, object] = {"ifname": "eth2", "offer": "pf", "tags": {"whole": "yes"}}
    other: dict[str, object] = {"ifname": "eth2", "offer": "vfs"}
    assert on_offer(one, other) == ALL_IXGBE


@given(
    st.text("abc[]!-*?\\.^|(", max_size=8).filter(lambda glob: "[]" not in glob),
    st.text("abc[]!-\\.^|(", max_size=6),
)
def test_globs_mean_what_they_mean_in_shells(glob: str, name: str) -> None:
    try:
        ours = re.compile(glob_regex(glob))
    except re.error:
        return  # Told to the operator; fnmatch takes an inverted range for one that is empty.
    expected = re.compile(fnmatch.translate(glob))
    assert bool(ours.fullmatch(name)) == bool(expected.match(name))


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "address": st.sampled_from(["0000:05:*.*", "0000:82:00.0", "*:*:*.2"]),
                "vendor_id": st.sampled_from(["8086", "15b3"]),
                "offer": st.sampled_from(["all", "pf", "vfs"]),
                "exclude": st.booleans(),
                "physical_network": st.sampled_from(["phy1", "phy2"]),
            },
        ),
        max_size=4,
    ),
)
def test_adding_a_spec_at_the_end_never_takes_a_device_away_or_changes_it(
    raw: list[dict[str, object]],
) -> None:
    try:
        specs = parse_device_specs(raw)
    except InvalidDeviceSpecs:
        return
    if not specs:
        return
    fewer = {each.function.address: each for each in on_list(specs[:-1])}
    more = {each.function.address: each for each in on_list(specs)}
    assert fewer.items() <= more.items()


@given(
    st.lists(
        st.lists(
            st.sampled_from(
                [
                    *FUNCTIONS,
                    replace(IXGBE, ifname=None),
                    replace(IXGBE, ifname="eth9"),
                    replace(FUNCTIONS[2], ifname="eth9"),
                    replace(FUNCTIONS[3], pf_address=MLX5.address),
                ]
            ),
            unique_by=lambda function: function.address,
        ),
        max_size=5,
    )
)
def test_what_was_decided_before_does_not_show(looks: list[list[PciFunction]]) -> None:
    specs = parse_device_specs(
        [
            {"ifname": "eth2", "physical_network": "phy1"},
            {"address": "0000:05:10.*", "exclude": True},
            {"vendor_id": "15b3", "physical_network": "phy2"},
            {"ifname": "eth9", "offer": "vfs"},
        ]
    )
    offering = Offering(specs)
    for functions in looks:
        found = offering({function.address: function for function in functions})
        assert found == offered(functions, specs)


def test_the_pf_of_vfs_on_offer_is_told_of_without_being_on_offer() -> None:
    specs = parse_device_specs(
        [
            {"vendor_id": "8086", "offer": "vfs", "physical_network": "phy1"},
        ]
    )
    told = {str(each.function.address): each.on_offer for each in offered(FUNCTIONS, specs)}
    assert told == {"0000:05:00.0": False, "0000:05:10.0": True, "0000:05:10.2": True}
