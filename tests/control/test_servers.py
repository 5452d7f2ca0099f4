"""Servers over a real store: placed, refused, reported, deleted.

h1, h2                            network blue: vlan 100 on phy1
├─ 0000:05:00.0  phy1, 4 VFs      network red:  vlan 200 on phy2
└─ 0000:82:00.0  phy2, 4 VFs
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.world import (
    ADMIN,
    DEMO,
    OTHER,
    PHY1,
    PHY2,
    AgentByHand,
    a_card,
    a_flavor,
    a_network,
    a_world,
)
from trunkline.control.desired import desired_config
from trunkline.control.devices import list_devices
from trunkline.control.events import list_events
from trunkline.control.ports import create_port, delete_port, get_port, update_port
from trunkline.control.requests import NicRequest, PortCreate, PortUpdate, ServerCreate
from trunkline.control.servers import (
    create_server,
    delete_server,
    get_server,
    reboot_server,
    stop_server,
)
from trunkline.control.services import Services
from trunkline.control.views import ServerView
from trunkline.domain.errors import (
    DeviceTaken,
    Forbidden,
    InUse,
    Invalid,
    NotFound,
    StateConflict,
)
from trunkline.domain.ids import FlavorId, HostName, NetworkId, PortId, ServerId
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import Network, NetworkType
from trunkline.domain.port import VnicType
from trunkline.domain.server import PowerState, ServerState
from trunkline.reconcile.report import (
    DeviceCondition,
    DeviceFact,
    ServerCondition,
    ServerFact,
)


@dataclass
class Scene:
    svc: Services
    blue: Network
    red: Network
    agents: dict[str, AgentByHand]

    def boot(self, *nics: NicRequest, name: str = "web") -> ServerView:
        request = ServerCreate(name=name, flavor_id=FlavorId("small"), image_id=None, nics=nics)
        return create_server(self.svc, DEMO, request)

    def devices(self, *states: str) -> list[str]:
        query = ListQuery(equals={"state": states}) if states else ListQuery()
        return [
            f"{view.host_name} {view.device.function.address} {view.state}"
            for view in list_devices(self.svc, ADMIN, query)
        ]

    def settle(self, server_id: ServerId) -> None:
        """Let the server's agent find everything as desired."""
        view = get_server(self.svc, DEMO, server_id)
        assert view.host is not None
        config = desired_config(self.svc, view.host.name)
        server = next(server for server in config.servers if server.id == server_id)
        self.agents[view.host.name].report(
            devices=[
                DeviceFact(
                    address=nic.device.address,
                    epoch=nic.device.epoch,
                    condition=DeviceCondition.READY,
                )
                for nic in server.nics
                if nic.device
            ],
            servers=[
                ServerFact(
                    id=server_id,
                    boot_number=server.boot_number,
                    condition=ServerCondition.RUNNING,
                )
            ],
        )

    def clean(self, host: str) -> None:
        """Let a host's agent find every device that it is to take back clean."""
        config = desired_config(self.svc, HostName(host))
        self.agents[host].report(
            devices=[
                DeviceFact(address=held.address, epoch=held.epoch, condition=DeviceCondition.CLEAN)
                for held in config.releases
            ]
        )

    def index_agrees(self) -> None:
        """Hold the fleet index against the store."""
        self.svc.store.write(self.svc.fleet.refresh)
        for name in self.agents:
            host = self.svc.store.read(lambda tx, name=name: tx.hosts.get_by_name(name))  # type: ignore[misc]
            stored = self.svc.store.read(
                lambda tx, host=host: self.svc.fleet.stored_view(tx, host)  # type: ignore[misc]
            )
            assert self.svc.fleet.view(host.id) == stored


def on(network: Network, vnic_type: VnicType = VnicType.DIRECT) -> NicRequest:
    return NicRequest(network_id=network.id, vnic_type=vnic_type)


@pytest.fixture(params=["sqlite", "postgresql"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_cluster").new_database()
    with a_world(tmp_path, url=url) as svc:
        a_flavor(svc)
        agents = {
            f"h{n}": AgentByHand(
                svc, f"h{n}", a_card(5, "phy1", serial=n) + a_card(0x82, "phy2", serial=n)
            )
            for n in (1, 2)
        }
        yield Scene(svc, a_network(svc, "blue", (PHY1, 100)), a_network(svc, "red", (PHY2, 200)),
                    agents)  # fmt: skip


def test_a_server_is_active_only_once_its_host_has_seen_every_nic_as_desired(scene: Scene) -> None:
    view = scene.boot(on(scene.blue), on(scene.red))
    assert view.server.state is ServerState.BUILD
    assert [nic.port.status for nic in view.nics] == ["BUILD", "BUILD"]
    assert view.host is not None
    scene.agents[view.host.name].report(
        servers=[ServerFact(id=view.server.id, boot_number=1, condition=ServerCondition.RUNNING)]
    )
    assert get_server(scene.svc, DEMO, view.server.id).server.state is ServerState.BUILD
    scene.settle(view.server.id)
    view = get_server(scene.svc, DEMO, view.server.id)
    assert view.server.state is ServerState.ACTIVE
    assert [nic.port.status for nic in view.nics] == ["ACTIVE", "ACTIVE"]


def test_each_nic_gets_a_vf_that_is_cabled_to_its_network(scene: Scene) -> None:
    view = scene.boot(on(scene.red), on(scene.blue), on(scene.red))
    cabled = [nic.port.device.physical_network for nic in view.nics if nic.port.device]
    assert cabled == ["phy2", "phy1", "phy2"]


def test_what_is_desired_of_the_host_names_vlan_mac_and_epoch(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    assert view.host is not None
    [server] = desired_config(scene.svc, view.host.name).servers
    [nic] = server.nics
    assert nic.vlan_id == 100
    assert nic.mac == view.nics[0].port.port.mac
    assert nic.device is not None
    assert nic.device.epoch == 1


def test_a_request_that_fits_nowhere_is_in_error_with_the_reason_and_holds_nothing(
    scene: Scene,
) -> None:
    view = scene.boot(*[on(scene.blue)] * 5)
    assert view.server.state is ServerState.ERROR
    assert view.server.fault is not None
    assert "No valid host" in view.server.fault.message
    assert "h1" not in view.server.fault.message
    assert "h1" in view.server.fault.details
    assert view.nics == ()
    assert scene.devices("claimed", "active", "releasing") == []
    scene.index_agrees()


def test_deleted_servers_devices_are_free_only_after_they_were_seen_clean(scene: Scene) -> None:
    view = scene.boot(on(scene.blue), on(scene.red))
    assert view.host is not None
    scene.settle(view.server.id)
    delete_server(scene.svc, DEMO, view.server.id)
    with pytest.raises(NotFound):
        get_server(scene.svc, DEMO, view.server.id)
    assert len(scene.devices("releasing")) == 2
    scene.clean(view.host.name)
    assert scene.devices("releasing") == []
    assert len(scene.devices("free")) == 20
    scene.index_agrees()


def test_a_report_about_an_earlier_owner_of_a_device_says_nothing_about_this_one(
    scene: Scene,
) -> None:
    first = scene.boot(on(scene.blue))
    assert first.host is not None
    host = first.host.name
    scene.settle(first.server.id)
    delete_server(scene.svc, DEMO, first.server.id)
    [held] = desired_config(scene.svc, host).releases
    stale = DeviceFact(address=held.address, epoch=held.epoch, condition=DeviceCondition.CLEAN)
    scene.agents[host].report(devices=[stale])
    boots = [scene.boot(on(scene.blue)) for _ in range(8)]
    second = next(
        view for view in boots if view.nics[0].port.device
        and view.nics[0].port.device.function.address == held.address
        and view.host and view.host.name == host
    )  # fmt: skip
    delete_server(scene.svc, DEMO, second.server.id)
    scene.agents[host].report(devices=[stale])
    assert f"{host} {held.address} releasing" in scene.devices("releasing")


def test_an_older_report_of_the_same_run_is_dropped(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    assert view.host is not None
    nic = desired_config(scene.svc, view.host.name).servers[0].nics[0]
    assert nic.device is not None
    ready = DeviceFact(
        address=nic.device.address, epoch=nic.device.epoch, condition=DeviceCondition.READY
    )
    scene.agents[view.host.name].report(devices=[ready], number=1)
    assert scene.devices("active") == []


def test_a_device_that_does_not_come_back_clean_is_quarantined_and_given_to_nobody(
    scene: Scene,
) -> None:
    view = scene.boot(on(scene.blue))
    assert view.host is not None
    scene.settle(view.server.id)
    delete_server(scene.svc, DEMO, view.server.id)
    [held] = desired_config(scene.svc, view.host.name).releases
    dirty = DeviceFact(
        address=held.address, epoch=held.epoch, condition=DeviceCondition.DIRTY, reason="VLAN 100"
    )
    scene.agents[view.host.name].report(devices=[dirty])
    assert scene.devices("quarantined") == [f"{view.host.name} {held.address} quarantined"]
    states = [scene.boot(on(scene.blue)).server.state for _ in range(8)]
    assert states.count(ServerState.ERROR) == 1
    scene.clean(view.host.name)  # Somebody put it right by hand.
    assert scene.devices("quarantined") == []
    scene.index_agrees()


def test_a_server_that_its_host_refuses_is_placed_anew_without_that_host(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    assert view.host is not None
    first = view.host.name
    nic = desired_config(scene.svc, first).servers[0].nics[0]
    assert nic.device is not None
    refused = DeviceFact(
        address=nic.device.address,
        epoch=nic.device.epoch,
        condition=DeviceCondition.REFUSED,
        reason="EINVAL",
    )
    scene.agents[first].report(devices=[refused])
    view = get_server(scene.svc, DEMO, view.server.id)
    assert view.server.state is ServerState.BUILD
    assert view.host is not None
    assert view.host.name != first
    assert scene.devices("releasing") == [f"{first} {nic.device.address} releasing"]
    scene.settle(view.server.id)
    assert get_server(scene.svc, DEMO, view.server.id).server.state is ServerState.ACTIVE
    scene.index_agrees()


def test_a_server_that_every_host_refuses_is_in_error_and_says_so(scene: Scene) -> None:
    port = create_port(
        scene.svc, DEMO, PortCreate(network_id=scene.blue.id, vnic_type=VnicType.DIRECT)
    ).port
    view = scene.boot(NicRequest(port_id=port.id))
    for _ in range(2):
        view = get_server(scene.svc, DEMO, view.server.id)
        assert view.host is not None
        scene.agents[view.host.name].report(
            servers=[
                ServerFact(
                    id=view.server.id, boot_number=1, condition=ServerCondition.FAILED, reason="no"
                )
            ]
        )
    view = get_server(scene.svc, DEMO, view.server.id)
    assert view.server.state is ServerState.ERROR
    assert get_port(scene.svc, DEMO, port.id).port.device_id == ""
    assert len(scene.devices("releasing")) == 2


def test_a_server_that_failed_on_its_host_is_not_to_run_until_it_is_rebooted(scene: Scene) -> None:
    view = scene.boot(NicRequest(network_id=scene.blue.id, vnic_type=VnicType.DIRECT))
    assert view.host is not None
    scene.settle(view.server.id)
    before = desired_config(scene.svc, view.host.name)
    scene.agents[view.host.name].report(
        servers=[
            ServerFact(
                id=view.server.id, boot_number=1, condition=ServerCondition.FAILED, reason="no"
            )
        ]
    )
    assert get_server(scene.svc, DEMO, view.server.id).server.state is ServerState.ERROR
    failed = desired_config(scene.svc, view.host.name)
    assert failed.generation > before.generation
    assert [server.power for server in failed.servers] == [PowerState.STOPPED]
    reboot_server(scene.svc, DEMO, view.server.id)
    rebooted = desired_config(scene.svc, view.host.name)
    assert [server.power for server in rebooted.servers] == [PowerState.RUNNING]


def test_a_whole_pf_excludes_its_vfs_and_the_reverse(scene: Scene) -> None:
    whole = [scene.boot(on(scene.blue, VnicType.DIRECT_PHYSICAL)) for _ in range(3)]
    states = [view.server.state for view in whole]
    assert states == [ServerState.BUILD, ServerState.BUILD, ServerState.ERROR]
    assert scene.boot(on(scene.blue)).server.state is ServerState.ERROR
    assert scene.boot(on(scene.red)).server.state is ServerState.BUILD
    last = scene.boot(on(scene.red, VnicType.DIRECT_PHYSICAL))
    assert last.server.state is ServerState.BUILD  # The other host's, whose VFs are all free.
    assert scene.boot(on(scene.red, VnicType.DIRECT_PHYSICAL)).server.state is ServerState.ERROR
    scene.index_agrees()


def test_a_port_of_a_whole_pf_has_the_pfs_own_mac_and_loses_it_again(scene: Scene) -> None:
    port = create_port(
        scene.svc, DEMO, PortCreate(network_id=scene.blue.id, vnic_type=VnicType.DIRECT_PHYSICAL)
    ).port
    view = scene.boot(NicRequest(port_id=port.id))
    assert view.nics[0].port.device is not None
    assert view.nics[0].port.port.mac == view.nics[0].port.device.function.mac
    delete_server(scene.svc, DEMO, view.server.id)
    assert get_port(scene.svc, DEMO, port.id).port.mac != view.nics[0].port.port.mac


def test_ports_made_for_a_server_go_with_it_and_others_stay_unbound(scene: Scene) -> None:
    port = create_port(
        scene.svc, DEMO, PortCreate(network_id=scene.blue.id, vnic_type=VnicType.DIRECT)
    ).port
    view = scene.boot(NicRequest(port_id=port.id), on(scene.red))
    made = view.nics[1].port.port.id
    delete_server(scene.svc, DEMO, view.server.id)
    kept = get_port(scene.svc, DEMO, port.id)
    assert kept.binding is None
    assert kept.port.device_id == ""
    with pytest.raises(NotFound):
        get_port(scene.svc, DEMO, made)


def test_a_port_cannot_be_in_two_servers_or_twice_in_one(scene: Scene) -> None:
    port = create_port(
        scene.svc, DEMO, PortCreate(network_id=scene.blue.id, vnic_type=VnicType.DIRECT)
    ).port
    with pytest.raises(Invalid, match="twice"):
        scene.boot(NicRequest(port_id=port.id), NicRequest(port_id=port.id))
    scene.boot(NicRequest(port_id=port.id))
    with pytest.raises(InUse):
        scene.boot(NicRequest(port_id=port.id))
    with pytest.raises(InUse):
        delete_port(scene.svc, DEMO, port.id)


def test_what_is_another_projects_does_not_exist(scene: Scene) -> None:
    port = create_port(scene.svc, DEMO, PortCreate(network_id=scene.blue.id)).port
    request = ServerCreate(
        name="spy", flavor_id=FlavorId("small"), image_id=None,
        nics=(NicRequest(port_id=port.id),),
    )  # fmt: skip
    with pytest.raises(NotFound):
        create_server(scene.svc, OTHER, request)
    with pytest.raises(NotFound):
        get_port(scene.svc, OTHER, port.id)
    view = scene.boot(on(scene.blue))
    with pytest.raises(NotFound):
        delete_server(scene.svc, OTHER, view.server.id)


@pytest.mark.parametrize(
    "nic",
    [
        NicRequest(network_id=NetworkId("00000000-0000-4000-8000-000000000000")),
        NicRequest(port_id=PortId("00000000-0000-4000-8000-000000000000")),
    ],
)
def test_unknown_ports_and_networks_are_named(scene: Scene, nic: NicRequest) -> None:
    with pytest.raises(NotFound, match="00000000-0000-4000-8000-000000000000"):
        scene.boot(nic)


def test_a_vf_on_a_tunnelled_network_is_refused_with_the_remedy(scene: Scene) -> None:
    tunnel = a_network(scene.svc, "tunnel", (PHY1, 7), network_type=NetworkType.VXLAN)
    with pytest.raises(Invalid, match=r"direct.*vxlan.*normal"):
        scene.boot(on(tunnel))


def test_an_admins_claim_holds_the_very_device_and_pins_the_server_to_it(scene: Scene) -> None:
    claim = {"pci_slot": "0000:05:02.2"}
    port = create_port(
        scene.svc,
        ADMIN,
        PortCreate(
            network_id=scene.blue.id, vnic_type=VnicType.DIRECT, host=HostName("h2"), profile=claim,
            project_id=DEMO.project_id,
        ),
    ).port  # fmt: skip
    assert scene.devices("claimed") == ["h2 0000:05:02.2 claimed"]
    scene.index_agrees()
    view = scene.boot(NicRequest(port_id=port.id), on(scene.red))
    assert view.host is not None
    assert view.host.name == "h2"
    assert str(view.nics[0].port.device.function.address) == "0000:05:02.2"  # type: ignore[union-attr]
    scene.settle(view.server.id)
    assert get_server(scene.svc, DEMO, view.server.id).server.state is ServerState.ACTIVE


@pytest.mark.parametrize(
    ("slot", "problem"),
    [
        ("0000:82:02.0", "physical_network"),  # Not on the network.
        ("0000:05:02.7", "lists"),  # Not listed.
        ("0000:05:00.0", "PF"),  # A whole PF for a port that wants a VF.
    ],
)
def test_a_claim_of_a_device_that_cannot_serve_is_refused(
    scene: Scene, slot: str, problem: str
) -> None:
    request = PortCreate(
        network_id=scene.blue.id, vnic_type=VnicType.DIRECT, host=HostName("h1"),
        profile={"pci_slot": slot},
    )  # fmt: skip
    with pytest.raises(DeviceTaken, match=problem):
        create_port(scene.svc, ADMIN, request)
    assert scene.devices("claimed") == []


def test_a_claim_of_a_held_device_is_refused_and_withdrawing_a_claim_returns_it(
    scene: Scene,
) -> None:
    request = PortCreate(
        network_id=scene.blue.id, vnic_type=VnicType.DIRECT, host=HostName("h1"),
        profile={"pci_slot": "0000:05:02.0"},
    )  # fmt: skip
    port = create_port(scene.svc, ADMIN, request).port
    with pytest.raises(DeviceTaken):
        create_port(scene.svc, ADMIN, request)
    update_port(scene.svc, ADMIN, port.id, PortUpdate(host=None))
    assert scene.devices("releasing") == ["h1 0000:05:02.0 releasing"]
    scene.clean("h1")
    assert scene.devices("releasing") == []
    scene.index_agrees()


def test_a_tenant_can_name_neither_device_nor_host(scene: Scene) -> None:
    with pytest.raises(Forbidden):
        create_port(
            scene.svc, DEMO, PortCreate(network_id=scene.blue.id, profile={"pci_slot": "x"})
        )
    with pytest.raises(Forbidden):
        create_port(scene.svc, DEMO, PortCreate(network_id=scene.blue.id, host=HostName("h1")))


def test_a_server_that_is_building_cannot_be_stopped(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    with pytest.raises(StateConflict):
        stop_server(scene.svc, DEMO, view.server.id)


def test_a_card_that_is_gone_is_forgotten_but_for_devices_that_have_owners(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    assert view.host is not None
    host = view.host.name
    scene.agents[host].report(inventory=tuple(a_card(0x82, "phy2")))
    kept = [line for line in scene.devices() if line.startswith(f"{host} 0000:05")]
    assert f"{host} 0000:05:02.0 claimed" in kept
    assert not [line for line in kept if line.endswith("free")]
    scene.index_agrees()


def test_the_audit_trail_tells_who_did_what_to_a_device(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    assert view.host is not None
    scene.settle(view.server.id)
    delete_server(scene.svc, DEMO, view.server.id)
    scene.clean(view.host.name)
    binding = view.nics[0].port.binding
    assert binding is not None
    query = ListQuery(equals={"device_id": (binding.device_id,)})
    trail = [(event.action, event.actor) for event in list_events(scene.svc, ADMIN, query)]
    assert trail == [
        ("device.clean", f"agent {view.host.name}"),
        ("device.release", "user demo"),
        ("device.confirm", f"agent {view.host.name}"),
        ("device.claim", "user demo"),
    ]
