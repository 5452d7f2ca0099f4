"""The demonstration's checker, on raw files made by hand: each claim holds, then is made false."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.demo.raw_machines import MAC, OTHER_MAC, PF_MAC, TAP_MAC, Machines, entry
from trunkline.demo.checker.claims import CHECKS

Claim = dict[str, Any]
Spoil = Callable[[Machines], Any]

FIRST_VF = "host a1, card eth2 (0000:05:00.0), VF 0 (0000:05:00.2)"
VF_NIC: Claim = {
    "check": "nic", "server": "vm", "host": "a1", "kind": "direct", "device": "0000:05:00.2",
    "mac": MAC, "physical_network": "phy1", "vlan": 150,
}  # fmt: skip
TAP_NIC: Claim = {
    "check": "nic", "server": "vm", "host": "a1", "kind": "macvtap", "device": "0000:82:10.0",
    "mac": TAP_MAC, "physical_network": "phy2", "vlan": 200,
}  # fmt: skip
PF_NIC: Claim = {
    "check": "nic", "server": "big", "host": "a2", "kind": "direct-physical",
    "device": "0000:82:00.0", "mac": PF_MAC, "physical_network": "phy2", "vlan": 200,
}  # fmt: skip
RUNS: Claim = {"check": "runs", "server": "vm", "host": "a1", "macs": [TAP_MAC, MAC]}
TAGGED: Claim = {
    "check": "tagged_first", "server": "vm", "host": "a1", "device": "0000:05:00.2", "mac": MAC,
    "vlan": 150,
}  # fmt: skip
CABLED: Claim = {
    "check": "cabled", "host": "a1", "pf": "0000:82:00.0", "physical_network": "phy2",
    "vf_count": 2,
}  # fmt: skip
HOLD: Claim = {"check": "acknowledged_writes_hold"}
NOBODY: Claim = {"check": "nobody_fits", "whole_cards": ["phy1", "phy2"], "closed": []}
NO_CARD: Claim = {
    "check": "no_whole_card", "host": "a1", "physical_network": "phy2", "cabled": True
}  # fmt: skip
PARTLY: Claim = {
    "check": "partly_done", "server": "next", "host": "a1",
    "nics": [{"device": "0000:05:00.2", "vlan": 150}, {"device": "0000:05:00.3", "vlan": 150}],
}  # fmt: skip


def _swap(machines: Machines) -> None:
    vfs = machines.kernels["a1"]["pfs"][0]["vfs"]
    vfs[0], vfs[1] = {"in_guest": True}, {"mac": MAC, "vlan_id": 150}


def _tag_late(machines: Machines) -> None:
    machines.hypervisor_logs["a1"][2]["kernel_number"] = 0


def _tag_otherwise(machines: Machines) -> None:
    machines.kernel_logs["a1"][3] = entry("agent", "ip link set eth2 vf 0 vlan 7")


def _give_to_both(machines: Machines) -> None:
    machines.domains["a1"]["other"] = machines.domains["a1"]["vm"]


FALSE: list[tuple[Claim, Spoil, str]] = [
    (CABLED, lambda m: setattr(m, "fleet", m.fleet.replace("phy2", "phy1")),
     "host a1, card eth3 (0000:82:00.0): expected phy2, found phy1"),
    (CABLED, lambda m: m.kernels["a1"]["pfs"][1]["vfs"].pop(), "expected 2 VFs, found 1"),
    (CABLED, lambda m: m.kernels["a1"]["pfs"].pop(), "host a1 has no card at 0000:82:00.0"),
    (RUNS, lambda m: m.domains["a2"].update(m.domains["a1"]),
     "expected on a1 alone, found on ['a1', 'a2']"),
    (RUNS, lambda m: m.domains["a1"].clear(), "found on no host"),
    (RUNS, lambda m: m.domains["a1"]["vm"].update(power="paused"),
     "guest vm on a1: expected running, found paused"),
    (RUNS | {"macs": [MAC]}, lambda m: None, f"expected MACs ['{MAC}'], found ['{MAC}', "),
    (VF_NIC, lambda m: m.vf("a1", 0, 0).update(vlan_id=0),
     f"{FIRST_VF}: expected MAC {MAC} and VLAN 150, found MAC {MAC} and no VLAN"),
    (VF_NIC, lambda m: m.vf("a1", 0, 0).update(vlan_id=151), "and VLAN 151"),
    (VF_NIC, lambda m: m.vf("a1", 0, 0).update(mac=OTHER_MAC), f"found MAC {OTHER_MAC}"),
    (VF_NIC, _swap, "has that MAC on VF 1 (0000:05:00.3), with VLAN 150"),
    (VF_NIC, lambda m: setattr(m, "fleet", m.fleet.replace("phy1", "phy9")),
     "expected a card cabled to phy1, found one cabled to phy9"),
    (VF_NIC, lambda m: m.domains["a1"]["vm"].pop("guest"), "expected in guest vm, found there: []"),
    (VF_NIC | {"device": "0000:05:00.7"}, lambda m: None, "host a1 has no VF at 0000:05:00.7"),
    (VF_NIC | {"host": "a9"}, lambda m: None, "there is no host a9"),
    (TAP_NIC, lambda m: m.vf("a1", 1, 0).update(vlan_id=150), "found MAC"),
    (TAP_NIC, lambda m: m.domains["a1"]["vm"]["guest"]["handed_over"].update(macvtaps=[]),
     "expected in guest vm"),
    (PF_NIC, lambda m: m.domains["a2"]["big"].pop("guest"), "expected PF 0000:82:00.0 in guest"),
    (PF_NIC, lambda m: setattr(m, "fleet", m.fleet.replace("phy2", "phy1")),
     "expected a card cabled to phy2, found one cabled to phy1"),
    (TAGGED, _tag_late, f"expected mac {MAC} written before the guest was resumed, found"),
    (TAGGED, _tag_otherwise, "expected vlan 150 written before the guest was resumed, found 7"),
    (TAGGED, lambda m: [e.update(result="EPERM") for e in m.kernel_logs["a1"]], "found none"),
    (TAGGED, lambda m: m.hypervisor_logs["a1"].pop(), "guest vm on a1 was never resumed"),
    (HOLD, lambda m: m.vf("a1", 0, 0).update(vlan_id=0),
     f"{FIRST_VF}: expected VLAN 150, which was written last and acknowledged, found no VLAN"),
    (HOLD, _swap, "VF 0 (0000:05:00.2): expected VLAN 150"),
    (HOLD, lambda m: m.vf("a1", 1, 0).update(mac=OTHER_MAC), f"found MAC {OTHER_MAC}"),
    ({"check": "one_owner"}, _give_to_both, "expected one guest at most, found 2"),
    ({"check": "one_owner"}, lambda m: m.domains["a2"].update(also=m.domains["a2"]["big"]),
     "host a2, card eth3 (0000:82:00.0): in two guests"),
    ({"check": "one_owner"}, lambda m: m.domains["a1"].update(m.domains["a2"]),
     "expected one guest at most, found 2"),
    ({"check": "absent", "server": "gone"}, lambda m: m.domains["a2"].update(gone={"xml": ""}),
     "guest gone: expected on no host, found on ['a2']"),
    (NOBODY, lambda m: m.domains["a2"].clear(),
     "host a2 has whole cards free on ['phy1', 'phy2']"),
    (NO_CARD, lambda m: m.domains["a1"].clear(), "expected no whole card free on phy2, found"),
    (NO_CARD | {"cabled": False}, lambda m: None, "expected no card on phy2, found"),
    (PARTLY, lambda m: m.vf("a1", 0, 1).update(vlan_id=150),
     "expected a part of 2 VFs tagged, found 2"),
    (PARTLY, lambda m: m.vf("a1", 0, 0).update(vlan_id=0), "of 2 VFs tagged, found 0"),
    (PARTLY | {"server": "vm"}, lambda m: None, "expected not to run yet, found running"),
]  # fmt: skip


@pytest.fixture
def machines(tmp_path: Path) -> Machines:
    return Machines(tmp_path)


def test_what_is_true_is_found_true(machines: Machines) -> None:
    true = [
        CABLED, RUNS, VF_NIC, TAP_NIC, PF_NIC, TAGGED, HOLD, NOBODY, NO_CARD, PARTLY,
        {"check": "one_owner"}, {"check": "absent", "server": "gone"},
    ]  # fmt: skip
    done = machines.check(*true)
    assert done.stdout.splitlines()[-1] == f"{len(true)} claims checked: all hold"
    assert done.returncode == 0


@pytest.mark.parametrize(("claim", "spoil", "words"), FALSE)
def test_what_is_false_is_found_false_and_told(
    machines: Machines, claim: Claim, spoil: Spoil, words: str
) -> None:
    spoil(machines)
    done = machines.check(claim)
    assert words in done.stdout, done
    assert done.stdout.splitlines()[-1] == "1 claims checked: 1 false"
    assert done.returncode == 1


SINCE: list[tuple[Claim, Spoil, str]] = [
    ({"check": "quiet"}, lambda m: m.kernel_logs["a2"].append(entry("agent", "ip link", "EPERM")),
     "host a2: expected no write, found 1, the first agent: ip link"),
    ({"check": "quiet"}, lambda m: m.hypervisor_logs["a1"].append(entry("agent", "virsh resume")),
     "host a1: expected no write, found 1"),
    ({"check": "untouched"}, lambda m: m.domains["a1"].clear(), "found gone with []"),
    ({"check": "untouched"}, lambda m: m.domains["a1"]["vm"]["guest"]["handed_over"].update(
        macvtaps=[]), "guest vm on a1: expected ['0000:05:00.2', '0000:82:00.0 VF 0'], found"),
    ({"check": "untouched"}, lambda m: m.kernel_logs["a1"].append(
        entry("agent", "ip link set eth3 vf 0 vlan 200")),
     "VF 0 (0000:82:10.0): expected no write to it, found one"),
    ({"check": "untouched"}, lambda m: m.hypervisor_logs["a1"].append(
        entry("agent", "virsh destroy vm")), "expected left alone, found ['virsh destroy vm']"),
]  # fmt: skip


@pytest.mark.parametrize(("claim", "spoil", "words"), SINCE)
def test_what_has_changed_since_a_snapshot_is_told(
    machines: Machines, claim: Claim, spoil: Spoil, words: str
) -> None:
    since = {"since": machines.snapshot()}
    assert machines.check(claim | since).returncode == 0
    spoil(machines)
    done = machines.check(claim | since)
    assert words in done.stdout, done
    assert done.returncode == 1


def test_a_step_that_was_done_twice_is_told(machines: Machines) -> None:
    claim = {"check": "nothing_twice", "host": "a1", "since": machines.snapshot()}
    write = entry("agent", "ip link set eth2 vf 1 mac 02:00:00:00:00:09 vlan 150")
    machines.kernel_logs["a1"] += [write, entry("libvirt", write["command"])]
    assert machines.check(claim).returncode == 0
    machines.kernel_logs["a1"].append(write)
    done = machines.check(claim)
    assert "expected each step of the agent once, found {'ip link set eth2 vf 1" in done.stdout
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("mac", MAC), ("own_mac", MAC), ("vlan_id", 150), ("vlan_qos", 1), ("trust", True),
        ("link_state", "enable"), ("max_tx_rate_mbps", 5), ("min_tx_rate_mbps", 5),
        ("spoof_check", True), ("in_guest", True), ("macvtap", "macvtap0"), ("ifname", "tl0"),
    ],
)  # fmt: skip
def test_a_vf_that_is_not_as_at_the_start_is_told(
    machines: Machines, setting: str, value: object
) -> None:
    machines.domains["a1"].clear()
    machines.vf("a1", 0, 1).update(ifname="eth2v1", spoof_check=False)
    claim = {"check": "as_at", "host": "a1", "since": machines.snapshot()}
    machines.vf("a1", 0, 1).clear()  # The same, said by leaving it out.
    assert machines.check(claim).returncode == 0
    machines.vf("a1", 0, 1)[setting] = value
    done = machines.check(claim)
    words = f"VF 1 (0000:05:00.3): expected {setting} "
    assert words in done.stdout
    assert f"as at the start, found {value}" in done.stdout
    assert done.returncode == 1


def test_a_guest_or_a_lost_vf_at_the_end_is_told(machines: Machines) -> None:
    claim = {"check": "as_at", "host": "a1", "since": machines.snapshot()}
    assert "expected no guest, found ['vm']" in machines.check(claim).stdout
    machines.domains["a1"].clear()
    machines.kernels["a1"]["pfs"][0]["vfs"].pop()
    assert "host a1: expected VFs" in machines.check(claim).stdout


def test_no_claims_at_all_prove_nothing(machines: Machines) -> None:
    assert machines.check().returncode != 0


def test_a_claim_that_is_not_known_is_no_success(machines: Machines) -> None:
    assert machines.check({"check": "all_is_well"}).returncode != 0


def test_every_check_is_shown_to_fail() -> None:
    shown = {claim["check"] for claim, _, _ in [*FALSE, *SINCE]} | {"nothing_twice", "as_at"}
    assert shown == set(CHECKS)
