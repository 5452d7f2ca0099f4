"""Sharing images with single projects, and taking images out of use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.http_app import Reply, Site, a_site
from tests.support.image_user import IMAGES, ImageUser
from trunkline.control.image_members import MEMBERS_MAX, add_member

OLD_PATCH = {"Content-Type": "application/openstack-images-v2.0-json-patch"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with a_site(tmp_path) as opened:
        yield opened


@pytest.fixture
def owner(site: Site) -> ImageUser:
    """Of the project admin, but asking as a member of it: admins see everything."""
    return ImageUser(site, "admin")


@pytest.fixture
def demo(site: Site) -> ImageUser:
    return ImageUser(site, "demo")


def project(site: Site, user: str) -> str:
    return site.caller(user).own_project


def ask(user: ImageUser, method: str, path: str, body: object = None) -> Reply:
    return user.http.request(method, f"{IMAGES}/{path}", token=user.token, body=body)


def shared_with_demo(site: Site, owner: ImageUser) -> str:
    image = owner.create(name="lent")
    reply = ask(owner, "POST", f"{image}/members", {"member": project(site, "demo")})
    assert reply.status == 200, reply
    assert reply.json()["status"] == "pending"
    return image


def decide(site: Site, user: ImageUser, image: str, status: str) -> Reply:
    path = f"{image}/members/{project(site, 'demo')}"
    return ask(user, "PUT", path, {"status": status})


def test_a_shared_image_is_usable_at_once_and_listed_once_accepted(
    site: Site, owner: ImageUser, demo: ImageUser
) -> None:
    image = shared_with_demo(site, owner)
    assert demo.show(image)["name"] == "lent"
    assert demo.names() == []
    assert demo.names("visibility=shared&member_status=pending") == ["lent"]
    assert demo.names("member_status=all") == ["lent"]
    assert decide(site, demo, image, "accepted").json()["status"] == "accepted"
    assert demo.names() == ["lent"]
    assert decide(site, demo, image, "rejected").status == 200
    assert demo.names() == []
    assert demo.show(image)["name"] == "lent"


def test_who_is_no_member_any_more_sees_nothing(
    site: Site, owner: ImageUser, demo: ImageUser
) -> None:
    image = shared_with_demo(site, owner)
    decide(site, demo, image, "accepted")
    member = f"{image}/members/{project(site, 'demo')}"
    assert ask(demo, "DELETE", member).status == 403
    assert ask(owner, "DELETE", member).status == 204
    assert ask(owner, "DELETE", member).status == 404
    assert demo.show(image) == 404
    assert demo.names() == []


def test_members_are_shown_to_the_owner_and_each_to_itself(
    site: Site, owner: ImageUser, demo: ImageUser
) -> None:
    image = shared_with_demo(site, owner)
    other = "0" * 32
    assert ask(owner, "POST", f"{image}/members", {"member": other}).status == 200

    def listed(user: ImageUser) -> set[str]:
        members = ask(user, "GET", f"{image}/members").json()["members"]
        return {member["member_id"] for member in members}

    assert listed(owner) == {project(site, "demo"), other}
    assert listed(demo) == {project(site, "demo")}
    assert ask(demo, "GET", f"{image}/members/{other}").status == 404
    assert ask(owner, "GET", f"{image}/members/{other}").json()["image_id"] == image


def test_a_project_is_a_member_once_and_only_the_owner_makes_it_one(
    site: Site, owner: ImageUser, demo: ImageUser
) -> None:
    image = shared_with_demo(site, owner)
    again = {"member": project(site, "demo")}
    assert ask(owner, "POST", f"{image}/members", again).status == 409
    assert ask(demo, "POST", f"{image}/members", {"member": "0" * 32}).status == 403
    for bad in ({"member": ""}, {"member": 7}, {"member": "x" * 37}, {"x": "y"}):
        assert ask(owner, "POST", f"{image}/members", bad).status == 400, bad


def test_members_are_for_shared_images_and_count_for_these_alone(
    site: Site, owner: ImageUser, demo: ImageUser
) -> None:
    image = shared_with_demo(site, owner)
    decide(site, demo, image, "accepted")
    owner.patch(image, {"op": "replace", "path": "/visibility", "value": "private"})
    assert demo.show(image) == 404
    assert demo.names() == []
    member = {"member": "0" * 32}
    assert ask(owner, "POST", f"{image}/members", member).status == 403
    assert ask(owner, "GET", f"{image}/members").status == 403


def test_the_owner_decides_for_nobody_else(site: Site, owner: ImageUser, demo: ImageUser) -> None:
    image = demo.create(name="mine")
    reader = project(site, "admin")
    assert ask(demo, "POST", f"{image}/members", {"member": reader}).status == 200
    path = f"{image}/members/{reader}"
    assert ask(demo, "PUT", path, {"status": "accepted"}).status == 403
    assert ask(owner, "PUT", path, {"status": "accepted"}).status == 200
    assert ask(owner, "PUT", path, {"status": "perhaps"}).status == 400


def test_an_image_has_only_so_many_members(site: Site, demo: ImageUser) -> None:
    image, caller = demo.create(), site.caller("demo")
    for number in range(MEMBERS_MAX):
        add_member(site.svc, caller, image, f"{number}")
    assert ask(demo, "POST", f"{image}/members", {"member": "more"}).status == 409


def test_a_deactivated_image_is_read_by_admins_alone_until_it_is_reactivated(
    site: Site, owner: ImageUser, demo: ImageUser
) -> None:
    image = demo.create()
    assert ask(demo, "POST", f"{image}/actions/deactivate").status == 403  # It has no bytes.
    assert demo.upload(image, b"bytes").status == 204
    assert ask(demo, "POST", f"{image}/actions/deactivate").status == 204
    assert ask(demo, "POST", f"{image}/actions/deactivate").status == 204
    assert demo.show(image)["status"] == "deactivated"
    assert ask(demo, "GET", f"{image}/file").status == 403
    assert ask(owner, "GET", f"{image}/file").body == b"bytes"
    assert ask(demo, "POST", f"{image}/actions/reactivate").status == 204
    assert ask(demo, "GET", f"{image}/file").body == b"bytes"


def test_the_older_form_of_changes_is_taken_by_its_media_type(demo: ImageUser) -> None:
    image = demo.create()

    def patch(*steps: object) -> Reply:
        return demo.http.request(
            "PATCH", f"{IMAGES}/{image}", token=demo.token, body=list(steps), headers=OLD_PATCH
        )

    assert patch({"replace": "/name", "value": "new"}, {"add": "/a", "value": "b"}).status == 200
    assert (demo.show(image)["name"], demo.show(image)["a"]) == ("new", "b")
    assert patch({"remove": "/a"}).status == 200
    assert "a" not in demo.show(image)
    for bad in ({"value": "x"}, {"add": "/a", "remove": "/a"}, {"op": "remove", "path": "/a"}, 7):
        assert patch(bad).status == 400, bad


def test_names_that_glance_keeps_to_itself_are_refused(demo: ImageUser) -> None:
    image = demo.create()
    assert demo.patch(image, {"op": "add", "path": "/os_glance_x", "value": "y"}).status == 403
    body = {"name": "i", "os_glance_x": "y"}
    assert demo.http.request("POST", IMAGES, token=demo.token, body=body).status == 403


def test_members_have_schemas(demo: ImageUser) -> None:
    for name in ("member", "members"):
        reply = demo.http.request("GET", f"/image/v2/schemas/{name}", token=demo.token)
        assert reply.json()["name"] == name
