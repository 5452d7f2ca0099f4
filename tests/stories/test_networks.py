"""Networks and subnets, as clients of the network face meet them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.http_app import Site
from tests.support.network_api import NetworkApi, error_of

NOBODY = "00000000-0000-4000-8000-000000000000"

# What real Neutron answers, by the extensions that are served here.
# Source: neutron-lib 5.0.1, neutron_lib.api.definitions: network, subnet, segment, provider_net,
# network_mtu, port_security; and the standard attributes.
STANDARD = {"description", "created_at", "updated_at", "revision_number", "project_id", "tags"}
NETWORK = STANDARD | {
    "admin_state_up", "id", "name", "shared", "status", "subnets", "tenant_id", "mtu",
    "port_security_enabled", "router:external",
}  # fmt: skip
PROVIDER = {"provider:network_type", "provider:physical_network", "provider:segmentation_id"}
SUBNET = STANDARD | {
    "allocation_pools", "cidr", "dns_nameservers", "enable_dhcp", "gateway_ip", "host_routes", "id",
    "ip_version", "ipv6_address_mode", "ipv6_ra_mode", "name", "network_id", "subnetpool_id",
    "tenant_id", "segment_id",
}  # fmt: skip
SEGMENT = {"id", "name", "network_id", "network_type", "physical_network", "segmentation_id"}


@pytest.fixture
def admin(site: Site) -> NetworkApi:
    return NetworkApi(site, "admin")


@pytest.fixture
def demo(site: Site) -> NetworkApi:
    return NetworkApi(site, "demo")


def provider(item: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(item[name] for name in sorted(PROVIDER))


def test_an_admin_makes_a_provider_network_with_the_vlan_as_text(admin: NetworkApi) -> None:
    made = admin.create(
        "network",
        name="blue",
        provider__network_type="vlan",
        provider__physical_network="phy1",
        provider__segmentation_id="100",
    )
    assert set(made) >= NETWORK | PROVIDER
    assert provider(made) == ("vlan", "phy1", 100)
    assert made["pci_requirements"] == {"e.physical_network": "phy1"}
    assert admin.show("network", made["id"]) == made
    assert admin.all("network") == [made]


def test_a_qinq_network_is_made_shown_found_and_stays_so(
    admin: NetworkApi, demo: NetworkApi
) -> None:
    outer = admin.create(
        "network", name="outer", qinq=True, provider__network_type="vlan",
        provider__physical_network="phy1", provider__segmentation_id=150,
    )  # fmt: skip
    assert outer["qinq"] is outer["vlan_qinq"] is True
    assert outer["mtu"] == 1500, "the outer tag is the card's, and no part of what guests send"
    assert outer["pci_requirements"] == {"e.physical_network": "phy1", "can.vlan_8021ad": "true"}
    own = demo.create("network", name="own", vlan_qinq="True")
    plain = demo.create("network", name="plain", qinq=False, vlan_transparent=False)
    assert (own["qinq"], plain["qinq"]) == (True, False)
    assert demo.names("network", "qinq=true") == ["own"]
    assert set(admin.names("network", "vlan_qinq=True")) == {"outer", "own"}
    assert demo.names("network", "qinq=false") == ["plain"]
    for name in ("qinq", "vlan_qinq"):
        said = admin.update("network", outer["id"], 400, **{name: False})
        assert "cannot change; make another network" in said["message"]
    assert admin.show("network", outer["id"]) == outer


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"qinq": True, "vlan_transparent": True}, "vlan_transparent"),
        ({"qinq": True, "vlan_qinq": False}, "says otherwise than vlan_qinq"),
        ({"qinq": "perhaps"}, "qinq: must be true or false"),
        (
            {"qinq": True, "provider__network_type": "flat", "provider__physical_network": "phy1"},
            "a flat segment has no VLAN tag",
        ),
        ({"qinq": True, "provider__network_type": "vxlan"}, "a vxlan segment has no VLAN tag"),
    ],
)
def test_a_network_that_can_have_no_outer_tag_is_refused(
    admin: NetworkApi, fields: dict[str, Any], said: str
) -> None:
    assert said in admin.create("network", 400, name="outer", **fields)["message"]


def test_only_direct_ports_are_on_a_qinq_network(demo: NetworkApi) -> None:
    network = demo.create("network", name="outer", qinq=True)
    assert demo.create("port", network_id=network["id"])["binding:vnic_type"] == "direct"
    for vnic_type in ("normal", "macvtap", "direct-physical"):
        refused = demo.create("port", 400, network_id=network["id"], binding__vnic_type=vnic_type)
        assert "use a port of type direct" in refused["message"]


def test_a_tenant_sees_nothing_of_where_a_network_is(admin: NetworkApi, demo: NetworkApi) -> None:
    made = demo.create("network", name="mine")
    assert set(made) >= NETWORK
    assert set(made) & (PROVIDER | {"segments", "pci_requirements"}) == set()
    assert provider(admin.show("network", made["id"])) == ("vlan", "phy1", 100)
    reply = demo.ask("GET", "networks?provider:segmentation_id=100")
    assert (reply.status, error_of(reply)["type"]) == (403, "PolicyNotAuthorized")
    assert demo.all("segment") == []


def test_a_network_of_several_segments_lists_them(admin: NetworkApi) -> None:
    segments = [
        {
            "provider:network_type": "vlan",
            "provider:physical_network": name,
            "provider:segmentation_id": vlan_id,
        }
        for name, vlan_id in (("phy1", 100), ("phy2", 200))
    ]
    made = admin.create("network", name="wide", segments=segments)
    assert made["segments"] == segments
    listed = admin.all("segment", f"network_id={made['id']}")
    assert all(set(segment) >= SEGMENT for segment in listed)
    assert made["pci_requirements"] == {
        segment["id"]: {"e.physical_network": segment["physical_network"]} for segment in listed
    }
    assert admin.show("segment", listed[0]["id"]) == listed[0]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"provider__segmentation_id": 0}, "provider:segmentation_id"),
        ({"provider__segmentation_id": 4095}, "provider:segmentation_id"),
        ({"provider__segmentation_id": "4095"}, "provider:segmentation_id"),
        ({"provider__segmentation_id": -1}, "provider:segmentation_id"),
        ({"provider__segmentation_id": 10**15}, "provider:segmentation_id"),
        ({"provider__segmentation_id": "many"}, "provider:segmentation_id"),
        ({"provider__segmentation_id": 100.5}, "provider:segmentation_id"),
        ({"provider__segmentation_id": True}, "provider:segmentation_id"),
        ({"provider__segmentation_id": [100]}, "provider:segmentation_id"),
        ({"provider__physical_network": "phy9"}, "provider:physical_network"),
        ({"provider__physical_network": ""}, "provider:physical_network"),
        ({"provider__physical_network": None}, "provider:physical_network"),
        ({"provider__network_type": "gre"}, "provider:network_type"),
        ({"provider__network_type": None}, "provider:network_type"),
        ({"segments": []}, "segments"),
        ({"name": None}, "name"),
        ({"name": 5}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"admin_state_up": "perhaps"}, "admin_state_up"),
        ({"mtu": "big"}, "mtu"),
        ({"mtu": 9000}, "mtu"),
        ({"router__external": True}, "router:external"),
        ({"colour": "blue"}, "colour"),
        ({"id": NOBODY}, "id"),
    ],
)
def test_a_network_that_cannot_be_is_refused_by_the_field_at_fault(
    admin: NetworkApi, fields: dict[str, Any], field: str
) -> None:
    good = {
        "provider__network_type": "vlan",
        "provider__physical_network": "phy1",
        "provider__segmentation_id": 100,
    }
    error = admin.create("network", expect=400, **(good | fields))
    assert error["type"] == "InvalidInput"
    assert field in error["message"]
    assert admin.all("network") == []


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"network"',
        b'{"network": []}',
        b'{"network": null}',
        b'{"network": {"name": "\xff"}}',
        b'{"network": {"name": "\\ud800"}}',
        b'{"port": {}}',
        b'{"networks": []}',
        b'{"networks": {}}',
        b'{"networks": [5]}',
        b"[" * 100_000,
        b'{"network":' * 5000,
    ],
)
def test_a_body_that_is_no_network_is_refused(admin: NetworkApi, raw: bytes) -> None:
    reply = admin.ask("POST", "networks", raw=raw)
    assert reply.status == 400, reply
    assert error_of(reply)["message"]


def test_a_vlan_that_is_taken_is_a_conflict(admin: NetworkApi) -> None:
    fields: dict[str, Any] = {
        "provider__network_type": "vlan",
        "provider__physical_network": "phy1",
        "provider__segmentation_id": 100,
    }
    first = admin.create("network", **fields)
    error = admin.create("network", expect=409, **fields)
    assert error["type"] == "VlanIdInUse"
    assert "vlan 100 on phy1" in error["message"]
    admin.delete("network", first["id"])
    admin.create("network", **fields)


def test_provider_attributes_and_sharing_are_for_admins(demo: NetworkApi) -> None:
    for fields in (
        {"provider__network_type": "flat", "provider__physical_network": "phy1"},
        {"segments": [{"provider:network_type": "flat", "provider:physical_network": "phy1"}]},
        {"shared": True},
        {"project_id": "someone-else"},
        {"tenant_id": "someone-else"},
    ):
        assert demo.create("network", expect=403, **fields)["type"] == "PolicyNotAuthorized"
    assert demo.all("network") == []


def test_projects_do_not_see_each_others_networks(admin: NetworkApi, demo: NetworkApi) -> None:
    theirs = admin.create("network", name="theirs")
    subnet = admin.create("subnet", network_id=theirs["id"], cidr="10.0.0.0/24", ip_version=4)
    for what, id_ in (("network", theirs["id"]), ("subnet", subnet["id"])):
        camel = what.capitalize()
        assert demo.show(what, id_, expect=404)["type"] == f"{camel}NotFound"
        assert demo.update(what, id_, expect=404, name="x")["type"] == f"{camel}NotFound"
        assert demo.delete(what, id_, expect=404)["type"] == f"{camel}NotFound"
        assert demo.all(what) == []
        assert demo.all(what, f"id={id_}") == []
    wanted = {"network_id": theirs["id"], "cidr": "10.1.0.0/24", "ip_version": 4}
    assert demo.create("subnet", expect=404, **wanted)["type"] == "NetworkNotFound"
    assert admin.show("network", theirs["id"])["name"] == "theirs"


def test_a_path_with_a_nul_character_is_refused(admin: NetworkApi) -> None:
    assert admin.ask("GET", "networks/%00").status == 400
    assert admin.ask("GET", "networks?name=%00").status == 400


@pytest.mark.parametrize("id_", [NOBODY, "blue", "a%20b", "%F0%9F%94%8C", "x" * 300])
def test_a_network_that_is_not_there_is_not_found(admin: NetworkApi, id_: str) -> None:
    assert admin.show("network", id_, expect=404)["type"] == "NetworkNotFound"


def test_a_change_names_the_revision_that_it_was_decided_from(admin: NetworkApi) -> None:
    made = admin.create("network", name="a")
    body = {"network": {"name": "b"}}
    path = f"networks/{made['id']}"
    seen = {"If-Match": f"revision_number={made['revision_number']}"}
    changed = admin.ask("PUT", path, body, headers=seen)
    assert changed.status == 200
    assert changed.json()["network"]["revision_number"] > made["revision_number"]
    assert admin.ask("PUT", path, body, headers=seen).status == 412
    assert admin.ask("PUT", path, body, headers={"If-Match": "latest"}).status == 400


def test_the_vlan_of_an_unused_network_can_be_set(admin: NetworkApi) -> None:
    made = admin.create("network")
    changed = admin.update("network", made["id"], provider__segmentation_id="142", name="x")
    assert (changed["provider:segmentation_id"], changed["name"]) == (142, "x")
    for fields in (
        {"provider__segmentation_id": 4095},
        {"provider__physical_network": "phy2"},
        {"provider__network_type": "flat"},
        {"status": "DOWN"},
        {"shared": "x"},
    ):
        admin.update("network", made["id"], expect=400, **fields)


def test_lists_are_filtered_sorted_and_shown_by_page(admin: NetworkApi) -> None:
    for name in ("e", "d", "c", "b", "a"):
        admin.create("network", name=name, description="odd" if name in "ace" else "even")
    assert admin.names("network", "sort_key=name") == ["a", "b", "c", "d", "e"]
    assert admin.names("network", "description=odd&sort_key=name&sort_dir=desc") == ["e", "c", "a"]
    assert admin.names("network", "name=a&name=d&sort_key=name") == ["a", "d"]
    assert admin.names("network", "name=") == []
    assert admin.names("network", "provider:segmentation_id=100") == ["e"]
    assert admin.names("network", "status=DOWN") == []
    assert admin.names("network", "router:external=True") == []
    assert len(admin.names("network", "router:external=False&status=ACTIVE")) == 5
    assert admin.all("network", "name=a&fields=name&fields=mtu") == [{"name": "a", "mtu": 1500}]


def test_pages_are_linked_forwards_and_backwards(admin: NetworkApi) -> None:
    for name in ("e", "d", "c", "b", "a"):
        admin.create("network", name=name)

    def page(url: str) -> tuple[list[str], dict[str, str]]:
        body = admin.ask("GET", url.partition("/v2.0/")[2]).json()
        links = {link["rel"]: link["href"] for link in body.get("networks_links", [])}
        return [item["name"] for item in body["networks"]], links

    first, links = page("/v2.0/networks?sort_key=name&limit=2&fields=name&fields=id")
    assert (first, set(links)) == (["a", "b"], {"next"})
    second, links = page(links["next"])
    assert (second, set(links)) == (["c", "d"], {"next", "previous"})
    third, last_links = page(links["next"])
    assert (third, set(last_links)) == (["e"], {"previous"})
    before, links = page(links["previous"])
    assert before == ["a", "b"]
    assert page(links["next"])[0] == ["c", "d"]
    assert page(last_links["previous"])[0] == ["c", "d"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=-1",
        "limit=x",
        "sort_key=colour",
        "sort_key=name&sort_dir=sideways",
        "shared=perhaps",
        "colour=blue",
        "provider:segmentation_id=many",
    ],
)
def test_a_query_that_makes_no_sense_is_refused(admin: NetworkApi, query: str) -> None:
    reply = admin.ask("GET", f"networks?{query}")
    assert reply.status == 400
    assert error_of(reply)["message"].startswith(query.split("=")[0].split("&")[0].split("_")[0])


def test_several_networks_are_made_at_once_or_not_at_all(admin: NetworkApi) -> None:
    bulk = {"networks": [{"name": "a"}, {"name": "b"}]}
    reply = admin.ask("POST", "networks", bulk)
    assert reply.status == 201
    assert [item["name"] for item in reply.json()["networks"]] == ["a", "b"]
    bulk["networks"].append({"name": "c", "mtu": "5000"})
    assert admin.ask("POST", "networks", bulk).status == 400
    assert len(admin.all("network")) == 2


def test_a_subnet_is_given_its_gateway_and_pool(demo: NetworkApi) -> None:
    network = demo.create("network")
    made = demo.create(
        "subnet",
        network_id=network["id"],
        cidr="10.0.0.0/24",
        ip_version=4,
        name="s",
        dns_nameservers=["192.0.2.53"],
        host_routes=[{"destination": "192.0.2.0/24", "nexthop": "10.0.0.2"}],
    )
    assert set(made) >= SUBNET
    assert (made["gateway_ip"], made["allocation_pools"]) == (
        "10.0.0.1",
        [{"start": "10.0.0.2", "end": "10.0.0.254"}],
    )
    assert demo.show("network", network["id"])["subnets"] == [made["id"]]
    assert demo.all("subnet", "cidr=10.0.0.0/24&ip_version=4") == [made]
    changed = demo.update("subnet", made["id"], dns_nameservers=[], gateway_ip=None, name="t")
    assert (changed["dns_nameservers"], changed["gateway_ip"], changed["name"]) == ([], None, "t")
    demo.delete("subnet", made["id"])
    assert demo.show("network", network["id"])["subnets"] == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"cidr": "10.0.0.5/24"}, "10.0.0.0/24"),  # What was meant is said.
        ({"cidr": "10.0.0.0/33"}, "cidr"),
        ({"cidr": "10.0.0"}, "cidr"),
        ({"cidr": 10}, "cidr"),
        ({"cidr": None}, "cidr"),
        ({"cidr": "0.0.0.0/0"}, "cidr"),
        ({"ip_version": 6}, "ip_version"),
        ({"gateway_ip": "10.0.1.1"}, "gateway_ip"),
        ({"gateway_ip": "here"}, "gateway_ip"),
        ({"allocation_pools": [{"start": "10.0.0.9", "end": "10.0.0.3"}]}, "allocation_pools"),
        ({"allocation_pools": [{"start": "10.0.0.9"}]}, "end"),
        ({"allocation_pools": "all"}, "allocation_pools"),
        ({"dns_nameservers": ["dns.example"]}, "dns_nameservers"),
        ({"dns_nameservers": ["192.0.2.1"] * 2}, "dns_nameservers"),
        ({"dns_nameservers": [f"192.0.2.{n}" for n in range(6)]}, "dns_nameservers"),
        ({"host_routes": [{"destination": "x", "nexthop": "10.0.0.2"}]}, "destination"),
        ({"host_routes": [{"nexthop": "10.0.0.2"}]}, "destination"),
        ({"subnetpool_id": NOBODY}, "subnetpool_id"),
        ({"segment_id": NOBODY}, "segment_id"),
        ({"network_id": "blue"}, "network_id"),
        ({"network_id": None}, "network_id"),
    ],
)
def test_a_subnet_that_cannot_be_is_refused_by_the_field_at_fault(
    demo: NetworkApi, fields: dict[str, Any], field: str
) -> None:
    network = demo.create("network")
    good = {"network_id": network["id"], "cidr": "10.0.0.0/24", "ip_version": 4}
    error = demo.create("subnet", expect=400, **(good | fields))
    assert field in error["message"]
    assert demo.all("subnet") == []


def test_a_gateway_in_a_pool_and_overlaps_are_refused(demo: NetworkApi) -> None:
    network = demo.create("network")
    good = {"network_id": network["id"], "cidr": "10.0.0.0/24", "ip_version": 4}
    pools = [{"start": "10.0.0.1", "end": "10.0.0.9"}]
    demo.create("subnet", expect=409, allocation_pools=pools, **good)
    demo.create("subnet", **good)
    overlap = demo.create("subnet", expect=400, **(good | {"cidr": "10.0.0.128/25"}))
    assert "overlaps" in overlap["message"]


def test_a_deleted_network_takes_no_subnet_and_no_port(demo: NetworkApi) -> None:
    network = demo.create("network")
    demo.delete("network", network["id"])
    kept: dict[str, Any] = {"network_id": network["id"], "expect": 404}
    for error in (
        demo.create("subnet", cidr="10.0.0.0/24", ip_version=4, **kept),
        demo.create("port", **kept),
    ):
        assert error["type"] == "NetworkNotFound"


def test_the_extensions_that_are_served_are_listed(demo: NetworkApi) -> None:
    listed = {extension["alias"] for extension in demo.all("extension")}
    assert {"provider", "binding", "multi-provider", "port-security", "agent"} <= listed
    assert demo.show("extension", "binding")["name"] == "Port Binding"
    assert demo.show("extension", "router", expect=404)


def test_the_network_face_is_not_for_strangers(site: Site) -> None:
    for path in ("networks", "subnets", "ports", "agents", "segments", "extensions"):
        assert site.http.request("GET", f"/network/v2.0/{path}").status == 401
    resources = site.http.request("GET", "/network/v2.0/").json()["resources"]
    assert "networks" in json.dumps(resources)
