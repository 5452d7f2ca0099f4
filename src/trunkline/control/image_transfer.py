"""Image bytes coming in and going out, and clearing up what a crash left half done."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from typing import BinaryIO, Final

from trunkline.control import audit
from trunkline.control.access import of_project, refusal, require_change, sees
from trunkline.control.image_files import ImageFiles, PartFile
from trunkline.control.images import is_shared, visible_image
from trunkline.control.services import Services
from trunkline.domain.errors import Forbidden, Invalid, NotFound, StateConflict, TooLarge
from trunkline.domain.identity import Caller
from trunkline.domain.ids import HostName, ImageId
from trunkline.domain.image import IMAGE, Image, ImageEvent, ImageState
from trunkline.domain.listing import ListQuery
from trunkline.domain.policy import image_rules as rules
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction

IMAGES_DIRECTORY_SETTING: Final = "images.directory"


def begin_upload(
    svc: Services, caller: Caller, image_id: str, *, size_bytes: int | None
) -> ImageUpload:
    """Start taking in an image's bytes.

    Args:
        svc: The services.
        caller: Who uploads.
        image_id: An image that has no bytes yet.
        size_bytes: How many will come, if that is known.

    Raises:
        StateConflict: It has bytes already, or they are arriving.
        TooLarge: More are announced than an image may have.
    """
    if size_bytes is not None and size_bytes > svc.limits.image_size_bytes_max:
        raise TooLarge("the image", svc.limits.image_size_bytes_max, "bytes")
    files = ImageFiles(svc.images_dir)

    def check(tx: Transaction, lock: Lock = Lock.NONE) -> Image:
        image = tx.images.get(image_id, lock)
        require_change(
            caller, rules.UPLOAD_IMAGE, of_project(image.project_id), "image", image_id,
            see=rules.SHOW_IMAGE, shared=is_shared(tx, caller, image),
        )  # fmt: skip
        if image.state is not ImageState.QUEUED:
            raise StateConflict("image", image_id, f"it is {image.state.value}, not queued")
        for name in ("disk_format", "container_format"):
            if getattr(image, name) is None:
                raise Invalid(name, "must be set before the image's bytes are uploaded")
        return image

    image = svc.store.read(check)
    part = files.begin(image.id, svc.ids.new_id())

    def write(tx: Transaction) -> None:
        now = check(tx, Lock.EXCLUSIVE)
        tx.images.update(replace(now, state=IMAGE.advance(now.state, ImageEvent.RECEIVE)))

    try:
        svc.store.write(write)
    except BaseException:
        part.discard()
        raise
    return ImageUpload(svc, caller, image.id, files, part, size_bytes)


class ImageUpload:
    """An upload that is under way. Ends with `complete` or `abandon`."""

    def __init__(
        self,
        svc: Services,
        caller: Caller,
        image_id: ImageId,
        files: ImageFiles,
        part: PartFile,
        expected_size_bytes: int | None,
    ) -> None:
        self._svc = svc
        self._caller = caller
        self._image_id = image_id
        self._files = files
        self._part = part
        self._expected = expected_size_bytes
        self._size = 0
        self._md5 = hashlib.md5(usedforsecurity=False)  # Glance's `checksum`.
        self._sha512 = hashlib.sha512()

    def write(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            TooLarge: An image may not have as many.
            ImageStoreFull: The disk has no room for them.
        """
        limit = self._svc.limits.image_size_bytes_max
        if self._size + len(chunk) > limit:
            raise TooLarge("the image", limit, "bytes")
        self._part.write(chunk)
        self._md5.update(chunk)
        self._sha512.update(chunk)
        self._size += len(chunk)

    def complete(self) -> Image:
        """Sync the bytes to the disk, then let the image be active."""
        if self._expected is not None and self._size != self._expected:
            raise Invalid("size", f"{self._expected} bytes were announced, {self._size} came")
        sha512 = self._sha512.hexdigest()

        def write(tx: Transaction) -> Image:
            before = tx.images.get(
                self._image_id, Lock.EXCLUSIVE
            )  # It may have been deleted meanwhile.
            after = replace(
                before,
                state=IMAGE.advance(before.state, ImageEvent.COMPLETE),
                size_bytes=self._size,
                md5=self._md5.hexdigest(),
                sha512=sha512,
                updated_at=self._svc.clock.now(),
            )
            tx.images.update(after)
            audit.record(
                tx,
                audit.actor_of(self._caller),
                after.updated_at,
                "image.upload",
                f"image {after.id}",
                project_id=after.project_id,
                details={"size_bytes": self._size, "sha512": sha512},
            )
            return after

        self._part.sync()
        with self._files.exclusive():
            self._files.keep(self._part, sha512)
            try:
                image = self._svc.store.write(write)
            except BaseException:
                _delete_if_unused(self._svc, self._files, sha512)
                raise
        self._part.close()
        return image

    def abandon(self) -> None:
        """Forget what has arrived: the image is queued again."""
        self._part.discard()
        self._svc.store.write(lambda tx: _queue_again(tx, self._image_id))


@dataclass(frozen=True, slots=True)
class ImageBytes:
    """An image with its bytes, open for reading."""

    image: Image
    file: BinaryIO


def open_image(svc: Services, caller: Caller, image_id: str) -> ImageBytes | None:
    """Open an image's bytes; None if it has none yet."""

    def read(tx: Transaction) -> Image:
        image = visible_image(tx, caller, image_id)
        target, shared = of_project(image.project_id), is_shared(tx, caller, image)
        if not sees(caller, rules.DOWNLOAD_IMAGE, target, shared=shared):
            raise refusal(rules.DOWNLOAD_IMAGE)
        return image

    image = svc.store.read(read)
    if image.state is ImageState.DEACTIVATED and not caller.may_on_all(rules.DOWNLOAD_IMAGE):
        raise Forbidden(f"reading image {image_id}, which is deactivated")
    if image.sha512 is None:
        return None
    try:
        return ImageBytes(image, ImageFiles(svc.images_dir).open(image.sha512))
    except FileNotFoundError:
        svc.store.read(read)  # Deleted in between: `NotFound`. Else a bug.
        raise


def open_image_for_host(svc: Services, host_name: HostName, image_id: str) -> ImageBytes:
    """Open the bytes of an image that a server on this host starts from.

    Raises:
        NotFound: No server there does; or it has none, or is gone.
    """

    def read(tx: Transaction) -> Image:
        host = tx.hosts.get_by_name(host_name)
        if not any(server.image_id == image_id for server in tx.servers.of_hosts([host.id])):
            raise NotFound("image", image_id)
        return tx.images.get(image_id)

    image = svc.store.read(read)
    if image.sha512 is None:
        raise NotFound("image", image_id)
    try:
        return ImageBytes(image, ImageFiles(svc.images_dir).open(image.sha512))
    except FileNotFoundError:
        svc.store.read(read)  # Deleted in between: `NotFound`. Else a bug.
        raise


def clear_up_images(svc: Services) -> bool:
    """Undo what a crash left: dead uploads are queued again, bytes without an image deleted.

    Run it at start. It touches no upload that is alive in another process. False, and nothing is
    touched, if the images of this database are in another directory: seen from here, every upload
    that arrives there would look dead.
    """
    files = ImageFiles(svc.images_dir)
    with files.exclusive():
        if not _is_the_directory(svc, files):
            return False
        # Rows first: an upload makes its file before its row says `saving`.
        saving = svc.store.read(
            lambda tx: tx.images.page(ListQuery(equals={"state": (ImageState.SAVING.value,)}))
        )
        live = files.live_uploads()
        for image in saving:
            if image.id not in live:
                svc.store.write(partial(_queue_again, image_id=image.id))
        for sha512 in files.kept():
            _delete_if_unused(svc, files, sha512)
    return True


def _is_the_directory(svc: Services, files: ImageFiles) -> bool:
    """Say whether this database has its images here; the first directory that is asked about is."""
    here = files.identity()
    known = svc.store.read(lambda tx: tx.settings.find(IMAGES_DIRECTORY_SETTING))
    if known is not None:
        return here == known
    if here is None:
        here = svc.ids.new_id()
        files.set_identity(here)
    svc.store.write(lambda tx: tx.settings.put(IMAGES_DIRECTORY_SETTING, here))
    return True


def _queue_again(tx: Transaction, image_id: ImageId) -> None:
    image = tx.images.find(image_id, Lock.EXCLUSIVE)
    if image is not None and image.state is ImageState.SAVING:
        queued = IMAGE.advance(image.state, ImageEvent.ABANDON)
        tx.images.update(replace(image, state=queued))


def _delete_if_unused(svc: Services, files: ImageFiles, sha512: str) -> None:
    if not svc.store.read(lambda tx: tx.images.count_with_bytes(sha512)):
        files.delete(sha512)
