"""Rules over a server's NICs, from flavor and hints to the devices that are chosen.

h1   phy1: a card on switch s1, and one on s2; phy2: a card on s2; 4 VFs each
h2   phy1: a card of 20 VFs on s1; phy2: one of 8 on s1
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.control.scene import Scene, on
from tests.support.world import ADMIN, DEMO, a_card
from trunkline.control.demands import server_request
from trunkline.control.explaining import explain
from trunkline.control.flavors import set_extra_specs
from trunkline.control.nics import nics_of_bound_ports
from trunkline.control.ports import create_port
from trunkline.control.requests import ExplainRequest, NicRequest, PortCreate, ServerCreate
from trunkline.control.servers import create_server, get_server
from trunkline.control.views import ServerView
from trunkline.domain.device import OfferedDevice
from trunkline.domain.errors import Invalid
from trunkline.domain.ids import FlavorId, HostName, PortId
from trunkline.domain.nic_rules import AFFINITY_KEY, ANTI_AFFINITY_KEY, AskedRule, parse_rules
from trunkline.domain.port import VnicType
from trunkline.domain.server import ServerState
from trunkline.placement.asks.request import GroupRule, PlacementRequest
from trunkline.reconcile.report import ServerCondition, ServerFact


def cards(*found: tuple[int, str, str, int], serial: int) -> tuple[OfferedDevice, ...]:
    """Bus, physical network, switch and number of VFs of each card."""
    return tuple(
        device
        for bus, physical_network, switch, vf_count in found
        for device in a_card(
            bus, physical_network, vf_count=vf_count, serial=serial, tags={"switch": switch}
        )
    )


@pytest.fixture
def scene(scene: Scene) -> Scene:
    scene.agents["h1"].report(
        inventory=cards(
            (5, "phy1", "s1", 4), (6, "phy1", "s2", 4), (0x82, "phy2", "s2", 4), serial=1
        )
    )
    scene.agents["h2"].report(
        inventory=cards((5, "phy1", "s1", 20), (0x82, "phy2", "s1", 8), serial=2)
    )
    return scene


def hints(*texts: str, key: str = AFFINITY_KEY) -> tuple[AskedRule, ...]:
    return tuple(rule for text in texts for rule in parse_rules(key, text, field="hints"))


def together(*texts: str) -> tuple[AskedRule, ...]:
    return hints(*texts)


def apart(*texts: str) -> tuple[AskedRule, ...]:
    return hints(*texts, key=ANTI_AFFINITY_KEY)


def boot(scene: Scene, *nics: NicRequest, rules: tuple[AskedRule, ...] = ()) -> ServerView:
    request = ServerCreate(
        name="web", flavor_id=FlavorId("small"), image_id=None, nics=nics, rules=rules
    )
    return get_server(scene.svc, DEMO, create_server(scene.svc, DEMO, request).id)


def a_port(scene: Scene, name: str, vnic_type: VnicType = VnicType.DIRECT) -> NicRequest:
    asked = PortCreate(network_id=scene.blue.id, vnic_type=vnic_type, name=name)
    return NicRequest(port_id=create_port(scene.svc, DEMO, asked).port.id)


def pfs(view: ServerView) -> list[str]:
    assert view.server.state is ServerState.BUILD, view.server.fault
    return [
        str(nic.port.device.function.pf_address) for nic in view.nics if nic.port.device is not None
    ]


def host_of(view: ServerView) -> str:
    assert view.host is not None, view.server.fault
    return view.host.name


def request_of(scene: Scene, view: ServerView) -> PlacementRequest:
    """What the server would be placed anew by."""
    ports = scene.svc.store.read(lambda tx: tx.ports.get_many(view.server.port_ids))
    in_order = sorted(ports, key=lambda port: view.server.port_ids.index(port.id))
    return scene.svc.store.write(
        lambda tx: server_request(tx, scene.svc, view.server, nics_of_bound_ports(tx, in_order))
    )


def test_nics_apart_are_on_a_pf_each(scene: Scene) -> None:
    """Without the rule both go to h2, which has most to choose from, and has one PF there."""
    assert len(set(pfs(boot(scene, on(scene.blue), on(scene.blue))))) == 1
    view = boot(scene, on(scene.blue), on(scene.blue), rules=apart("pf"))
    assert host_of(view) == "h1"
    assert len(set(pfs(view))) == 2
    three = [on(scene.blue)] * 3
    assert boot(scene, *three, rules=apart("pf")).server.state is ServerState.ERROR
    soft = boot(scene, *three, rules=apart("pf:soft"))
    assert host_of(soft) == "h2"  # Which host comes first is no matter of soft rules.


def test_nics_together_are_on_one_switch(scene: Scene) -> None:
    nics = on(scene.blue), on(scene.red)
    assert host_of(boot(scene, *nics, rules=together("switch"))) == "h2"
    view = boot(scene, *nics, rules=(*together("switch"), *apart("pf")))
    assert host_of(view) == "h2"
    assert host_of(boot(scene, *nics, rules=apart("switch"))) == "h1"


def test_a_flavors_rules_count_beside_the_hints(scene: Scene) -> None:
    specs = {AFFINITY_KEY: "switch", ANTI_AFFINITY_KEY: "pf:soft;card"}
    set_extra_specs(scene.svc, ADMIN, FlavorId("small"), specs)
    view = boot(scene, on(scene.blue), on(scene.red))
    assert host_of(view) == "h2"
    assert sorted(map(str, view.server.nic_rules)) == [
        "trunkline:nic_affinity=switch:hard:0,1",
        "trunkline:nic_anti_affinity=card:hard:0,1",
        "trunkline:nic_anti_affinity=pf:soft:0,1",
    ]
    assert boot(scene, on(scene.blue), on(scene.red), rules=together("card")).server.state is (
        ServerState.ERROR
    )


def test_nics_are_named_by_number_port_and_network(scene: Scene) -> None:
    nics = [a_port(scene, "one"), a_port(scene, "two"), on(scene.red), on(scene.blue)]
    rules = (
        *apart("pf:0,port=two", f"pf:soft:port={nics[0].port_id},network=red"),
        *together(f"numa:soft:network={scene.blue.id}"),
    )
    view = boot(scene, *nics, rules=rules)
    assert [rule.nics for rule in view.server.nic_rules] == [(0, 1), (0, 2), (0, 1, 3)]
    assert request_of(scene, view).rules[0] == GroupRule(
        scope=rules[0].scope, apart=True, hard=True, nics=frozenset(view.server.port_ids[:2])
    )


def test_a_rule_without_names_is_about_nics_with_devices(scene: Scene) -> None:
    view = boot(
        scene, on(scene.blue), on(scene.blue, VnicType.NORMAL), on(scene.blue), rules=apart("pf")
    )
    assert [rule.nics for rule in view.server.nic_rules] == [(0, 2)]
    assert boot(scene, on(scene.blue), rules=apart("pf")).server.nic_rules == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("pf:0,4", "there is no NIC 4: the server has 4, counted from 0"),
        ("pf:0,2", "NIC 2 is of type normal, and has no device to be placed"),
        ("pf:0,port=three", "the server has no port 'three'"),
        ("pf:0,port=twin", "2 ports of the server are named 'twin'; use IDs"),
        ("pf:0,network=red", "the server has no NIC with a device on network 'red'"),
    ],
)
def test_a_nic_that_a_rule_can_not_be_about_is_told(scene: Scene, text: str, problem: str) -> None:
    nics = [
        on(scene.blue), a_port(scene, "twin"), on(scene.blue, VnicType.NORMAL),
        a_port(scene, "twin"),
    ]  # fmt: skip
    with pytest.raises(Invalid, match=problem) as refused:
        boot(scene, *nics, rules=apart(text))
    assert refused.value.field == "hints"
    assert scene.devices("claimed") == []


def test_a_device_that_an_admin_chose_is_under_no_rule(scene: Scene) -> None:
    asked = PortCreate(
        network_id=scene.blue.id, vnic_type=VnicType.DIRECT, project_id=DEMO.project_id,
        profile={"pci_slot": "0000:05:02.0"}, host=HostName("h1"),
    )  # fmt: skip
    claimed = NicRequest(port_id=PortId(create_port(scene.svc, ADMIN, asked).port.id))
    with pytest.raises(Invalid, match="was chosen by an admin already"):
        boot(scene, claimed, on(scene.blue), on(scene.blue), rules=apart("pf"))
    view = boot(scene, claimed, on(scene.blue), on(scene.blue), rules=apart("pf:1,2"))
    assert len(set(pfs(view)[1:])) == 2


def test_more_rules_and_nics_than_are_decided_together_are_refused(scene: Scene) -> None:
    nics = [on(scene.blue)] * 16
    assert boot(scene, *nics, rules=apart("pf:soft")).server.state is ServerState.BUILD
    with pytest.raises(Invalid, match="of 16 NICs with devices at most; this one has 17"):
        boot(scene, *nics, on(scene.red), rules=apart("pf:soft"))
    many = apart(*(["pf:soft:0,1"] * 40))
    view = boot(scene, on(scene.red), on(scene.red), rules=many)
    assert len(view.server.nic_rules) == 1  # Said again, it says no more.
    with pytest.raises(Invalid, match="41 rules over NICs; a server has 40 at most"):
        boot(scene, on(scene.red), on(scene.red), rules=(*many, *together("pf")))


def test_a_server_is_placed_anew_by_the_rules_it_was_made_with(scene: Scene) -> None:
    set_extra_specs(scene.svc, ADMIN, FlavorId("small"), {ANTI_AFFINITY_KEY: "card"})
    view = boot(scene, on(scene.blue), on(scene.blue), rules=apart("pf"))
    assert host_of(view) == "h1"
    before = request_of(scene, view).rules
    set_extra_specs(scene.svc, ADMIN, FlavorId("small"), {ANTI_AFFINITY_KEY: "card:soft"})
    assert request_of(scene, view).rules == before
    failed = ServerFact(
        id=view.server.id, boot_number=1, condition=ServerCondition.FAILED, reason="no"
    )
    scene.agents["h1"].report(servers=[failed])
    after = get_server(scene.svc, DEMO, view.server.id)
    assert after.server.state is ServerState.ERROR  # h2 has one PF on phy1.


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        (AFFINITY_KEY, "rack", "extra_specs.trunkline:nic_affinity: 'rack' in 'rack' is no scope"),
        (ANTI_AFFINITY_KEY, "pf:1", "extra_specs.trunkline:nic_anti_affinity: 'pf:1' names one"),
        ("group_policy", "some", "extra_specs.group_policy: must be none or isolate, not 'some'"),
    ],
)
def test_a_flavors_rules_are_checked_when_they_are_set(
    scene: Scene, key: str, value: str, problem: str
) -> None:
    with pytest.raises(Invalid, match=problem):
        set_extra_specs(scene.svc, ADMIN, FlavorId("small"), {key: value})


def test_explain_thinks_the_same_rules_through(scene: Scene) -> None:
    nics = (on(scene.blue), on(scene.blue))
    shape = ExplainRequest(flavor_id=None, nics=nics, rules=apart("pf"))
    advice = explain(scene.svc, ADMIN, shape)
    assert advice.host_name == "h1"
    assert not explain(scene.svc, ADMIN, replace(shape, nics=(*nics, on(scene.blue)))).fits
