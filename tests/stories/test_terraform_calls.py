"""The calls that Terraform's openstack provider makes, each resource from its plan to its destroy.

The bodies and their order are those of terraform-provider-openstack 3. What was sent must read back
the same, or the next plan would not be empty. See `tests.support.terraform`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site
from tests.support.terraform import READ, Provider, fits

KEY: Final = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEW7wZ8mQ2s5m9bR0z4vH1kq0pXcQ3bN5eJtY6uLhVxF me@tf"
)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path_factory.mktemp("site")) as scene:
        yield scene


@pytest.fixture(scope="module")
def operator(scene: ComputeSite) -> Provider:
    return Provider(scene, "admin")


@pytest.fixture(scope="module")
def tenant(scene: ComputeSite) -> Provider:
    return Provider(scene, "demo")


def test_networking_network_v2_and_subnet_v2(operator: Provider) -> None:
    segment = {
        "provider:physical_network": "phy1", "provider:network_type": "vlan",
        "provider:segmentation_id": 150,
    }  # fmt: skip
    asked = {
        "name": "green", "description": "a network", "admin_state_up": True, "shared": True,
        "port_security_enabled": True, "mtu": 1400,
    }  # fmt: skip
    # A network's one segment is sent as a list, and shown as fields of the network.
    made = operator.call(
        "POST", "network", "/networks", {"network": {**asked, "segments": [segment]}}
    )["network"]
    path = f"/networks/{made['id']}"
    shown = operator.read("network", path, "network")
    assert {**asked, **segment}.items() <= shown.items()
    assert shown["status"] == "ACTIVE"
    tags = {"tags": ["a", "b"]}
    assert operator.call("PUT", "network", f"{path}/tags", tags, ok=(200,)) == tags
    changed = {"network": {"name": "greener", "description": "", "shared": False}}
    operator.call("PUT", "network", path, changed, ok=(200, 201))
    assert changed["network"].items() <= operator.read("network", path, "network").items()
    found = operator.only("network", "/networks?name=greener&tags=a%2Cb", "network", "networks")
    assert found["id"] == made["id"]

    subnet_id = operator.make("network", "/subnets", "subnet", {
        "network_id": made["id"], "cidr": "10.5.0.0/24", "ip_version": 4, "name": "green-v4",
        "gateway_ip": None, "enable_dhcp": True, "dns_nameservers": ["10.5.0.2", "10.5.0.1"],
        "allocation_pools": [{"start": "10.5.0.10", "end": "10.5.0.20"}],
    })  # fmt: skip
    subnet = f"/subnets/{subnet_id}"
    routes = {"subnet": {"host_routes": [{"destination": "10.6.0.0/16", "nexthop": "10.5.0.3"}]}}
    operator.call("PUT", "network", subnet, routes, ok=(200, 201))
    shown = operator.read("network", subnet, "subnet")
    assert shown["host_routes"] == routes["subnet"]["host_routes"]
    assert operator.only("network", f"/subnets?name=green-v4&network_id={made['id']}",
                         "subnet", "subnets")["id"] == subnet_id  # fmt: skip
    operator.destroy("network", subnet)
    operator.destroy("network", path)


def test_networking_secgroup_v2_and_its_rules(tenant: Provider) -> None:
    group_id = tenant.make(
        "network", "/security-groups", "security_group", {"name": "tf", "description": "made"}
    )
    group = f"/security-groups/{group_id}"
    # `delete_default_rules`: those that the group came with.
    for rule in tenant.read("network", group, "security_group")["security_group_rules"]:
        tenant.call("DELETE", "network", f"/security-group-rules/{rule['id']}")
    rule_id = tenant.make("network", "/security-group-rules", "security_group_rule", {
        "direction": "ingress", "ethertype": "IPv4", "security_group_id": group_id,
        "protocol": "tcp", "port_range_min": 22, "port_range_max": 22,
        "remote_ip_prefix": "10.0.0.0/8", "description": "SSH",
    })  # fmt: skip
    changed = {"security_group": {"name": "tf2", "description": ""}}
    tenant.call("PUT", "network", group, changed, ok=(200, 201))
    assert changed["security_group"].items() <= tenant.read(
        "network", group, "security_group"
    ).items()  # fmt: skip
    found = tenant.only("network", "/security-groups?name=tf2", "security_group", "security_groups")
    assert [rule["id"] for rule in found["security_group_rules"]] == [rule_id]
    tenant.destroy("network", f"/security-group-rules/{rule_id}")
    tenant.destroy("network", group)


def test_networking_port_v2(scene: ComputeSite, operator: Provider, tenant: Provider) -> None:
    (subnet_id,) = (
        subnet["id"]
        for subnet in tenant.call("GET", "network", "/subnets?ip_version=4")["subnets"]
        if subnet["network_id"] == scene.blue.id
    )
    group = {"name": "of-port"}
    group_id = tenant.make("network", "/security-groups", "security_group", group)
    port_id = tenant.make("network", "/ports", "port", {
        "network_id": scene.blue.id, "name": "p1", "description": "", "admin_state_up": True,
        "mac_address": "fa:16:3e:00:00:77", "security_groups": [group_id],
        "fixed_ips": [{"subnet_id": subnet_id, "ip_address": "10.0.0.77"}],
        "binding:vnic_type": "direct", "port_security_enabled": True,
    })  # fmt: skip
    port = f"/ports/{port_id}"
    shown = tenant.read("network", port, "port")
    assert shown["status"] == "DOWN"  # With ACTIVE, what the provider waits for.
    changed: dict[str, Any] = {
        "allowed_address_pairs": [{"ip_address": "10.0.0.99"}],
        "extra_dhcp_opts": [{"opt_name": "mtu", "opt_value": "1400", "ip_version": 4}],
    }
    tenant.call("PUT", "network", port, {"port": changed}, ok=(200, 201))
    shown = tenant.read("network", port, "port")
    # The provider drops the MAC where it is the port's own, as nobody had written it.
    assert shown["allowed_address_pairs"] == [
        {"ip_address": "10.0.0.99", "mac_address": shown["mac_address"]}
    ]
    assert shown["extra_dhcp_opts"] == changed["extra_dhcp_opts"]
    gone = {"extra_dhcp_opts": [{"opt_name": "mtu", "opt_value": None}]}
    tenant.call("PUT", "network", port, {"port": gone | {"security_groups": []}}, ok=(200, 201))
    shown = tenant.read("network", port, "port")
    assert (shown["extra_dhcp_opts"], shown["security_groups"]) == ([], [])
    tags = {"tags": ["x"]}
    assert tenant.call("PUT", "network", f"{port}/tags", tags, ok=(200,)) == tags
    assert tenant.only("network", f"/ports?id={port_id}", "port", "ports")["tags"] == ["x"]
    # What it is bound to is an operator's to see.
    bound = operator.read("network", port, "port")
    fits("binding", bound)
    assert not READ["binding"].keys() & shown.keys()
    tenant.destroy("network", port)
    tenant.destroy("network", f"/security-groups/{group_id}")


def test_compute_keypair_v2(tenant: Provider) -> None:
    keypair = {"name": "tf", "public_key": KEY}
    for version in (None, "2.2", "2.10"):
        tenant.make("compute", "/os-keypairs", "keypair", keypair, ok=(200, 201), version=version)
        tenant.destroy("compute", "/os-keypairs/tf")


def test_compute_flavor_v2(operator: Provider, tenant: Provider) -> None:
    fields = {
        "name": "tf.small", "ram": 512, "vcpus": 1, "disk": 1, "swap": 0, "rxtx_factor": 1,
        "os-flavor-access:is_public": False, "OS-FLV-EXT-DATA:ephemeral": 0,
    }  # fmt: skip
    flavor_id = operator.make(
        "compute", "/flavors", "flavor", fields, ok=(200, 201), secret=("swap", "rxtx_factor")
    )
    flavor = f"/flavors/{flavor_id}"
    shown = operator.read("compute", flavor, "flavor")
    assert shown["swap"] in ("", 0)  # Before 2.75 Nova says "", which reads as 0.
    specs = {"extra_specs": {"hw:numa_nodes": "1"}}
    assert operator.call("POST", "compute", f"{flavor}/os-extra_specs", specs, ok=(200,)) == specs
    one = {"hw:numa_nodes": "2"}
    path = f"{flavor}/os-extra_specs/hw:numa_nodes"
    assert operator.call("PUT", "compute", path, one, ok=(200,)) == one
    assert operator.call("GET", "compute", f"{flavor}/os-extra_specs")["extra_specs"] == one
    operator.call("DELETE", "compute", path, ok=(200,))
    project_id = tenant.me["project"]["id"]
    access = {"addTenantAccess": {"tenant": project_id}}
    operator.call("POST", "compute", f"{flavor}/action", access, ok=(200,))
    listed = operator.call("GET", "compute", f"{flavor}/os-flavor-access")["flavor_access"]
    assert listed == [{"flavor_id": flavor_id, "tenant_id": project_id}]
    # By name, the provider looks through the list.
    named = [f for f in tenant.call("GET", "compute", "/flavors/detail")["flavors"]
             if f["name"] == "tf.small"]  # fmt: skip
    assert [f["id"] for f in named] == [flavor_id]
    fits("flavor", named[0])
    access = {"removeTenantAccess": {"tenant": project_id}}
    operator.call("POST", "compute", f"{flavor}/action", access, ok=(200,))
    operator.destroy("compute", flavor)


def test_compute_servergroup_v2(tenant: Provider) -> None:
    for policy, version in (("anti-affinity", None), ("soft-affinity", "2.15")):
        asked = {"name": "tf", "policies": [policy]}
        group_id = tenant.make(
            "compute", "/os-server-groups", "server_group", asked, ok=(200,), version=version
        )
        tenant.destroy("compute", f"/os-server-groups/{group_id}")
    asked_64 = {"name": "tf", "policy": "anti-affinity", "rules": {"max_server_per_host": 2}}
    path, body = "/os-server-groups", {"server_group": asked_64}
    made = tenant.call("POST", "compute", path, body, ok=(200,), version="2.64")["server_group"]
    assert asked_64.items() <= made.items()
    tenant.destroy("compute", f"{path}/{made['id']}")


def test_compute_aggregate_v2(operator: Provider) -> None:
    path = "/os-aggregates"
    body = {"aggregate": {"name": "tf", "availability_zone": "north"}}
    made = operator.call("POST", "compute", path, body, ok=(200,))["aggregate"]
    aggregate = f"{path}/{made['id']}"
    for action in (
        {"add_host": {"host": "h1"}}, {"set_metadata": {"metadata": {"a": "b"}}},
        {"remove_host": {"host": "h1"}}, {"add_host": {"host": "h2"}},
    ):  # fmt: skip
        operator.call("POST", "compute", f"{aggregate}/action", action, ok=(200,))
    shown = operator.read("compute", aggregate, "aggregate")
    assert (shown["hosts"], shown["metadata"]["a"]) == (["h2"], "b")
    action = {"remove_host": {"host": "h2"}}
    operator.call("POST", "compute", f"{aggregate}/action", action, ok=(200,))
    renamed = {"aggregate": {"name": "tf2", "availability_zone": "north"}}
    operator.call("PUT", "compute", aggregate, renamed, ok=(200,))
    operator.destroy("compute", aggregate, ok=(200,))


def test_quotasets_of_compute_and_network(operator: Provider, tenant: Provider) -> None:
    project_id = tenant.me["project"]["id"]
    path = f"/os-quota-sets/{project_id}"
    asked = {"quota_set": {"instances": 9, "cores": 18, "ram": 20480, "key_pairs": 5}}
    operator.call("PUT", "compute", path, asked, ok=(200,))
    assert asked["quota_set"].items() <= operator.read("compute", path, "quota_set").items()
    detail = operator.call("GET", "compute", f"{path}/detail")["quota_set"]
    assert {*detail["cores"]} == {"in_use", "limit", "reserved"}
    operator.call("DELETE", "compute", path, ok=(200, 202))
    path = f"/quotas/{project_id}"
    body = {"quota": {"network": 7, "subnet": 8, "port": 90, "security_group": 4}}
    operator.call("PUT", "network", path, body, ok=(200,))
    assert body["quota"].items() <= operator.read("network", path, "quota").items()
    operator.call("DELETE", "network", path)


def test_images_image_v2(tenant: Provider) -> None:
    content = b"image" * 1000
    asked = {
        "name": "tf", "container_format": "bare", "disk_format": "raw", "min_disk": 1,
        "min_ram": 0, "protected": False, "visibility": "private", "tags": ["t"],
        "os_hidden": False, "os_distro": "debian",
    }  # fmt: skip
    made = tenant.call("POST", "image", "/images", asked, ok=(201,))
    image = f"/images/{made['id']}"
    octets = {"Content-Type": "application/octet-stream"}
    tenant.call("PUT", "image", f"{image}/file", raw=content, headers=octets, ok=(204,))
    shown = tenant.read("image", image, "image")
    assert asked.items() <= shown.items()
    assert (shown["status"], shown["size"]) == ("active", len(content))
    # The provider compares what it sent with what is told of it.
    assert shown["checksum"] == hashlib.md5(content, usedforsecurity=False).hexdigest()
    patch = [
        {"op": "replace", "path": "/name", "value": "tf2"},
        {"op": "replace", "path": "/tags", "value": ["u"]},
        {"op": "add", "path": "/os_version", "value": "12"},
    ]
    headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    tenant.call("PATCH", "image", image, patch, headers=headers, ok=(200,))
    listed = "/images?name=tf2&visibility=private&sort=created_at:desc&status=active"
    found = tenant.only("image", listed, "image", "images")
    assert (found["id"], found["tags"], found["os_version"]) == (made["id"], ["u"], "12")
    tenant.destroy("image", image)


def test_identity_resources(operator: Provider) -> None:
    project_id = operator.make("identity", "/projects", "project", {
        "name": "tf", "description": "d", "enabled": True, "is_domain": False,
        "domain_id": "default", "tags": ["x"],
    })  # fmt: skip
    user_id = operator.make("identity", "/users", "user", {
        "name": "tf", "enabled": True, "password": "correct horse battery", "domain_id": "default",
        "default_project_id": project_id,
    }, secret=("password",))  # fmt: skip
    role_id = operator.make("identity", "/roles", "role", {"name": "tf"})
    grant = f"/projects/{project_id}/users/{user_id}/roles/{role_id}"
    operator.call("PUT", "identity", grant, ok=(204,))
    path = f"/role_assignments?role.id={role_id}&scope.project.id={project_id}&user.id={user_id}"
    (assigned,) = operator.call("GET", "identity", path)["role_assignments"]
    assert assigned["role"]["id"] == role_id
    assert assigned["user"]["id"] == user_id
    assert assigned["scope"]["project"]["id"] == project_id
    operator.call("DELETE", "identity", grant, ok=(204,))
    changed: dict[str, Any] = {"project": {"description": "", "enabled": False}}
    operator.call("PATCH", "identity", f"/projects/{project_id}", changed)
    shown = operator.read("identity", f"/projects/{project_id}", "project")
    assert changed["project"].items() <= shown.items()
    assert operator.only("identity", "/users?name=tf&domain_id=default", "user", "users")
    for path in (f"/roles/{role_id}", f"/users/{user_id}", f"/projects/{project_id}"):
        operator.destroy("identity", path)


def test_identity_application_credential_v3(tenant: Provider) -> None:
    path = f"/users/{tenant.me['user']['id']}/application_credentials"
    credential_id = tenant.make("identity", path, "application_credential", {
        "name": "tf", "description": "for CI", "unrestricted": False, "secret": "s" * 30,
        "roles": [{"name": "member"}], "expires_at": "2099-01-01T00:00:00.000000",
    }, secret=("secret", "roles"))  # fmt: skip
    tenant.destroy("identity", f"{path}/{credential_id}")


def test_compute_instance_v2(scene: ComputeSite, tenant: Provider) -> None:
    group = {"name": "of-server"}
    group_id = tenant.make("network", "/security-groups", "security_group", group)
    subnet = {"network_id": scene.red.id, "cidr": "10.1.0.0/24", "ip_version": 4}
    tenant.make("network", "/subnets", "subnet", subnet)
    ports = [scene.a_port(network) for network in (scene.blue, scene.red)]
    # The provider looks each network up, to know its name, and sends both IDs.
    networks = []
    for port_id in ports:
        port = tenant.only("network", f"/ports?id={port_id}", "port", "ports")
        path = f"/networks?status=ACTIVE&id={port['network_id']}"
        network = tenant.only("network", path, "network", "networks")
        networks.append({"uuid": network["id"], "port": port_id})
    user_data = base64.b64encode(b"#cloud-config\n").decode()
    body: dict[str, Any] = {"server": {
        "name": "tf", "imageRef": "", "flavorRef": scene.flavor.id, "networks": networks,
        "block_device_mapping_v2": [{
            "boot_index": 0, "delete_on_termination": True, "destination_type": "local",
            "source_type": "blank", "volume_size": 1,
        }],
        "config_drive": True, "user_data": user_data, "metadata": {"a": "b"},
        "security_groups": [{"name": "of-server"}], "tags": ["x"],
    }}  # fmt: skip
    made = tenant.call("POST", "compute", "/servers", body, version="2.52")["server"]
    server = f"/servers/{made['id']}"
    assert tenant.call("GET", "compute", server)["server"]["status"] == "BUILD"
    scene.settle()
    shown = tenant.read("compute", server, "server")
    assert (shown["status"], shown["metadata"]) == ("ACTIVE", {"a": "b"})
    assert {*shown["addresses"]} == {"blue", "red"}
    for address in (each for network in shown["addresses"].values() for each in network):
        assert address["OS-EXT-IPS:type"] == "fixed"
        assert type(address["version"]) is int
        assert address["OS-EXT-IPS-MAC:mac_addr"]
    fits("flavor", tenant.call("GET", "compute", f"/flavors/{shown['flavor']['id']}")["flavor"])
    assert tenant.call("GET", "compute", f"{server}/tags", version="2.26") == {"tags": ["x"]}

    # In place: what a changed configuration is told.
    tenant.call("PUT", "compute", server, {"server": {"name": "tf2"}}, ok=(200,))
    tenant.call("POST", "compute", f"{server}/metadata", {"metadata": {"c": "d"}}, ok=(200,))
    tenant.call("DELETE", "compute", f"{server}/metadata/a")
    tags = {"tags": ["y"]}
    tenant.call("PUT", "compute", f"{server}/tags", tags, ok=(200,), version="2.26")
    for action, name in (("add", "of-server"), ("remove", "default")):
        change = {f"{action}SecurityGroup": {"name": name}}
        tenant.call("POST", "compute", f"{server}/action", change)
    shown = tenant.read("compute", server, "server")
    assert (shown["name"], shown["metadata"]) == ("tf2", {"c": "d"})
    assert {each["name"] for each in shown["security_groups"]} == {"of-server"}
    interfaces = tenant.call("GET", "compute", f"{server}/os-interface")["interfaceAttachments"]
    assert sorted(each["port_id"] for each in interfaces) == sorted(ports)

    # `power_state`, and `stop_before_destroy`.
    for act, status in (("os-stop", "SHUTOFF"), ("os-start", "ACTIVE"), ("os-stop", "SHUTOFF")):
        tenant.call("POST", "compute", f"{server}/action", {act: None})
        scene.settle()
        assert tenant.read("compute", server, "server")["status"] == status
    tenant.destroy("compute", server)
    scene.settle()
    for port_id in ports:
        tenant.destroy("network", f"/ports/{port_id}")
    tenant.destroy("network", f"/security-groups/{group_id}")


def test_compute_instance_v2_makes_its_own_ports(scene: ComputeSite, tenant: Provider) -> None:
    group_id = tenant.make("network", "/security-groups", "security_group", {"name": "own"})
    common = {
        "name": "tf", "imageRef": "", "flavorRef": scene.flavor.id, "config_drive": False,
        "user_data": "", "security_groups": [{"name": "own"}],
        "block_device_mapping_v2": [{
            "boot_index": 0, "delete_on_termination": True, "destination_type": "local",
            "source_type": "blank", "volume_size": 1,
        }],
    }  # fmt: skip
    fixed: dict[str, Any] = {"networks": [{"uuid": scene.blue.id, "fixed_ip": "10.0.0.50"}]}
    body = {"server": common | fixed}
    server = f"/servers/{tenant.call('POST', 'compute', '/servers', body)['server']['id']}"
    scene.settle()
    shown = tenant.read("compute", server, "server")
    addresses = {each["addr"] for each in shown["addresses"]["blue"]}
    assert "10.0.0.50" in addresses
    assert shown["security_groups"] == [{"name": "own"}]
    tenant.destroy("compute", server)
    scene.settle()
    tenant.destroy("network", f"/security-groups/{group_id}")


def test_compute_interface_attach_v2(scene: ComputeSite, tenant: Provider) -> None:
    ports = [scene.a_port(scene.blue), scene.a_port(scene.blue)]
    server = f"/servers/{scene.a_server('tf', ports[0])['id']}"
    scene.settle()
    body = {"interfaceAttachment": {"port_id": ports[1]}}
    made = tenant.call("POST", "compute", f"{server}/os-interface", body, ok=(200,))
    interface = f"{server}/os-interface/{ports[1]}"
    shown = tenant.read("compute", interface, "interfaceAttachment")
    assert made["interfaceAttachment"]["port_id"] == shown["port_id"] == ports[1]
    scene.settle()
    assert tenant.read("compute", interface, "interfaceAttachment")["port_state"] == "ACTIVE"
    # Gone is what the provider waits for: the guest lets go first.
    tenant.destroy("compute", interface, ok=(202,), gone=False)
    scene.settle()
    tenant.call("GET", "compute", interface, ok=(404,))
    tenant.destroy("compute", server)
    scene.settle()
    for port_id in ports:
        tenant.destroy("network", f"/ports/{port_id}")


def test_data_sources(operator: Provider, tenant: Provider) -> None:
    zones = tenant.call("GET", "compute", "/os-availability-zone")["availabilityZoneInfo"]
    assert all(zone["zoneState"]["available"] for zone in zones)
    limits = tenant.call("GET", "compute", "/limits")["limits"]["absolute"]
    assert all(type(value) is int for value in limits.values())
    for hypervisor in operator.call("GET", "compute", "/os-hypervisors/detail")["hypervisors"]:
        assert type(hypervisor["vcpus"]) is int
        assert hypervisor["hypervisor_hostname"]
    assert operator.only("identity", "/projects?name=demo", "project", "projects")
    assert operator.only("identity", "/roles?name=member", "role", "roles")
    (zone,) = tenant.call("GET", "network", "/availability_zones")["availability_zones"][:1]
    assert zone["state"] == "available"
    assert tenant.call("GET", "network", "/extensions")["extensions"]
