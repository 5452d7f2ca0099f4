"""Subnets for ports of some device owners alone; and when segments were made and changed."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site
from tests.support.http_app import Site, a_site
from tests.support.network_api import NetworkApi
from trunkline.bootstrap.policy_file import read_policy


@pytest.fixture
def demo(site: Site) -> NetworkApi:
    return NetworkApi(site, "demo")


@pytest.fixture
def net(demo: NetworkApi) -> str:
    return str(demo.create("network", name="n")["id"])


def a_subnet(api: NetworkApi, net: str, cidr: str, *types: str, **more: Any) -> Any:
    version = ip_network(cidr).version
    return api.create(
        "subnet", network_id=net, cidr=cidr, ip_version=version, service_types=list(types), **more
    )


def cidrs_of(port: Any) -> list[str]:
    addresses = [ip_address(each["ip_address"]) for each in port["fixed_ips"]]
    known = ("10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24", "fd00::/64")
    return [cidr for address in addresses for cidr in known if address in ip_network(cidr)]


def test_service_types_are_kept_shown_and_changed(demo: NetworkApi, net: str) -> None:
    made = a_subnet(demo, net, "10.0.1.0/24", "compute:nova", "network:dhcp")
    assert made["service_types"] == ["compute:nova", "network:dhcp"]
    changed = demo.update("subnet", made["id"], service_types=["compute:nova"])
    assert changed["service_types"] == ["compute:nova"]
    assert changed["revision_number"] > made["revision_number"]
    assert demo.update("subnet", made["id"], name="x")["service_types"] == ["compute:nova"]
    assert demo.update("subnet", made["id"], service_types=[])["service_types"] == []
    assert demo.show("subnet", made["id"])["service_types"] == []


@pytest.mark.parametrize("types", [["a", "a"], [""], ["x" * 256], [5], "compute:", ["a"] * 65])
def test_what_can_be_no_service_types_is_refused(demo: NetworkApi, net: str, types: object) -> None:
    asked = {"network_id": net, "cidr": "10.0.1.0/24", "ip_version": 4, "service_types": types}
    assert "service_types" in demo.create("subnet", 400, **asked)["message"]
    made = a_subnet(demo, net, "10.0.1.0/24")
    assert "service_types" in demo.update("subnet", made["id"], 400, service_types=types)["message"]


def test_a_port_gets_its_address_where_its_owner_does(demo: NetworkApi, net: str) -> None:
    one = a_subnet(demo, net, "10.0.1.0/24", "test:one")
    a_subnet(demo, net, "10.0.2.0/24", "test:two", "test:both")

    def a_port(owner: str, expect: int = 201, **more: Any) -> Any:
        return demo.create("port", expect, network_id=net, device_owner=owner, **more)

    assert cidrs_of(a_port("test:one")) == ["10.0.1.0/24"]
    assert cidrs_of(a_port("test:two")) == cidrs_of(a_port("test:both")) == ["10.0.2.0/24"]
    assert "test:other" in a_port("test:other", 409)["message"]
    assert "no device owner" in a_port("", 409)["message"]
    assert cidrs_of(a_port("test:other", fixed_ips=[])) == []
    for asked in ({"subnet_id": one["id"]}, {"ip_address": "10.0.1.77"}):
        assert a_port("test:two", 400, fixed_ips=[asked])
        assert cidrs_of(a_port("test:one", fixed_ips=[asked])) == ["10.0.1.0/24"]

    a_subnet(demo, net, "10.0.3.0/24")
    a_subnet(demo, net, "fd00::/64")
    assert cidrs_of(a_port("test:other")) == ["10.0.3.0/24", "fd00::/64"]
    assert cidrs_of(a_port("test:two")) == ["10.0.2.0/24", "fd00::/64"], "its own goes first"


def test_service_types_can_be_kept_for_admins(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    rules = ("create_subnet:service_types", "update_subnet:service_types")
    file.write_text("".join(f'"{rule}": "rule:admin_only"\n' for rule in rules))
    with a_site(tmp_path, policy=read_policy(file)) as site:
        demo, admin = NetworkApi(site, "demo"), NetworkApi(site, "admin")
        net = demo.create("network", name="n")["id"]
        asked = {"network_id": net, "cidr": "10.0.1.0/24", "ip_version": 4}
        refused = demo.create("subnet", 403, **asked, service_types=["a"])
        assert "create_subnet:service_types" in refused["message"]
        made = demo.create("subnet", **asked, service_types=[])
        refused = demo.update("subnet", made["id"], 403, service_types=["a"])
        assert "update_subnet:service_types" in refused["message"]
        changed = admin.update("subnet", made["id"], service_types=["a"])
        assert demo.update("subnet", made["id"], service_types=["a"])["name"] == changed["name"]


def test_dhcp_servers_have_addresses_of_every_subnet_with_dhcp(demo: NetworkApi, net: str) -> None:
    subnet = a_subnet(demo, net, "10.0.1.0/24", "test:one")
    asked: dict[str, Any] = {"network_id": net, "device_owner": "network:dhcp"}
    assert cidrs_of(demo.create("port", **asked)) == ["10.0.1.0/24"]
    demo.update("subnet", subnet["id"], enable_dhcp=False)
    assert demo.create("port", 409, **asked)


def test_a_port_keeps_the_address_that_it_has(demo: NetworkApi, net: str) -> None:
    subnet = a_subnet(demo, net, "10.0.1.0/24", "test:one")
    port = demo.create("port", network_id=net, device_owner="test:one")
    same = demo.update("port", port["id"], device_owner="x", fixed_ips=port["fixed_ips"])
    assert same["fixed_ips"] == port["fixed_ips"]
    demo.update("subnet", subnet["id"], service_types=["test:two"])
    assert demo.update("port", port["id"], name="p")["fixed_ips"] == port["fixed_ips"]
    demo.update("port", port["id"], fixed_ips=[])
    assert demo.update("port", port["id"], 400, fixed_ips=[{"subnet_id": subnet["id"]}])


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path) as scene:
        yield scene


def test_a_server_gets_its_addresses_as_the_owner_that_its_ports_have(scene: ComputeSite) -> None:
    api = NetworkApi(scene.site, "demo")
    a_subnet(api, scene.red.id, "10.0.1.0/24", "test:other")
    a_subnet(api, scene.red.id, "10.0.2.0/24", "compute:nova")
    server = scene.a_server(networks=[{"uuid": scene.red.id}])
    (port,) = api.all("port", f"device_id={server['id']}")
    assert (port["device_owner"], cidrs_of(port)) == ("compute:nova", ["10.0.2.0/24"])


def test_a_segment_tells_when_it_was_made_and_changed(site: Site) -> None:
    admin = NetworkApi(site, "admin")
    net = admin.create("network", name="n")
    (segment,) = admin.all("segment", f"network_id={net['id']}")
    assert segment["created_at"] == segment["updated_at"] == net["created_at"]
    assert admin.show("segment", segment["id"]) == segment
    assert admin.all("segment", "sort_key=created_at") == [segment]
    changed = admin.update("segment", segment["id"], name="lane")
    assert changed["created_at"] == segment["created_at"]
    assert changed["updated_at"] >= segment["updated_at"]
    assert changed["revision_number"] == segment["revision_number"] + 1
    assert admin.all("segment", f"revision_number={changed['revision_number']}") == [changed]
    path, asked = f"segments/{segment['id']}", {"segment": {"name": "late"}}
    for seen, status in ((segment, 412), (changed, 200)):
        match = {"If-Match": f"revision_number={seen['revision_number']}"}
        assert admin.ask("PUT", path, asked, headers=match).status == status
