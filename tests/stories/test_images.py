"""An image from its first mention to its deletion, over HTTP and a real store and disk."""

from __future__ import annotations

import hashlib
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.http_app import InProcess, Reply, Site, a_site
from tests.support.world import a_flavor
from trunkline.control.image_files import ImageFiles
from trunkline.control.image_transfer import begin_upload, clear_up_images
from trunkline.control.services import Limits
from trunkline.domain.ids import ImageId, ServerId
from trunkline.domain.image import ImageState
from trunkline.domain.server import Server, ServerState

IMAGES = "/image/v2/images"
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
BYTES = {"Content-Type": "application/octet-stream"}
SIZE_LIMIT = 4 * 1024 * 1024


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with a_site(tmp_path, limits=Limits(image_size_bytes_max=SIZE_LIMIT)) as opened:
        yield opened


class Images:
    """What one user does with images."""

    def __init__(self, site: Site, user: str) -> None:
        self.http: InProcess = site.http
        self.token = site.token(user)

    def create(self, **fields: Any) -> str:
        body = {"name": "i", "disk_format": "raw", "container_format": "bare", **fields}
        reply = self.http.request("POST", IMAGES, token=self.token, body=body)
        assert reply.status == 201, reply
        return str(reply.json()["id"])

    def upload(self, image_id: str, content: bytes, **headers: str) -> Reply:
        return self.http.request(
            "PUT",
            f"{IMAGES}/{image_id}/file",
            token=self.token,
            raw=content,
            headers={**BYTES, **{name.replace("_", "-"): value for name, value in headers.items()}},
        )

    def show(self, image_id: str) -> Any:
        reply = self.http.request("GET", f"{IMAGES}/{image_id}", token=self.token)
        return reply.json() if reply.status == 200 else reply.status

    def names(self, query: str = "") -> list[str]:
        reply = self.http.request("GET", f"{IMAGES}?{query}", token=self.token)
        assert reply.status == 200, reply
        return [image["name"] for image in reply.json()["images"]]

    def patch(self, image_id: str, *steps: dict[str, Any]) -> Reply:
        return self.http.request(
            "PATCH", f"{IMAGES}/{image_id}", token=self.token, body=list(steps), headers=PATCH
        )

    def delete(self, image_id: str) -> int:
        return self.http.request("DELETE", f"{IMAGES}/{image_id}", token=self.token).status


@pytest.fixture
def admin(site: Site) -> Images:
    return Images(site, "admin")


@pytest.fixture
def demo(site: Site) -> Images:
    return Images(site, "demo")


def stored(site: Site) -> set[str]:
    """What is on the disk but the lock, by its path in the images' directory."""
    root = site.svc.images_dir
    return {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()} - {"lock"}


def test_the_bytes_that_went_in_come_out_with_their_hashes(site: Site, demo: Images) -> None:
    content = bytes(range(256)) * 9000  # Some pieces of the shell's size, and a rest.
    image_id = demo.create()
    assert demo.show(image_id)["status"] == "queued"
    assert demo.upload(image_id, content).status == 204
    shown = demo.show(image_id)
    assert shown["status"] == "active"
    assert shown["size"] == len(content)
    assert shown["checksum"] == hashlib.md5(content).hexdigest()
    assert shown["os_hash_algo"] == "sha512"
    assert shown["os_hash_value"] == hashlib.sha512(content).hexdigest()
    got = demo.http.request("GET", f"{IMAGES}/{image_id}/file", token=demo.token)
    assert got.body == content
    assert got.headers["content-length"] == str(len(content))
    assert got.headers["content-md5"] == shown["checksum"]
    assert stored(site) == {shown["os_hash_value"]}


def test_equal_bytes_are_kept_once_and_go_with_the_last_image(site: Site, demo: Images) -> None:
    first, second = demo.create(), demo.create()
    demo.upload(first, b"same")
    demo.upload(second, b"same")
    assert stored(site) == {hashlib.sha512(b"same").hexdigest()}
    assert demo.delete(first) == 204
    got = demo.http.request("GET", f"{IMAGES}/{second}/file", token=demo.token)
    assert got.body == b"same"
    assert demo.delete(second) == 204
    assert stored(site) == set()
    assert demo.show(second) == 404


def test_an_upload_that_breaks_off_leaves_nothing_and_can_be_made_again(
    site: Site, demo: Images
) -> None:
    image_id = demo.create()
    seen: list[str] = []

    async def half() -> AsyncIterator[bytes]:
        yield b"x" * 1_500_000
        seen.append(site.svc.store.read(lambda tx: tx.images.get(image_id)).state.value)

    path = f"{IMAGES}/{image_id}/file"
    reply = demo.http.stream("PUT", path, half, token=demo.token, headers=BYTES, breaks_off=True)
    assert reply.status == 0
    assert seen == ["saving"]
    assert demo.show(image_id)["status"] == "queued"
    assert stored(site) == set()
    assert demo.upload(image_id, b"whole").status == 204


def test_more_bytes_than_allowed_are_refused_announced_or_not(site: Site, demo: Images) -> None:
    image_id = demo.create()
    too_many = b"x" * (SIZE_LIMIT + 1)
    assert demo.upload(image_id, b"", Content_Length=str(SIZE_LIMIT + 1)).status == 413
    assert demo.upload(image_id, too_many).status == 413
    assert demo.show(image_id)["status"] == "queued"
    assert stored(site) == set()
    assert demo.upload(image_id, too_many[:-1]).status == 204


def test_fewer_bytes_than_announced_are_no_image(site: Site, demo: Images) -> None:
    image_id = demo.create()
    assert demo.upload(image_id, b"1234", X_OpenStack_Image_Size="5").status == 400
    assert demo.show(image_id)["status"] == "queued"
    assert stored(site) == set()


@contextmanager
def files_at_most(size_bytes: int) -> Iterator[None]:
    """Let the kernel refuse to let any file grow past this, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_without_room_is_507_and_nothing_is_kept(site: Site, demo: Images) -> None:
    image_id = demo.create()
    with files_at_most(2 * 1024 * 1024):
        reply = demo.upload(image_id, b"x" * 3 * 1024 * 1024)
        in_the_last_piece = demo.upload(image_id, b"x" * (2 * 1024 * 1024 + 10))
    for refused in (reply, in_the_last_piece):
        assert refused.status == 507, refused
        assert "no space is left" in refused.json()["error"]["message"]
    assert demo.show(image_id)["status"] == "queued"
    assert stored(site) == set()


def test_an_image_takes_bytes_once_and_only_with_its_formats_known(demo: Images) -> None:
    bare = demo.http.request("POST", IMAGES, token=demo.token, body={"name": "no formats"})
    assert demo.upload(bare.json()["id"], b"x").status == 400
    image_id = demo.create()
    assert demo.upload(image_id, b"x").status == 204
    assert demo.upload(image_id, b"y").status == 409
    assert demo.upload("1d0f0b5a-0000-4000-8000-000000000000", b"x").status == 404
    other_type = {"Content-Type": "text/plain"}
    path = f"{IMAGES}/{demo.create()}/file"
    reply = demo.http.request("PUT", path, token=demo.token, raw=b"x", headers=other_type)
    assert reply.status == 415


def test_what_a_crash_left_is_cleared_up_at_the_next_start(site: Site, demo: Images) -> None:
    kept, dead, alive = demo.create(), demo.create(), demo.create()
    demo.upload(kept, b"kept")
    caller = site.caller("demo")
    upload = begin_upload(site.svc, caller, dead, size_bytes=None)
    upload.write(b"half of it")
    # The process dies: its locks are gone, its files and rows are not.
    upload._part._file.close()
    going_on = begin_upload(site.svc, caller, alive, size_bytes=None)
    (site.svc.images_dir / ("ab" * 64)).write_bytes(b"renamed, but never in the database")

    clear_up_images(site.svc)

    assert demo.show(dead)["status"] == "queued"
    assert demo.show(alive)["status"] == "saving"
    sha512 = hashlib.sha512(b"kept").hexdigest()
    assert {name for name in stored(site) if not name.startswith(f"uploads/{alive}")} == {sha512}
    going_on.write(b"all")
    assert going_on.complete().state is ImageState.ACTIVE


def test_an_image_deleted_while_it_is_uploaded_is_gone_with_its_bytes(
    site: Site, demo: Images
) -> None:
    image_id = demo.create()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * 10
        site.svc.store.write(lambda tx: tx.images.delete(ImageId(image_id)))

    path = f"{IMAGES}/{image_id}/file"
    assert demo.http.stream("PUT", path, pieces, token=demo.token, headers=BYTES).status == 404
    assert stored(site) == set()


def test_an_image_is_kept_while_protected_or_while_a_server_lives_on_it(
    site: Site, admin: Images
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
        project_id=caller.project_id,
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
    site: Site, admin: Images, demo: Images
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
    reader = Images(site, "reader")
    assert reader.names() == []
    body = {"name": "x"}
    assert reader.http.request("POST", IMAGES, token=reader.token, body=body).status == 403


def test_lists_are_filtered_sorted_and_paged(admin: Images) -> None:
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
    assert admin.names("os_hidden=true") == ["hidden"]
    assert sorted(admin.names("tag=t1&tag=Even")) == ["b", "d, e"]
    assert admin.names("tag=even") == []
    assert sorted(admin.names("os_distro=d0")) == ["a", "c"]
    assert admin.names("os_distro=D0") == []
    assert admin.names('os_distro=d0","name":"a') == []


def test_every_image_is_on_exactly_one_page(admin: Images) -> None:
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
        "size_min=9",
    ],
)
def test_a_malformed_list_is_400(admin: Images, query: str) -> None:
    assert admin.http.request("GET", f"{IMAGES}?{query}", token=admin.token).status == 400


def test_an_image_is_changed_by_json_patch(demo: Images) -> None:
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
    demo: Images, step: Any, status: int
) -> None:
    image_id = demo.create()
    before = demo.show(image_id)
    first = {"op": "replace", "path": "/name", "value": "changed"}
    assert demo.patch(image_id, first, step).status == status
    assert demo.show(image_id) == before


def test_the_format_of_an_image_is_settled_once_it_has_bytes(demo: Images) -> None:
    image_id = demo.create()
    step = {"op": "replace", "path": "/disk_format", "value": "qcow2"}
    assert demo.patch(image_id, step).status == 200
    demo.upload(image_id, b"x")
    assert demo.patch(image_id, step | {"value": "raw"}).status == 403


def test_limits_on_tags_and_properties_are_kept(demo: Images) -> None:
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


def test_tags_are_added_and_removed_one_by_one(demo: Images) -> None:
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


def test_an_image_without_bytes_has_none_to_send(demo: Images) -> None:
    path = f"{IMAGES}/{demo.create()}/file"
    assert demo.http.request("GET", path, token=demo.token).status == 204


def test_programs_can_ask_for_the_schemas(admin: Images) -> None:
    for name in ("image", "images"):
        path = f"/image/v2/schemas/{name}"
        assert admin.http.request("GET", path, token=admin.token).json()["name"] == name
    reply = admin.http.request("GET", "/image/v2/info/import", token=admin.token)
    assert reply.json()["import-methods"]["value"] == []


def test_a_download_under_way_outlives_the_image(site: Site, demo: Images) -> None:
    image_id = demo.create()
    demo.upload(image_id, b"bytes")
    sha512 = demo.show(image_id)["os_hash_value"]
    with ImageFiles(site.svc.images_dir).open(sha512) as file:
        demo.delete(image_id)
        assert file.read() == b"bytes"
