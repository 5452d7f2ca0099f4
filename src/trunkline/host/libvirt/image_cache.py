"""Images on a host: files named by the SHA-512 of their bytes, kept as long as there is room.

A disk stands on a copy of its own of the image that it was made from: any image may go at any time.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from trunkline import durable
from trunkline.host.libvirt import qemu_img
from trunkline.host.libvirt.image_format import (
    HEADER_BYTES,
    SERVED_FORMATS,
    ImageInfo,
    UnfitImage,
    require_plain_qcow2,
)
from trunkline.reconcile.desired import ImageSource
from trunkline.reconcile.interfaces import HostRefused

# Hands an image's bytes to a function, piece by piece. Raises `HostRefused`.
Fetch = Callable[[ImageSource, Callable[[bytes], None]], None]

FREE_BYTES_KEPT: Final = 1 << 30  # Guests' disks, which grow, may be on the same file system.
_PART: Final = ".part"


class ImageCache:
    """One directory of images. One thread at a time may fetch."""

    def __init__(self, directory: Path, *, bytes_max: int, fetch: Fetch) -> None:
        self._directory = directory
        self._bytes_max = bytes_max
        self._fetch = fetch

    def prepare(self) -> None:
        """Make the directory, and delete what an earlier process had half fetched."""
        # QEMU, as a user of its own, reads the images; nobody need list them.
        self._directory.mkdir(parents=True, exist_ok=True)
        self._directory.chmod(0o711)
        for left in self._directory.glob(f"*{_PART}"):
            left.unlink(missing_ok=True)

    def ensure(self, image: ImageSource) -> tuple[Path, ImageInfo]:
        """Return the file that has the image's bytes; fetch them if none has.

        Raises:
            HostRefused: They can't be had, are not what they should be, must not be used as a
                disk, or there is no room.
        """
        operation = f"fetch image {image.id}"
        if image.disk_format not in SERVED_FORMATS:
            known = " and ".join(sorted(SERVED_FORMATS))
            raise HostRefused(operation, f"its format is {image.disk_format!r}; {known} are served")
        path = self._directory / image.sha512
        if not path.exists():
            self._fetch_into(path, image, operation)
        try:
            if image.disk_format == "qcow2":
                with path.open("rb") as file:
                    require_plain_qcow2(file.read(HEADER_BYTES))
            info = qemu_img.info(path, image_format=image.disk_format)
        except UnfitImage as problem:
            path.unlink(missing_ok=True)
            raise HostRefused(operation, f"it can't be used: {problem}") from problem
        os.utime(path)  # Whatever was used least recently goes first.
        return path, info

    def _fetch_into(self, path: Path, image: ImageSource, operation: str) -> None:
        self._make_room(image.size_bytes, operation)
        part = path.with_suffix(_PART)
        digest, size = hashlib.sha512(), 0
        try:
            with part.open("wb") as file:
                os.fchmod(file.fileno(), 0o644)

                def write(piece: bytes) -> None:
                    nonlocal size
                    size += len(piece)
                    if size > image.size_bytes:
                        raise HostRefused(
                            operation,
                            f"more came than its {image.size_bytes} bytes",
                            transient=True,
                        )
                    digest.update(piece)
                    file.write(piece)

                self._fetch(image, write)
                file.flush()
                os.fsync(file.fileno())
            if size != image.size_bytes or digest.hexdigest() != image.sha512:
                raise HostRefused(
                    operation,
                    f"what came is not it: {size} of {image.size_bytes} bytes, "
                    f"SHA-512 {digest.hexdigest()[:16]}…, not {image.sha512[:16]}…",
                    transient=True,
                )
            part.rename(path)
            durable.sync(self._directory)
        except OSError as problem:
            raise _refused(operation, problem) from problem
        finally:
            part.unlink(missing_ok=True)

    def _make_room(self, needed: int, operation: str) -> None:
        """Delete images, the longest unused first, until there is room."""
        kept = sorted(
            ((path, path.stat()) for path in self._directory.iterdir() if path.is_file()),
            key=lambda each: each[1].st_mtime_ns,
        )
        total = sum(stat.st_size for _, stat in kept)
        disk = os.statvfs(self._directory)
        free = disk.f_bavail * disk.f_frsize - FREE_BYTES_KEPT
        for path, stat in kept:
            if total + needed <= self._bytes_max and needed <= free:
                return
            path.unlink(missing_ok=True)
            total -= stat.st_size
            free += stat.st_blocks * 512
        if total + needed > self._bytes_max:
            raise HostRefused(
                operation,
                f"its {needed} bytes are more than the {self._bytes_max} bytes that images may "
                f"take in {self._directory}; raise the limit",
            )
        if needed > free:
            raise HostRefused(
                operation, f"its {needed} bytes find no room on the disk of {self._directory}"
            )


def _refused(operation: str, problem: OSError) -> HostRefused:
    name = errno.errorcode.get(problem.errno or 0, "")
    return HostRefused(operation, problem.strerror or str(problem), errno_name=name)
