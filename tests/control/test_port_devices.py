"""What ports ask of their devices: trust, abilities, and conditions of their own.

h1   phy1: mlx4_core, which can't trust VFs; e.trusted=true, e.rack=a
h2   phy1: mlx5_core, which can do all;      e.rack=b
h3   phy1: bnxt_en, which has no priorities; e.trusted=true, e.rack=b, e.speed=100g
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.control.scene import Scene
from tests.support.world import ADMIN, DEMO, AgentByHand, a_card
from trunkline.control.demands import server_request
from trunkline.control.desired import desired_config
from trunkline.control.hosts import get_host
from trunkline.control.nics import nics_of_bound_ports
from trunkline.control.pci_flavors import PciFlavorCreate, create_pci_flavor
from trunkline.control.ports import create_port, get_port, list_ports, update_port
from trunkline.control.requests import NicRequest, PortCreate, PortUpdate
from trunkline.control.servers import stop_server
from trunkline.control.views import PortView, ServerView
from trunkline.domain.errors import Forbidden, Invalid, StateConflict
from trunkline.domain.identity import Caller
from trunkline.domain.ids import HostName
from trunkline.domain.listing import ListQuery
from trunkline.domain.pci_flavor import match_text
from trunkline.domain.pci_flavor_parsing import InvalidMatch
from trunkline.domain.port import VnicType
from trunkline.domain.server import ServerState
from trunkline.domain.vf import LinkState
from trunkline.reconcile.report import ServerCondition


@pytest.fixture
def scene(scene: Scene) -> Scene:
    trusted = {"trusted": "true"}
    for serial, (name, driver, tags) in enumerate(
        (
            ("h1", "mlx4_core", trusted | {"rack": "a"}),
            ("h2", "mlx5_core", {"rack": "b"}),
            ("h3", "bnxt_en", trusted | {"rack": "b", "speed": "100g"}),
        )
    ):
        card = a_card(5, "phy1", driver=driver, tags=tags, serial=serial)
        if name in scene.agents:
            scene.agents[name].report(inventory=tuple(card))
        else:
            scene.agents[name] = AgentByHand(scene.svc, name, card)
    return scene


def a_port(scene: Scene, caller: Caller = ADMIN, **fields: Any) -> PortView:
    asked: dict[str, Any] = {"vnic_type": VnicType.DIRECT, "project_id": DEMO.project_id} | fields
    return create_port(scene.svc, caller, PortCreate(network_id=scene.blue.id, **asked))


def boot(scene: Scene, **fields: Any) -> ServerView:
    return scene.boot(NicRequest(port_id=a_port(scene, **fields).port.id))


def host_of(view: ServerView) -> str | None:
    return None if view.host is None else view.host.name


@pytest.mark.parametrize("how", [{"trusted": True}, {"profile": {"trusted": "true"}}])
def test_a_trusted_port_goes_where_the_operator_lets_it_and_the_driver_can(
    scene: Scene, how: dict[str, Any]
) -> None:
    view = boot(scene, **how)
    assert host_of(view) == "h3"
    assert view.nics[0].port.port.trusted


def test_a_whole_pf_is_trusted_by_its_tag_alone(scene: Scene) -> None:
    """Nobody sets anything for a guest that has the PF: that the driver can't is no matter."""
    hosts = [host_of(boot(scene, trusted=True, vnic_type=VnicType.DIRECT_PHYSICAL)) for _ in "12"]
    assert sorted(map(str, hosts)) == ["h1", "h3"]


def test_trust_is_for_admins_and_goes_into_the_profile(scene: Scene) -> None:
    with pytest.raises(Forbidden, match="rule create_port:trusted"):
        a_port(scene, DEMO, trusted=False)
    port = a_port(scene, trusted=True, profile={"colour": "red"}).port
    assert port.profile == {"colour": "red", "trusted": True}
    with pytest.raises(Forbidden, match="rule update_port:trusted"):
        update_port(scene.svc, DEMO, port.id, PortUpdate(trusted=False))
    port = update_port(scene.svc, ADMIN, port.id, PortUpdate(trusted=False)).port
    assert (port.trusted, port.profile) == (False, {"colour": "red", "trusted": False})
    port = update_port(scene.svc, ADMIN, port.id, PortUpdate(profile={"trusted": "yes"})).port
    assert (port.trusted, port.profile) == (True, {"trusted": "yes"})


@pytest.mark.parametrize(
    ("capabilities", "hosts"),
    [
        ([], {"h1", "h2", "h3"}),
        (["vlan_qos"], {"h1", "h2"}),
        ("vlan_qos, min_tx_rate", {"h2"}),
        (["min_tx_rate", "trust"], {"h2", "h3"}),
        (["802.1ad"], {None}),  # No driver promises it.
    ],
)
def test_capabilities_are_answered_by_the_drivers_abilities(
    scene: Scene, capabilities: object, hosts: set[str | None]
) -> None:
    views = [boot(scene, profile={"capabilities": capabilities}) for _ in range(4 * len(hosts))]
    assert {host_of(view) for view in views} == hosts


def test_a_port_of_a_network_goes_to_a_device_that_can_be_live_migrated(scene: Scene) -> None:
    tags = {"live_migratable": "true", "rack": "b"}
    scene.agents["h2"].report(inventory=tuple(a_card(5, "phy1", tags=tags, serial=1)))
    for asked in (True, "yes"):
        assert host_of(boot(scene, profile={"live_migratable": asked})) == "h2"
    assert {host_of(boot(scene, profile={"live_migratable": False})) for _ in range(4)} > {"h2"}
    both = {"live_migratable": True, "trusted": True}
    assert boot(scene, profile=both).server.state is ServerState.ERROR
    port = boot(scene, trusted=True).nics[0].port.port
    with pytest.raises(StateConflict, match=r"lacks e\.live_migratable"):
        update_port(scene.svc, ADMIN, port.id, PortUpdate(profile=both))
    with pytest.raises(Forbidden, match="binding:profile"):
        a_port(scene, DEMO, profile={"live_migratable": True})


def without_link_states(scene: Scene, *names: str) -> None:
    for serial, name in enumerate(names, start=7):
        scene.agents[name].report(inventory=tuple(a_card(5, "phy1", driver="igb", serial=serial)))


def test_a_port_that_is_down_goes_where_the_driver_can_cut_it_off(scene: Scene) -> None:
    without_link_states(scene, "h1", "h2")
    assert {host_of(boot(scene, admin_state_up=False)) for _ in range(4)} == {"h3"}


def test_a_port_is_not_put_down_where_its_driver_can_not_cut_it_off(scene: Scene) -> None:
    without_link_states(scene, "h1", "h2", "h3")
    port = boot(scene).nics[0].port.port
    with pytest.raises(StateConflict, match=r"its device 0000:05:.* lacks can\.link_state"):
        update_port(scene.svc, DEMO, port.id, PortUpdate(admin_state_up=False))
    assert get_port(scene.svc, DEMO, port.id).port == port


def test_a_port_that_has_a_whole_pf_is_never_down(scene: Scene) -> None:
    with pytest.raises(Invalid, match="of type direct-physical and can't be down: whoever has the"):
        a_port(scene, vnic_type=VnicType.DIRECT_PHYSICAL, admin_state_up=False)
    whole = boot(scene, vnic_type=VnicType.DIRECT_PHYSICAL, name="whole").nics[0].port.port
    with pytest.raises(Invalid, match=r"admin_state_up: port whole .* is of type direct-physical"):
        update_port(scene.svc, DEMO, whole.id, PortUpdate(admin_state_up=False))
    assert get_port(scene.svc, DEMO, whole.id).port.admin_state_up
    down = a_port(scene, admin_state_up=False).port
    with pytest.raises(Invalid, match="can't be down"):
        update_port(scene.svc, ADMIN, down.id, PortUpdate(vnic_type=VnicType.DIRECT_PHYSICAL))


def test_a_port_is_not_put_down_where_its_bridge_can_not_cut_it_off(scene: Scene) -> None:
    view = boot(scene, vnic_type=VnicType.NORMAL)
    scene.settle(view.server.id)
    port, agent = view.nics[0].port.port, scene.agents[host_of(view) or ""]
    has = get_host(scene.svc, ADMIN, agent.name).host.resources
    for unfiltered, refused in ((("br-phy1",), True), (("br-phy2",), False)):
        agent.report(resources=replace(has, unfiltered_bridges=unfiltered))
        if refused:
            with pytest.raises(StateConflict, match="has no VLAN filtering, and can't cut it off"):
                update_port(scene.svc, DEMO, port.id, PortUpdate(admin_state_up=False))
            assert get_port(scene.svc, DEMO, port.id).status == "ACTIVE"
    down = update_port(scene.svc, DEMO, port.id, PortUpdate(admin_state_up=False))
    assert down.status == "DOWN"
    agent.report(resources=replace(has, unfiltered_bridges=("br-phy1",)))
    assert update_port(scene.svc, DEMO, port.id, PortUpdate(name="x")).port.name == "x"


def test_a_port_that_is_down_is_told_as_down_and_its_host_is(scene: Scene) -> None:
    view = boot(scene, vnic_type=VnicType.NORMAL)
    scene.settle(view.server.id)
    port = view.nics[0].port.port
    assert get_port(scene.svc, DEMO, port.id).status == "ACTIVE"
    update_port(scene.svc, DEMO, port.id, PortUpdate(admin_state_up=False))
    assert get_port(scene.svc, DEMO, port.id).status == "DOWN"

    def listed(status: str) -> set[str]:
        query = ListQuery(equals={"status": (status,)})
        return {each.port.id for each in list_ports(scene.svc, DEMO, query)}

    assert (port.id in listed("DOWN"), port.id in listed("ACTIVE")) == (True, False)
    (nic,) = desired_config(scene.svc, HostName(host_of(view) or "")).servers[0].nics
    assert (nic.device, nic.link_state) == (None, LinkState.DISABLE)
    update_port(scene.svc, DEMO, port.id, PortUpdate(admin_state_up=True))
    assert (port.id in listed("DOWN"), port.id in listed("ACTIVE")) == (False, True)
    stop_server(scene.svc, DEMO, view.server.id)
    scene.settle(view.server.id, ServerCondition.STOPPED)
    assert port.id in listed("DOWN")


def test_a_port_with_a_device_that_the_operator_does_not_let_be_trusted_stays_untrusted(
    scene: Scene,
) -> None:
    view = boot(scene, profile={"capabilities": "vlan_qos, min_tx_rate"})
    assert host_of(view) == "h2"
    port = view.nics[0].port.port
    with pytest.raises(StateConflict, match=r"lacks e\.trusted"):
        update_port(scene.svc, ADMIN, port.id, PortUpdate(trusted=True))
    changed = update_port(scene.svc, ADMIN, port.id, PortUpdate(admin_state_up=False))
    assert not changed.port.admin_state_up


@pytest.mark.parametrize(
    ("capabilities", "problem"),
    [
        (["switchdev"], "switchdev is not served"),
        (["fast"], "'fast' is not known; there are link_state, max_tx_rate"),
        ("trust,", "'' is not known"),
        ({"trust": True}, "must be a list of names"),
        (7, "must be a list of names"),
        ([7], "must be a list of names"),
    ],
)
def test_capabilities_that_can_not_be_had_are_refused(
    scene: Scene, capabilities: object, problem: str
) -> None:
    profile = {"capabilities": capabilities}
    with pytest.raises(Invalid, match=problem) as refused:
        a_port(scene, profile=profile)
    assert refused.value.field == "binding:profile.capabilities"
    port = a_port(scene).port
    with pytest.raises(Invalid, match=problem):
        update_port(scene.svc, ADMIN, port.id, PortUpdate(profile=profile))


@pytest.mark.parametrize(
    ("match", "text", "hosts"),
    [
        ({"e.rack": "a"}, "e.rack=a", {"h1"}),
        ("e.rack=b,e.speed~100*", "e.rack=b, e.speed~100*", {"h3"}),
        ({"can.vlan_qos": "true"}, "can.vlan_qos=true", {"h1", "h2"}),
        ({"e.rack": ["a", "b"], "driver": {"regex": "mlx.*"}}, None, {"h1", "h2"}),
        ({}, "", {"h1", "h2", "h3"}),
        ("", "", {"h1", "h2", "h3"}),
    ],
)
def test_a_port_has_conditions_of_its_own(
    scene: Scene, match: object, text: str | None, hosts: set[str]
) -> None:
    views = [
        scene.boot(NicRequest(port_id=a_port(scene, DEMO, pci_match=match).port.id))
        for _ in range(4 * len(hosts))
    ]
    assert {host_of(view) for view in views} == hosts
    own = views[0].nics[0].port.port.pci_match
    if text is not None:
        assert match_text((own,)) == text


def test_a_flavor_and_the_ports_own_conditions_must_both_hold(scene: Scene) -> None:
    match = [{"e.rack": "b"}, {"e.speed": "100g"}]
    create_pci_flavor(scene.svc, ADMIN, PciFlavorCreate(name="some", match=match))
    asked: dict[str, Any] = {"pci_flavor": "some", "pci_match": {"driver": "mlx5_core"}}
    assert {host_of(boot(scene, **asked)) for _ in range(4)} == {"h2"}
    assert boot(scene, pci_flavor="some", pci_match={"e.rack": "a"}).server.state is (
        ServerState.ERROR
    )


@pytest.mark.parametrize(
    ("match", "problem"),
    [
        ({"address": "0000:05:00.0"}, "pci_match.address: may not be used"),
        ({"e.rack": 7}, "pci_match.e.rack: expected text or a list of texts"),
        ({"colour": "red"}, "pci_match.colour: unknown"),
        (["e.rack"], "pci_match: expected an object of conditions"),
        ("rack", "pci_match: 'rack' is no condition"),
        ({"can.fly": "true"}, "pci_match.can.fly: unknown"),
    ],
)
def test_conditions_that_can_not_be_are_told(scene: Scene, match: object, problem: str) -> None:
    with pytest.raises(InvalidMatch) as refused:
        a_port(scene, DEMO, pci_match=match)
    assert problem in str(refused.value)


def test_conditions_stay_while_the_port_is_bound_and_are_kept(scene: Scene) -> None:
    port = a_port(scene, DEMO, pci_match={"e.rack": "a"}).port
    view = scene.boot(NicRequest(port_id=port.id))
    with pytest.raises(StateConflict, match="pci_match cannot change while the port is bound"):
        update_port(scene.svc, DEMO, port.id, PortUpdate(pci_match={"e.rack": "b"}))
    update_port(scene.svc, DEMO, port.id, PortUpdate(pci_match="e.rack=a"))  # As it is.
    again = scene.svc.store.write(
        lambda tx: server_request(
            tx, scene.svc, view.server, nics_of_bound_ports(tx, [tx.ports.get(port.id)])
        )
    )
    assert match_text(again.nics[0].match) == "e.rack=a"
    scene.delete(view.server.id)
    update_port(scene.svc, DEMO, port.id, PortUpdate(pci_match=None))
    assert get_port(scene.svc, DEMO, port.id).port.pci_match == ()


def test_a_port_without_a_device_has_no_conditions(scene: Scene) -> None:
    with pytest.raises(Invalid, match="or leave pci_match out"):
        a_port(scene, vnic_type=VnicType.NORMAL, pci_match={"e.rack": "a"})
    port = a_port(scene, pci_match={"e.rack": "a"}).port
    with pytest.raises(Invalid, match="or leave pci_match out"):
        update_port(scene.svc, ADMIN, port.id, PortUpdate(vnic_type=VnicType.NORMAL))
