"""PCI flavors in the hands of users: the unmodified `openstack` command and openstacksdk.

h1, h2: two cards each, as `compute_site` has them      h3: a card on phy1 of e.speed=100g, one GPU
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stories.desk import BLANK, Desk, Desks
from tests.support.compute_site import ComputeSite
from tests.support.world import AgentByHand, a_card
from trunkline.domain.device import DeviceKind, OfferedDevice, PciFunction
from trunkline.domain.pci import PciAddress

GPU = OfferedDevice(
    function=PciFunction(
        address=PciAddress.parse("0000:c1:00.0"), kind=DeviceKind.PLAIN, vendor_id="10de",
        product_id="20b0", driver="nvidia",
    ),
    tags={"gpu": "a100"},
)  # fmt: skip


def furnish(scene: ComputeSite) -> None:
    fast = a_card(6, "phy1", vf_count=4, tags={"speed": "100g"}, serial=3)
    scene.agents.append(AgentByHand(scene.site.svc, "h3", [*fast, GPU]))
    for name, match in (("fast", {"e.speed": "100g"}), ("a100", {"e.gpu": {"glob": "a1*"}})):
        body = {"pci_flavor": {"name": name, "match": [match]}}
        made = scene.call("POST", "/os-pci-flavors", user="admin", body=body)
        assert made.status == 200, made


@pytest.fixture(scope="module")
def desk(desks: Desks) -> Iterator[Desk]:
    with desks.set_up(furnish) as opened:
        yield opened


def host_of(desk: Desk, server: str) -> str:
    shown = desk.scene.site.http.request(
        "GET", f"/trunkline/v1/servers/{server}/path", token=desk.scene.token("admin")
    )
    host: str = shown.json()["host"]
    return host


def pci_flavor_of(desk: Desk, port: str) -> str | None:
    """As the API shows it: `openstack port show` prints no attribute that it does not know."""
    found = desk.scene.site.http.request(
        "GET", f"/network/v2.0/ports?name={port}", token=desk.scene.token("demo")
    )
    ((name,),) = ([each["pci_flavor"]] for each in found.json()["ports"])
    return None if name is None else str(name)


def test_a_port_is_made_with_a_pci_flavor_and_placed_by_it(desk: Desk) -> None:
    desk.run(
        "port", "create", "--network", "blue", "--vnic-type", "direct",
        "--extra-property", "type=str,name=pci_flavor,value=fast", "p-fast",
    )  # fmt: skip
    assert pci_flavor_of(desk, "p-fast") == "fast"
    desk.run("server", "create", "--flavor", "small", *BLANK, "--port", "p-fast", "--wait", "web")
    assert host_of(desk, "web") == "h3"
    said = desk.fail("port", "set", "--extra-property", "type=str,name=pci_flavor,value=a100",
                     "p-fast")  # fmt: skip
    assert "pci_flavor cannot change while the port is bound" in said
    desk.run("server", "delete", "--wait", "web")
    desk.run("port", "set", "--extra-property", "type=str,name=pci_flavor,value=a100", "p-fast")
    assert pci_flavor_of(desk, "p-fast") == "a100"
    desk.run("port", "set", "--extra-property", "type=str,name=pci_flavor,value=", "p-fast")
    assert pci_flavor_of(desk, "p-fast") is None
    desk.run("port", "delete", "p-fast")


def test_a_pci_flavor_that_is_not_there_is_told(desk: Desk) -> None:
    said = desk.fail(
        "port", "create", "--network", "blue", "--vnic-type", "direct",
        "--extra-property", "type=str,name=pci_flavor,value=slow", "p",
    )  # fmt: skip
    assert "there is no PCI flavor slow" in said


def test_a_flavor_asks_for_a_gpu_besides_nics(desk: Desk) -> None:
    admin = "trunkline"
    desk.run("flavor", "create", "gpu", "--ram", "512", "--disk", "1", "--vcpus", "1", cloud=admin)
    key = "pci_passthrough:pci_flavor"
    said = desk.fail("flavor", "set", "gpu", "--property", f"{key}=a100:1,slow", cloud=admin)
    assert "there is no PCI flavor slow" in said
    desk.run("flavor", "set", "gpu", "--property", f"{key}=a100:1", cloud=admin)
    assert desk.show("flavor", "show", "gpu")["properties"] == {key: "a100:1"}
    create = ("server", "create", "--flavor", "gpu", *BLANK, "--network", "blue")
    desk.run(*create, "--wait", "render")
    assert host_of(desk, "render") == "h3"
    devices = desk.scene.site.http.request(
        "GET", "/trunkline/v1/devices?kind=plain", token=desk.scene.token("admin")
    ).json()["devices"]
    assert [(each["address"], each["state"]) for each in devices] == [("0000:c1:00.0", "active")]
    desk.run(*create, "too-late")
    shown = desk.show("server", "show", "too-late")
    assert shown["status"] == "ERROR"
    assert "for 1 NIC and 1 device together" in str(shown["fault"])
    desk.run("server", "delete", "--wait", "render", "too-late")


def test_a_nic_on_a_network_has_a_vnic_type_and_a_pci_flavor(desk: Desk) -> None:
    script = f"""
import openstack
cloud = openstack.connect()
server = cloud.compute.create_server(
    name="nic", flavor_id="small", image_id="",
    block_device_mapping=[{{"source_type": "blank", "destination_type": "local",
                           "boot_index": 0, "volume_size": 1}}],
    networks=[{{"uuid": "{desk.scene.blue.id}", "vnic_type": "direct", "pci_flavor": "fast"}}],
)
server = cloud.compute.wait_for_server(server)
(port,) = cloud.network.ports(device_id=server.id)
print(port.binding_vnic_type, port.pci_flavor)
cloud.compute.delete_server(server)
cloud.compute.wait_for_delete(server)
"""
    done = desk.run_with_sdk(desk.directory, script, cloud="trunkline-demo")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["direct", "fast"]
