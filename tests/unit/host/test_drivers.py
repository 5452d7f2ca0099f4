"""The table of drivers is obeyed: every driver, every operation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.machines import PF, a_pf, fake_machine
from trunkline.domain.ether import ZERO_MAC, MacAddress
from trunkline.domain.vf import LinkState, VfChange
from trunkline.domain.vf_capabilities import cannot_honour, vf_capabilities
from trunkline.host.driver_data import PREDICATES, SETTING_FIELDS, drivers
from trunkline.host.fake_kernel import FakeKernel
from trunkline.reconcile.interfaces import HostRefused

MAC = MacAddress.parse("02:00:00:00:00:0a")
OK = "OK"
IGNORED = "ignored"

CHANGES = {
    "mac": VfChange(mac=MAC),
    "mac zero": VfChange(mac=ZERO_MAC),
    "mac multicast": VfChange(mac=MacAddress.parse("01:00:5e:00:00:01")),
    "vlan": VfChange(vlan_id=100, vlan_qos=0),
    "vlan 0": VfChange(vlan_id=0, vlan_qos=0),
    "vlan 4095": VfChange(vlan_id=4095, vlan_qos=0),
    "vlan 4096": VfChange(vlan_id=4096, vlan_qos=0),
    "qos": VfChange(vlan_id=100, vlan_qos=5),
    "qos 8": VfChange(vlan_id=100, vlan_qos=8),
    "max rate": VfChange(min_tx_rate_mbps=0, max_tx_rate_mbps=500),
    "max rate 10": VfChange(min_tx_rate_mbps=0, max_tx_rate_mbps=10),
    "max rate above link": VfChange(min_tx_rate_mbps=0, max_tx_rate_mbps=500_000),
    "no rate": VfChange(min_tx_rate_mbps=0, max_tx_rate_mbps=0),
    "min rate": VfChange(min_tx_rate_mbps=100, max_tx_rate_mbps=500),
    "min above max": VfChange(min_tx_rate_mbps=600, max_tx_rate_mbps=500),
    "spoof check off": VfChange(spoof_check=False),
    "spoof check on": VfChange(spoof_check=True),
    "trust on": VfChange(trust=True),
    "link auto": VfChange(link_state=LinkState.AUTO),
    "link enable": VfChange(link_state=LinkState.ENABLE),
    "link disable": VfChange(link_state=LinkState.DISABLE),
}

# What differs from OK, per driver.
ALWAYS = {
    "mac multicast": "EINVAL",
    "vlan 4096": "EINVAL",
    "qos 8": "EINVAL",
    "min above max": "EINVAL",
}
EXPECTED: dict[str, dict[str, str]] = {
    "mlx5_core": {},
    "mlx4_core": {"min rate": "EPROTONOSUPPORT", "trust on": "EOPNOTSUPP"},
    "ixgbe": {
        "max rate 10": "EINVAL",
        "max rate above link": "EINVAL",
        "min rate": "EINVAL",
        "link enable": IGNORED,
    },
    "i40e": {"max rate above link": "EINVAL", "min rate": "EINVAL"},
    "ice": {},
    "igb": {
        "max rate above link": "EINVAL",
        "min rate": "EINVAL",
        "link auto": "EOPNOTSUPP",
        "link enable": "EOPNOTSUPP",
        "link disable": "EOPNOTSUPP",
    },
    "bnxt_en": {"qos": "EINVAL", "max rate above link": "EINVAL"},
}


def kernel_with(tmp_path: Path, driver: str) -> FakeKernel:
    return fake_machine(tmp_path, a_pf(driver=driver)).kernel


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("driver", EXPECTED)
def test_each_driver_does_with_each_operation_what_its_source_says(
    driver: str, name: str, tmp_path: Path
) -> None:
    kernel, change = kernel_with(tmp_path, driver), CHANGES[name]
    before = kernel.vf_settings(PF)
    expected = (ALWAYS | EXPECTED[driver]).get(name, OK)
    try:
        kernel.set_vf(PF, 1, change)
        result = OK
    except HostRefused as refused:
        result = refused.errno_name
    after = kernel.vf_settings(PF)
    if expected == OK:
        assert result == OK
        for fields in SETTING_FIELDS.values():
            for field in fields:
                wanted, got = getattr(change, field), getattr(after[1], field)
                assert wanted is None or got == wanted or (got is None and wanted in (0, False))
    else:
        assert result == (OK if expected == IGNORED else expected)
        assert after == before
    assert {**after, 1: None} == {**before, 1: None}


def test_every_driver_is_in_the_table_above() -> None:
    assert set(EXPECTED) == set(drivers())


@pytest.mark.parametrize("driver", EXPECTED)
def test_what_a_driver_is_said_to_honour_is_what_it_takes_and_keeps(
    driver: str, tmp_path: Path
) -> None:
    kernel, can = kernel_with(tmp_path, driver), vf_capabilities(driver)
    for name in ("qos", "max rate", "min rate", "trust on", "link auto", "link enable"):
        change = CHANGES[name]
        try:
            kernel.set_vf(PF, 0, change)
            settings = kernel.vf_settings(PF)[0]
            kept = all(
                getattr(settings, field) == getattr(change, field)
                for fields in SETTING_FIELDS.values()
                for field in fields
                if getattr(change, field) not in (None, 0)
            )
        except HostRefused:
            kept = False
        assert kept == (cannot_honour(can, change) == ()), name


def test_of_an_unknown_driver_nothing_is_promised() -> None:
    change = VfChange(vlan_id=1, vlan_qos=1, trust=True, link_state=LinkState.ENABLE)
    assert cannot_honour(vf_capabilities("qlcnic"), change) == (
        "VLAN priority 1",
        "trust",
        "link state enable",
    )
    assert cannot_honour(vf_capabilities(None), VfChange(mac=MAC, vlan_id=1, vlan_qos=0)) == ()


@pytest.mark.parametrize("driver", drivers())
def test_every_fact_has_a_source_and_every_predicate_exists(driver: str) -> None:
    facts = drivers()[driver]
    assert facts.layout_source
    assert facts.products_source
    for refusal in facts.refusals:
        assert refusal.source
        assert refusal.when in PREDICATES
    assert bool(facts.own_mac_locked_errno) == bool(facts.own_mac_source)


def test_mlx4_refuses_a_zero_mac_while_spoof_check_is_on(tmp_path: Path) -> None:
    kernel = kernel_with(tmp_path, "mlx4_core")
    kernel.set_vf(PF, 0, VfChange(mac=MAC, spoof_check=True))
    with pytest.raises(HostRefused) as refused:
        kernel.set_vf(PF, 0, VfChange(mac=ZERO_MAC))
    assert refused.value.errno_name == "EPERM"
    kernel.set_vf(PF, 0, VfChange(spoof_check=False))
    kernel.set_vf(PF, 0, VfChange(mac=ZERO_MAC))


def test_the_vf_count_of_mlx4_is_fixed_at_boot(tmp_path: Path) -> None:
    kernel = kernel_with(tmp_path, "mlx4_core")
    with pytest.raises(HostRefused) as refused:
        kernel.set_vf_count(PF, 0)
    assert refused.value.errno_name == "ENOENT"


@pytest.mark.parametrize("driver", ["ixgbe", "igb"])
def test_rates_are_refused_while_the_link_is_down(driver: str, tmp_path: Path) -> None:
    kernel = kernel_with(tmp_path, driver)
    kernel.set_carrier(PF, up=False)
    with pytest.raises(HostRefused) as refused:
        kernel.set_vf(PF, 0, CHANGES["max rate"])
    assert refused.value.errno_name == "EINVAL"
    assert kernel.functions()[PF].link_up is False


def test_ixgbe_limits_rates_at_10g_only(tmp_path: Path) -> None:
    pf = a_pf(driver="ixgbe")
    pf.speed_mbps = 1000
    kernel = fake_machine(tmp_path, pf).kernel
    with pytest.raises(HostRefused):
        kernel.set_vf(PF, 0, CHANGES["max rate"])


def test_ice_refuses_minimum_rates_that_together_exceed_the_link(tmp_path: Path) -> None:
    kernel = kernel_with(tmp_path, "ice")
    for index in (0, 1):
        kernel.set_vf(PF, index, VfChange(min_tx_rate_mbps=50_000, max_tx_rate_mbps=0))
    with pytest.raises(HostRefused):
        kernel.set_vf(PF, 2, VfChange(min_tx_rate_mbps=1, max_tx_rate_mbps=0))
    kernel.set_vf(PF, 1, VfChange(min_tx_rate_mbps=10, max_tx_rate_mbps=0))
    kernel.set_vf(PF, 2, VfChange(min_tx_rate_mbps=1, max_tx_rate_mbps=0))


@pytest.mark.parametrize(
    ("driver", "errno_name"),
    [
        ("igb", "EADDRNOTAVAIL"),
        ("ixgbe", "EPERM"),
        ("i40e", "EACCES"),
        ("bnxt_en", "EADDRNOTAVAIL"),
        ("mlx5_core", ""),
    ],
)
def test_a_mac_set_through_the_pf_binds_the_vf_until_zero_lifts_it(
    driver: str, errno_name: str, tmp_path: Path
) -> None:
    kernel = kernel_with(tmp_path, driver)
    ifname, own = "eth2v0", MacAddress.parse("02:00:00:00:00:bb")
    kernel.set_netdev_mac(ifname, own)
    assert kernel.netdev_mac(ifname) == own
    shows = drivers()[driver].own_mac_shows
    assert kernel.vf_settings(PF)[0].mac == (own if shows else ZERO_MAC)
    kernel.set_vf(PF, 0, VfChange(mac=MAC))
    kernel.set_netdev_mac(ifname, MAC)
    if errno_name:
        with pytest.raises(HostRefused) as refused:
            kernel.set_netdev_mac(ifname, own)
        assert refused.value.errno_name == errno_name
    kernel.set_vf(PF, 0, VfChange(mac=ZERO_MAC))
    kernel.set_netdev_mac(ifname, own)


@pytest.mark.parametrize("driver", ["igb", "ixgbe", "i40e", "ice", "bnxt_en"])
def test_a_trusted_vf_may_have_another_mac_than_the_pf_set(driver: str, tmp_path: Path) -> None:
    kernel, own = kernel_with(tmp_path, driver), MacAddress.parse("02:00:00:00:00:bb")
    kernel.set_vf(PF, 0, VfChange(mac=MAC, trust=True))
    kernel.set_netdev_mac("eth2v0", own)
    assert kernel.netdev_mac("eth2v0") == own
