"""Servers over a real store: placed, refused, reported, deleted.

h1, h2                            network blue: vlan 100 on phy1
├─ 0000:05:00.0  phy1, 4 VFs      network red:  vlan 200 on phy2
└─ 0000:82:00.0  phy2, 4 VFs
"""

from __future__ import annotations

import pytest

from tests.control.scene import Scene, on
from tests.support.world import (
    ADMIN,
    DEMO,
    PHY1,
    a_network,
)
from trunkline.control.desired import desired_config
from trunkline.control.devices import list_devices
from trunkline.control.events import list_events
from trunkline.control.ports import create_port, delete_port, get_port
from trunkline.control.requests import NicRequest, PortCreate, ServerUpdate
from trunkline.control.servers import (
    delete_server,
    get_server,
    reboot_server,
    start_server,
    stop_server,
    update_server,
)
from trunkline.domain.errors import (
    InUse,
    Invalid,
    NotFound,
    StateConflict,
)
from trunkline.domain.ids import NetworkId, PortId
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import NetworkType
from trunkline.domain.port import VnicType
from trunkline.domain.server import PowerState, ServerState
from trunkline.reconcile.report import (
    DeviceCondition,
    DeviceFact,
    ServerCondition,
    ServerFact,
)


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
    claimed = ListQuery(equals={"state": ("claimed",)})
    assert [nic.device.epoch] == [held.epoch for held in list_devices(scene.svc, ADMIN, claimed)]


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


def test_a_host_that_a_server_was_taken_from_has_no_say_about_it(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    assert view.host is not None
    former = scene.agents[view.host.name]

    def say(condition: ServerCondition) -> None:
        former.report(
            servers=[ServerFact(id=view.server.id, boot_number=1, condition=condition, reason="no")]
        )

    say(ServerCondition.FAILED)
    moved = get_server(scene.svc, DEMO, view.server.id)
    assert moved.host is not None
    assert moved.host.name != former.name
    say(ServerCondition.FAILED)
    say(ServerCondition.RUNNING)
    assert get_server(scene.svc, DEMO, view.server.id) == moved
    scene.settle(view.server.id)
    say(ServerCondition.FAILED)
    assert get_server(scene.svc, DEMO, view.server.id).server.state is ServerState.ACTIVE


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
    unplugged = get_port(scene.svc, DEMO, port.id)
    assert (unplugged.binding, unplugged.status, unplugged.port.device_id) == (None, "DOWN", "")
    assert view.server.fault is not None
    assert view.server.fault.details.startswith("no\n")
    assert len(scene.devices("releasing")) == 2


def test_a_nic_is_desired_as_its_port_and_network_say(scene: Scene) -> None:
    port = create_port(
        scene.svc,
        ADMIN,
        PortCreate(
            network_id=scene.red.id, vnic_type=VnicType.DIRECT, port_security_enabled=False,
            project_id=DEMO.project_id,
        ),
    ).port  # fmt: skip
    view = scene.boot(on(scene.blue), NicRequest(port_id=port.id))
    assert view.host is not None
    [server] = desired_config(scene.svc, view.host.name).servers
    assert [nic.mac for nic in server.nics] == [nic.port.port.mac for nic in view.nics]
    told = [(nic.vlan_id, nic.spoof_check) for nic in server.nics]
    assert told == [(100, True), (200, False)]
    assert not any(nic.trust for nic in server.nics)


def test_a_port_is_active_only_while_its_guest_runs(scene: Scene) -> None:
    server_id = scene.boot(on(scene.blue)).server.id

    def status() -> str:
        [nic] = get_server(scene.svc, DEMO, server_id).nics
        return nic.port.status

    assert status() == "BUILD"
    scene.settle(server_id)
    assert status() == "ACTIVE"
    stop_server(scene.svc, DEMO, server_id)
    assert status() == "ACTIVE"  # It still runs, as far as is known.
    scene.settle(server_id, ServerCondition.STOPPED)
    assert status() == "DOWN"
    start_server(scene.svc, DEMO, server_id)
    assert status() == "DOWN"
    scene.settle(server_id)
    assert status() == "ACTIVE"
    reboot_server(scene.svc, DEMO, server_id)
    scene.settle(server_id, ServerCondition.FAILED)
    assert get_server(scene.svc, DEMO, server_id).server.state is ServerState.ERROR
    assert status() == "DOWN"
    reboot_server(scene.svc, DEMO, server_id)
    scene.settle(server_id)
    assert status() == "ACTIVE"
    assert len(scene.devices("active")) == 1


def test_a_server_whose_guest_powers_itself_off_is_shut_off_and_stays_so(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    server_id = view.server.id
    assert view.host is not None
    scene.settle(server_id)
    before = desired_config(scene.svc, view.host.name)
    scene.settle(server_id, ServerCondition.STOPPED)
    shown = get_server(scene.svc, DEMO, server_id)
    assert shown.server.state is ServerState.SHUTOFF
    assert [nic.port.status for nic in shown.nics] == ["DOWN"]
    after = desired_config(scene.svc, view.host.name)
    assert [server.power for server in after.servers] == [PowerState.STOPPED]
    assert after.generation > before.generation
    start_server(scene.svc, DEMO, server_id)
    scene.settle(server_id)
    assert get_server(scene.svc, DEMO, server_id).server.state is ServerState.ACTIVE


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


def test_a_server_that_is_building_cannot_be_stopped(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    with pytest.raises(StateConflict):
        stop_server(scene.svc, DEMO, view.server.id)


def test_each_change_of_name_or_description_is_in_the_audit_trail(scene: Scene) -> None:
    view = scene.boot(on(scene.blue), name="web")
    update_server(scene.svc, DEMO, view.server.id, ServerUpdate(name="shop"))
    update_server(scene.svc, DEMO, view.server.id, ServerUpdate(description="sells"))
    update_server(
        scene.svc, DEMO, view.server.id, ServerUpdate(name="shop", description="sells")
    )  # No change.
    query = ListQuery(equals={"server_id": (view.server.id,), "action": ("server.update",)})
    found = list_events(scene.svc, DEMO, query)
    assert [event.details for event in found] == [{"description": "sells"}, {"name": "shop"}]
    assert {event.actor for event in found} == {"user demo"}
