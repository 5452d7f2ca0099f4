"""An image that was acknowledged survives the loss of power, bytes and all; one that was not
leaves either nothing or a whole image. The program runs under the storage shim.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest

from tests.support.durability.events import Operation
from tests.support.durability.fixtures import RunUnderShim
from tests.support.environments import REPOSITORY
from trunkline.domain.image import Image, ImageState
from trunkline.domain.listing import ListQuery
from trunkline.store.schema import open_store

pytestmark = pytest.mark.slow

# Each SHA-512 is printed once `complete` has returned: that is the acknowledgement. The third
# image shares the bytes of the first; then the first is deleted, and the second with its bytes.
PROGRAM = """
import os, sys
from pathlib import Path
from tests.support.world import DEMO, a_world
from trunkline.control.image_transfer import begin_upload
from trunkline.control.images import ImageCreate, create_image, delete_image

def say(word, image):
    os.write(1, f"{word} {image.id} {image.sha512}\\n".encode())

with a_world(Path(sys.argv[1])) as svc:
    images = []
    for byte, count in ((b"a", 300_000), (b"b", 7), (b"a", 300_000)):
        made = create_image(svc, DEMO, ImageCreate(disk_format="raw", container_format="bare"))
        upload = begin_upload(svc, DEMO, made.id, size_bytes=count)
        for start in range(0, count, 100_000):
            upload.write(byte * min(100_000, count - start))
        images.append(upload.complete())
        say("active", images[-1])
    for image in images[:2]:
        delete_image(svc, DEMO, image.id)
        say("deleted", image)
"""


def stored_images(directory: Path) -> dict[str, Image]:
    """Return the images that are active, by ID; their bytes must be whole."""
    store = open_store(f"sqlite:///{directory / 'trunkline.db'}")
    try:
        query = ListQuery(equals={"state": (ImageState.ACTIVE.value,)})
        found = store.read(lambda tx: tx.images.page(query))
    finally:
        store.close()
    for image in found:
        content = (directory / "images" / str(image.sha512)).read_bytes()
        assert len(content) == image.size_bytes
        assert hashlib.sha512(content).hexdigest() == image.sha512
    return {image.id: image for image in found}


def test_an_acknowledged_image_survives_power_loss_at_any_moment(
    run_under_shim: RunUnderShim, tmp_path: Path
) -> None:
    home = tmp_path / "data"
    home.mkdir()
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'src'}"}
    recording = run_under_shim([sys.executable, "-c", PROGRAM, home], home, env=environment)
    assert recording.returncode == 0, recording.stderr
    lines = recording.acknowledged(len(recording.events))
    assert [line.split()[0] for line in lines] == ["active"] * 3 + ["deleted"] * 2
    first_said = next(
        point for point, event in enumerate(recording.events) if event.operation is Operation.OUTPUT
    )
    points = [point for point in recording.points() if point > first_said]
    looked_at = 0
    for point in points[:: max(1, len(points) // 60)]:
        said = [line.split() for line in recording.acknowledged(point)]
        deleted = {image_id for word, image_id, _ in said if word == "deleted"}
        # The deletion that comes next may be under way.
        deleted_next = {line.split()[1] for line in lines[3 : 4 + len(deleted)]}
        must_be = {image_id for word, image_id, _ in said if word == "active"} - deleted_next
        for crashed in recording.crash_images(point, prefixes_max=3, random_count=2):
            found = set(stored_images(crashed))
            assert must_be <= found, f"{crashed.parent.name}/{crashed.name}"
            assert not deleted & found
            looked_at += 1
    assert looked_at > 60
