"""The bytes of images, as files: each named by its SHA-512, shared by all images with these bytes.

An upload goes to a file of its own below ``uploads/``, under a lock that tells from any process
whether the upload still lives. It gets its final name only when it is whole and synced.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from trunkline import durable
from trunkline.domain.errors import ImageStoreFull
from trunkline.domain.ids import ImageId

FREE_BYTES_KEPT: Final = 64 * 1024 * 1024  # Left for the database, which may share the disk.

_SHA512: Final = re.compile(r"[0-9a-f]{128}")
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class ImageFiles:
    """The directory of image bytes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._uploads = directory / "uploads"

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep all others, of other processes too, from adding and deleting files meanwhile."""
        self._uploads.mkdir(parents=True, exist_ok=True)
        with (self._directory / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def begin(self, image_id: ImageId, upload_id: str) -> PartFile:
        """Make the file that an upload goes to."""
        # Within `exclusive`, nobody takes it for dead between its making and its locking.
        with full_disk_told(image_id), self.exclusive():
            return PartFile(self._uploads / f"{image_id}.{upload_id}", image_id)

    def keep(self, part: PartFile, sha512: str) -> None:
        """Give a synced upload its final name; on return that outlives a power cut.

        Call it within `exclusive`.
        """
        with full_disk_told(part.image_id):
            part.path.rename(self._directory / sha512)
            durable.sync(self._directory)
            durable.sync(self._directory.parent)  # It may have been made since the last one.

    def open(self, sha512: str) -> BinaryIO:
        """Open an image's bytes; they can be read to the end even if the image is deleted."""
        return (self._directory / sha512).open("rb")

    def delete(self, sha512: str) -> None:
        """Delete bytes that no image has any more. Call it within `exclusive`."""
        (self._directory / sha512).unlink(missing_ok=True)

    def kept(self) -> list[str]:
        """Return the SHA-512 of everything that is kept."""
        if not self._directory.exists():
            return []
        return sorted(p.name for p in self._directory.iterdir() if _SHA512.fullmatch(p.name))

    def identity(self) -> str | None:
        """Return what `set_identity` wrote, which tells this directory from all others."""
        try:
            return (self._directory / "id").read_text().strip()
        except FileNotFoundError:
            return None

    def set_identity(self, identity: str) -> None:
        """Make the directory known by this, durably. Call it within `exclusive`."""
        scratch = self._directory / "id.new"
        scratch.write_text(identity + "\n")
        durable.put_in_place(scratch, self._directory / "id")
        durable.sync(self._directory.parent)

    def live_uploads(self) -> set[ImageId]:
        """Return the images that bytes are arriving for now; delete what dead uploads left."""
        live = set()
        for path in self._uploads.iterdir() if self._uploads.exists() else ():
            if _is_locked(path):
                live.add(ImageId(path.name.partition(".")[0]))
            else:
                path.unlink(missing_ok=True)
        return live


class PartFile:
    """An upload as far as it has arrived. Locked as long as its process lives and it is open."""

    def __init__(self, path: Path, image_id: ImageId) -> None:
        self.path = path
        self.image_id = image_id
        self._file = path.open("xb")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def write(self, chunk: bytes) -> None:
        """Add bytes.

        Raises:
            ImageStoreFull: There is no room for them.
        """
        disk = os.fstatvfs(self._file.fileno())
        if disk.f_bavail * disk.f_frsize < FREE_BYTES_KEPT + len(chunk):
            raise ImageStoreFull(self.image_id)
        with full_disk_told(self.image_id):
            self._file.write(chunk)

    def sync(self) -> None:
        """Wait until all of it is on the disk."""
        with full_disk_told(self.image_id):
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let go of it; what it was renamed to stays."""
        try:
            self._file.close()
        except OSError as problem:
            # What was still buffered found no room. It is being given up, or `sync` has said so.
            if problem.errno not in _FULL:
                raise

    def discard(self) -> None:
        """Give it up."""
        self.path.unlink(missing_ok=True)
        self.close()


@contextmanager
def full_disk_told(image_id: ImageId) -> Iterator[None]:
    """Raise `ImageStoreFull` where the operating system says that there is no room."""
    try:
        yield
    except OSError as problem:
        if problem.errno in _FULL:
            raise ImageStoreFull(image_id) from problem
        raise


def _is_locked(path: Path) -> bool:
    try:
        # Open for writing: NFS makes of this lock one that a file open for reading can't have.
        with path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False  # Its upload has just ended.
    return False
