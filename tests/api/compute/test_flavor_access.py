"""Private flavors: who may use them, and who may say so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.compute_site import BLANK_DISK, ComputeSite, a_compute_site
from tests.support.http_app import Reply

PRIVATE = {
    "id": "p", "name": "private", "ram": 64, "vcpus": 1, "disk": 0,
    "os-flavor-access:is_public": False,
}  # fmt: skip
UNKNOWN = "7ad6ad8b-5b5c-4d22-8d2c-9c8a6f3e1b11"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path) as scene:
        made = scene.call("POST", "/flavors", user="admin", body={"flavor": PRIVATE})
        assert made.status == 200
        yield scene


def change(
    scene: ComputeSite, action: str, project: str, *, flavor: str = "p", **how: Any
) -> Reply:
    body = {action: {"tenant": project}}
    return scene.call("POST", f"/flavors/{flavor}/action", body=body, **{"user": "admin"} | how)


def demo(scene: ComputeSite) -> str:
    return str(scene.caller("demo").project_id)


def seen_by_demo(scene: ComputeSite) -> list[str]:
    return [flavor["id"] for flavor in scene.call("GET", "/flavors").json()["flavors"]]


def test_a_project_with_access_uses_a_private_flavor(scene: ComputeSite) -> None:
    assert seen_by_demo(scene) == ["small"]
    reply = change(scene, "addTenantAccess", demo(scene))
    assert reply.status == 200
    assert reply.json() == {"flavor_access": [{"flavor_id": "p", "tenant_id": demo(scene)}]}
    assert seen_by_demo(scene) == ["p", "small"]
    assert scene.call("GET", "/flavors/p").status == 200
    port = scene.a_port(scene.blue)
    scene.a_server("web", port, flavorRef="p", block_device_mapping_v2=[BLANK_DISK])

    reply = change(scene, "removeTenantAccess", demo(scene))
    assert reply.json() == {"flavor_access": []}
    assert seen_by_demo(scene) == ["small"]
    assert scene.call("GET", "/flavors/p").status == 404


def test_the_list_is_of_private_flavors_alone(scene: ComputeSite) -> None:
    def listed(flavor: str, user: str = "admin") -> Reply:
        return scene.call("GET", f"/flavors/{flavor}/os-flavor-access", user=user)

    assert listed("p").json() == {"flavor_access": []}
    assert listed("small").status == 404
    assert listed("none").status == 404
    assert listed("p", user="demo").status == 403


def test_access_is_given_and_taken_once(scene: ComputeSite) -> None:
    assert change(scene, "removeTenantAccess", demo(scene)).status == 404
    assert change(scene, "addTenantAccess", demo(scene)).status == 200
    assert change(scene, "addTenantAccess", demo(scene)).status == 409
    assert change(scene, "removeTenantAccess", demo(scene)).status == 200
    assert change(scene, "removeTenantAccess", demo(scene)).status == 404


def test_a_public_flavor_has_no_list_from_2_7_on(scene: ComputeSite) -> None:
    project = demo(scene)
    assert change(scene, "addTenantAccess", project, flavor="small", version="2.7").status == 409
    assert change(scene, "addTenantAccess", project, flavor="small", version="2.6").status == 200


@pytest.mark.parametrize("action", ["addTenantAccess", "removeTenantAccess"])
def test_what_is_no_project_is_refused(scene: ComputeSite, action: str) -> None:
    reply = change(scene, action, UNKNOWN)
    assert reply.status == 400
    assert "tenant" in reply.json()["badRequest"]["message"]
    assert change(scene, action, demo(scene), user="demo").status == 403
    assert change(scene, action, demo(scene), flavor="none").status == 404


@pytest.mark.parametrize("body", [{}, {"addTenantAccess": {}}, {"rename": {"tenant": "x"}}, []])
def test_a_body_that_names_no_change_is_refused(scene: ComputeSite, body: object) -> None:
    assert scene.call("POST", "/flavors/p/action", user="admin", body=body).status == 400


def test_the_list_goes_with_its_flavor(scene: ComputeSite) -> None:
    change(scene, "addTenantAccess", demo(scene))
    assert scene.call("DELETE", "/flavors/p", user="admin").status == 202
    scene.call("POST", "/flavors", user="admin", body={"flavor": PRIVATE})
    listed = scene.call("GET", "/flavors/p/os-flavor-access", user="admin")
    assert listed.json() == {"flavor_access": []}
