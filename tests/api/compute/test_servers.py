"""Servers through HTTP: their life, lists, filters, and who sees what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site, server_request
from trunkline.control.desired import desired_config
from trunkline.domain.port import VnicType


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path) as scene:
        yield scene


def names(scene: ComputeSite, query: str, *, user: str = "demo", version: str = "2.96") -> Any:
    reply = scene.call("GET", f"/servers/detail{query}", user=user, version=version)
    assert reply.status == 200, reply
    return [server["name"] for server in reply.json()["servers"]]


def refused(
    scene: ComputeSite, query: str, *, user: str = "demo", version: str = "2.96"
) -> tuple[int, str]:
    reply = scene.call("GET", f"/servers/detail{query}", user=user, version=version)
    (fault,) = reply.json().values()
    return reply.status, fault["message"]


def test_a_server_lives_from_build_to_gone(scene: ComputeSite) -> None:
    port = scene.a_port(scene.blue)
    server_id = scene.a_server("web", port)["id"]
    path = f"/servers/{server_id}"
    assert scene.status_of(server_id) == "BUILD"
    scene.settle()
    assert scene.status_of(server_id) == "ACTIVE"

    assert scene.call("POST", f"{path}/action", body={"os-stop": None}).status == 202
    shown = scene.call("GET", path).json()["server"]
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("ACTIVE", "powering-off")
    scene.settle()
    assert scene.status_of(server_id) == "SHUTOFF"

    assert scene.call("POST", f"{path}/action", body={"os-start": None}).status == 202
    shown = scene.call("GET", path).json()["server"]
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("SHUTOFF", "powering-on")
    scene.settle()

    assert scene.call("POST", f"{path}/action", body={"reboot": {"type": "SOFT"}}).status == 202
    assert scene.status_of(server_id) == "HARD_REBOOT"
    scene.settle()
    assert scene.status_of(server_id) == "ACTIVE"

    assert scene.call("DELETE", path).status == 204
    assert scene.call("GET", path).status == 404
    assert scene.call("DELETE", path).status == 404


def test_create_says_where_the_server_is(scene: ComputeSite) -> None:
    port = scene.a_port(scene.blue)
    body = {"server": server_request(scene.flavor, "web", port)}
    reply = scene.call("POST", "/servers", version="2.96", body=body)
    server_id = reply.json()["server"]["id"]
    assert reply.headers["location"].endswith(f"/compute/v2.1/servers/{server_id}")


def several(scene: ComputeSite, **fields: object) -> dict[str, object]:
    nic = {"uuid": scene.blue.id, "vnic_type": "direct"}
    body = server_request(scene.flavor, "web") | {"networks": [nic]} | fields
    return {"server": body}


def named(scene: ComputeSite, reservation_id: str) -> dict[str, str]:
    path = f"/servers/detail?reservation_id={reservation_id}"
    found = scene.call("GET", path, version="2.96").json()["servers"]
    return {server["name"]: server["status"] for server in found}


def test_several_servers_are_made_by_one_request_and_told_by_their_reservation(
    scene: ComputeSite,
) -> None:
    body = several(scene, min_count=2, max_count=20, return_reservation_id=True)
    reply = scene.call("POST", "/servers", version="2.96", body=body)
    assert reply.status == 202
    assert set(reply.json()) == {"reservation_id"}
    assert named(scene, reply.json()["reservation_id"]) == {
        f"web-{number}": "BUILD" for number in range(1, 9)
    }


def test_of_several_servers_the_first_is_told(scene: ComputeSite) -> None:
    body = several(scene, min_count=2, max_count=2)
    reply = scene.call("POST", "/servers", version="2.96", body=body)
    shown = scene.call("GET", f"/servers/{reply.json()['server']['id']}").json()["server"]
    assert shown["name"] == "web-1"


def test_fewer_than_the_least_are_in_error_each_with_the_reason(scene: ComputeSite) -> None:
    body = several(scene, min_count=9, max_count=12)
    reply = scene.call("POST", "/servers", version="2.96", body=body)
    assert reply.status == 202
    shown = scene.call("GET", f"/servers/{reply.json()['server']['id']}").json()["server"]
    assert "8 of at least 9 servers fit" in shown["fault"]["message"]
    found = scene.call("GET", "/servers/detail").json()["servers"]
    assert [server["status"] for server in found] == ["ERROR"] * 9


@pytest.mark.parametrize(
    ("fields", "named_in_it"),
    [
        ({"max_count": 501}, "max_count"),
        ({"max_count": 2, "hostname": "web"}, "hostname"),
        ({"max_count": 2, "name": "w" * 255}, "name"),
    ],
)
def test_what_several_servers_can_t_have_is_told(
    scene: ComputeSite, fields: dict[str, object], named_in_it: str
) -> None:
    reply = scene.call("POST", "/servers", version="2.96", body=several(scene, **fields))
    assert reply.status == 400
    assert named_in_it in reply.json()["badRequest"]["message"]


def test_addresses_tell_network_ip_and_mac(scene: ComputeSite) -> None:
    server_id = scene.a_server()["id"]
    shown = scene.call("GET", f"/servers/{server_id}").json()["server"]
    v4, v6 = shown["addresses"]["blue"]
    assert v4["addr"].startswith("10.0.0.")
    assert v6["addr"].startswith("fd00:1::")
    assert v4["OS-EXT-IPS:type"] == "fixed"
    assert v4["OS-EXT-IPS-MAC:mac_addr"] == v6["OS-EXT-IPS-MAC:mac_addr"]


def test_a_nic_keeps_the_tag_that_its_owner_gave_it_and_the_guest_is_told(
    scene: ComputeSite,
) -> None:
    port = scene.a_port(scene.blue)
    networks = [{"port": port}, {"uuid": scene.red.id, "tag": "back"}]
    server_id = scene.a_server("web", port, networks=networks)["id"]
    shown = scene.call("GET", f"/servers/{server_id}/os-interface", version="2.96").json()
    tags = {each["net_id"]: each["tag"] for each in shown["interfaceAttachments"]}
    assert tags == {scene.blue.id: None, scene.red.id: "back"}
    configs = [desired_config(scene.site.svc, agent.name) for agent in scene.agents]
    (config,) = [server for each in configs for server in each.servers]
    assert [nic.tag for nic in config.nics] == [None, "back"]


def test_admins_see_the_host_and_tenants_its_digest_alone(scene: ComputeSite) -> None:
    server_id = scene.a_server()["id"]
    for_tenant = scene.call("GET", f"/servers/{server_id}", version="2.96").json()["server"]
    for_admin = scene.call("GET", f"/servers/{server_id}", version="2.96", user="admin").json()
    host = for_admin["server"]["OS-EXT-SRV-ATTR:hypervisor_hostname"]
    assert host in ("h1", "h2")
    assert for_admin["server"]["host_status"] == "UP"
    assert host not in str(for_tenant)
    assert len(for_tenant["hostId"]) == 56
    hidden = {"OS-EXT-SRV-ATTR:host", "host_status", "OS-EXT-SRV-ATTR:user_data"}
    assert not hidden & set(for_tenant)


def test_a_server_that_fits_nowhere_is_in_error_and_says_why(scene: ComputeSite) -> None:
    ports = [scene.a_port(scene.blue) for _ in range(5)]
    server_id = scene.a_server("wide", *ports)["id"]
    shown = scene.call("GET", f"/servers/{server_id}").json()["server"]
    assert shown["status"] == "ERROR"
    assert shown["fault"]["code"] == 500
    assert shown["fault"]["message"]
    assert "details" not in shown["fault"]
    assert "h1" not in str(shown["fault"])
    assert shown["hostId"] == ""


def test_other_projects_servers_do_not_exist(scene: ComputeSite) -> None:
    port = scene.a_port(scene.a_network_of("admin"), user="admin")
    server_id = scene.a_server("secret", port, user="admin")["id"]
    path = f"/servers/{server_id}"
    for method, tail, body in (
        ("GET", "", None),
        ("PUT", "", {"server": {"name": "mine"}}),
        ("DELETE", "", None),
        ("POST", "/action", {"os-stop": None}),
        ("GET", "/ips", None),
        ("GET", "/os-interface", None),
    ):
        reply = scene.call(method, path + tail, body=body)
        assert (reply.status, list(reply.json())) == (404, ["itemNotFound"]), (method, tail)
    assert names(scene, "") == []
    assert scene.call("GET", path, user="admin").status == 200


def test_lists_filter_by_name(scene: ComputeSite) -> None:
    for name in ("web-1", "web-2", "db", "web (1)"):
        scene.a_server(name, scene.a_port(scene.blue, vnic_type=VnicType.NORMAL))
    assert sorted(names(scene, "?name=web")) == ["web (1)", "web-1", "web-2"]
    assert names(scene, "?name=%5Edb%24") == ["db"]
    assert names(scene, "?name=%5EWEB-1%24") == ["web-1"]
    assert names(scene, "?name=web%20(1)") == ["web (1)"]
    status, message = refused(scene, "?name=web%5B12%5D")
    assert status == 400
    assert "name" in message


def test_lists_filter_by_status_flavor_host_and_time(scene: ComputeSite) -> None:
    first = scene.a_server("first")["id"]
    scene.settle()
    scene.a_server("second")
    assert names(scene, "?status=ACTIVE") == ["first"]
    assert names(scene, "?status=build") == ["second"]
    assert names(scene, "?status=PAUSED") == []
    assert refused(scene, "?status=DELETED")[0] == 403
    assert sorted(names(scene, "?flavor=small")) == ["first", "second"]
    assert names(scene, "?flavor=none") == []
    assert names(scene, f"?uuid={first}") == ["first"]
    assert sorted(names(scene, "?changes-since=2020-01-01T00:00:00Z")) == ["first", "second"]
    assert names(scene, "?changes-since=2030-01-01T00:00:00Z") == []
    path = f"/servers/{first}"
    shown = scene.call("GET", path, user="admin").json()["server"]
    host = shown["OS-EXT-SRV-ATTR:host"]
    assert "first" in names(scene, f"?host={host}&all_tenants=1", user="admin")
    assert names(scene, "?host=h9&all_tenants=1", user="admin") == []


def test_only_admins_list_all_projects(scene: ComputeSite) -> None:
    scene.a_server("web")
    assert names(scene, "?all_tenants=1", user="admin") == ["web"]
    assert names(scene, "?all_tenants=False", user="admin") == []
    assert names(scene, "", user="admin") == []
    assert refused(scene, "?all_tenants=1")[0] == 403


def test_filters_for_admins_do_nothing_for_tenants(scene: ComputeSite) -> None:
    scene.a_server("web")
    assert names(scene, "?host=h9") == ["web"]
    assert names(scene, "?project_id=other") == ["web"]


def test_deleted_servers_are_listed_for_admins_who_ask(scene: ComputeSite) -> None:
    server_id = scene.a_server("gone")["id"]
    scene.call("DELETE", f"/servers/{server_id}")
    assert names(scene, "?deleted=True&all_tenants=1", user="admin") == ["gone"]
    assert names(scene, "?status=deleted&all_tenants=1", user="admin") == ["gone"]
    assert names(scene, "?deleted=True") == []
    assert names(scene, "?changes-since=2020-01-01T00:00:00Z") == ["gone"]
    assert names(scene, "?deleted=False") == []


def test_pages_follow_each_other_without_overlap(scene: ComputeSite) -> None:
    for number in range(5):
        scene.a_server(f"s{number}", scene.a_port(scene.blue, vnic_type=VnicType.NORMAL))
    path = "/servers?limit=2&sort_key=display_name&sort_dir=asc"
    seen: list[str] = []
    for _ in range(4):
        body = scene.call("GET", path).json()
        seen += [server["name"] for server in body["servers"]]
        if "servers_links" not in body:
            break
        (link,) = body["servers_links"]
        assert link["rel"] == "next"
        path = link["href"].partition("/compute/v2.1")[2]
    assert seen == ["s0", "s1", "s2", "s3", "s4"]


@pytest.mark.parametrize(
    "query",
    [
        "?limit=-1",
        "?limit=x",
        "?limit=",
        "?marker=2e4f5a00-0000-4000-8000-000000000000",
        "?sort_key=colour",
        "?sort_key=display_name&sort_dir=up",
        "?changes-since=yesterday",
        "?changes-since=0001-01-01T00:00:00%2B23:59",
        "?changes-since=9999-12-31T23:59:59-23:59",
        "?ip=(",
        "?metadata=a",
        "?_hidden=a",
        "?status=colourful",
        "?locked=perhaps",
        "?changes-before=2020-01-01T00:00:00Z&changes-since=2021-01-01T00:00:00Z",
        "?sort_key=vcpus",
        "?unheard_of=1",
        "?all_tenants=perhaps",
    ],
)
def test_a_list_that_asks_wrongly_is_told(scene: ComputeSite, query: str) -> None:
    assert refused(scene, query)[0] == 400


def test_unknown_filters_did_nothing_before_2_75(scene: ComputeSite) -> None:
    scene.a_server("web")
    assert names(scene, "?unheard_of=1", version="2.74") == ["web"]


def test_a_rename_keeps_what_was_not_sent(scene: ComputeSite) -> None:
    server_id = scene.a_server("old", description="kept")["id"]
    path = f"/servers/{server_id}"
    body = {"server": {"name": "new"}}
    shown = scene.call("PUT", path, version="2.96", body=body).json()["server"]
    assert (shown["name"], shown["description"]) == ("new", "kept")
    cleared = {"server": {"description": None}}
    shown = scene.call("PUT", path, version="2.96", body=cleared).json()["server"]
    assert (shown["name"], shown["description"]) == ("new", None)
    for bad in ({"name": ""}, {"name": 3}, {"hostname": "x"}, {"accessIPv4": "x"}, {"a": 1}):
        reply = scene.call("PUT", path, version="2.96", body={"server": bad})
        assert (reply.status, list(reply.json())) == (400, ["badRequest"]), bad


def test_actions_that_do_not_fit_the_state_are_conflicts(scene: ComputeSite) -> None:
    server_id = scene.a_server()["id"]
    path = f"/servers/{server_id}/action"
    for body in ({"os-start": None}, {"os-stop": None}, {"reboot": {"type": "SOFT"}}):
        reply = scene.call("POST", path, body=body)
        assert (reply.status, list(reply.json())) == (409, ["conflictingRequest"]), body


def test_a_stopped_server_is_started_by_a_hard_reboot_only(scene: ComputeSite) -> None:
    path = f"/servers/{scene.a_server()['id']}/action"
    scene.settle()
    scene.call("POST", path, body={"os-stop": None})
    scene.settle()
    assert scene.call("POST", path, body={"reboot": {"type": "SOFT"}}).status == 409
    assert scene.call("POST", path, body={"reboot": {"type": "HARD"}}).status == 202


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"os-stop": None, "os-start": None}, 400),
        ({"explode": None}, 400),
        ({"reboot": None}, 400),
        ({"reboot": {"type": "TWICE"}}, 400),
        ({"reboot": {"type": "HARD", "delay": 1}}, 400),
        ({"resize": {"flavorRef": "small"}}, 501),
        ({"shelve": None}, 501),
    ],
)
def test_other_actions_are_named_in_the_refusal(
    scene: ComputeSite, body: dict[str, object], status: int
) -> None:
    server_id = scene.a_server()["id"]
    reply = scene.call("POST", f"/servers/{server_id}/action", body=body)
    assert reply.status == status, reply
    if status == 501:
        assert next(iter(body)) in reply.json()["notImplemented"]["message"]
