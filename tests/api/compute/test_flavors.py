"""Flavors through HTTP: what the clients send, lists, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site

TINY = {"name": "tiny", "ram": 64, "vcpus": 1, "disk": 0}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path) as scene:
        yield scene


def make(scene: ComputeSite, *, version: str = "2.96", user: str = "admin", **fields: Any) -> Any:
    body = {"flavor": TINY | fields}
    return scene.call("POST", "/flavors", version=version, user=user, body=body)


def ids(scene: ComputeSite, query: str, *, user: str = "demo") -> list[str]:
    reply = scene.call("GET", f"/flavors{query}", user=user, version="2.96")
    assert reply.status == 200, reply
    return [flavor["id"] for flavor in reply.json()["flavors"]]


def test_what_the_openstack_command_sends_is_taken(scene: ComputeSite) -> None:
    extensions: dict[str, Any] = {
        "OS-FLV-EXT-DATA:ephemeral": 0,
        "os-flavor-access:is_public": True,
    }
    reply = make(scene, id="auto", swap=0, rxtx_factor=1.0, **extensions)
    made = reply.json()["flavor"]
    assert reply.status == 200
    assert len(made["id"]) == 36
    assert scene.call("GET", f"/flavors/{made['id']}", version="2.96").json()["flavor"] == made


def test_numbers_may_come_as_text(scene: ComputeSite) -> None:
    made = make(scene, ram="128", vcpus="2", swap="", rxtx_factor="1.5", id=7).json()["flavor"]
    assert (made["ram"], made["vcpus"], made["swap"], made["id"]) == (128, 2, 0, "7")
    assert made["rxtx_factor"] == 1.5


def test_no_swap_was_an_empty_text_before_2_75(scene: ComputeSite) -> None:
    before = scene.call("GET", "/flavors/small", version="2.74").json()["flavor"]
    since = scene.call("GET", "/flavors/small", version="2.75").json()["flavor"]
    assert (before["swap"], since["swap"]) == ("", 0)


def test_admins_choose_between_public_and_private(scene: ComputeSite) -> None:
    private: dict[str, Any] = {"os-flavor-access:is_public": False}
    make(scene, id="p", **private)
    assert ids(scene, "", user="admin") == ["small"]
    assert ids(scene, "?is_public=None", user="admin") == ["p", "small"]
    assert ids(scene, "?is_public=False", user="admin") == ["p"]
    assert ids(scene, "?is_public=None") == ["small"]
    assert ids(scene, "?is_public=False") == ["small"]  # As Nova: only admins choose.
    assert scene.call("GET", "/flavors/p").status == 404


def test_lists_are_narrowed_by_size_and_paged(scene: ComputeSite) -> None:
    for number in range(4):
        make(scene, id=str(number), name=f"f{number}", ram=1024 * (number + 1), disk=number)
    assert ids(scene, "?minRam=2048") == ["1", "2", "3"]
    assert ids(scene, "?minDisk=3") == ["3"]
    assert ids(scene, "?sort_key=name&sort_dir=desc&limit=2") == ["small", "3"]
    body = scene.call("GET", "/flavors?limit=2&sort_key=flavorid").json()
    assert [flavor["id"] for flavor in body["flavors"]] == ["0", "1"]
    assert "marker=1" in body["flavors_links"][0]["href"]
    assert ids(scene, "?sort_key=flavorid&marker=1") == ["2", "3", "small"]
    for bad in ("?marker=none", "?minRam=x", "?limit=-1", "?is_public=maybe", "?colour=red"):
        assert scene.call("GET", f"/flavors{bad}", version="2.96").status == 400, bad


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": None}, "name"),
        ({"name": 5}, "name"),
        ({"ram": 0}, "ram"),
        ({"ram": "much"}, "ram"),
        ({"ram": 2**31}, "ram"),
        ({"vcpus": 1.5}, "vcpus"),
        ({"vcpus": True}, "vcpus"),
        ({"disk": -1}, "disk"),
        ({"id": "a/b"}, "id"),
        ({"id": ["a"]}, "id"),
        ({"swap": -1}, "swap"),
        ({"rxtx_factor": "nan"}, "rxtx_factor"),
        ({"rxtx_factor": "fast"}, "rxtx_factor"),
        ({"os-flavor-access:is_public": "maybe"}, "is_public"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_flavor_is_refused_by_its_field(
    scene: ComputeSite, fields: dict[str, Any], field: str
) -> None:
    reply = make(scene, **fields)
    assert reply.status == 400
    assert field in reply.json()["badRequest"]["message"]


def test_a_description_is_unknown_before_2_55(scene: ComputeSite) -> None:
    assert make(scene, version="2.54", description="x").status == 400
    body = {"flavor": {"description": "x"}}
    assert (
        scene.call("PUT", "/flavors/small", version="2.54", user="admin", body=body).status == 404
    )
    reply = scene.call("PUT", "/flavors/small", version="2.55", user="admin", body=body)
    assert reply.json()["flavor"]["description"] == "x"


def test_tenants_change_nothing(scene: ComputeSite) -> None:
    specs = {"extra_specs": {"a": "b"}}
    for method, path, body in (
        ("POST", "/flavors", {"flavor": TINY}),
        ("DELETE", "/flavors/small", None),
        ("PUT", "/flavors/small", {"flavor": {"description": "x"}}),
        ("POST", "/flavors/small/os-extra_specs", specs),
        ("PUT", "/flavors/small/os-extra_specs/a", {"a": "b"}),
        ("DELETE", "/flavors/small/os-extra_specs/a", None),
    ):
        reply = scene.call(method, path, version="2.96", body=body)
        assert (reply.status, list(reply.json())) == (403, ["forbidden"]), (method, path)


def test_a_taken_name_is_a_conflict(scene: ComputeSite) -> None:
    assert make(scene, name="small").status == 409


def test_the_key_of_one_extra_spec_is_the_paths(scene: ComputeSite) -> None:
    path = "/flavors/small/os-extra_specs/hw:a"
    for body in ({}, {"hw:b": "1"}, {"hw:a": "1", "hw:b": "1"}, {"hw:a": ["1"]}, {"hw:a": None}):
        assert scene.call("PUT", path, user="admin", body=body).status == 400, body
    assert scene.call("PUT", path, user="admin", body={"hw:a": 1}).json() == {"hw:a": "1"}
    assert scene.call("GET", "/flavors/small/os-extra_specs/hw:z").status == 404
