"""Host aggregates and availability zones through HTTP.

h1, h2: see `compute_site`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site, server_request
from tests.support.http_app import Reply


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path) as scene:
        yield scene


def ask(
    scene: ComputeSite, method: str, path: str = "", body: object = None, *, user: str = "admin"
) -> Reply:
    return scene.call(method, f"/os-aggregates{path}", version="2.96", user=user, body=body)


def text(reply: Reply) -> str:
    return reply.body.decode()


def make(scene: ComputeSite, name: str = "fast", **fields: Any) -> int:
    reply = ask(scene, "POST", "", {"aggregate": {"name": name} | fields})
    assert reply.status == 200, reply
    number: int = reply.json()["aggregate"]["id"]
    return number


def act(scene: ComputeSite, number: int, action: str, **fields: Any) -> Reply:
    return ask(scene, "POST", f"/{number}/action", {action: fields})


def boot(scene: ComputeSite, zone: str | None, *, user: str = "demo", **fields: Any) -> Reply:
    server = server_request(scene.flavor, "web", scene.a_port(scene.blue, user=user)) | fields
    if zone is not None:
        server["availability_zone"] = zone
    return scene.call("POST", "/servers", version="2.96", user=user, body={"server": server})


def shown(scene: ComputeSite, reply: Reply) -> dict[str, Any]:
    assert reply.status == 202, reply
    path = f"/servers/{reply.json()['server']['id']}"
    server: dict[str, Any] = scene.call("GET", path, version="2.96", user="admin").json()["server"]
    return server


def test_names_are_taken_once(scene: ComputeSite) -> None:
    first, second = make(scene, "fast"), make(scene, "slow")
    assert ask(scene, "POST", "", {"aggregate": {"name": "fast"}}).status == 409
    renamed = {"aggregate": {"name": "fast"}}
    assert ask(scene, "PUT", f"/{second}", renamed).status == 409
    assert ask(scene, "PUT", f"/{first}", renamed).status == 200


def test_an_aggregate_with_hosts_stays(scene: ComputeSite) -> None:
    number = make(scene)
    assert act(scene, number, "add_host", host="h1").status == 200
    assert ask(scene, "DELETE", f"/{number}").status == 400
    assert act(scene, number, "remove_host", host="h1").status == 200
    assert ask(scene, "DELETE", f"/{number}").status == 200
    assert ask(scene, "GET", f"/{number}").status == 404


def test_hosts_are_added_once_and_removed_if_they_are_there(scene: ComputeSite) -> None:
    number = make(scene)
    assert act(scene, number, "remove_host", host="h1").status == 404
    for name in ("h2", "h1"):
        assert act(scene, number, "add_host", host=name).status == 200
    assert act(scene, number, "add_host", host="h1").status == 409
    assert act(scene, number, "add_host", host="h9").status == 404
    assert ask(scene, "GET", f"/{number}").json()["aggregate"]["hosts"] == ["h2", "h1"]


@pytest.mark.parametrize("number", ["0", "77", "-1", "x", "9" * 30, "²"])
def test_a_number_that_is_none_is_not_found(scene: ComputeSite, number: str) -> None:
    for method, path, body in (
        ("GET", "", None),
        ("DELETE", "", None),
        ("PUT", "", {"aggregate": {"name": "x"}}),
        ("POST", "/action", {"add_host": {"host": "h1"}}),
    ):
        assert ask(scene, method, f"/{quote(number)}{path}", body).status == 404


@pytest.mark.parametrize(
    "body",
    [
        {"aggregate": {"name": ""}},
        {"aggregate": {"name": " fast"}},
        {"aggregate": {"name": "f" * 256}},
        {"aggregate": {"name": "fast", "availability_zone": ""}},
        {"aggregate": {"name": "fast", "availability_zone": "a:b"}},
        {"aggregate": {"name": "fast", "hosts": []}},
        {"aggregate": {}},
        {"aggregates": {"name": "fast"}},
    ],
)
def test_what_makes_no_aggregate(scene: ComputeSite, body: object) -> None:
    assert ask(scene, "POST", "", body).status == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"add_host": {"host": "h1"}, "remove_host": {"host": "h1"}},
        {"move_host": {"host": "h1"}},
        {"add_host": {}},
        {"add_host": {"host": "h1", "force": True}},
        {"set_metadata": {}},
        {"set_metadata": {"metadata": {"": "x"}}},
        {"set_metadata": {"metadata": {"k" * 256: "x"}}},
        {"set_metadata": {"metadata": {"k": 1}}},
        {"set_metadata": {"metadata": {"k": "v" * 256}}},
        {"set_metadata": {"metadata": {"availability_zone": ""}}},
        {"set_metadata": {"metadata": {str(n): "" for n in range(129)}}},
    ],
)
def test_what_is_no_action(scene: ComputeSite, body: object) -> None:
    number = make(scene)
    assert ask(scene, "POST", f"/{number}/action", body).status == 400


def test_metadata_is_merged_and_null_takes_a_key_out(scene: ComputeSite) -> None:
    number = make(scene, availability_zone="east")
    act(scene, number, "set_metadata", metadata={"ssd": "true", "tier": "gold"})
    told = act(scene, number, "set_metadata", metadata={"ssd": None, "availability_zone": None})
    assert told.json()["aggregate"]["metadata"] == {"tier": "gold"}
    assert told.json()["aggregate"]["availability_zone"] is None


def test_aggregates_are_for_admins(scene: ComputeSite) -> None:
    number = make(scene)
    for method, path, body in (
        ("GET", "", None),
        ("POST", "", {"aggregate": {"name": "x"}}),
        ("GET", f"/{number}", None),
        ("PUT", f"/{number}", {"aggregate": {"name": "x"}}),
        ("DELETE", f"/{number}", None),
        ("POST", f"/{number}/action", {"add_host": {"host": "h1"}}),
        ("POST", f"/{number}/images", {"cache": []}),
    ):
        assert ask(scene, method, path, body, user="demo").status == 403
    assert scene.call("GET", "/os-availability-zone/detail", user="demo").status == 403


def test_images_are_not_cached_and_that_is_said(scene: ComputeSite) -> None:
    path = f"/os-aggregates/{make(scene)}/images"
    assert scene.call("POST", path, version="2.80", user="admin", body={}).status == 404
    reply = scene.call("POST", path, version="2.81", user="admin", body={"cache": []})
    assert (reply.status, "not served" in text(reply)) == (501, True)


def zones(scene: ComputeSite) -> dict[str, bool]:
    told = scene.call("GET", "/os-availability-zone").json()["availabilityZoneInfo"]
    return {zone["zoneName"]: zone["zoneState"]["available"] for zone in told}


def test_zones_are_what_aggregates_with_hosts_make(scene: ComputeSite) -> None:
    assert zones(scene) == {"nova": True}
    east = make(scene, "east", availability_zone="east")
    assert zones(scene) == {"nova": True}, "it has no host yet"
    act(scene, east, "add_host", host="h1")
    assert zones(scene) == {"nova": True, "east": True}
    act(scene, east, "add_host", host="h2")
    assert zones(scene) == {"east": True}
    for name in ("h1", "h2"):
        body = {"host": name, "binary": "nova-compute"}
        scene.call("PUT", "/os-services/disable", user="admin", body=body)
    assert zones(scene) == {"east": False}
    detail = scene.call("GET", "/os-availability-zone/detail", user="admin").json()
    [zone] = detail["availabilityZoneInfo"]
    assert sorted(zone["hosts"]) == ["h1", "h2"]
    services = scene.call("GET", "/os-services", version="2.96", user="admin").json()["services"]
    assert {service["zone"] for service in services} == {"east"}


def test_a_host_is_in_one_zone_at_most(scene: ComputeSite) -> None:
    east, west = make(scene, "east", availability_zone="east"), make(scene, "west")
    plain = make(scene, "plain")
    for number in (east, west, plain):
        assert act(scene, number, "add_host", host="h1").status == 200
    refused = act(scene, west, "set_metadata", metadata={"availability_zone": "west"})
    assert (refused.status, "east and west" in text(refused)) == (400, True)
    refused = ask(scene, "PUT", f"/{plain}", {"aggregate": {"availability_zone": "west"}})
    assert refused.status == 400
    same = act(scene, west, "set_metadata", metadata={"availability_zone": "east"})
    assert same.status == 200, "two aggregates may say the same"
    other = make(scene, "other", availability_zone="other")
    refused = act(scene, other, "add_host", host="h1")
    assert refused.status == 409
    assert ask(scene, "GET", f"/{other}").json()["aggregate"]["hosts"] == []


def test_servers_go_to_the_zone_that_they_ask_for_and_say_so(scene: ComputeSite) -> None:
    act(scene, make(scene, availability_zone="east"), "add_host", host="h2")
    for _ in range(2):
        server = shown(scene, boot(scene, "east"))
        assert server["OS-EXT-SRV-ATTR:host"] == "h2"
        assert server["OS-EXT-AZ:availability_zone"] == "east"
        assert server["pinned_availability_zone"] == "east"
    server = shown(scene, boot(scene, "nova"))
    assert (server["OS-EXT-SRV-ATTR:host"], server["pinned_availability_zone"]) == ("h1", "nova")
    server = shown(scene, boot(scene, None))
    assert server["pinned_availability_zone"] is None
    assert server["OS-EXT-AZ:availability_zone"] in ("nova", "east")


def test_servers_are_listed_by_the_zone_that_they_are_in(scene: ComputeSite) -> None:
    act(scene, make(scene, availability_zone="east"), "add_host", host="h2")
    there, here = (shown(scene, boot(scene, zone))["id"] for zone in ("east", "nova"))

    def listed(query: str, version: str = "2.96", *, user: str = "demo") -> set[str]:
        reply = scene.call("GET", f"/servers?{query}", version=version, user=user)
        return {server["id"] for server in reply.json()["servers"]}

    assert listed("availability_zone=east") == {there}
    assert listed("availability_zone=nova") == {here}
    assert listed("availability_zone=west") == set()
    assert listed("availability_zone=east", "2.82") == {there, here}, "not for tenants then"
    admins = "all_tenants=1&availability_zone=east"
    assert listed(admins, "2.82", user="admin") == {there}
    assert listed(f"{admins}&host=h2", user="admin") == {there}
    assert listed(f"{admins}&host=h1", user="admin") == set()


def test_a_zone_without_room_is_an_error_that_says_why(scene: ComputeSite) -> None:
    act(scene, make(scene, availability_zone="east"), "add_host", host="h2")
    servers = [shown(scene, boot(scene, "east")) for _ in range(5)]
    assert [server["status"] for server in servers] == ["BUILD"] * 4 + ["ERROR"]
    assert servers[4]["OS-EXT-AZ:availability_zone"] == "east"
    fault = servers[4]["fault"]
    assert "in availability zone east" in fault["message"]
    assert "1 not in zone" in fault["message"]
    assert "1 no free device" in fault["message"]


def test_a_zone_that_has_no_host_is_a_fault_of_the_request(scene: ComputeSite) -> None:
    make(scene, availability_zone="east")
    for zone in ("east", "elsewhere"):
        reply = boot(scene, zone)
        assert reply.status == 400
        assert "server.availability_zone" in text(reply)


def test_a_host_that_is_named_in_another_zone_is_refused_with_the_reason(
    scene: ComputeSite,
) -> None:
    act(scene, make(scene, availability_zone="east"), "add_host", host="h2")
    server = shown(scene, boot(scene, "east:h2", user="admin"))
    assert server["OS-EXT-SRV-ATTR:host"] == "h2"
    server = shown(scene, boot(scene, "nova:h2", user="admin"))
    assert server["status"] == "ERROR"
    assert "h2: not_in_zone" in server["fault"]["details"]
    assert boot(scene, "east:h2").status == 403, "naming a host is for admins"


def test_a_host_does_not_leave_the_zone_that_its_servers_asked_for(scene: ComputeSite) -> None:
    east = make(scene, availability_zone="east")
    act(scene, east, "add_host", host="h2")
    server = boot(scene, "east").json()["server"]["id"]
    boot(scene, None)
    refused = act(scene, east, "remove_host", host="h2")
    assert (refused.status, "were asked for in" in text(refused)) == (409, True)
    refused = act(scene, east, "set_metadata", metadata={"availability_zone": "west"})
    assert refused.status == 400
    assert scene.call("DELETE", f"/servers/{server}").status == 204
    assert act(scene, east, "remove_host", host="h2").status == 200


def test_a_flavor_chooses_hosts_by_what_their_aggregates_say(scene: ComputeSite) -> None:
    act(scene, make(scene, "fast"), "add_host", host="h2")
    specs = {"extra_specs": {"aggregate_instance_extra_specs:ssd": "true"}}
    path = f"/flavors/{scene.flavor.id}/os-extra_specs"
    assert scene.call("POST", path, user="admin", body=specs).status == 200
    refused = shown(scene, boot(scene, None))
    assert "2 aggregate metadata" in refused["fault"]["message"]
    assert "put h1 into an aggregate with ssd=true" in refused["fault"]["details"]
    act(scene, 1, "set_metadata", metadata={"ssd": "true"})
    for _ in range(2):
        assert shown(scene, boot(scene, None))["OS-EXT-SRV-ATTR:host"] == "h2"
