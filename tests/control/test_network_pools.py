"""VFs of network pools: held one of the pool, exchanged for the one that libvirt took.

h1, h2  0000:05:00.0 on phy1: 4 VFs in network pool trunkline-phy1 (hostdev)
        0000:82:00.0 on phy2: 4 VFs in network pool trunkline-phy2 (passthrough)
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from lxml.etree import _Element

from tests.control.scene import Scene, on
from tests.support.world import (
    ADMIN,
    DEMO,
    PHY1,
    PHY2,
    AgentByHand,
    a_card,
    a_flavor,
    a_network,
    pooled,
)
from trunkline.control.desired import desired_config
from trunkline.control.events import list_events
from trunkline.control.flavors import set_extra_specs
from trunkline.control.hosts import set_host_enabled
from trunkline.control.network_pools import list_pools
from trunkline.control.pci_flavors import PciFlavorCreate, create_pci_flavor
from trunkline.control.ports import create_port
from trunkline.control.providers import list_providers
from trunkline.control.requests import NicRequest, PortCreate
from trunkline.control.servers import get_server, stop_server
from trunkline.control.services import Services
from trunkline.control.verifying import verify_hosts
from trunkline.domain.device import DeviceKind, OfferedDevice
from trunkline.domain.errors import DeviceTaken, Forbidden
from trunkline.domain.ids import FlavorId, HostName, ServerId
from trunkline.domain.listing import ListQuery
from trunkline.domain.network_pool import PoolMode
from trunkline.domain.pci import PciAddress
from trunkline.domain.port import VnicType
from trunkline.domain.server import ServerState
from trunkline.reconcile.desired import HeldDevice, ServerConfig
from trunkline.reconcile.report import DeviceCondition, DeviceFact, ServerCondition, TakenFact
from trunkline.vif.base import VifRequest
from trunkline.vif.builtin import DirectVf, MacvtapVf
from trunkline.vif.registry import VifRegistry

MODES = {"phy1": PoolMode.HOSTDEV, "phy2": PoolMode.PASSTHROUGH}


HOSTS = ("h1", "h2")


def inventory_of(host: str) -> list[OfferedDevice]:
    serial = HOSTS.index(host)
    one, two = a_card(5, "phy1", serial=serial), a_card(0x82, "phy2", serial=serial)
    return pooled(one, MODES["phy1"]) + pooled(two, MODES["phy2"])


@pytest.fixture
def scene(svc: Services) -> Scene:
    a_flavor(svc)
    agents = {name: AgentByHand(svc, name, inventory_of(name)) for name in HOSTS}
    blue, red = a_network(svc, "blue", (PHY1, 100)), a_network(svc, "red", (PHY2, 200))
    return Scene(svc, blue, red, agents)


def config_of(scene: Scene, server_id: ServerId) -> tuple[str, ServerConfig]:
    view = get_server(scene.svc, DEMO, server_id)
    assert view.host is not None
    config = desired_config(scene.svc, view.host.name)
    return view.host.name, next(each for each in config.servers if each.id == server_id)


def held(scene: Scene, server_id: ServerId) -> HeldDevice:
    return config_of(scene, server_id)[1].held_devices[0]


def took(scene: Scene, server_id: ServerId, index: int) -> TakenFact:
    """Let the server's host tell that libvirt took VF `index` of the place's PF for it."""
    host, server = config_of(scene, server_id)
    (place,) = server.held_devices
    assert place.vf_index is not None
    taken = PciAddress.at(0, place.address.routing_id - place.vf_index + index)
    fact = TakenFact(chosen=place.address, epoch=place.epoch, taken=taken)
    scene.agents[host].report(taken=[fact])
    return fact


def fill(scene: Scene, count: int) -> list[ServerId]:
    servers = [scene.boot(on(scene.blue), name=f"web-{n}").server for n in range(count)]
    assert all(server.state is ServerState.BUILD for server in servers)
    return [server.id for server in servers]


def all_is_well(scene: Scene) -> None:
    scene.index_agrees()
    assert verify_hosts(scene.svc, ADMIN, ListQuery()).verdicts == ()


def test_as_many_servers_get_a_vf_of_a_pool_as_it_has(scene: Scene) -> None:
    fill(scene, 8)
    ninth = scene.boot(on(scene.blue), name="one-too-many").server
    assert ninth.state is ServerState.ERROR
    all_is_well(scene)


def test_a_pool_hands_its_vfs_out_in_its_own_way_only(scene: Scene) -> None:
    for network, vnic_type in ((scene.blue, VnicType.MACVTAP), (scene.red, VnicType.DIRECT)):
        server = scene.boot(on(network, vnic_type)).server
        assert server.state is ServerState.ERROR
        assert server.fault is not None
        assert "network pool" in (server.fault.details or "")
    assert scene.boot(on(scene.red, VnicType.MACVTAP)).server.state is ServerState.BUILD


class OfBefore(DirectVf):
    """A plug-in of before there were network pools."""

    name = "of_before"

    def interface(self, request: VifRequest) -> _Element:
        return super().interface(replace(request, network_pool=None))


def test_a_vif_type_that_knows_no_pools_keeps_its_ports_out_of_them_and_the_pools_say_so(
    scene: Scene,
) -> None:
    preferred = {VnicType.DIRECT: OfBefore.name}
    svc = scene.svc = replace(
        scene.svc,
        vif_types=VifRegistry([OfBefore(), MacvtapVf()]),
        networking=replace(scene.svc.networking, preferred_vif_types=preferred),
    )
    server = scene.boot(on(scene.blue)).server
    assert (server.state, server.fault is None) == (ServerState.ERROR, False)
    assert server.fault is not None
    assert "4 are in network pools, which do not serve NICs like it" in (server.fault.details or "")
    told = {pool.name: (pool.free, pool.problem) for pool in list_pools(svc, ADMIN, HostName("h1"))}
    assert told["trunkline-phy2"] == (4, "")
    free, problem = told["trunkline-phy1"]
    assert free == 0
    assert "VIF type of_before, which ports of VNIC type direct get, does not serve" in problem


def test_a_vf_of_a_pool_is_not_had_by_itself(scene: Scene) -> None:
    with pytest.raises(DeviceTaken, match="trunkline-phy1"):
        create_port(
            scene.svc,
            ADMIN,
            PortCreate(
                network_id=scene.blue.id, vnic_type=VnicType.DIRECT, host=HostName("h2"),
                profile={"pci_slot": "0000:05:02.2"}, project_id=DEMO.project_id,
            ),
        )  # fmt: skip
    assert scene.devices("claimed") == []


def test_a_free_vf_that_libvirt_took_is_the_servers_and_the_one_chosen_is_free(
    scene: Scene,
) -> None:
    (server_id,) = fill(scene, 1)
    before = held(scene, server_id)
    assert before.vf_index == 0
    fact = took(scene, server_id, 2)
    now = held(scene, server_id)
    assert (now.address, now.vf_index) == (fact.taken, 2)
    assert now.epoch == before.epoch  # Of VF 2 it is the first; what is told of VF 0 is over.
    host, _ = config_of(scene, server_id)
    assert scene.devices("claimed") == [f"{host} {fact.taken} claimed"]
    all_is_well(scene)
    # Told again, as a report that was thought lost: it is about an owner that VF 0 has no more.
    scene.agents[host].report(taken=[fact])
    assert held(scene, server_id) == now
    scene.settle(server_id)
    assert get_server(scene.svc, DEMO, server_id).server.state is ServerState.ACTIVE
    events = list_events(scene.svc, ADMIN, ListQuery(equals={"action": ("device.exchange",)}))
    assert [event.details["instead_of"] for event in events] == [str(fact.chosen)]


def test_two_servers_exchange_what_was_chosen_for_them(scene: Scene) -> None:
    servers = fill(scene, 8)
    host, _ = config_of(scene, servers[0])
    one, two = [each for each in servers if config_of(scene, each)[0] == host][:2]
    first, second = held(scene, one), held(scene, two)
    assert second.vf_index is not None
    took(scene, one, second.vf_index)
    assert held(scene, one).address == second.address
    assert held(scene, two).address == first.address
    assert held(scene, one).epoch > second.epoch
    assert held(scene, two).epoch > first.epoch
    all_is_well(scene)
    for each in (one, two):
        scene.settle(each)
        assert get_server(scene.svc, DEMO, each).server.state is ServerState.ACTIVE


def test_what_is_on_its_way_back_is_exchanged_too(scene: Scene) -> None:
    servers = fill(scene, 8)
    host, _ = config_of(scene, servers[0])
    one, two = [each for each in servers if config_of(scene, each)[0] == host][:2]
    first, second = held(scene, one), held(scene, two)
    scene.delete(two)
    assert second.vf_index is not None
    took(scene, one, second.vf_index)
    (release,) = desired_config(scene.svc, HostName(host)).releases
    assert release.address == first.address
    assert scene.devices("releasing") == [f"{host} {first.address} releasing"]
    scene.clean(host)
    on_phy1 = [line for line in scene.devices("free") if "0000:05" in line]
    assert on_phy1 == [f"{host} {first.address} free"]
    all_is_well(scene)


def test_a_port_that_is_used_again_has_what_its_new_server_has(scene: Scene) -> None:
    port = create_port(
        scene.svc, DEMO, PortCreate(network_id=scene.blue.id, vnic_type=VnicType.DIRECT)
    ).port
    nic = NicRequest(port_id=port.id)
    first = scene.boot(nic, name="first").server
    host, _ = config_of(scene, first.id)
    old = held(scene, first.id)
    scene.delete(first.id)
    other = next(name for name in scene.agents if name != host)
    set_host_enabled(scene.svc, ADMIN, HostName(other), enabled=False)
    second = scene.boot(nic, name="second").server
    new = held(scene, second.id)
    assert new.address != old.address
    assert old.vf_index is not None
    took(scene, second.id, old.vf_index)
    assert held(scene, second.id).address == old.address
    (release,) = desired_config(scene.svc, HostName(host)).releases
    assert release.address == new.address
    all_is_well(scene)


def test_a_stopped_server_holds_one_of_the_pool_and_none_in_particular(scene: Scene) -> None:
    one, two = fill(scene, 2)
    took(scene, one, 0)
    scene.settle(one)
    stop_server(scene.svc, DEMO, one)
    scene.settle(one, ServerCondition.STOPPED)
    host, _ = config_of(scene, one)
    if config_of(scene, two)[0] != host:
        two = next(
            each
            for each in (scene.boot(on(scene.blue), name=f"more-{n}").server.id for n in range(2))
            if config_of(scene, each)[0] == host
        )
    was = held(scene, two)
    index = held(scene, one).vf_index
    assert index is not None
    took(scene, two, index)
    assert held(scene, one).address == was.address
    all_is_well(scene)


def test_a_vf_that_is_not_in_the_pool_is_refused_to_the_guest(scene: Scene) -> None:
    (server_id,) = fill(scene, 1)
    host, server = config_of(scene, server_id)
    (place,) = server.held_devices
    elsewhere = PciAddress.parse("0000:82:02.0")
    fact = TakenFact(chosen=place.address, epoch=place.epoch, taken=elsewhere)
    scene.agents[host].report(taken=[fact])
    view = get_server(scene.svc, DEMO, server_id)
    assert view.host is not None
    assert view.host.name != host  # Placed anew.
    assert scene.devices("releasing") == [f"{host} {place.address} releasing"]
    all_is_well(scene)


def test_what_a_flavor_asks_for_besides_nics_comes_from_no_pool(scene: Scene) -> None:
    create_pci_flavor(
        scene.svc, ADMIN, PciFlavorCreate(name="vf", match=[{"e.physical_network": "phy1"}])
    )
    spec = {"pci_passthrough:pci_flavor": "vf:1"}
    set_extra_specs(scene.svc, ADMIN, FlavorId("small"), spec)
    assert scene.boot().server.state is ServerState.ERROR


def test_each_pool_is_listed_with_what_is_free_of_it(scene: Scene) -> None:
    assert scene.boot(on(scene.red, VnicType.MACVTAP)).server.state is ServerState.BUILD
    found = list_pools(scene.svc, ADMIN)
    assert [(pool.host, pool.name, pool.mode, pool.vfs) for pool in found] == [
        (host, f"trunkline-{network}", MODES[network], 4)
        for host in ("h1", "h2")
        for network in ("phy1", "phy2")
    ]
    assert sum(pool.free for pool in found) == 15
    assert sum(pool.held for pool in found) == 1
    assert {pool.pf_address for pool in found} == {"0000:05:00.0", "0000:82:00.0"}
    assert list_pools(scene.svc, ADMIN, HostName("h2")) == found[2:]
    with pytest.raises(Forbidden):
        list_pools(scene.svc, DEMO)


def test_openstacks_placement_shows_how_many_of_a_pool_are_free(scene: Scene) -> None:
    fill(scene, 3)
    total = used = 0
    for provider in list_providers(scene.svc, ADMIN):
        found = provider.inventories.get("CUSTOM_NETWORK_POOL_TRUNKLINE_PHY1")
        if found is not None:
            total, used = total + found.total, used + found.used
            assert "CUSTOM_VNIC_TYPE_DIRECT" in provider.traits
            assert "CUSTOM_VNIC_TYPE_MACVTAP" not in provider.traits
    assert (total, used) == (8, 3)


def test_a_pool_with_a_quarantined_vf_is_shut_until_it_is_clean(scene: Scene) -> None:
    servers = fill(scene, 2)
    host, server = config_of(scene, servers[0])
    scene.delete(servers[0])
    (dirty,) = [
        DeviceFact(address=each.address, epoch=each.epoch, condition=DeviceCondition.DIRTY)
        for each in server.held_devices
    ]
    scene.agents[host].report(devices=[dirty])
    shut = {
        (pool.host, pool.name): (pool.free, pool.problem) for pool in list_pools(scene.svc, ADMIN)
    }
    index = server.held_devices[0].vf_index
    words = f"VF {index} of network pool trunkline-phy1 is quarantined"
    assert shut[HostName(host), "trunkline-phy1"] == (0, words)
    assert shut[HostName(host), "trunkline-phy2"] == (4, "")
    all_is_well(scene)

    other = next(name for name in scene.agents if name != host)
    set_host_enabled(scene.svc, ADMIN, HostName(other), enabled=False)
    refused = scene.boot(on(scene.blue), name="refused").server
    assert refused.state is ServerState.ERROR
    assert refused.fault is not None
    assert words in (refused.fault.details or "")
    # Its PF's link going and coming back does not open it.
    for link_up in (False, True):
        change_link(scene, host, link_up=link_up)
        all_is_well(scene)
    assert scene.boot(on(scene.blue), name="still").server.state is ServerState.ERROR

    scene.clean(host)
    all_is_well(scene)
    assert {pool.problem for pool in list_pools(scene.svc, ADMIN)} == {""}
    assert scene.boot(on(scene.blue), name="served").server.state is ServerState.BUILD


def change_link(scene: Scene, host: str, *, link_up: bool) -> None:
    inventory = tuple(
        replace(each, function=replace(each.function, link_up=link_up))
        if each.function.kind is DeviceKind.PF
        else each
        for each in inventory_of(host)
    )
    scene.agents[host].report(inventory=inventory)


@pytest.mark.parametrize("which", ["chosen", "taken"])
def test_a_vf_that_is_off_offer_is_not_exchanged_and_the_report_counts(
    scene: Scene, which: str
) -> None:
    (server_id,) = fill(scene, 1)
    host, server = config_of(scene, server_id)
    (place,) = server.held_devices
    index = 0 if which == "chosen" else 2
    used = [
        replace(each, on_offer=False, function=replace(each.function, used_by="its own bridge"))
        if (each.function.pf_address, each.function.vf_index) == (place.pf_address, index)
        else each
        for each in inventory_of(host)
    ]
    scene.agents[host].report(inventory=tuple(used))
    took(scene, server_id, 2)
    view = get_server(scene.svc, DEMO, server_id)
    assert view.host is not None
    assert view.host.name != host  # Placed anew.
    events = list_events(scene.svc, ADMIN, ListQuery(equals={"server_id": (server_id,)}))
    assert any("in use by others: its own bridge" in str(event.details) for event in events)
    all_is_well(scene)


def test_one_vf_in_another_pool_is_spoken_of_as_one(svc: Services) -> None:
    a_flavor(svc)
    card = pooled(a_card(5, "phy1", vf_count=1), PoolMode.PASSTHROUGH)
    agents = {"h1": AgentByHand(svc, "h1", card)}
    scene = Scene(
        svc, a_network(svc, "blue", (PHY1, 100)), a_network(svc, "red", (PHY2, 1)), agents
    )
    server = scene.boot(on(scene.blue)).server
    assert server.fault is not None
    assert "; 1 is in a network pool, which does not serve" in (server.fault.details or "")
