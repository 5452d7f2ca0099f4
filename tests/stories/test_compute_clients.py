"""The unmodified `openstack` command and openstacksdk, over TCP, against the compute API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stories.desk import BLANK, Desk, Desks
from tests.support.compute_site import SAID
from tests.support.ssh_keys import an_ssh_key


@pytest.fixture(scope="module")
def desk(desks: Desks) -> Iterator[Desk]:
    with desks.set_up() as opened:
        yield opened


def test_flavors_are_created_listed_shown_and_deleted(desk: Desk) -> None:
    admin = "trunkline"
    made = desk.show(
        "flavor", "create", "big", "--ram", "2048", "--vcpus", "2", "--disk", "10",
        "--property", "hw:numa_nodes=1", "--description", "roomy", cloud=admin,
    )  # fmt: skip
    assert (made["ram"], made["vcpus"], made["disk"]) == (2048, 2, 10)
    listed = {row["Name"]: row for row in desk.show("flavor", "list")}
    assert listed["big"]["RAM"] == 2048
    shown = desk.show("flavor", "show", "big")
    assert shown["properties"] == {"hw:numa_nodes": "1"}
    desk.run("flavor", "set", "big", "--property", "hw:mem_page_size=large", cloud=admin)
    desk.run("flavor", "unset", "big", "--property", "hw:numa_nodes", cloud=admin)
    assert desk.show("flavor", "show", "big")["properties"] == {"hw:mem_page_size": "large"}
    assert "by the policy's rule" in desk.fail("flavor", "delete", "big")
    desk.run("flavor", "delete", "big", cloud=admin)
    assert "big" not in {row["Name"] for row in desk.show("flavor", "list")}


def test_a_server_by_port_from_create_to_delete(desk: Desk) -> None:
    port = desk.show(
        "port", "create", "--network", "blue", "--vnic-type", "direct", "nic-a"
    )  # fmt: skip
    made = desk.show(
        "server", "create", "--flavor", "small", *BLANK, "--port", "nic-a", "--wait", "by-port"
    )
    assert made["status"] == "ACTIVE"
    assert len(made["adminPass"]) == 12
    listed = {row["Name"]: row for row in desk.show("server", "list")}
    assert listed["by-port"]["Status"] == "ACTIVE"
    assert set(listed["by-port"]["Networks"]) == {"blue"}
    shown = desk.show("server", "show", "by-port")
    assert shown["addresses"]["blue"][0] == port["fixed_ips"][0]["ip_address"]
    assert desk.show("port", "show", "nic-a")["device_id"] == made["id"]

    assert desk.run("console", "log", "show", "by-port").rstrip("\n") == SAID
    assert desk.run("console", "log", "show", "by-port", "--lines", "1").strip() == "web login:"
    desk.run("server", "stop", "by-port")
    desk.wait_for_status("by-port", "SHUTOFF")
    desk.run("server", "start", "by-port")
    desk.wait_for_status("by-port", "ACTIVE")
    desk.run("server", "reboot", "--wait", "by-port")
    desk.run("server", "reboot", "--hard", "--wait", "by-port")
    desk.run("server", "set", "--name", "renamed", "by-port")
    assert desk.show("server", "show", "renamed")["name"] == "renamed"
    desk.run("server", "delete", "--wait", "renamed")
    assert "No Server found" in desk.fail("server", "show", "renamed")
    assert desk.show("port", "show", "nic-a")["device_id"] == ""


def test_a_server_gets_a_key_pair_that_was_brought_along_and_a_tagged_nic(desk: Desk) -> None:
    (desk.directory / "id.pub").write_text(an_ssh_key() + "\n")
    made = desk.show("keypair", "create", "--public-key", "id.pub", "mine")
    assert [row["Name"] for row in desk.show("keypair", "list")] == ["mine"]
    assert desk.show("keypair", "show", "mine")["fingerprint"] == made["fingerprint"]
    assert desk.run("keypair", "show", "--public-key", "mine").strip() == an_ssh_key()
    desk.run("port", "create", "--network", "blue", "--vnic-type", "direct", "nic-key")
    server = desk.show(
        "server", "create", "--flavor", "small", *BLANK, "--nic", "port-id=nic-key,tag=front",
        "--key-name", "mine", "--wait", "with-key",
    )  # fmt: skip
    assert server["key_name"] == "mine"
    path = f"/servers/{server['id']}/os-interface"
    (nic,) = desk.scene.call("GET", path, version="2.96").json()["interfaceAttachments"]
    assert nic["tag"] == "front"
    desk.run("server", "delete", "--wait", "with-key")
    desk.run("port", "delete", "nic-key")
    desk.run("keypair", "delete", "mine")
    assert desk.show("keypair", "list") == []


def test_a_server_by_network_with_several_nics(desk: Desk) -> None:
    desk.run("port", "create", "--network", "red", "--vnic-type", "macvtap", "nic-b")
    (desk.directory / "disk.raw").write_bytes(b"a disk")
    desk.run(
        "image", "create", "--disk-format", "raw", "--container-format", "bare", "--file",
        "disk.raw", "little",
    )  # fmt: skip
    made = desk.show(
        "server", "create", "--flavor", "small", "--image", "little", "--network", "blue",
        "--port", "nic-b", "--property", "role=web", "--wait", "by-network",
    )  # fmt: skip
    assert made["status"] == "ACTIVE"
    assert made["properties"] == {"role": "web"}
    assert made["image"].startswith("little (")
    ports = desk.show("port", "list", "--server", "by-network")
    assert len(ports) == 2
    desk.run("server", "delete", "--wait", "by-network")
    left = [port["Name"] for port in desk.show("port", "list")]
    assert "nic-b" in left  # The one made for --network went with its server.
    assert len(desk.show("port", "list", "--network", "blue")) == len(
        [name for name in left if name == "nic-a"]
    )


def test_several_servers_at_once_as_many_as_fit_or_none(desk: Desk) -> None:
    """Of a flavor of which each of the two hosts takes two."""
    half = ("--ram", "512", "--vcpus", "30", "--disk", "1")
    desk.run("flavor", "create", *half, "half", cloud="trunkline")
    create = ("server", "create", "--flavor", "half", *BLANK, "--network", "blue")
    made = desk.show(*create, "--min", "3", "--max", "9", "--wait", "many")
    assert (made["name"], made["status"]) == ("many-1", "ACTIVE")
    desk.fail(*create, "--min", "2", "--max", "3", "--wait", "late")
    listed = {row["Name"]: row["Status"] for row in desk.show("server", "list")}
    assert set(listed) == {"many-1", "many-2", "many-3", "many-4", "late-1", "late-2"}
    assert listed["late-1"] == listed["late-2"] == "ERROR"
    shown = desk.show("server", "show", "late-1")
    assert "0 of at least 2 servers fit; none was placed" in str(shown["fault"])
    desk.run("server", "delete", *listed)


def test_an_admin_sees_hosts_and_disables_one(desk: Desk) -> None:
    admin = "trunkline"
    hypervisors = desk.show("hypervisor", "list", cloud=admin)
    assert [row["Hypervisor Hostname"] for row in hypervisors] == ["h1", "h2"]
    assert {row["State"] for row in hypervisors} == {"up"}
    shown = desk.show("hypervisor", "show", "h1", cloud=admin)
    assert (shown["hypervisor_hostname"], shown["status"]) == ("h1", "enabled")
    desk.run(
        "compute", "service", "set", "--disable", "--disable-reason", "dust", "h1", "nova-compute",
        cloud=admin,
    )  # fmt: skip
    services = {
        row["Host"]: row for row in desk.show("compute", "service", "list", "--long", cloud=admin)
    }
    assert services["h1"]["Status"] == "disabled"
    assert services["h1"]["Disabled Reason"] == "dust"
    desk.run("compute", "service", "set", "--enable", "h1", "nova-compute", cloud=admin)
    assert "by the policy's rule" in desk.fail("hypervisor", "list")
    assert desk.show("availability", "zone", "list", "--compute")[0]["Zone Name"] == "nova"
    assert desk.show("aggregate", "list", cloud=admin) == []


def test_what_is_wrong_is_told_at_the_command_line(desk: Desk) -> None:
    desk.run("port", "create", "--network", "blue", "--vnic-type", "direct", "nic-c")
    desk.run("server", "create", "--flavor", "small", *BLANK, "--port", "nic-c", "--wait", "owner")
    create = ("server", "create", "--flavor", "small", *BLANK)
    assert "in use" in desk.fail(*create, "--port", "nic-c", "second")
    assert "No Network found" in desk.fail(*create, "--network", "green", "second")
    assert "key" in desk.fail(*create, "--nic", "none", "--key-name", "mine", "second")
    several = ("--min", "2", "--max", "2", "second")
    assert "one port" in desk.fail(*create, "--port", "nic-c", *several)
    assert "resize" in desk.fail("server", "resize", "--flavor", "small", "owner")
    desk.run("server", "delete", "--wait", "owner")


SDK_STORY = """
import openstack
cloud = openstack.connect()
network = cloud.network.find_network("blue")
flavor = cloud.compute.find_flavor("small")
port = cloud.network.create_port(network_id=network.id, binding_vnic_type="direct", name="sdk")
server = cloud.compute.create_server(
    name="by-sdk", flavor_id=flavor.id, image_id="", networks=[{"port": port.id}],
    block_device_mapping=[{"source_type": "blank", "destination_type": "local", "boot_index": 0,
                           "volume_size": 1}],
)
server = cloud.compute.wait_for_server(server, interval=0.2, wait=60)
print(server.status, server.flavor["original_name"], list(server.addresses))
print([s.name for s in cloud.compute.servers(name="by-sdk")])
print([s.name for s in cloud.compute.servers(limit=1)].count("by-sdk"))
print([i.port_id == port.id for i in cloud.compute.server_interfaces(server)])
cloud.compute.stop_server(server)
print(cloud.compute.wait_for_server(server, status="SHUTOFF", interval=0.2, wait=60).status)
cloud.compute.reboot_server(server, "HARD")
print(cloud.compute.wait_for_server(server, interval=0.2, wait=60).status)
cloud.compute.delete_server(server)
cloud.compute.wait_for_delete(server, interval=0.2, wait=60)
print(cloud.compute.find_server("by-sdk"))
cloud.network.delete_port(port)
"""


def test_the_sdk_does_the_same(desk: Desk) -> None:
    done = desk.run_with_sdk(desk.directory, SDK_STORY, cloud="trunkline-demo")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "ACTIVE small ['blue']",
        "['by-sdk']",
        "1",
        "[True]",
        "SHUTOFF",
        "ACTIVE",
        "None",
    ]
