"""The servers on hosts, as placement would be asked to place them anew.

h1, h2                            network blue: vlan 100 on phy1
├─ 0000:05:00.0  phy1, 4 VFs      network red:  vlan 200 on phy2
└─ 0000:82:00.0  phy2, 4 VFs
h3
├─ 0000:41:00.0  a GPU, e.gpu=a100
└─ 0000:c1:00.0  a GPU, e.gpu=a100
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.control.scene import Scene, on
from tests.support.world import ADMIN, DEMO, AgentByHand
from trunkline.control.devices import list_devices
from trunkline.control.explaining import explain
from trunkline.control.flavors import set_extra_specs
from trunkline.control.pci_flavors import PciFlavorCreate, create_pci_flavor
from trunkline.control.ports import create_port
from trunkline.control.requests import ExplainRequest, NicRequest, PortCreate
from trunkline.control.residents import residents_of
from trunkline.control.servers import get_server
from trunkline.domain.device import DeviceKind, OfferedDevice, PciFunction
from trunkline.domain.ids import FlavorId
from trunkline.domain.listing import ListQuery
from trunkline.domain.pci import PciAddress
from trunkline.domain.port import VnicType
from trunkline.placement.planning.residents import Resident
from trunkline.reconcile.report import ServerCondition, ServerFact
from trunkline.store.transaction import Transaction


def residents(scene: Scene, *hosts: str) -> Sequence[Resident]:
    def read(tx: Transaction) -> Sequence[Resident]:
        ids = [tx.hosts.get_by_name(name).id for name in hosts]
        return residents_of(tx, scene.svc, ids)

    return scene.svc.store.read(read)


def held_by(scene: Scene, resident: Resident) -> list[str]:
    def read(tx: Transaction) -> list[str]:
        refs = [choice.device for choice in resident.placed.choices if choice.device is not None]
        found = tx.devices.named(refs)
        return [str(found[ref].device.function.address) for ref in refs]

    return scene.svc.store.read(read)


def held_in_the_store(scene: Scene, server_id: str) -> set[str]:
    query = ListQuery(equals={"server_id": (server_id,)})
    return {str(view.device.function.address) for view in list_devices(scene.svc, ADMIN, query)}


@pytest.fixture
def with_gpus(scene: Scene) -> Scene:
    gpus = [
        OfferedDevice(
            function=PciFunction(
                address=PciAddress.parse(address), kind=DeviceKind.PLAIN, vendor_id="10de",
                product_id="20b0", driver="nvidia",
            ),
            tags={"gpu": "a100"},
        )
        for address in ("0000:41:00.0", "0000:c1:00.0")
    ]  # fmt: skip
    scene.agents["h3"] = AgentByHand(scene.svc, "h3", gpus)
    create_pci_flavor(scene.svc, ADMIN, PciFlavorCreate(name="a100", match=[{"e.gpu": "a100"}]))
    set_extra_specs(scene.svc, ADMIN, FlavorId("small"), {"pci_passthrough:pci_flavor": "a100:2"})
    return scene


def test_a_server_has_a_choice_for_each_nic_and_a_request_as_it_was_made_with(
    scene: Scene,
) -> None:
    view = scene.boot(on(scene.blue), on(scene.red), on(scene.blue, VnicType.NORMAL))
    assert view.host is not None
    [resident] = residents(scene, "h1", "h2")
    assert (resident.server_id, resident.name, resident.host_id) == (
        view.server.id, "web", view.host.id,
    )  # fmt: skip
    assert set(held_by(scene, resident)) == held_in_the_store(scene, view.server.id)
    assert [choice.segment_id for choice in resident.placed.choices] == [
        network.segments[0].id for network in (scene.blue, scene.red, scene.blue)
    ]
    request = resident.request
    assert [nic.nic for nic in request.nics] == list(view.server.port_ids)
    assert [nic.kind for nic in request.nics] == [DeviceKind.VF, DeviceKind.VF, None]
    flavor = view.server.flavor
    assert (request.vcpus, request.memory_mib) == (flavor.vcpus, flavor.memory_mib)


def test_only_servers_of_the_hosts_named_are_told_of_and_by_name(scene: Scene) -> None:
    for name in ("c", "a", "b", "d"):
        scene.boot(on(scene.blue), name=name)
    here, there = residents(scene, "h1"), residents(scene, "h2")
    assert {each.name for each in (*here, *there)} == {"a", "b", "c", "d"}
    for found in (here, there, residents(scene, "h1", "h2")):
        assert [each.name for each in found] == sorted(each.name for each in found)
    assert residents(scene) == ()


def test_a_deleted_server_is_told_of_no_more_though_its_device_is_on_its_way_back(
    scene: Scene,
) -> None:
    view = scene.boot(on(scene.blue))
    scene.settle(view.server.id)
    scene.delete(view.server.id)
    assert scene.devices("releasing")
    assert residents(scene, "h1", "h2") == ()


def test_devices_besides_nics_are_held_too(with_gpus: Scene) -> None:
    view = with_gpus.boot()
    [resident] = residents(with_gpus, "h3")
    assert [nic.nic for nic in resident.request.nics] == ["device 0 (a100)", "device 1 (a100)"]
    assert [choice.nic for choice in resident.placed.choices] == [
        nic.nic for nic in resident.request.nics
    ]
    held = held_by(with_gpus, resident)
    assert sorted(held) == sorted(held_in_the_store(with_gpus, view.server.id))
    assert len(set(held)) == 2


def test_hosts_that_refused_a_server_are_left_out_again(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    assert view.host is not None
    refused = ServerFact(
        id=view.server.id, boot_number=1, condition=ServerCondition.FAILED, reason="no"
    )
    scene.agents[view.host.name].report(servers=[refused])
    assert get_server(scene.svc, DEMO, view.server.id).host != view.host
    [resident] = residents(scene, "h1", "h2")
    assert resident.request.excluded_hosts == {view.host.id}


def test_a_shape_on_a_network_is_explained_on_every_database(scene: Scene) -> None:
    asked = ExplainRequest(flavor_id=FlavorId("small"), nics=(on(scene.blue), on(scene.red)))
    assert explain(scene.svc, ADMIN, asked).fits


def test_a_port_is_explained_on_every_database(scene: Scene) -> None:
    asked = PortCreate(network_id=scene.blue.id, vnic_type=VnicType.DIRECT)
    port = create_port(scene.svc, DEMO, asked).port
    shape = ExplainRequest(flavor_id=None, nics=(NicRequest(port_id=port.id),))
    assert explain(scene.svc, ADMIN, shape).fits
