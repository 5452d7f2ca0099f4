"""Admins' claims of devices, who may do what, and cards that come and go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.control.scene import Scene, on
from tests.support.world import (
    ADMIN,
    DEMO,
    OTHER,
    a_card,
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
)
from trunkline.domain.errors import (
    DeviceTaken,
    Forbidden,
    NotFound,
)
from trunkline.domain.ids import FlavorId, HostName
from trunkline.domain.listing import ListQuery
from trunkline.domain.port import VnicType
from trunkline.domain.server import ServerState


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
    assert str(view.nics[0].port.device.function.address) == "0000:05:02.2"  # type: ignore[union-attr]  # it has one
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


def is_settled(scene: Scene) -> bool:
    host = scene.svc.store.read(lambda tx: tx.hosts.get_by_name("h1"))
    return host.applied_generation == host.generation


def test_a_host_is_woken_for_what_it_has_to_do_and_a_claim_alone_is_nothing(scene: Scene) -> None:
    woken: list[HostName] = []
    scene.svc = replace(scene.svc, wake_host=woken.append)
    before = desired_config(scene.svc, HostName("h1"))
    scene.agents["h1"].report(generation=before.generation, settled=True)
    request = PortCreate(
        network_id=scene.blue.id, vnic_type=VnicType.DIRECT, host=HostName("h1"),
        profile={"pci_slot": "0000:05:02.0"},
    )  # fmt: skip
    port = create_port(scene.svc, ADMIN, request).port
    after = desired_config(scene.svc, HostName("h1"))
    assert woken == []
    assert after.generation > before.generation, "what was decided before is decided anew"
    assert replace(after, generation=before.generation) == before
    assert is_settled(scene), "nothing is left to do"
    update_port(scene.svc, ADMIN, port.id, PortUpdate(host=None))
    assert woken == ["h1"]
    assert not is_settled(scene)
    (release,) = desired_config(scene.svc, HostName("h1")).releases
    assert str(release.address) == "0000:05:02.0"


def test_a_tenant_can_name_neither_device_nor_host(scene: Scene) -> None:
    with pytest.raises(Forbidden):
        create_port(
            scene.svc, DEMO, PortCreate(network_id=scene.blue.id, profile={"pci_slot": "x"})
        )
    with pytest.raises(Forbidden):
        create_port(scene.svc, DEMO, PortCreate(network_id=scene.blue.id, host=HostName("h1")))


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


def test_a_device_that_was_forgotten_comes_back_above_every_epoch_it_had(scene: Scene) -> None:
    def epoch_of(host: str, address: str) -> int:
        query = ListQuery(equals={"host": (host,), "address": (address,)})
        [view] = list_devices(scene.svc, ADMIN, query)
        return view.epoch

    agent = scene.agents["h1"]
    cards = a_card(5, "phy1", serial=1) + a_card(0x82, "phy2", serial=1)
    had = 0
    for _ in range(3):
        port = create_port(
            scene.svc,
            ADMIN,
            PortCreate(
                network_id=scene.blue.id,
                vnic_type=VnicType.DIRECT,
                host=HostName("h1"),
                profile={"pci_slot": "0000:05:02.0"},
            ),
        ).port
        assert epoch_of("h1", "0000:05:02.0") > had
        had = epoch_of("h1", "0000:05:02.0")
        delete_port(scene.svc, ADMIN, port.id)
        scene.clean("h1")
        agent.report(inventory=tuple(cards[5:]))
        agent.report(inventory=tuple(cards))
