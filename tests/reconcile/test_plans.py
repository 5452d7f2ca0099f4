"""Plans as an operator would read them; TRUNKLINE_REWRITE_GOLDEN=1 rewrites them for review."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.reconcile.scenes import (
    IGB,
    IGB_VF,
    MLX,
    MLX_VF,
    VIF_TYPES,
    a_config,
    a_domain,
    a_host,
    a_nic,
    a_server,
    mac,
    vf,
    vf_address,
    whole,
)
from trunkline.domain.port import VnicType
from trunkline.domain.server import PowerState
from trunkline.domain.vf import LinkState, VfSettings
from trunkline.reconcile.desired import HostConfig, ServerConfig
from trunkline.reconcile.domain_xml import attachment
from trunkline.reconcile.observed import DomainPower, HostState, Journal, OriginalState
from trunkline.reconcile.plan import Outcome, Plan, plan

GOLDEN = Path(__file__).parent.parent / "golden" / "plans"

PAIR = a_server(1, a_nic(1, vf(IGB, 0)), a_nic(2, vf(MLX, 1), vlan_id=200))
MACVTAP = a_server(2, a_nic(3, vf(MLX, 3), VnicType.MACVTAP))
VENDOR = a_server(3, a_nic(4, vf(MLX, 2), VnicType.MACVTAP, vif_type="mlnx_direct"))
WHOLE = a_server(4, a_nic(5, whole(MLX), VnicType.DIRECT_PHYSICAL))
EVERYTHING = a_server(
    5,
    replace(
        a_nic(6, vf(MLX, 0)),
        vlan_qos=5,
        trust=True,
        link_state=LinkState.ENABLE,
        min_tx_rate_mbps=100,
        max_tx_rate_mbps=1000,
    ),
)
PROGRAMMED = {
    vf_address(IGB, 0): replace(IGB_VF, mac=mac(1), vlan_id=100),
    vf_address(MLX, 1): replace(MLX_VF, mac=mac(2), vlan_id=200, spoof_check=True),
    vf_address(MLX, 3): replace(MLX_VF, mac=mac(3), vlan_id=100, spoof_check=True),
}
ORIGINALS = {
    vf_address(IGB, 0): OriginalState(address=vf_address(IGB, 0), settings=IGB_VF),
    vf_address(MLX, 1): OriginalState(address=vf_address(MLX, 1), settings=MLX_VF),
    vf_address(MLX, 3): OriginalState(address=vf_address(MLX, 3), settings=MLX_VF, ifname="eth3v3"),
}
JOURNAL = Journal(
    boot_id="boot-1",
    generation=1,
    epochs=dict.fromkeys(ORIGINALS, 1),
    originals=ORIGINALS,
)


def running(server: ServerConfig, power: DomainPower = DomainPower.RUNNING) -> HostState:
    return a_host(
        journal=JOURNAL,
        changed=PROGRAMMED,
        domains={server.id: a_domain(server, power)},
        names={
            vf_address(MLX, 3): "tl000000030000",
            **({nic.device.address: None for nic in PAIR.nics if nic.device}),
        },
    )


def held(server: ServerConfig) -> HostConfig:
    return a_config(releases=tuple(nic.device for nic in server.nics if nic.device is not None))


def _retagged() -> tuple[HostConfig, HostState]:
    first, second = PAIR.nics
    return a_config(replace(PAIR, nics=(replace(first, vlan_id=101), second))), running(PAIR)


def _started_without_priority() -> tuple[HostConfig, HostState]:
    """libvirt has written the VLAN, without its priority."""
    programmed = VfSettings(
        mac=mac(6),
        vlan_id=100,
        trust=True,
        link_state=LinkState.ENABLE,
        min_tx_rate_mbps=100,
        max_tx_rate_mbps=1000,
    )
    address = vf_address(MLX, 0)
    original = OriginalState(address=address, settings=MLX_VF)
    host = a_host(
        journal=replace(JOURNAL, epochs={address: 1}, originals={address: original}),
        changed={address: programmed},
        domains={EVERYTHING.id: a_domain(EVERYTHING, DomainPower.PAUSED)},
    )
    return a_config(EVERYTHING), host


def _mlx4_release() -> tuple[HostConfig, HostState]:
    host = running(PAIR, DomainPower.SHUT_OFF)
    pf = replace(host.functions[MLX], pf_driver="mlx4_core", driver="mlx4_core")
    host = replace(host, domains={}, functions={**host.functions, MLX: pf})
    return a_config(releases=(vf(MLX, 1),)), host


def _whole_pf_back() -> tuple[HostConfig, HostState]:
    journal = Journal(
        boot_id="boot-1",
        generation=1,
        epochs={MLX: 1},
        originals={MLX: OriginalState(address=MLX, vf_count=4)},
    )
    host = a_host(journal=journal, domains={WHOLE.id: a_domain(WHOLE)}, vf_count=0)
    return held(WHOLE), replace(host, vf_settings={})


PLANS: dict[str, Callable[[], tuple[HostConfig, HostState]]] = {
    "boot": lambda: (a_config(PAIR), a_host()),
    "boot-macvtap": lambda: (a_config(MACVTAP), a_host()),
    "boot-mlnx-direct": lambda: (a_config(VENDOR), a_host()),
    "boot-whole-pf": lambda: (a_config(WHOLE), a_host()),
    "boot-with-everything-asked-for": lambda: (a_config(EVERYTHING), a_host()),
    "stop": lambda: (a_config(replace(PAIR, power=PowerState.STOPPED)), running(PAIR)),
    "start": lambda: (a_config(PAIR), running(PAIR, DomainPower.SHUT_OFF)),
    "reboot": lambda: (a_config(replace(PAIR, boot_number=2)), running(PAIR)),
    "finish-a-paused-start": lambda: (a_config(PAIR), running(PAIR, DomainPower.PAUSED)),
    "finish-a-start-that-lost-a-priority": _started_without_priority,
    "retag-a-running-guest": _retagged,
    "delete": lambda: (held(PAIR), running(PAIR)),
    "delete-once-the-guest-has-ended": lambda: (
        held(PAIR),
        running(PAIR, DomainPower.SHUT_OFF),
    ),
    "delete-macvtap": lambda: (held(MACVTAP), running(MACVTAP)),
    "delete-whole-pf": _whole_pf_back,
    "release-on-mlx4": _mlx4_release,
    "one-goes-another-comes": lambda: (
        replace(held(PAIR), servers=(MACVTAP,)),
        replace(running(PAIR), functions=a_host().functions),
    ),
}


def made(name: str) -> Plan:
    desired, observed = PLANS[name]()
    return plan(desired, observed, vif_types=VIF_TYPES)


@pytest.mark.parametrize("name", PLANS)
def test_plans_read_as_reviewed(name: str) -> None:
    path, text = GOLDEN / f"{name}.txt", f"{made(name)}\n"
    if os.environ.get("TRUNKLINE_REWRITE_GOLDEN"):
        path.write_text(text)
    assert path.read_text() == text


def test_each_golden_plan_is_of_a_plan_there_is() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(PLANS)


@pytest.mark.parametrize("server", [PAIR, MACVTAP], ids=["pair", "macvtap"])
def test_there_is_nothing_to_do_when_all_agrees(server: ServerConfig) -> None:
    assert plan(a_config(server), running(server), vif_types=VIF_TYPES).is_empty


@pytest.mark.parametrize("name", PLANS)
def test_every_write_to_a_device_comes_after_its_original_is_remembered(name: str) -> None:
    _, observed = PLANS[name]()
    known = {str(address) for address in observed.journal.originals}
    for step in map(str, made(name).steps):
        if step.startswith("# journal:") and " was: " in step:
            known.add(step.split()[2])
        if " vf " in step and step.startswith("ip link set"):
            ifname, index = step.split()[3], int(step.split()[5])
            pf = IGB if ifname == "eth2" else MLX
            assert str(vf_address(pf, index)) in known


@pytest.mark.parametrize("name", PLANS)
def test_no_guest_runs_before_its_vfs_have_been_read_back(name: str) -> None:
    steps = list(map(str, made(name).steps))
    for number, step in enumerate(steps):
        if step.startswith("virsh resume") and "whole-pf" not in name:
            assert steps[number - 1].startswith("ip link show")


@pytest.mark.parametrize("name", PLANS)
def test_nothing_is_done_to_a_server_nor_its_devices_while_libvirt_is_at_it(name: str) -> None:
    desired, observed = PLANS[name]()
    for server_id, domain in observed.domains.items():
        busy = replace(domain, doing="its guest is being ended")
        # A domain that is not up yet, or not any more, tells of the devices it is defined with.
        server = next(each for each in (PAIR, MACVTAP, WHOLE, EVERYTHING) if each.id == server_id)
        held = attachment(server, VIF_TYPES)
        busy = replace(busy, devices=held.devices, ifnames=held.ifnames)
        made = plan(
            desired,
            replace(observed, domains={**observed.domains, server_id: busy}),
            vif_types=VIF_TYPES,
        )
        for unit in made.units:
            touched = held.devices & unit.devices
            if unit.server_id == server_id or touched:
                assert (unit.steps, unit.outcome) == ((), Outcome.PREPARING), str(made)
                assert "its guest is being ended" in unit.reason


def test_who_needs_a_device_of_a_guest_that_is_to_go_waits_for_its_end_without_impatience() -> None:
    heir = a_server(9, a_nic(9, vf(IGB, 0, epoch=2)))
    made = plan(a_config(heir), running(PAIR), vif_types=VIF_TYPES)
    outcomes = {unit.server_id: unit.outcome for unit in made.units}
    assert outcomes == {PAIR.id: Outcome.TO_DO, heir.id: Outcome.PREPARING}
    assert [str(step) for step in made.steps] == [f"virsh destroy {PAIR.id}"]


def test_a_domain_that_a_newer_release_words_otherwise_is_left_running() -> None:
    observed = running(PAIR)
    domain = replace(observed.domains[PAIR.id], xml_digest="of another release")
    observed = replace(observed, domains={PAIR.id: domain})
    assert plan(a_config(PAIR), observed, vif_types=VIF_TYPES).is_empty


def test_one_rate_that_is_asked_for_does_not_erase_the_other() -> None:
    nic = replace(a_nic(1, vf(MLX, 0)), max_tx_rate_mbps=1000)
    observed = a_host(changed={vf_address(MLX, 0): VfSettings(min_tx_rate_mbps=50)})
    text = str(plan(a_config(a_server(1, nic)), observed, vif_types=VIF_TYPES))
    assert "min_tx_rate 50 max_tx_rate 1000" in text


def test_a_limit_above_the_speed_of_the_link_is_programmed_as_that() -> None:
    nic = replace(a_nic(1, vf(MLX, 0)), min_tx_rate_mbps=50, max_tx_rate_mbps=10_001)
    observed = a_host()
    pf = replace(observed.functions[MLX], speed_mbps=10_000)
    observed = replace(observed, functions={**observed.functions, MLX: pf})
    text = str(plan(a_config(a_server(1, nic)), observed, vif_types=VIF_TYPES))
    assert "min_tx_rate 50 max_tx_rate 10000 " in text


def test_nobody_is_guaranteed_more_before_others_have_given_it_up() -> None:
    """The card must never owe more than it has, not even between two steps."""
    less, more = (
        a_server(n, replace(a_nic(n, vf(MLX, n)), min_tx_rate_mbps=mbps, max_tx_rate_mbps=0))
        for n, mbps in ((1, 100), (2, 900))
    )
    changed = {vf_address(MLX, 1): VfSettings(min_tx_rate_mbps=800, spoof_check=False)}
    made = plan(a_config(more, less), a_host(changed=changed), vif_types=VIF_TYPES)
    outcomes = {unit.server_id: unit.outcome.value for unit in made.units}
    assert outcomes == {less.id: "to do", more.id: "waiting"}
    changed = {vf_address(MLX, 1): VfSettings(min_tx_rate_mbps=100, spoof_check=False)}
    made = plan(a_config(more, less), a_host(changed=changed), vif_types=VIF_TYPES)
    assert {unit.outcome.value for unit in made.units} == {"to do"}


def test_a_pf_with_a_vf_in_use_is_not_given_away_whole() -> None:
    made = plan(a_config(PAIR, WHOLE), a_host(), vif_types=VIF_TYPES)
    assert [unit.outcome.value for unit in made.units] == ["refused", "refused"]
    assert not made.steps


def test_a_name_that_another_netdev_has_by_now_is_not_waited_for() -> None:
    taken = vf_address(MLX, 2)
    observed = running(a_server(2, a_nic(3, vf(MLX, 3), VnicType.MACVTAP)))
    observed = replace(observed, domains={})
    original = replace(ORIGINALS[vf_address(MLX, 3)], ifname="eth7")
    journal = replace(JOURNAL, originals={vf_address(MLX, 3): original})
    observed = replace(observed, journal=journal)
    functions = {**observed.functions, taken: replace(observed.functions[taken], ifname="eth7")}
    release = a_config(releases=(vf(MLX, 3),))
    for ifname, renamed in (("tl000000030000", True), ("eth3v3", False)):
        address = vf_address(MLX, 3)
        functions[address] = replace(functions[address], ifname=ifname)
        made = plan(release, replace(observed, functions=functions), vif_types=VIF_TYPES)
        assert ("name eth3v3" in str(made)) == renamed
        assert "name eth7" not in str(made)
