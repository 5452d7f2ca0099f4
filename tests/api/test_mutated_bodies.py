"""Requests that are right but for one value: each is served or refused, and nothing breaks."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.http_app import Site, a_site
from tests.support.world import PHY1, AgentByHand, a_card

PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
UUID = "7ad6ad8b-5b5c-4d22-8d2c-9c8a6f3e1b11"
HOSTILE: tuple[Any, ...] = (
    None, True, 0, -1, 1, 4094, 4095, 4096, 2**31, 2**31 - 1, 2**63 - 1, 2**63, 10**30, 0.5,
    1e308, [], {}, [[]], [{}], [None], {"": ""}, {"a": {"a": {"a": 1}}}, "", " ", "0", "-1",
    "4095", "99999999999999999999", "x" * 256, "x" * 70_000, "\0", "a\0", "\u202e", "\ufffe",
    "😀" * 100, "%s%n", "'; DROP TABLE ports", UUID, UUID.upper(), UUID.replace("-", ""),
    "10.0.0.0/33", "10.0.0.5/24", "0.0.0.0/0", "::/0", "::/129", "::1", "256.1.1.1", "10.0.0.1",
    "255.255.255.255", "00:00:00:00:00:00", "01:00:5e:00:00:01", "02-00-00-00-00-01",
    "0000:05:00.1", "zz:zz", "vlan", "vxlan", "flat", "gre", "direct-physical", "macvtap",
    "phy2", "PHY1", "none", "auto", "public", "private", "true", "2026-01-01",
    "../../etc/passwd", "http://x", "\r\nX-Evil: 1",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Template:
    """A request that is right."""

    method: str
    path: str
    body: Any


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("mutated")) as opened:
        AgentByHand(opened.svc, "h1", a_card(5, PHY1, vf_count=8))
        yield opened


@pytest.fixture(scope="module")
def templates(site: Site) -> dict[str, Template]:
    token = site.token("admin")

    def make(path: str, wrapper: str | None, body: dict[str, Any]) -> str:
        sent = body if wrapper is None else {wrapper: body}
        reply = site.http.request("POST", path, token=token, body=sent)
        assert reply.status in (200, 201, 202), reply
        made = reply.json() if wrapper is None else reply.json()[wrapper]
        return str(made["id"])

    network_body = {
        "name": "n", "description": "d", "admin_state_up": True, "shared": False, "mtu": 1500,
        "port_security_enabled": True, "provider:network_type": "vlan",
        "provider:physical_network": "phy1", "provider:segmentation_id": 100,
    }  # fmt: skip
    network_id = make("/network/v2.0/networks", "network", network_body)
    subnet_body = {
        "name": "s", "network_id": network_id, "ip_version": 4, "cidr": "10.0.0.0/24",
        "gateway_ip": "10.0.0.1", "enable_dhcp": True, "dns_nameservers": ["10.0.0.2"],
        "host_routes": [{"destination": "10.9.0.0/24", "nexthop": "10.0.0.9"}],
        "allocation_pools": [{"start": "10.0.0.10", "end": "10.0.0.200"}],
    }  # fmt: skip
    subnet_id = make("/network/v2.0/subnets", "subnet", subnet_body)
    port_body = {
        "name": "p", "network_id": network_id, "admin_state_up": True, "device_id": "",
        "device_owner": "", "mac_address": "02:00:00:00:00:77", "binding:vnic_type": "direct",
        "binding:profile": {"a": "b"}, "port_security_enabled": True,
        "fixed_ips": [{"subnet_id": subnet_id, "ip_address": "10.0.0.77"}],
    }  # fmt: skip
    port_id = make("/network/v2.0/ports", "port", {"network_id": network_id, "name": "kept"})
    flavor_body = {
        "name": "f", "ram": 64, "vcpus": 1, "disk": 1, "id": "f1", "swap": 0,
        "rxtx_factor": 1.0, "os-flavor-access:is_public": True, "OS-FLV-EXT-DATA:ephemeral": 0,
    }  # fmt: skip
    flavor_id = make("/compute/v2.1/flavors", "flavor", flavor_body)
    image_body = {
        "name": "i", "disk_format": "raw", "container_format": "bare", "visibility": "private",
        "min_disk": 0, "min_ram": 0, "protected": False, "tags": ["t"], "os_distro": "debian",
    }  # fmt: skip
    image_id = make("/image/v2/images", None, image_body)
    reply = site.http.request(
        "PUT", f"/image/v2/images/{image_id}/file", token=token, raw=b"disk",
        headers={"Content-Type": "application/octet-stream"},
    )  # fmt: skip
    assert reply.status == 204
    server_body = {
        "name": "web", "flavorRef": flavor_id, "imageRef": image_id, "min_count": 1, "max_count": 1,
        "metadata": {"k": "v"}, "description": "d", "config_drive": False,
        "networks": [{"uuid": network_id, "fixed_ip": "10.0.0.88"}, {"port": port_id}],
        "block_device_mapping_v2": [{
            "uuid": image_id, "boot_index": 0, "source_type": "image",
            "destination_type": "local", "delete_on_termination": True,
        }],
    }  # fmt: skip
    steps = [
        {"op": "replace", "path": "/name", "value": "x"},
        {"op": "add", "path": "/tags/-", "value": "y"},
        {"op": "add", "path": "/p", "value": "q"},
    ]
    login = {
        "identity": {
            "methods": ["password"],
            "password": {"user": {"name": "demo", "domain": {"id": "default"}, "password": "no"}},
        },
        "scope": {"project": {"name": "demo", "domain": {"id": "default"}}},
    }
    without = {"network_id", "mac_address"}
    return {
        "login": Template("POST", "/identity/v3/auth/tokens", {"auth": login}),
        "network": Template("POST", "/network/v2.0/networks", {"network": network_body}),
        "network update": Template(
            "PUT",
            f"/network/v2.0/networks/{network_id}",
            {"network": {"name": "n", "description": "", "admin_state_up": True, "mtu": 1400}},
        ),
        "subnet": Template("POST", "/network/v2.0/subnets", {"subnet": subnet_body}),
        "port": Template("POST", "/network/v2.0/ports", {"port": port_body}),
        "port update": Template(
            "PUT",
            f"/network/v2.0/ports/{port_id}",
            {"port": {k: v for k, v in port_body.items() if k not in without}},
        ),
        "flavor": Template("POST", "/compute/v2.1/flavors", {"flavor": flavor_body}),
        "image": Template("POST", "/image/v2/images", image_body),
        "image update": Template("PATCH", f"/image/v2/images/{image_id}", steps),
        "server": Template("POST", "/compute/v2.1/servers", {"server": server_body}),
    }


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a body, leaves and branches."""
    found = [path] if path else []
    if isinstance(value, dict):
        for key, inner in value.items():
            found += places(inner, (*path, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            found += places(inner, (*path, at))
    return found


def mutated(body: Any, path: tuple[Any, ...], value: Any, *, leave_out: bool) -> Any:
    changed = copy.deepcopy(body)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    if leave_out:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return changed


KINDS = (
    "login", "network", "network update", "subnet", "port", "port update", "flavor", "image",
    "image update", "server",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_one_wrong_value_is_an_answer_below_500(
    site: Site, templates: dict[str, Template], kind: str, data: st.DataObject
) -> None:
    template = templates[kind]
    path = data.draw(st.sampled_from(places(template.body)))
    value = data.draw(st.sampled_from(HOSTILE))
    body = mutated(template.body, path, value, leave_out=data.draw(st.integers(0, 5)) == 0)
    version = {
        "X-OpenStack-Nova-API-Version": data.draw(st.sampled_from(["2.1", "2.47", "latest"]))
    }
    reply = site.http.request(
        template.method,
        template.path,
        token=site.token("admin"),
        raw=json.dumps(body).encode(),
        headers=PATCH | version,
    )
    assert reply.status < 500, reply
    if reply.status >= 400:
        assert reply.json(), reply
