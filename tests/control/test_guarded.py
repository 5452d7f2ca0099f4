"""What belongs to one project does not exist for another, and devices are named by admins only."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.control.scene import Scene, on
from tests.support.world import ADMIN, DEMO, OTHER
from trunkline.control.devices import list_devices
from trunkline.control.events import list_events
from trunkline.control.networks import delete_network, get_network, list_networks
from trunkline.control.ports import create_port, delete_port, get_port, list_ports, update_port
from trunkline.control.requests import (
    NicRequest,
    PortCreate,
    PortUpdate,
    ServerCreate,
    ServerUpdate,
)
from trunkline.control.servers import (
    create_server,
    delete_server,
    get_server,
    list_servers,
    reboot_server,
    start_server,
    stop_server,
    update_server,
)
from trunkline.control.services import Services
from trunkline.control.views import ServerView
from trunkline.domain.errors import Forbidden, NotFound
from trunkline.domain.identity import Caller
from trunkline.domain.ids import FlavorId, HostName
from trunkline.domain.listing import ListQuery
from trunkline.domain.port import VnicType


def rename_server(svc: Services, caller: Caller, server_id: str) -> ServerView:
    return update_server(svc, caller, server_id, ServerUpdate(name="theirs"))


ON_SERVERS = (get_server, delete_server, stop_server, start_server, reboot_server, rename_server)


@pytest.mark.parametrize("use_case", ON_SERVERS, ids=lambda use_case: use_case.__name__)
def test_a_server_of_another_project_is_not_found(
    scene: Scene, use_case: Callable[..., object]
) -> None:
    server = scene.boot(on(scene.blue)).server
    scene.settle(server.id)
    before = get_server(scene.svc, DEMO, server.id)
    with pytest.raises(NotFound):
        use_case(scene.svc, OTHER, server.id)
    assert get_server(scene.svc, DEMO, server.id) == before


def test_ports_and_networks_of_another_project_are_not_found(scene: Scene) -> None:
    port = create_port(scene.svc, DEMO, PortCreate(network_id=scene.blue.id)).port
    with pytest.raises(NotFound):
        get_port(scene.svc, OTHER, port.id)
    with pytest.raises(NotFound):
        update_port(scene.svc, OTHER, port.id, PortUpdate(name="mine"))
    with pytest.raises(NotFound):
        delete_port(scene.svc, OTHER, port.id)
    with pytest.raises(NotFound):
        get_network(scene.svc, OTHER, scene.blue.id)
    with pytest.raises(NotFound):
        delete_network(scene.svc, OTHER, scene.blue.id)
    assert get_port(scene.svc, DEMO, port.id).port == port


def test_no_list_shows_what_is_another_projects(scene: Scene) -> None:
    scene.boot(on(scene.blue))
    for listing in (list_servers, list_ports, list_networks, list_events):
        assert listing(scene.svc, DEMO, ListQuery())
        assert listing(scene.svc, OTHER, ListQuery()) == []
    with pytest.raises(Forbidden):
        list_servers(scene.svc, OTHER, ListQuery(), all_projects=True)


def test_nothing_boots_on_what_is_another_projects(scene: Scene) -> None:
    port = create_port(scene.svc, DEMO, PortCreate(network_id=scene.blue.id)).port
    for nic in (NicRequest(port_id=port.id), NicRequest(network_id=scene.blue.id)):
        request = ServerCreate(name="web", flavor_id=FlavorId("small"), image_id=None, nics=(nic,))
        with pytest.raises(NotFound):
            create_server(scene.svc, OTHER, request)
    assert list_servers(scene.svc, ADMIN, ListQuery(), all_projects=True) == []


def test_a_tenant_names_neither_a_host_nor_a_device(scene: Scene) -> None:
    device = list_devices(scene.svc, ADMIN, ListQuery())[1]
    slot = {"pci_slot": str(device.device.function.address)}
    named = PortCreate(network_id=scene.blue.id, vnic_type=VnicType.DIRECT)
    port = create_port(scene.svc, DEMO, named).port
    for asked in (
        PortCreate(network_id=scene.blue.id, vnic_type=VnicType.DIRECT, profile=slot),
        PortCreate(network_id=scene.blue.id, vnic_type=VnicType.DIRECT, host=device.host_name),
    ):
        with pytest.raises(Forbidden):
            create_port(scene.svc, DEMO, asked)
    for change in (PortUpdate(profile=slot), PortUpdate(host=device.host_name)):
        with pytest.raises(Forbidden):
            update_port(scene.svc, DEMO, port.id, change)
    request = ServerCreate(
        name="web", flavor_id=FlavorId("small"), image_id=None, nics=(on(scene.blue),),
        host=HostName("h1"),
    )  # fmt: skip
    with pytest.raises(Forbidden):
        create_server(scene.svc, DEMO, request)
    with pytest.raises(Forbidden):
        list_devices(scene.svc, DEMO, ListQuery())
    assert scene.devices("claimed") == []
