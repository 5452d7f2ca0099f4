"""Plans for normal ports: the commands an operator would type, and when nothing is to be done."""

from __future__ import annotations

from dataclasses import replace

from tests.reconcile.scenes import (
    IGB,
    VIF_TYPES,
    a_config,
    a_domain,
    a_host,
    a_nic,
    a_server,
    vf,
)
from trunkline.domain.bridge import Bridge, BridgePort
from trunkline.domain.port import VnicType
from trunkline.domain.server import PowerState
from trunkline.reconcile.desired import ServerConfig
from trunkline.reconcile.observed import DomainPower, HostState, Journal, PfAddress, UplinkVlan
from trunkline.reconcile.plan import Outcome, Plan, UnitKind, plan
from trunkline.reconcile.steps import DefineDomain

NIC = a_nic(1, None, VnicType.NORMAL, vlan_id=120)
TAP = NIC.logical_name
SERVER = a_server(1, NIC)
UPLINK = BridgePort(
    ifname="eth2", pvid=1, vlans={1: True}, is_uplink=True, functions=frozenset({IGB})
)
BRIDGE = Bridge(name="br-phy1", vlan_filtering=True, ports={"eth2": UPLINK})
TRUNK = replace(UPLINK, vlans={1: True, 120: False})
VLAN = UplinkVlan(bridge="br-phy1", ifname="eth2", vlan_id=120)
ADDRESS = PfAddress(pf=IGB, mac=NIC.mac)
JOURNAL = Journal(
    boot_id="boot-1",
    generation=1,
    uplink_vlans=frozenset({VLAN}),
    pf_addresses=frozenset({ADDRESS}),
)


def served(
    tap: BridgePort, *, uplink: BridgePort = TRUNK, power: DomainPower = DomainPower.RUNNING
) -> HostState:
    """SERVER's guest runs, or is paused, with this tap."""
    bridge = replace(BRIDGE, ports={"eth2": uplink, TAP: tap})
    host = a_host(journal=JOURNAL, domains={SERVER.id: a_domain(SERVER, power)}, bridge=bridge)
    return replace(host, pf_addresses={IGB: frozenset({NIC.mac})})


def planned(host: HostState, *servers: ServerConfig) -> Plan:
    return plan(a_config(*servers), host, vif_types=VIF_TYPES)


def lines(made: Plan) -> list[str]:
    return [str(step) for step in made.steps if not isinstance(step, DefineDomain)]


def test_a_guest_starts_paused_and_runs_once_its_tap_was_read_back() -> None:
    assert lines(planned(a_host(bridge=BRIDGE), SERVER)) == [
        "# journal: added here: VLAN 120 on eth2",
        "bridge vlan add dev eth2 vid 120",
        f"# journal: added here: {NIC.mac} on PF {IGB}",
        f"bridge fdb add {NIC.mac} dev eth2 self",
        f"virsh start --paused {SERVER.id}",
    ]
    started = served(BRIDGE.new_port(TAP), power=DomainPower.PAUSED)
    assert lines(planned(started, SERVER)) == [
        f"bridge vlan del dev {TAP} vid 1",
        f"bridge vlan add dev {TAP} vid 120 pvid untagged",
        "bridge vlan show dev eth2  # expect 120 tagged",
        f"bridge fdb show dev eth2  # expect {NIC.mac} self",
        f"bridge vlan show dev {TAP}  # expect 120 pvid untagged, on br-phy1",
        f"virsh resume {SERVER.id}",
    ]


def test_a_flat_network_needs_no_vlan_of_its_own() -> None:
    flat = a_server(1, replace(NIC, vlan_id=0))
    assert not [each for each in lines(planned(a_host(bridge=BRIDGE), flat)) if "vlan" in each]
    started = served(BRIDGE.new_port(TAP), power=DomainPower.PAUSED)
    assert [each for each in lines(planned(started, flat)) if TAP in each] == [
        f"bridge vlan show dev {TAP}  # expect 1 pvid untagged, on br-phy1",
    ]


def test_what_is_as_it_should_be_is_left_alone() -> None:
    made = planned(served(BridgePort(ifname=TAP, pvid=120, vlans={120: True})), SERVER)
    assert made.is_empty
    assert [unit.outcome for unit in made.units] == [Outcome.SETTLED]


def test_a_tap_in_another_network_leaves_that_first() -> None:
    made = planned(served(BridgePort(ifname=TAP, pvid=130, vlans={130: True, 120: False})), SERVER)
    assert lines(made)[:2] == [
        f"bridge vlan del dev {TAP} vid 130",
        f"bridge vlan add dev {TAP} vid 120 pvid untagged",
    ]
    assert [drift.subject for drift in made.units[0].drifts] == [TAP]


def test_a_tap_is_put_right_though_the_vfs_of_its_server_were_not_read() -> None:
    both = a_server(1, NIC, a_nic(2, vf(IGB, 0)))
    tap = BridgePort(ifname=TAP, pvid=1, vlans={1: True})
    host = replace(served(tap), domains={both.id: a_domain(both)}, vf_settings={})
    made = planned(host, both)
    assert made.units[0].outcome is Outcome.TO_DO
    assert all("bridge" in each for each in lines(made))
    right = served(BridgePort(ifname=TAP, pvid=120, vlans={120: True}))
    host = replace(right, domains={both.id: a_domain(both)}, vf_settings={})
    assert [unit.outcome for unit in planned(host, both).units] == [Outcome.UNSEEN]


def test_a_paused_guest_is_resumed_after_its_tap_was_read_back() -> None:
    host = served(BridgePort(ifname=TAP, pvid=1, vlans={1: True}))
    host = replace(host, domains={SERVER.id: a_domain(SERVER, DomainPower.PAUSED)})
    done = lines(planned(host, SERVER))
    assert done[-1] == f"virsh resume {SERVER.id}"
    assert done.index(f"bridge vlan add dev {TAP} vid 120 pvid untagged") < len(done) - 1


def test_what_no_server_needs_any_more_goes_and_is_read_back() -> None:
    host = replace(served(BridgePort(ifname=TAP)), domains={})
    made = planned(host)
    assert [unit.key for unit in made.units] == [
        "tidy VLAN 120 on eth2", f"tidy {NIC.mac} on PF {IGB}",
    ]  # fmt: skip
    assert lines(made) == [
        "bridge vlan del dev eth2 vid 120",
        "bridge vlan show dev eth2  # expect no 120",
        "# journal: gone again: VLAN 120 on eth2",
        f"bridge fdb del {NIC.mac} dev eth2 self",
        f"bridge fdb show dev eth2  # expect no {NIC.mac} self",
        f"# journal: gone again: {NIC.mac} on PF {IGB}",
    ]


def test_a_guest_that_is_to_go_keeps_its_network_until_it_has_gone() -> None:
    host = served(BridgePort(ifname=TAP, pvid=120, vlans={120: True}))
    stopped = replace(SERVER, power=PowerState.STOPPED)
    for made in (planned(host), planned(host, stopped)):
        assert UnitKind.TIDY not in {unit.kind for unit in made.units}
        assert lines(made)[0] == f"virsh destroy {SERVER.id}"


def test_a_guest_keeps_its_network_on_a_bridge_that_it_would_not_be_started_on_any_more() -> None:
    host = served(BridgePort(ifname=TAP, pvid=120, vlans={120: True}))
    [bridge] = host.bridges.values()
    host = replace(host, bridges={bridge.name: replace(bridge, vlan_filtering=False)})
    assert UnitKind.TIDY not in {unit.kind for unit in planned(host, SERVER).units}
    assert UnitKind.TIDY in {unit.kind for unit in planned(replace(host, domains={})).units}


def test_a_tap_that_was_taken_from_its_bridge_is_told_with_the_command_that_helps() -> None:
    host = served(BridgePort(ifname=TAP))
    host = replace(host, bridges={"br-phy1": replace(BRIDGE, ports={"eth2": TRUNK})})
    [unit] = planned(host, SERVER).units
    assert unit.outcome is Outcome.WAITING
    assert f"ip link set {TAP} master br-phy1" in unit.reason


def test_while_bridges_can_not_be_read_nothing_of_them_is_taken_away() -> None:
    host = replace(served(BridgePort(ifname=TAP)), bridges={}, bridges_problem="planted")
    [unit] = planned(host, SERVER).units
    assert (unit.kind, unit.outcome) == (UnitKind.SERVE, Outcome.WAITING)
    assert planned(replace(host, domains={})).units == ()
