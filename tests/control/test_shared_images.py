"""Two replicas over one database, with one directory of images between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from tests.support.clock import SeededIds
from tests.support.world import DEMO, a_world
from trunkline.bootstrap.directory import DirectoryUnusable
from trunkline.bootstrap.images_dir import begin_with_images
from trunkline.control.image_files import ImageFiles
from trunkline.control.image_transfer import begin_upload, open_image
from trunkline.control.images import ImageCreate, create_image, delete_image, get_image
from trunkline.control.services import Services
from trunkline.domain.errors import NotFound
from trunkline.domain.image import Image, ImageState
from trunkline.store.schema import open_store

CONTENT = bytes(range(256)) * 40


class Replicas:
    """Replica `a`, which was first, and replica `b`."""

    def __init__(self, a: Services, b: Services) -> None:
        self.a, self.b = a, b


@pytest.fixture
def replicas(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Replicas]:
    url = request.getfixturevalue("new_postgres_database")()
    with ExitStack() as stack:
        a = stack.enter_context(a_world(tmp_path, url=url, seed=1))
        other = open_store(url)
        stack.callback(other.close)
        yield Replicas(a, replace(a, store=other, ids=SeededIds(2)))


def a_queued_image(svc: Services) -> Image:
    return create_image(svc, DEMO, ImageCreate(disk_format="raw", container_format="bare"))


def upload(svc: Services, image: Image, content: bytes = CONTENT) -> Image:
    arriving = begin_upload(svc, DEMO, image.id, size_bytes=None)
    arriving.write(content)
    return arriving.complete()


def download(svc: Services, image: Image) -> bytes:
    found = open_image(svc, DEMO, image.id)
    assert found is not None
    with found.file as file:
        return file.read()


def test_an_image_of_one_replica_is_shown_sent_and_deleted_by_the_other_on_postgresql(
    replicas: Replicas,
) -> None:
    image = upload(replicas.a, a_queued_image(replicas.a))
    assert get_image(replicas.b, DEMO, image.id) == image
    assert download(replicas.b, image) == CONTENT
    delete_image(replicas.b, DEMO, image.id)
    with pytest.raises(NotFound):
        open_image(replicas.a, DEMO, image.id)
    assert ImageFiles(replicas.a.images_dir).kept() == []


def test_an_upload_survives_the_start_of_another_replica_on_postgresql(replicas: Replicas) -> None:
    begin_with_images(replicas.a, named=True)
    image, twin = a_queued_image(replicas.a), a_queued_image(replicas.a)
    arriving = begin_upload(replicas.a, DEMO, image.id, size_bytes=None)
    arriving.write(CONTENT[:100])

    begin_with_images(replicas.b, named=True)

    assert get_image(replicas.b, DEMO, image.id).state is ImageState.SAVING
    upload(replicas.b, twin)  # The same bytes, meanwhile, at the other.
    arriving.write(CONTENT[100:])
    assert arriving.complete().state is ImageState.ACTIVE
    assert download(replicas.b, image) == download(replicas.a, twin) == CONTENT
    assert len(ImageFiles(replicas.b.images_dir).kept()) == 1


def test_a_replica_elsewhere_leaves_uploads_alone_and_says_so_on_postgresql(
    replicas: Replicas, tmp_path: Path
) -> None:
    begin_with_images(replicas.a, named=False)
    image = a_queued_image(replicas.a)
    arriving = begin_upload(replicas.a, DEMO, image.id, size_bytes=None)
    elsewhere = replace(replicas.b, images_dir=tmp_path / "elsewhere")
    with structlog.testing.capture_logs() as logged:
        begin_with_images(elsewhere, named=False)
    assert [line["log_level"] for line in logged] == ["warning"]
    assert "in another directory" in logged[0]["event"]
    assert "images_dir" in logged[0]["event"]
    arriving.write(CONTENT)
    assert arriving.complete().state is ImageState.ACTIVE


def test_a_replica_alone_is_told_at_its_start_what_others_would_need_on_postgresql(
    replicas: Replicas,
) -> None:
    for named, lines in ((False, 1), (True, 0)):
        with structlog.testing.capture_logs() as logged:
            begin_with_images(replicas.a, named=named)
        assert len(logged) == lines


def test_a_named_directory_without_the_databases_images_is_refused(tmp_path: Path) -> None:
    with a_world(tmp_path) as svc:
        begin_with_images(svc, named=True)
        unmounted = replace(svc, images_dir=tmp_path / "unmounted")
        with pytest.raises(DirectoryUnusable, match="is not mounted here"):
            begin_with_images(unmounted, named=True)


def test_the_images_of_another_database_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    with a_world(tmp_path / "theirs", seed=1) as theirs, a_world(tmp_path, seed=2) as ours:
        begin_with_images(theirs, named=True)
        image = upload(theirs, a_queued_image(theirs))
        begin_with_images(ours, named=True)
        with pytest.raises(DirectoryUnusable):
            begin_with_images(replace(ours, images_dir=theirs.images_dir), named=True)
        assert download(theirs, image) == CONTENT
