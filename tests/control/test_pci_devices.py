"""Devices by what they are: NICs with PCI flavors, and devices besides NICs.

h1, h2                            network blue: vlan 100 on phy1
├─ 0000:05:00.0  phy1, 4 VFs      network red:  vlan 200 on phy2
├─ 0000:82:00.0  phy2, 4 VFs
h3
├─ 0000:06:00.0  phy1, 2 VFs, e.speed=100g
├─ 0000:41:00.0  a GPU, e.gpu=a100
└─ 0000:c1:00.0  a GPU, e.gpu=a100
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.control.scene import Scene, on
from tests.support.world import ADMIN, DEMO, AgentByHand, a_card
from trunkline.control.desired import desired_config
from trunkline.control.explaining import explain
from trunkline.control.flavors import set_extra_specs, unset_extra_spec
from trunkline.control.pci_flavors import (
    PciFlavorCreate,
    PciFlavorUpdate,
    create_pci_flavor,
    delete_pci_flavor,
    list_pci_flavors,
    update_pci_flavor,
)
from trunkline.control.ports import create_port, delete_port, get_port, update_port
from trunkline.control.requests import ExplainRequest, NicRequest, PortCreate, PortUpdate
from trunkline.control.servers import get_server
from trunkline.control.views import ServerView
from trunkline.domain.device import DeviceKind, OfferedDevice, PciFunction
from trunkline.domain.errors import InUse, Invalid, StateConflict
from trunkline.domain.ids import FlavorId, PortId
from trunkline.domain.listing import ListQuery
from trunkline.domain.pci import PciAddress
from trunkline.domain.pci_request import PciRequest
from trunkline.domain.port import VnicType
from trunkline.domain.server import ServerState
from trunkline.reconcile.report import (
    DeviceCondition,
    DeviceFact,
    ServerCondition,
    ServerFact,
)

GPUS = ("0000:41:00.0", "0000:c1:00.0")


def a_gpu(address: str) -> OfferedDevice:
    function = PciFunction(
        address=PciAddress.parse(address), kind=DeviceKind.PLAIN, vendor_id="10de",
        product_id="20b0", driver="nvidia",
    )  # fmt: skip
    return OfferedDevice(function=function, tags={"gpu": "a100"})


@pytest.fixture
def scene(scene: Scene) -> Scene:
    fast = a_card(6, "phy1", vf_count=2, tags={"speed": "100g"}, serial=3)
    scene.agents["h3"] = AgentByHand(scene.svc, "h3", [*fast, *map(a_gpu, GPUS)])
    flavor(scene, "fast", **{"e.speed": "100g"})
    flavor(scene, "a100", **{"e.gpu": "a100"})
    return scene


def flavor(scene: Scene, name: str, **match: object) -> None:
    create_pci_flavor(scene.svc, ADMIN, PciFlavorCreate(name=name, match=[match]))


def change(scene: Scene, name: str, **match: object) -> None:
    found = {each.name: each.id for each in list_pci_flavors(scene.svc, ADMIN, ListQuery())}
    update_pci_flavor(scene.svc, ADMIN, found[name], PciFlavorUpdate(match=[match]))


def delete(scene: Scene, name: str) -> None:
    found = {each.name: each.id for each in list_pci_flavors(scene.svc, ADMIN, ListQuery())}
    delete_pci_flavor(scene.svc, ADMIN, found[name])


def ask_for(scene: Scene, spec: str, key: str = "pci_flavor") -> None:
    """Have the flavor of the scene's servers ask for devices."""
    set_extra_specs(scene.svc, ADMIN, FlavorId("small"), {f"pci_passthrough:{key}": spec})


def fast(scene: Scene) -> NicRequest:
    return replace(on(scene.blue), pci_flavor="fast")


def host_of(view: ServerView) -> str:
    assert view.host is not None, view.server.fault
    return view.host.name


def addresses(view: ServerView) -> list[str]:
    return [str(device.function.address) for device in view.devices]


def run(scene: Scene, view: ServerView) -> ServerView:
    """Let the server's host find everything as desired, devices besides NICs too."""
    host = host_of(view)
    (server,) = (s for s in desired_config(scene.svc, scene.agents[host].name).servers
                 if s.id == view.server.id)  # fmt: skip
    scene.agents[host].report(
        devices=[
            DeviceFact(address=h.address, epoch=h.epoch, condition=DeviceCondition.READY)
            for h in server.held_devices
        ],
        servers=[
            ServerFact(
                id=server.id, boot_number=server.boot_number, condition=ServerCondition.RUNNING
            )
        ],
    )
    return get_server(scene.svc, DEMO, view.server.id)


def test_a_nic_on_a_network_gets_a_device_of_its_pci_flavor(scene: Scene) -> None:
    view = scene.boot(fast(scene))
    assert host_of(view) == "h3"
    assert view.nics[0].port.port.pci_flavor == "fast"
    assert str(view.nics[0].port.device and view.nics[0].port.device.function.address) == (
        "0000:06:02.0"
    )


def test_a_port_keeps_its_pci_flavor_and_a_server_is_placed_by_it(scene: Scene) -> None:
    asked = PortCreate(network_id=scene.blue.id, vnic_type=VnicType.DIRECT, pci_flavor="fast")
    port = create_port(scene.svc, DEMO, asked).port
    assert get_port(scene.svc, DEMO, port.id).port.pci_flavor == "fast"
    assert host_of(scene.boot(NicRequest(port_id=port.id))) == "h3"


def test_a_port_without_a_pci_flavor_is_given_the_one_of_the_request(scene: Scene) -> None:
    asked = PortCreate(network_id=scene.blue.id, vnic_type=VnicType.DIRECT)
    port = create_port(scene.svc, DEMO, asked).port
    assert host_of(scene.boot(NicRequest(port_id=port.id, pci_flavor="fast"))) == "h3"
    assert get_port(scene.svc, DEMO, port.id).port.pci_flavor == "fast"


def test_a_server_that_its_host_refuses_is_placed_anew_by_the_same_flavors(scene: Scene) -> None:
    ask_for(scene, "a100:1")
    view = scene.boot(fast(scene))
    scene.agents["h3"].report(
        servers=[
            ServerFact(
                id=view.server.id, boot_number=1, condition=ServerCondition.FAILED, reason="no"
            )
        ]
    )
    view = get_server(scene.svc, ADMIN, view.server.id)
    assert view.server.state is ServerState.ERROR  # There is no other host with such devices.
    assert "no e.speed" not in str(view.server.fault)
    assert scene.devices("claimed", "active") == []
    assert len(scene.devices("releasing")) == 2


def test_a_change_takes_nothing_from_servers_and_counts_for_the_next(scene: Scene) -> None:
    ask_for(scene, "a100:1")
    placed = scene.boot(fast(scene), name="first")
    before = scene.devices("claimed")
    change(scene, "fast", **{"e.speed": "10g"})
    change(scene, "a100", **{"e.gpu": "h100"})
    assert scene.devices("claimed") == before
    assert run(scene, placed).server.state is ServerState.ACTIVE
    assert scene.boot(fast(scene), name="second").server.state is ServerState.ERROR


def test_a_server_is_placed_anew_as_it_was_asked_for_whatever_changed(scene: Scene) -> None:
    ask_for(scene, "a100:1")
    scene.agents["h4"] = AgentByHand(scene.svc, "h4", [a_gpu("0000:c1:00.0")])
    view = scene.boot()
    refusing = host_of(view)
    change(scene, "a100", **{"e.gpu": "h100"})
    scene.agents[refusing].report(
        servers=[
            ServerFact(
                id=view.server.id, boot_number=1, condition=ServerCondition.FAILED, reason="no"
            )
        ]
    )
    view = get_server(scene.svc, ADMIN, view.server.id)
    assert {refusing, host_of(view)} == {"h3", "h4"}
    assert len(view.devices) == 1


def test_gpus_are_counted_claimed_shown_and_handed_over(scene: Scene) -> None:
    ask_for(scene, "a100:2")
    view = scene.boot(on(scene.blue))
    assert host_of(view) == "h3"
    assert addresses(view) == list(GPUS)
    config = desired_config(scene.svc, scene.agents["h3"].name)
    assert [str(held.address) for held in config.servers[0].devices] == list(GPUS)
    assert scene.boot(name="one too many").server.state is ServerState.ERROR
    scene.index_agrees()


def test_a_server_is_active_only_once_its_gpus_are_ready_too(scene: Scene) -> None:
    ask_for(scene, "a100:1")
    view = scene.boot(on(scene.blue))
    scene.settle(view.server.id)  # Tells of the NICs' devices alone.
    assert get_server(scene.svc, DEMO, view.server.id).server.state is ServerState.BUILD
    assert run(scene, view).server.state is ServerState.ACTIVE


def test_a_gpu_is_free_again_once_its_host_found_it_clean(scene: Scene) -> None:
    ask_for(scene, "a100:2")
    view = run(scene, scene.boot())
    scene.delete(view.server.id)
    assert scene.devices("releasing") == [f"h3 {address} releasing" for address in GPUS]
    assert scene.boot(name="too early").server.state is ServerState.ERROR
    scene.clean("h3")
    assert scene.devices("releasing") == []
    assert addresses(scene.boot(name="again")) == list(GPUS)
    scene.index_agrees()


def test_any_of_several_flavors_will_do_and_a_vf_besides_nics_has_no_port(scene: Scene) -> None:
    ask_for(scene, "fast|a100:4")
    view = scene.boot()
    assert addresses(view) == ["0000:06:02.0", "0000:06:02.1", *GPUS]
    assert view.nics == ()


def test_a_whole_pf_is_given_besides_nics_only_where_it_is_asked_for(scene: Scene) -> None:
    ask_for(scene, "fast:3")  # Two VFs and the PF fit, but the PF is not asked for.
    assert scene.boot().server.state is ServerState.ERROR
    flavor(scene, "whole", **{"e.speed": "100g", "dev_type": "pf"})
    ask_for(scene, "whole:1")
    assert addresses(scene.boot(name="whole")) == ["0000:06:00.0"]


def test_an_alias_of_the_configuration_is_as_good(scene: Scene) -> None:
    svc = scene.svc
    (a100,) = (f for f in list_pci_flavors(svc, ADMIN, ListQuery()) if f.name == "a100")
    alias = PciRequest(name="a1", count=1, match=a100.alternatives, or_kinds=())
    scene.svc = replace(svc, pci=replace(svc.pci, aliases={"a1": alias}))
    ask_for(scene, "a1:2", "alias")
    assert addresses(scene.boot()) == list(GPUS)


def test_explain_counts_devices_besides_nics(scene: Scene) -> None:
    ask_for(scene, "a100:3")
    asked = ExplainRequest(flavor_id=FlavorId("small"), nics=())
    advice = explain(scene.svc, ADMIN, asked)
    assert advice.explanation is not None
    assert advice.explanation.smallest_change == (
        "one more PCI function or VF with e.gpu=a100 on offer on h3 (for device 2 (a100))"
    )
    view = scene.boot()
    assert view.server.fault is not None
    assert "for 3 devices together" in view.server.fault.message


def test_a_pci_flavor_that_a_port_names_is_not_deleted(scene: Scene) -> None:
    asked = PortCreate(network_id=scene.blue.id, vnic_type=VnicType.DIRECT, pci_flavor="fast")
    port = create_port(scene.svc, DEMO, asked).port
    with pytest.raises(InUse, match="PCI flavor fast is in use: ports name it"):
        delete(scene, "fast")
    delete_port(scene.svc, DEMO, port.id)
    delete(scene, "fast")


@pytest.mark.parametrize(
    ("vnic_type", "name", "said"),
    [
        (VnicType.DIRECT, "slow", "there is no PCI flavor slow"),
        (VnicType.NORMAL, "fast", "is of type normal and has no PCI device"),
    ],
)
def test_a_flavor_that_means_nothing_for_a_nic_is_refused(
    scene: Scene, vnic_type: VnicType, name: str, said: str
) -> None:
    with pytest.raises(Invalid, match=said):
        scene.boot(replace(on(scene.blue, vnic_type), pci_flavor=name))
    asked = PortCreate(network_id=scene.blue.id, vnic_type=vnic_type, pci_flavor=name)
    with pytest.raises(Invalid, match=said):
        create_port(scene.svc, DEMO, asked)
    plain = create_port(scene.svc, DEMO, replace(asked, pci_flavor=None))
    with pytest.raises(Invalid, match=said):
        update_port(scene.svc, DEMO, plain.port.id, PortUpdate(pci_flavor=name))


def a_fast_port(scene: Scene) -> PortId:
    asked = PortCreate(network_id=scene.blue.id, vnic_type=VnicType.DIRECT, pci_flavor="fast")
    return create_port(scene.svc, DEMO, asked).port.id


def test_a_port_with_another_flavor_or_type_than_the_request_is_refused(scene: Scene) -> None:
    port_id = a_fast_port(scene)
    with pytest.raises(Invalid, match="has PCI flavor fast, not a100"):
        scene.boot(NicRequest(port_id=port_id, pci_flavor="a100"))
    with pytest.raises(Invalid, match="is of type direct"):
        scene.boot(NicRequest(port_id=port_id, vnic_type=VnicType.MACVTAP))


def test_a_port_with_a_flavor_does_not_become_normal(scene: Scene) -> None:
    port_id = a_fast_port(scene)
    with pytest.raises(Invalid, match="the port is of type normal and has no PCI device"):
        update_port(scene.svc, DEMO, port_id, PortUpdate(vnic_type=VnicType.NORMAL))
    update_port(scene.svc, DEMO, port_id, PortUpdate(vnic_type=VnicType.NORMAL, pci_flavor=None))
    assert get_port(scene.svc, DEMO, port_id).port.pci_flavor is None


def test_the_flavor_of_a_bound_port_stays(scene: Scene) -> None:
    port_id = a_fast_port(scene)
    scene.boot(NicRequest(port_id=port_id))
    with pytest.raises(StateConflict, match="pci_flavor cannot change while the port is bound"):
        update_port(scene.svc, DEMO, port_id, PortUpdate(pci_flavor=None))


def test_a_flavor_deleted_meanwhile_is_told_at_create(scene: Scene) -> None:
    ask_for(scene, "a100:1")
    with pytest.raises(InUse, match="flavor small names it"):
        delete(scene, "a100")
    scene.svc.store.write(lambda tx: tx.pci_flavors.delete(tx.pci_flavors.named(["a100"])["a100"]))
    with pytest.raises(Invalid, match=r"extra_specs\.pci_passthrough:pci_flavor: there is no PCI"):
        scene.boot()


def test_devices_are_asked_for_by_class_and_traits(scene: Scene) -> None:
    tags = [
        {"resource_class": "CUSTOM_GPU", "traits": "CUSTOM_HBM,CUSTOM_NVLINK"},
        {"resource_class": "CUSTOM_GPU", "traits": "CUSTOM_NVLINK_OLD"},
        {"resource_class": "CUSTOM_FPGA", "traits": "CUSTOM_NVLINK"},
    ]
    devices = [
        replace(a_gpu(f"0000:{bus}1:00.0"), tags=each) for bus, each in enumerate(tags, start=1)
    ]
    scene.agents["h4"] = AgentByHand(scene.svc, "h4", devices)
    small = FlavorId("small")
    set_extra_specs(scene.svc, ADMIN, small, {"resources:CUSTOM_GPU": "1"})
    set_extra_specs(scene.svc, ADMIN, small, {"trait:CUSTOM_NVLINK": "required"})
    first = scene.boot(name="first")
    assert addresses(first) == ["0000:11:00.0"]
    assert scene.boot(name="second").server.state is ServerState.ERROR
    unset_extra_spec(scene.svc, ADMIN, small, "trait:CUSTOM_NVLINK")
    assert addresses(scene.boot(name="third")) == ["0000:21:00.0"]


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("resources:CUSTOM_GPU", "0", "must be a count from 1 to 64"),
        ("resources:CUSTOM_GPU", "many", "must be a count from 1 to 64"),
        ("resources:CUSTOM_GPU", "65", "must be a count from 1 to 64"),
        ("trait:CUSTOM_NVLINK", "forbidden", "must be required, not 'forbidden'"),
    ],
)
def test_a_class_or_trait_that_can_not_be_asked_for_is_told(
    scene: Scene, key: str, value: str, problem: str
) -> None:
    with pytest.raises(Invalid, match=problem) as refused:
        set_extra_specs(scene.svc, ADMIN, FlavorId("small"), {key: value})
    assert refused.value.field == f"extra_specs.{key}"
