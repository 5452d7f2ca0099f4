"""NUMA policies, from whoever says them to the devices that are chosen.

h1, h2   phy1 on NUMA node 0, phy2 on NUMA node 1      h3   phy1, phy2 and a GPU, all on node 0
h4       a GPU on a node that is not known
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.control.scene import Scene, on
from tests.support.world import ADMIN, DEMO, AgentByHand, a_card
from trunkline.control.demands import server_request
from trunkline.control.events import list_events
from trunkline.control.flavors import set_extra_specs
from trunkline.control.nics import nics_of_bound_ports
from trunkline.control.ports import create_port, update_port
from trunkline.control.requests import NicRequest, PortCreate, PortUpdate, ServerCreate
from trunkline.control.servers import create_server, get_server
from trunkline.control.views import ServerView
from trunkline.domain.device import DeviceKind, OfferedDevice, PciFunction
from trunkline.domain.errors import Invalid, StateConflict
from trunkline.domain.ids import FlavorId, HostName, ImageId
from trunkline.domain.image import Image, ImageState
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import Network
from trunkline.domain.nic_rules import NumaPolicy
from trunkline.domain.pci import PciAddress
from trunkline.domain.pci_flavor import Condition, How
from trunkline.domain.pci_request import PciRequest
from trunkline.domain.port import VnicType
from trunkline.domain.server import ServerState
from trunkline.placement.asks.request import NicDemand
from trunkline.reconcile.report import ServerCondition, ServerFact

IMAGE = ImageId("11111111-1111-1111-1111-111111111111")
NONE = None
REQUIRED, PREFERRED = NumaPolicy.REQUIRED, NumaPolicy.PREFERRED
LEGACY, SOCKET = NumaPolicy.LEGACY, NumaPolicy.SOCKET
FLAVOR_KEY, IMAGE_KEY = "hw:pci_numa_affinity_policy", "hw_pci_numa_affinity_policy"


def a_gpu(numa_node: int | None) -> OfferedDevice:
    function = PciFunction(
        address=PciAddress.parse("0000:41:00.0"), kind=DeviceKind.PLAIN, vendor_id="10de",
        product_id="20b0", driver="nvidia", numa_node=numa_node,
    )  # fmt: skip
    return OfferedDevice(function=function)


@pytest.fixture
def scene(scene: Scene) -> Scene:
    for number, name in enumerate(("h1", "h2")):
        cards = a_card(5, "phy1", serial=number, numa_node=0)
        cards += a_card(0x82, "phy2", serial=number, numa_node=1)
        scene.agents[name].report(inventory=tuple(cards))
    cards = a_card(5, "phy1", vf_count=2, serial=3, numa_node=0)
    cards += a_card(6, "phy2", vf_count=2, serial=3, numa_node=0)
    scene.agents["h3"] = AgentByHand(scene.svc, "h3", [*cards, a_gpu(0)])
    scene.agents["h4"] = AgentByHand(scene.svc, "h4", [a_gpu(None)])
    return scene


def a_port(scene: Scene, network: Network, policy: NumaPolicy | None) -> NicRequest:
    asked = PortCreate(network_id=network.id, vnic_type=VnicType.DIRECT, numa_policy=policy)
    return NicRequest(port_id=create_port(scene.svc, DEMO, asked).port.id)


def set_flavor(scene: Scene, policy: NumaPolicy | None) -> None:
    if policy is not None:
        set_extra_specs(scene.svc, ADMIN, FlavorId("small"), {FLAVOR_KEY: policy.value})


def put_image(scene: Scene, policy: str | None) -> None:
    now = scene.svc.clock.now()
    image = Image(
        id=IMAGE, project_id=DEMO.own_project, name="disk", state=ImageState.ACTIVE,
        created_at=now, updated_at=now, properties={} if policy is None else {IMAGE_KEY: policy},
    )  # fmt: skip
    scene.svc.store.write(lambda tx: tx.images.insert(image))


def boot(scene: Scene, *nics: NicRequest, image_id: ImageId | None = None) -> ServerView:
    request = ServerCreate(name="web", flavor_id=FlavorId("small"), image_id=image_id, nics=nics)
    return get_server(scene.svc, DEMO, create_server(scene.svc, DEMO, request).id)


def demands(scene: Scene, view: ServerView) -> tuple[NicDemand, ...]:
    """What the server would be placed anew by."""
    ports = scene.svc.store.read(lambda tx: tx.ports.get_many(view.server.port_ids))
    return scene.svc.store.write(
        lambda tx: server_request(tx, scene.svc, view.server, nics_of_bound_ports(tx, ports)).nics
    )


def refuse(scene: Scene, view: ServerView) -> ServerView:
    """Let the server's host fail it, and return what becomes of it."""
    assert view.host is not None, view.server.fault
    failed = ServerFact(
        id=view.server.id, boot_number=view.server.boot_number, condition=ServerCondition.FAILED,
        reason="no",
    )  # fmt: skip
    scene.agents[view.host.name].report(servers=[failed])
    return get_server(scene.svc, DEMO, view.server.id)


def host_of(view: ServerView) -> str:
    assert view.host is not None, view.server.fault
    return view.host.name


@pytest.mark.parametrize("policy", [None, *NumaPolicy])
def test_nics_that_must_be_on_the_guests_node_are_on_one(
    scene: Scene, policy: NumaPolicy | None
) -> None:
    """Hosts with more devices to choose from come first: h1 and h2, where nodes differ."""
    view = boot(scene, a_port(scene, scene.blue, policy), a_port(scene, scene.red, policy))
    confined = policy in (REQUIRED, LEGACY, SOCKET)
    assert host_of(view) == ("h3" if confined else "h1")
    assert [nic.numa for nic in demands(scene, view)] == [policy, policy]


@pytest.mark.parametrize(
    ("of_port", "of_flavor", "of_image", "counts"),
    [
        (NONE, NONE, NONE, NONE),
        (REQUIRED, NONE, NONE, REQUIRED),
        (NONE, LEGACY, NONE, LEGACY),
        (NONE, NONE, SOCKET, SOCKET),
        (PREFERRED, REQUIRED, NONE, PREFERRED),
        (PREFERRED, NONE, REQUIRED, PREFERRED),
        (NONE, LEGACY, LEGACY, LEGACY),
    ],
)
def test_the_policy_of_a_port_goes_before_its_servers(
    scene: Scene,
    of_port: NumaPolicy | None,
    of_flavor: NumaPolicy | None,
    of_image: NumaPolicy | None,
    counts: NumaPolicy | None,
) -> None:
    set_flavor(scene, of_flavor)
    put_image(scene, of_image and of_image.value)
    view = boot(scene, a_port(scene, scene.blue, of_port), image_id=IMAGE)
    assert view.server.state is ServerState.BUILD
    assert [nic.numa for nic in demands(scene, view)] == [counts]


def test_a_flavor_and_an_image_that_contradict_each_other_are_refused(scene: Scene) -> None:
    set_flavor(scene, REQUIRED)
    put_image(scene, "preferred")
    with pytest.raises(Invalid, match="not permitted to override extra spec") as refused:
        boot(scene, on(scene.blue), image_id=IMAGE)
    assert refused.value.field == "imageRef"


def test_a_policy_that_there_is_not_is_named(scene: Scene) -> None:
    with pytest.raises(Invalid, match="must be one of required, preferred, legacy, socket"):
        set_extra_specs(scene.svc, ADMIN, FlavorId("small"), {FLAVOR_KEY: "near"})
    put_image(scene, "near")
    with pytest.raises(Invalid, match="hw_pci_numa_affinity_policy must be one of required"):
        boot(scene, on(scene.blue), image_id=IMAGE)


def test_a_server_is_placed_anew_by_the_policy_it_was_made_with(scene: Scene) -> None:
    put_image(scene, "required")
    view = boot(scene, on(scene.blue), on(scene.red), image_id=IMAGE)
    assert host_of(view) == "h3"
    scene.svc.store.write(lambda tx: tx.images.update(replace(tx.images.get(IMAGE), properties={})))
    view = refuse(scene, view)
    assert view.server.state is ServerState.ERROR  # Elsewhere the two are on two nodes.


def test_the_policy_of_an_alias_counts_unless_the_server_has_one(scene: Scene) -> None:
    match = ((Condition("vendor_id", How.EXACT, ("10de",)),),)
    alias = PciRequest(name="gpu", count=1, match=match, or_kinds=(), numa=REQUIRED)
    scene.svc = replace(scene.svc, pci=replace(scene.svc.pci, aliases={"gpu": alias}))
    set_extra_specs(scene.svc, ADMIN, FlavorId("small"), {"pci_passthrough:alias": "gpu:1"})
    first = boot(scene)
    assert host_of(first) == "h3"
    assert boot(scene).server.state is ServerState.ERROR  # Of h4's GPU the node is not known.
    set_flavor(scene, PREFERRED)
    assert host_of(boot(scene)) == "h4"
    assert [nic.numa for nic in demands(scene, first)] == [REQUIRED]


def test_the_policy_of_a_bound_port_stays(scene: Scene) -> None:
    nic = a_port(scene, scene.blue, REQUIRED)
    assert nic.port_id is not None
    boot(scene, nic)
    for policy in (PREFERRED, None):
        with pytest.raises(StateConflict, match="numa_affinity_policy cannot change while"):
            update_port(scene.svc, DEMO, nic.port_id, PortUpdate(numa_policy=policy))


def test_a_nic_without_a_device_has_no_node(scene: Scene) -> None:
    asked = PortCreate(
        network_id=scene.blue.id, vnic_type=VnicType.NORMAL, numa_policy=NumaPolicy.REQUIRED
    )
    port = create_port(scene.svc, DEMO, asked).port
    assert boot(scene, NicRequest(port_id=port.id)).server.state is ServerState.BUILD


@pytest.mark.parametrize(("policy", "told"), [(REQUIRED, 1), (PREFERRED, 0), (NONE, 0)])
def test_a_device_that_an_admin_names_goes_before_the_policy_and_that_is_told(
    scene: Scene, policy: NumaPolicy | None, told: int
) -> None:
    """The port's own device is on node 0; the server's other one, under a policy too, on node 1."""
    asked = PortCreate(
        network_id=scene.blue.id, vnic_type=VnicType.DIRECT, host=HostName("h2"),
        profile={"pci_slot": "0000:05:02.1"}, project_id=DEMO.project_id, numa_policy=policy,
    )  # fmt: skip
    claimed = create_port(scene.svc, ADMIN, asked).port
    view = boot(scene, NicRequest(port_id=claimed.id), a_port(scene, scene.red, REQUIRED))
    assert view.server.state is ServerState.BUILD
    assert view.host is not None
    assert view.host.name == "h2"
    found = list_events(scene.svc, ADMIN, ListQuery(equals={"port_id": (claimed.id,)}))
    assert [event.action for event in found].count("binding.policy_overridden") == told
