"""LibvirtStorage: guests' disks and config drives, as files. Satisfies `Storage` and `HostWatch`.

A disk is made in a thread of its own, since its image may have to be fetched; the agent asks again
when it is told that something has come of it. Files of a server all begin with its ID:

    ID.qcow2      its disk
    ID.img        the image below it: a copy of the one in the cache
    ID.DIGEST.iso a config drive

Where there is AppArmor, libvirt reads disks to see what is below them, and may read only those
whose names end as these do. Source: libvirt, src/security/apparmor/ (virt-aa-helper).
"""

from __future__ import annotations

import errno
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from trunkline.domain.ids import ServerId
from trunkline.host.libvirt import iso, qemu_img
from trunkline.host.libvirt.image_cache import ImageCache
from trunkline.host.libvirt.image_format import UnfitImage, require_fits
from trunkline.reconcile.config_drive import LABEL
from trunkline.reconcile.interfaces import HostNews, HostRefused
from trunkline.reconcile.observed import DiskState
from trunkline.reconcile.steps import MakeDisk, WriteConfigDrive

GIB: Final = 1 << 30


class LibvirtStorage:
    """The files of one host's guests."""

    def __init__(
        self, directory: Path, images: ImageCache, *, on_news: Callable[[], None] = lambda: None
    ) -> None:
        """Take the directory over; what an earlier process did not finish is deleted."""
        self._directory = directory
        self._images = images
        self._on_news = on_news
        self._lock = threading.Lock()
        self._waiting: deque[MakeDisk] = deque()
        self._making: dict[ServerId, str] = {}
        self._failed: dict[ServerId, tuple[MakeDisk, HostRefused]] = {}
        self._worker: threading.Thread | None = None
        self._has_news = False
        # QEMU, as a user of its own, opens disks by name; nobody need list them.
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o711)
        images.prepare()
        self._clear_up()

    # What the agent asks

    def disks(self) -> Mapping[ServerId, DiskState]:
        """See `Storage.disks`."""
        with self._lock:
            making = {
                server_id: DiskState(is_ready=False, doing=doing)
                for server_id, doing in self._making.items()
            }
        made = {
            ServerId(path.stem): DiskState(is_ready=True)
            for path in self._directory.glob("*.qcow2")
        }
        return made | making

    def make_disk(self, step: MakeDisk) -> None:
        """See `Storage.make_disk`."""
        with self._lock:
            failed = self._failed.pop(step.server_id, None)
            if failed is not None and failed[0] == step:
                raise failed[1]
            if step.server_id in self._making:
                return
            self._making[step.server_id] = "its disk is about to be made"
            self._waiting.append(step)
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="disks", daemon=True)
                self._worker.start()

    def write_config_drive(self, step: WriteConfigDrive) -> None:
        """See `Storage.write_config_drive`."""
        path = self._directory / step.name
        if not path.exists():
            scratch = self._directory / f"{step.server_id}.drive.new"
            iso.make(scratch, LABEL, step.files)
            scratch.chmod(0o600)
            scratch.rename(path)
        for old in self._directory.glob(f"{step.server_id}.*.iso"):
            if old != path:
                old.unlink(missing_ok=True)

    def delete(self, server_id: ServerId) -> None:
        """Delete all files of a server."""
        with self._lock:
            self._failed.pop(server_id, None)
        for path in self._directory.glob(f"{server_id}.*"):
            path.unlink(missing_ok=True)

    def take(self) -> HostNews:
        """See `HostWatch.take`."""
        with self._lock:
            news, self._has_news = HostNews(domains=self._has_news), False
            return news

    def _clear_up(self, server_id: str = "*") -> None:
        """Delete what was left half made, by an earlier process or now; `*`: of any server."""
        for left in self._directory.glob(f"{server_id}.new"):
            left.unlink(missing_ok=True)
        for base in self._directory.glob(f"{server_id}.img"):
            if not base.with_suffix(".qcow2").exists():
                base.unlink(missing_ok=True)

    # Making disks

    def _work(self) -> None:
        """Make what waits, one disk at a time: two downloads at once are no faster than one."""
        while True:
            with self._lock:
                if not self._waiting:
                    self._worker = None
                    return
                step = self._waiting.popleft()
            failure = self._make(step)
            with self._lock:
                del self._making[step.server_id]
                if failure is not None:
                    self._failed[step.server_id] = step, failure
                self._has_news = True
            self._on_news()

    def _make(self, step: MakeDisk) -> HostRefused | None:
        try:
            self._make_or_refuse(step)
        except HostRefused as refusal:
            failure = refusal
        except OSError as problem:
            failure = HostRefused(str(step), problem.strerror or str(problem))
        else:
            return None
        with suppress(OSError):  # On a full disk, what is half made would keep it full.
            self._clear_up(step.server_id)
        return failure

    def _make_or_refuse(self, step: MakeDisk) -> None:
        disk = self._directory / f"{step.server_id}.qcow2"
        base = self._directory / f"{step.server_id}.img"
        scratch = self._directory / f"{step.server_id}.new"
        scratch.unlink(missing_ok=True)
        size_bytes = step.disk_gib * GIB
        if step.image is None:
            qemu_img.create(scratch, size_bytes, backing=None, backing_format="")
        else:
            self._doing(step, f"image {step.image.id} is being fetched")
            path, info = self._images.ensure(step.image)
            try:
                require_fits(info, size_bytes)
            except UnfitImage as problem:
                raise HostRefused(f"use image {step.image.id}", str(problem)) from problem
            base.unlink(missing_ok=True)
            _copy(path, base)
            qemu_img.create(scratch, size_bytes, backing=base, backing_format=info.format)
        scratch.chmod(0o600)  # libvirt gives it to QEMU's user when the guest starts.
        scratch.rename(disk)  # A disk under its name is whole.

    def _doing(self, step: MakeDisk, doing: str) -> None:
        with self._lock:
            self._making[step.server_id] = doing


def _copy(source: Path, target: Path) -> None:
    """Copy a file durably; where the file system can (XFS, btrfs), the two share their blocks.

    A link would not do: libvirt gives each file of a disk to QEMU's user when a guest starts, and
    those beneath the topmost never back, so that the one in the cache were lost to the agent.
    Source: libvirt src/security/security_dac.c, virSecurityDACSetImageLabelInternal().
    """
    with source.open("rb") as read, target.open("xb") as write:
        left = os.fstat(read.fileno()).st_size
        while left:
            copied = os.copy_file_range(read.fileno(), write.fileno(), left)
            if not copied:
                raise OSError(errno.EIO, f"{source} has become shorter")
            left -= copied
        os.fchmod(write.fileno(), 0o644)
        os.fsync(write.fileno())
