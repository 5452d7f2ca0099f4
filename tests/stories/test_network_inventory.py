"""What admins see and change of the network side: segments, addresses held, agents, zones."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.http_app import Site
from tests.support.network_api import NetworkApi, error_of
from tests.support.world import AgentByHand, a_card

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def admin(site: Site) -> NetworkApi:
    return NetworkApi(site, "admin")


@pytest.fixture
def demo(site: Site) -> NetworkApi:
    return NetworkApi(site, "demo")


@pytest.fixture
def network_id(admin: NetworkApi) -> str:
    on: dict[str, Any] = {"provider__physical_network": "phy1", "provider__segmentation_id": 120}
    return str(admin.create("network", provider__network_type="vlan", **on)["id"])


# Segments


def on_phy2(network_id: str, vlan_id: int | None) -> dict[str, Any]:
    where = {"network_type": "vlan", "physical_network": "phy2", "segmentation_id": vlan_id}
    return {"network_id": network_id, **where}


def test_a_segment_is_added_named_and_taken_away(admin: NetworkApi, network_id: str) -> None:
    revision = admin.show("network", network_id)["revision_number"]
    made = admin.create("segment", name="second", **on_phy2(network_id, 220))
    assert made | on_phy2(network_id, 220) == made
    network = admin.show("network", network_id)
    assert [segment["provider:segmentation_id"] for segment in network["segments"]] == [120, 220]
    assert network["revision_number"] == revision + 1
    named = admin.update("segment", made["id"], name="2nd", description="to the west")
    assert named == made | {
        "name": "2nd", "description": "to the west",
        "revision_number": made["revision_number"] + 1, "updated_at": named["updated_at"],
    }  # fmt: skip
    assert admin.names("segment", f"network_id={network_id}&sort_key=name") == [None, "2nd"]
    admin.delete("segment", made["id"])
    assert admin.show("network", network_id)["provider:segmentation_id"] == 120
    admin.delete("segment", made["id"], 404)


def test_a_segmentation_id_that_is_not_named_is_chosen(admin: NetworkApi, network_id: str) -> None:
    ids = [
        admin.create("segment", **on_phy2(network_id, None))["segmentation_id"] for _ in range(3)
    ]
    assert ids == [200, 201, 202]


def test_segments_that_can_not_be_are_refused(admin: NetworkApi, network_id: str) -> None:
    good = on_phy2(network_id, 220)
    wrong: list[tuple[dict[str, Any], int]] = [
        ({"segmentation_id": 4095}, 400), ({"physical_network": "phy9"}, 400),
        ({"network_type": "geneve"}, 400), ({"network_type": "vxlan"}, 400),
        ({"network_id": NOBODY}, 404), ({"more": 1}, 400),
        ({"physical_network": "phy1", "segmentation_id": 120}, 409),
    ]  # fmt: skip
    for fields, status in wrong:
        admin.create("segment", status, **(good | fields))
    two = {"segments": [good, on_phy2(network_id, 221)]}
    assert admin.ask("POST", "segments", two).status == 400
    assert len(admin.all("segment", f"network_id={network_id}")) == 1


def test_a_segment_carries_frames_as_large_as_its_networks(
    admin: NetworkApi, network_id: str
) -> None:
    tunnel: dict[str, Any] = {
        "network_id": network_id,
        "network_type": "vxlan",
        "segmentation_id": 7,
    }
    assert "MTU of 1500" in admin.create("segment", 400, **tunnel)["message"]
    admin.update("network", network_id, mtu=1450)
    admin.create("segment", **tunnel)


def test_a_segment_in_use_stays(site: Site, admin: NetworkApi, network_id: str) -> None:
    (only,) = admin.all("segment", f"network_id={network_id}")
    assert admin.delete("segment", only["id"], 409)["type"] == "SegmentInUse"
    second = admin.create("segment", **on_phy2(network_id, 220))
    tied: dict[str, Any] = {
        "network_id": network_id,
        "cidr": "10.0.0.0/24",
        "segment_id": second["id"],
    }
    subnet = admin.create("subnet", **tied)
    admin.delete("segment", second["id"], 409)
    admin.delete("subnet", subnet["id"])
    AgentByHand(site.svc, "h1", a_card(6, "phy2"))
    slot = {"pci_slot": "0000:06:02.0"}
    asked: dict[str, Any] = {"binding__host_id": "h1", "binding__profile": slot}
    port = admin.create("port", network_id=network_id, binding__vnic_type="direct", **asked)
    assert "ports are bound" in admin.delete("segment", second["id"], 409)["message"]
    admin.delete("port", port["id"])
    admin.delete("segment", second["id"])


def test_segments_are_for_admins(demo: NetworkApi, admin: NetworkApi, network_id: str) -> None:
    (only,) = admin.all("segment", f"network_id={network_id}")
    assert demo.all("segment") == []
    demo.show("segment", only["id"], 404)
    demo.create("segment", 403, **on_phy2(network_id, 220))
    demo.update("segment", only["id"], 403, name="mine")
    demo.delete("segment", only["id"], 403)
    admin.update("segment", only["id"], 400, segmentation_id=7)


def test_a_segment_asked_for_by_many_at_once_is_made_once(
    admin: NetworkApi, network_id: str
) -> None:
    with ThreadPoolExecutor(6) as pool:
        body = {"segment": on_phy2(network_id, 220)}
        asking = [pool.submit(admin.ask, "POST", "segments", body) for _ in range(6)]
        chosen = {"segment": on_phy2(network_id, None)}
        free = [pool.submit(admin.ask, "POST", "segments", chosen) for _ in range(6)]
    assert sorted(each.result().status for each in asking) == [201] + [409] * 5
    assert {each.result().status for each in free} == {201}
    ids = [segment["segmentation_id"] for segment in admin.all("segment")]
    assert len(ids) == len(set(ids)) == 8


# Addresses


def availability(api: NetworkApi, query: str = "") -> Any:
    reply = api.ask("GET", f"network-ip-availabilities?{query}")
    assert reply.status == 200, reply
    return reply.json()["network_ip_availabilities"]


def test_addresses_are_counted_by_network_and_subnet(admin: NetworkApi, network_id: str) -> None:
    (empty,) = availability(admin)
    assert (empty["total_ips"], empty["used_ips"], empty["subnet_ip_availability"]) == (0, 0, [])
    v4 = admin.create("subnet", network_id=network_id, cidr="10.0.0.0/24", name="v4")
    admin.create("subnet", network_id=network_id, cidr="2001:db8::/48")
    admin.create("port", network_id=network_id)
    admin.create("port", network_id=network_id, fixed_ips=[{"subnet_id": v4["id"]}])
    (found,) = availability(admin, f"network_id={network_id}")
    assert (found["total_ips"], found["used_ips"]) == (253 + 2**80 - 2, 3)
    first, second = found["subnet_ip_availability"]
    assert first == {
        "subnet_id": v4["id"], "subnet_name": "v4", "cidr": "10.0.0.0/24", "ip_version": 4,
        "total_ips": 253, "used_ips": 2,
    }  # fmt: skip
    assert (second["total_ips"], second["used_ips"]) == (2**80 - 2, 1)
    (only_v4,) = availability(admin, "ip_version=4")
    assert (only_v4["total_ips"], only_v4["used_ips"]) == (253, 2)
    shown = admin.ask("GET", f"network-ip-availabilities/{network_id}").json()
    assert shown["network_ip_availability"] == found


def test_counts_of_addresses_come_in_pages_and_for_admins(
    admin: NetworkApi, demo: NetworkApi, network_id: str
) -> None:
    other = admin.create("network", name="b")
    page = admin.ask("GET", "network-ip-availabilities?limit=1&sort_key=network_id").json()
    assert len(page["network_ip_availabilities"]) == 1
    assert page["network_ip_availabilities_links"][0]["rel"] == "next"
    marker = page["network_ip_availabilities"][0]["network_id"]
    assert f"marker={marker}" in page["network_ip_availabilities_links"][0]["href"]
    assert [n["network_name"] for n in availability(admin, "network_name=b")] == ["b"]
    assert availability(admin, f"project_id={other['project_id']}") != []
    for path in ("network-ip-availabilities", f"network-ip-availabilities/{network_id}"):
        assert demo.ask("GET", path).status == 403
    missing = admin.ask("GET", f"network-ip-availabilities/{NOBODY}")
    assert (missing.status, error_of(missing)["type"]) == (404, "NetworkNotFound")


# Agents and zones


def test_an_agent_that_is_put_down_takes_no_new_servers(site: Site, admin: NetworkApi) -> None:
    AgentByHand(site.svc, "h1", a_card(5, "phy1"))
    (agent,) = admin.all("agent", "host=h1")
    assert (agent["admin_state_up"], agent["description"]) == (True, None)
    changed = admin.update("agent", agent["id"], admin_state_up=False, description="to be moved")
    assert (changed["admin_state_up"], changed["description"]) == (False, "to be moved")
    token = site.token("admin")
    (service,) = site.http.request(
        "GET", "/compute/v2.1/os-services?host=h1", token=token
    ).json()["services"]  # fmt: skip
    assert service["status"] == "disabled"
    again = admin.update("agent", agent["id"], admin_state_up=True)
    assert (again["admin_state_up"], again["description"]) == (True, "to be moved")
    assert admin.update("agent", agent["id"], description=None)["description"] is None


def test_agents_are_for_admins_and_stay(site: Site, admin: NetworkApi, demo: NetworkApi) -> None:
    AgentByHand(site.svc, "h1", a_card(5, "phy1"))
    (agent,) = admin.all("agent")
    assert "can be disabled" in admin.delete("agent", agent["id"], 409)["message"]
    admin.delete("agent", NOBODY, 404)
    admin.update("agent", NOBODY, 404, admin_state_up=False)
    for wrong in ({"admin_state_up": "perhaps"}, {"host": "h2"}, {"description": 1}):
        assert admin.ask("PUT", f"agents/{agent['id']}", {"agent": wrong}).status == 400
    assert demo.all("agent") == []
    assert demo.ask("PUT", f"agents/{agent['id']}", {"agent": {}}).status == 403
    assert demo.ask("DELETE", f"agents/{agent['id']}").status == 403


def test_the_availability_zone_of_networks_is_listed(
    site: Site, admin: NetworkApi, demo: NetworkApi
) -> None:
    AgentByHand(site.svc, "h1", a_card(5, "phy1"))
    (zone,) = demo.ask("GET", "availability_zones").json()["availability_zones"]
    assert zone == {"name": "nova", "resource": "network", "state": "available"}
    assert demo.ask("GET", "availability_zones?resource=router").json() == {
        "availability_zones": []
    }
    assert demo.ask("GET", "availability_zones?more=1").status == 400
    (agent,) = admin.all("agent")
    assert agent["availability_zone"] == zone["name"]
