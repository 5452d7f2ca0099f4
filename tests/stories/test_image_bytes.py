"""The bytes of images: in, out, broken off, too many, shared, and left behind by a crash."""

from __future__ import annotations

import hashlib
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.http_app import Site, a_site
from tests.support.image_user import BYTES, IMAGES, ImageUser
from trunkline.control.image_files import ImageFiles
from trunkline.control.image_transfer import begin_upload, clear_up_images
from trunkline.control.services import Limits
from trunkline.domain.ids import ImageId
from trunkline.domain.image import ImageState

SIZE_LIMIT = 4 * 1024 * 1024


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with a_site(tmp_path, limits=Limits(image_size_bytes_max=SIZE_LIMIT)) as opened:
        yield opened


@pytest.fixture
def admin(site: Site) -> ImageUser:
    return ImageUser(site, "admin")


@pytest.fixture
def demo(site: Site) -> ImageUser:
    return ImageUser(site, "demo")


def stored(site: Site) -> set[str]:
    """What is on the disk but the lock and the directory's ID, by its path in the directory."""
    root = site.svc.images_dir
    return {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()} - {"lock", "id"}


def test_the_bytes_that_went_in_come_out_with_their_hashes(site: Site, demo: ImageUser) -> None:
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


def test_equal_bytes_are_kept_once_and_go_with_the_last_image(site: Site, demo: ImageUser) -> None:
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
    site: Site, demo: ImageUser
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


def test_more_bytes_than_allowed_are_refused_announced_or_not(site: Site, demo: ImageUser) -> None:
    image_id = demo.create()
    too_many = b"x" * (SIZE_LIMIT + 1)
    assert demo.upload(image_id, b"", Content_Length=str(SIZE_LIMIT + 1)).status == 413
    assert demo.upload(image_id, too_many).status == 413
    assert demo.show(image_id)["status"] == "queued"
    assert stored(site) == set()
    assert demo.upload(image_id, too_many[:-1]).status == 204


def test_fewer_bytes_than_announced_are_no_image(site: Site, demo: ImageUser) -> None:
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


def test_a_disk_without_room_is_507_and_nothing_is_kept(site: Site, demo: ImageUser) -> None:
    image_id = demo.create()
    with files_at_most(2 * 1024 * 1024):
        reply = demo.upload(image_id, b"x" * 3 * 1024 * 1024)
        in_the_last_piece = demo.upload(image_id, b"x" * (2 * 1024 * 1024 + 10))
    for refused in (reply, in_the_last_piece):
        assert refused.status == 507, refused
        assert "no space is left" in refused.json()["error"]["message"]
    assert demo.show(image_id)["status"] == "queued"
    assert stored(site) == set()


def test_an_image_takes_bytes_once_and_only_with_its_formats_known(demo: ImageUser) -> None:
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


def test_what_a_crash_left_is_cleared_up_at_the_next_start(site: Site, demo: ImageUser) -> None:
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
    site: Site, demo: ImageUser
) -> None:
    image_id = demo.create()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * 10
        site.svc.store.write(lambda tx: tx.images.delete(ImageId(image_id)))

    path = f"{IMAGES}/{image_id}/file"
    assert demo.http.stream("PUT", path, pieces, token=demo.token, headers=BYTES).status == 404
    assert stored(site) == set()


def test_an_image_without_bytes_has_none_to_send(demo: ImageUser) -> None:
    path = f"{IMAGES}/{demo.create()}/file"
    assert demo.http.request("GET", path, token=demo.token).status == 204


def test_a_download_under_way_outlives_the_image(site: Site, demo: ImageUser) -> None:
    image_id = demo.create()
    demo.upload(image_id, b"bytes")
    sha512 = demo.show(image_id)["os_hash_value"]
    with ImageFiles(site.svc.images_dir).open(sha512) as file:
        demo.delete(image_id)
        assert file.read() == b"bytes"
