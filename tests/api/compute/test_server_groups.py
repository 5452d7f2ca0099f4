"""Server groups through HTTP: what each version takes, and what is refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site, server_request
from tests.support.http_app import Reply


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path_factory.mktemp("site")) as scene:
        yield scene


def make(scene: ComputeSite, version: str = "2.96", *, user: str = "demo", **fields: Any) -> Reply:
    body = {"server_group": {"name": "web"} | fields}
    return scene.call("POST", "/os-server-groups", version=version, user=user, body=body)


def a_group(scene: ComputeSite, policy: str = "anti-affinity", *, user: str = "demo") -> str:
    reply = make(scene, policy=policy, user=user)
    assert reply.status == 200, reply
    group: str = reply.json()["server_group"]["id"]
    return group


def boot(
    scene: ComputeSite, group: str, *, user: str = "demo", hint: str = "os:scheduler_hints"
) -> Reply:
    server = server_request(scene.flavor, "web", scene.a_port(scene.blue, user=user))
    body = {"server": server, hint: {"group": group}}
    return scene.call("POST", "/servers", version="2.96", user=user, body=body)


@pytest.mark.parametrize(
    ("version", "fields", "field"),
    [
        ("2.1", {"policies": ["soft-affinity"]}, "policies"),
        ("2.14", {"policies": ["soft-anti-affinity"]}, "policies"),
        ("2.15", {"policies": ["affinity", "anti-affinity"]}, "policies"),
        ("2.15", {"policies": []}, "policies"),
        ("2.15", {"policies": "affinity"}, "policies"),
        ("2.15", {"policies": [["affinity"]]}, "policies"),
        ("2.63", {"policy": "affinity"}, "policy"),
        ("2.64", {"policies": ["affinity"]}, "policies"),
        ("2.64", {"policy": "near"}, "policy"),
        ("2.64", {"policy": None}, "policy"),
        ("2.64", {"policy": "affinity", "rules": {"max_server_per_host": 2}}, "rules"),
        ("2.64", {"policy": "anti-affinity", "rules": {"max_server_per_host": 0}}, "rules"),
        ("2.64", {"policy": "anti-affinity", "rules": {"max_servers": 2}}, "rules"),
        ("2.64", {"policy": "anti-affinity", "rules": []}, "rules"),
        ("2.64", {"policy": "affinity", "name": ""}, "name"),
        ("2.64", {"policy": "affinity", "name": " web"}, "name"),
        ("2.64", {"policy": "affinity", "name": "w" * 256}, "name"),
        ("2.64", {"policy": "affinity", "members": []}, "members"),
    ],
)
def test_a_fault_is_told_with_its_field(
    scene: ComputeSite, version: str, fields: dict[str, Any], field: str
) -> None:
    reply = make(scene, version, **fields)
    assert reply.status == 400, reply
    assert field in reply.json()["badRequest"]["message"]


def test_soft_policies_came_with_2_15(scene: ComputeSite) -> None:
    reply = make(scene, "2.15", policies=["soft-affinity"])
    assert reply.json()["server_group"]["policies"] == ["soft-affinity"]


def test_a_server_shows_its_group_and_the_group_its_server(scene: ComputeSite) -> None:
    group = a_group(scene)
    server = boot(scene, group).json()["server"]["id"]
    shown = scene.call("GET", f"/servers/{server}", version="2.71").json()["server"]
    assert shown["server_groups"] == [group]
    before = scene.call("GET", f"/servers/{server}", version="2.70").json()["server"]
    assert "server_groups" not in before
    path = f"/os-server-groups/{group}"
    assert scene.call("GET", path, version="2.96").json()["server_group"]["members"] == [server]
    assert scene.call("DELETE", f"/servers/{server}").status == 204
    assert scene.call("GET", path, version="2.96").json()["server_group"]["members"] == []


def test_the_hint_has_two_names(scene: ComputeSite) -> None:
    group = a_group(scene, "soft-affinity")
    reply = boot(scene, group, hint="OS-SCH-HNT:scheduler_hints")
    shown = scene.call("GET", f"/os-server-groups/{group}", version="2.96").json()
    assert shown["server_group"]["members"] == [reply.json()["server"]["id"]]


@pytest.mark.parametrize("hint", ["web", "", 7, [], "9e2b9a4d-0000-4000-8000-000000000000"])
def test_a_group_that_is_none_is_a_fault_of_the_request(scene: ComputeSite, hint: Any) -> None:
    reply = boot(scene, hint)
    assert reply.status == 400, reply
    assert "os:scheduler_hints.group" in reply.json()["badRequest"]["message"]


def test_a_group_of_another_project_is_none(scene: ComputeSite) -> None:
    group = a_group(scene, user="admin")
    assert boot(scene, group).status == 400
    for method in ("GET", "DELETE"):
        assert scene.call(method, f"/os-server-groups/{group}").status == 404


def test_lists_are_of_the_project_in_pages(scene: ComputeSite) -> None:
    mine = [a_group(scene, "affinity") for _ in range(3)]
    others = a_group(scene, user="admin")

    def listed(query: str, *, user: str = "demo") -> list[str]:
        reply = scene.call("GET", f"/os-server-groups{query}", version="2.96", user=user)
        assert reply.status == 200, reply
        return [group["id"] for group in reply.json()["server_groups"]]

    every = listed("")
    assert set(mine) <= set(every)
    assert others not in every
    assert listed("?limit=2&offset=1") == every[1:3]
    assert listed("?limit=0") == []
    assert listed(f"?offset={len(every)}") == []
    assert {*mine, others} <= set(listed("?all_projects=True", user="admin"))
    assert scene.call("GET", "/os-server-groups?all_projects=True").status == 403


@pytest.mark.parametrize("query", ["limit=-1", "limit=x", "offset=1.5", "offset=-1", "limit=1e3"])
def test_numbers_of_a_query_are_checked(scene: ComputeSite, query: str) -> None:
    assert scene.call("GET", f"/os-server-groups?{query}").status == 400


def test_what_a_query_does_not_know_is_refused_since_2_75(scene: ComputeSite) -> None:
    assert scene.call("GET", "/os-server-groups?name=x", version="2.74").status == 200
    assert scene.call("GET", "/os-server-groups?name=x", version="2.75").status == 400
