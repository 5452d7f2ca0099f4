"""Images as records: who sees which, lists and pages, changes, limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.http_app import Site, a_site
from tests.support.image_user import IMAGES, ImageUser
from tests.support.world import a_flavor
from trunkline.domain.ids import ImageId, ServerId
from trunkline.domain.server import Server, ServerState


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with a_site(tmp_path) as opened:
        yield opened


@pytest.fixture
def admin(site: Site) -> ImageUser:
    return ImageUser(site, "admin")


@pytest.fixture
def demo(site: Site) -> ImageUser:
    return ImageUser(site, "demo")


def test_an_image_is_kept_while_protected_or_while_a_server_lives_on_it(
    site: Site, admin: ImageUser
) -> None:
    guarded = admin.create(protected=True)
    assert admin.delete(guarded) == 403
    off = {"op": "replace", "path": "/protected", "value": False}
    assert admin.patch(guarded, off).status == 200
    assert admin.delete(guarded) == 204
    used = admin.create()
    server = a_server(site, ImageId(used))
    assert admin.delete(used) == 409
    site.svc.store.write(lambda tx: tx.servers.update(replace(server, state=ServerState.DELETED)))
    assert admin.delete(used) == 204


def a_server(site: Site, image_id: ImageId) -> Server:
    flavor = a_flavor(site.svc)
    now = site.svc.clock.now()
    caller = site.caller("admin")
    server = Server(
        id=ServerId(site.svc.ids.new_id()),
        project_id=caller.own_project,
        user_id=caller.user_id,
        name="s",
        state=ServerState.ACTIVE,
        flavor=flavor,
        image_id=image_id,
        port_ids=(),
        created_at=now,
        updated_at=now,
    )
    site.svc.store.write(lambda tx: tx.servers.insert(server))
    return server


def test_a_project_sees_its_own_and_the_public_images_only(
    site: Site, admin: ImageUser, demo: ImageUser
) -> None:
    public = admin.create(name="public", visibility="public")
    private = admin.create(name="private", visibility="private")
    community = admin.create(name="community", visibility="community")
    mine = demo.create(name="mine")
    assert sorted(demo.names()) == ["mine", "public"]
    assert demo.names("visibility=community") == ["community"]
    assert demo.show(community)["name"] == "community"
    assert demo.show(private) == 404
    assert demo.delete(private) == 404
    assert demo.delete(public) == 403
    assert demo.upload(public, b"x").status == 403
    assert demo.patch(public, {"op": "replace", "path": "/name", "value": "x"}).status == 403
    publish = {"op": "replace", "path": "/visibility", "value": "public"}
    assert demo.patch(mine, publish).status == 403
    assert demo.http.request(
        "POST", IMAGES, token=demo.token, body={"name": "x", "visibility": "public"}
    ).status == 403  # fmt: skip


def test_a_reader_changes_nothing(site: Site) -> None:
    reader = ImageUser(site, "reader")
    assert reader.names() == []
    body = {"name": "x"}
    assert reader.http.request("POST", IMAGES, token=reader.token, body=body).status == 403


def test_lists_are_filtered_sorted_and_paged(admin: ImageUser) -> None:
    ids = {}
    for number, name in enumerate(["a", "b", "c", "d, e"]):
        ids[name] = admin.create(
            name=name, min_ram=number, tags=[f"t{number % 2}", "Even"], os_distro=f"d{number % 2}"
        )
    admin.create(name="hidden", os_hidden=True)
    admin.upload(ids["b"], b"x")
    assert sorted(admin.names("sort_key=name&sort_dir=asc")) == ["a", "b", "c", "d, e"]
    assert admin.names("sort=min_ram:desc") == ["d, e", "c", "b", "a"]
    assert admin.names("sort=name:asc&limit=2") == ["a", "b"]
    assert admin.names("name=c") == ["c"]
    assert sorted(admin.names(f"id=in:{ids['a']},{ids['c']}")) == ["a", "c"]
    assert sorted(admin.names('name=in:a,"d, e"')) == ["a", "d, e"]
    assert admin.names("status=active") == ["b"]
    assert admin.names("size_min=1&size_max=1") == ["b"]
    assert admin.names("size_min=2") == []
    assert admin.names("os_hidden=true") == ["hidden"]
    assert sorted(admin.names("tag=t1&tag=Even")) == ["b", "d, e"]
    assert admin.names("tag=even") == []
    assert sorted(admin.names("os_distro=d0")) == ["a", "c"]
    assert admin.names("os_distro=D0") == []
    assert admin.names('os_distro=d0","name":"a') == []


def test_every_image_is_on_exactly_one_page(admin: ImageUser) -> None:
    wanted = [f"i{number}" for number in range(7)]
    for name in wanted:
        admin.create(name=name)
    seen: list[str] = []
    link = "/v2/images?limit=3&sort_key=name&sort_dir=asc"
    while link:
        page = admin.http.request("GET", f"/image{link}", token=admin.token).json()
        seen += [image["name"] for image in page["images"]]
        link = page.get("next", "")
    assert seen == wanted


@pytest.mark.parametrize(
    "query",
    [
        "limit=-1",
        "limit=x",
        "marker=nothing",
        "sort_key=secret",
        "sort_dir=up&sort_key=name",
        "sort=name:up",
        "protected=maybe",
        "min_ram=much",
        "size_min=much",
    ],
)
def test_a_malformed_list_is_400(admin: ImageUser, query: str) -> None:
    assert admin.http.request("GET", f"{IMAGES}?{query}", token=admin.token).status == 400


def test_an_image_is_changed_by_json_patch(demo: ImageUser) -> None:
    image_id = demo.create(tags=["x"], os_distro="debian")
    reply = demo.patch(
        image_id,
        {"op": "replace", "path": "/name", "value": "new"},
        {"op": "add", "path": "/hw_vif_model", "value": "virtio"},
        {"op": "replace", "path": "/os_distro", "value": "fedora"},
        {"op": "add", "path": "/tags/-", "value": "y"},
        {"op": "remove", "path": "/tags/0"},
        {"op": "add", "path": "/a~1b", "value": "slash"},
        {"op": "replace", "path": "/min_disk", "value": 5},
    )
    assert reply.status == 200
    shown = demo.show(image_id)
    assert shown == reply.json()
    wanted = {
        "name": "new",
        "hw_vif_model": "virtio",
        "os_distro": "fedora",
        "tags": ["y"],
        "a/b": "slash",
        "min_disk": 5,
    }
    assert {name: shown[name] for name in wanted} == wanted
    assert demo.patch(image_id, {"op": "remove", "path": "/os_distro"}).status == 200
    assert "os_distro" not in demo.show(image_id)


@pytest.mark.parametrize(
    ("step", "status"),
    [
        ({"op": "replace", "path": "/status", "value": "active"}, 403),
        ({"op": "replace", "path": "/checksum", "value": "0"}, 403),
        ({"op": "remove", "path": "/visibility"}, 403),
        ({"op": "replace", "path": "/owner", "value": "somebody"}, 403),
        ({"op": "move", "path": "/name", "value": "x"}, 400),
        ({"op": "replace", "path": "/missing", "value": "x"}, 400),
        ({"op": "replace", "path": "/name"}, 400),
        ({"op": "replace", "path": "/name", "value": 7}, 400),
        ({"op": "replace", "path": "/name", "value": "x" * 256}, 400),
        ({"op": "replace", "path": "/name/deeper", "value": "x"}, 400),
        ({"op": "replace", "path": "name", "value": "x"}, 400),
        ({"op": "add", "path": "/", "value": "x"}, 400),
        ({"op": "add", "path": "/property", "value": {"a": 1}}, 400),
        ({"op": "replace", "path": "/disk_format", "value": "floppy"}, 400),
        ({"op": "replace", "path": "/min_disk", "value": -1}, 400),
        ({"op": "replace", "path": "/min_disk", "value": 2**31}, 400),
        ({"op": "replace", "path": "/tags", "value": "x"}, 400),
        ({"op": "replace", "path": "/tags", "value": [""]}, 400),
        ({"op": "replace", "path": "/tags/7", "value": "x"}, 400),
        ({"op": "replace", "path": "/visibility", "value": "secret"}, 400),
        ("not an operation", 400),
    ],
)
def test_a_change_that_cannot_be_leaves_the_image_as_it_was(
    demo: ImageUser, step: Any, status: int
) -> None:
    image_id = demo.create()
    before = demo.show(image_id)
    first = {"op": "replace", "path": "/name", "value": "changed"}
    assert demo.patch(image_id, first, step).status == status
    assert demo.show(image_id) == before


def test_the_format_of_an_image_is_settled_once_it_has_bytes(demo: ImageUser) -> None:
    image_id = demo.create()
    step = {"op": "replace", "path": "/disk_format", "value": "qcow2"}
    assert demo.patch(image_id, step).status == 200
    demo.upload(image_id, b"x")
    assert demo.patch(image_id, step | {"value": "raw"}).status == 403


def test_limits_on_tags_and_properties_are_kept(demo: ImageUser) -> None:
    def create(body: dict[str, Any]) -> int:
        return demo.http.request("POST", IMAGES, token=demo.token, body=body).status

    assert create({f"p{n}": "x" for n in range(128)}) == 201
    assert create({f"p{n}": "x" for n in range(129)}) == 409
    assert create({"tags": [f"t{n}" for n in range(129)]}) == 409
    assert create({"p": 7}) == 400
    assert create({"p": "x" * 65_536}) == 400
    assert create({"x" * 256: "x"}) == 400
    assert create({"id": "nothing"}) == 400
    assert create({"status": "active"}) == 403
    image_id = demo.create()
    assert create({"id": image_id}) == 409


def test_tags_are_added_and_removed_one_by_one(demo: ImageUser) -> None:
    image_id = demo.create()

    def tag(method: str, name: str) -> int:
        path = f"{IMAGES}/{image_id}/tags/{name}"
        return demo.http.request(method, path, token=demo.token).status

    assert tag("PUT", "a%2Fb") == 204
    assert tag("PUT", "a%2Fb") == 204
    assert demo.show(image_id)["tags"] == ["a/b"]
    assert tag("DELETE", "a%2Fb") == 204
    assert tag("DELETE", "a%2Fb") == 404
    assert tag("PUT", "x" * 256) == 400


def test_programs_can_ask_for_the_schemas(admin: ImageUser) -> None:
    for name in ("image", "images"):
        path = f"/image/v2/schemas/{name}"
        assert admin.http.request("GET", path, token=admin.token).json()["name"] == name
    reply = admin.http.request("GET", "/image/v2/info/import", token=admin.token)
    assert reply.json()["import-methods"]["value"] == []
