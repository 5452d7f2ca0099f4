"""LibvirtStorage: guests' disks and config drives, as files. Satisfies `Storage` and `HostWatch`.

What is made is made in a thread of its own, since an image may have to be fetched; the agent looks
again when it is told that something has come of it. Files of a server all begin with its ID:

    ID.qcow2      its disk; ID.2.qcow2 and so on once it was rebuilt
    ID.img        the image below it: a copy of the one in the cache; ID.2.img and so on
    ID.DIGEST.iso its config drive

Beside their directory is that of the consoles, ID.log and so on, which libvirt's virtlogd writes.

Under its name a file is whole, and it and its name are synced: made under another, synced, renamed,
and the directory synced.

Where there is AppArmor, libvirt reads disks to see what is below them, and may read only those
whose names end as these do. Source: libvirt, src/security/apparmor/ (virt-aa-helper).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from trunkline import durable
from trunkline.domain.ids import ServerId
from trunkline.host.libvirt import iso, qemu_img
from trunkline.host.libvirt.image_cache import ImageCache
from trunkline.host.libvirt.image_format import UnfitImage, require_fits
from trunkline.host.libvirt.under_way import UnderWay
from trunkline.reconcile.config_drive import LABEL
from trunkline.reconcile.disks import disk_name, read_disk_name
from trunkline.reconcile.interfaces import HostNews, HostRefused
from trunkline.reconcile.observed import GuestFiles
from trunkline.reconcile.steps import MakeDisk, WriteConfigDrive

GIB: Final = 1 << 30


class LibvirtStorage:
    """The files of one host's guests."""

    def __init__(
        self,
        directory: Path,
        images: ImageCache,
        *,
        consoles: Path,
        on_news: Callable[[], None] = lambda: None,
    ) -> None:
        """Take the directories over; what an earlier process did not finish is deleted."""
        self._directory = directory
        self._consoles = consoles
        self._images = images
        # One at a time: two downloads at once are no faster than one. Drives wait for none.
        self._disks = UnderWay("disks", at_once=1, on_news=on_news)
        self._drives = UnderWay("drives", at_once=1, on_news=on_news)
        # QEMU, as a user of its own, opens disks by name; nobody need list them.
        # The helper reads consoles, as root without the power to enter what is shut to others.
        for each in (directory, consoles):
            each.mkdir(parents=True, exist_ok=True)
            each.chmod(0o711)
        images.prepare()
        self._clear_up()
        durable.sync(directory)  # What was renamed last by an earlier process counts as well.

    # What the agent asks

    def files(self) -> Mapping[ServerId, GuestFiles]:
        """See `Storage.files`."""
        # Asked first: what ends meanwhile passes for not ended, and is news.
        doing = {**self._drives.doing(), **self._disks.doing()}
        drives = dict[ServerId, str]()
        names = [entry.name for entry in os.scandir(self._directory)]
        disks = _newest(names)
        for name in names:
            if name.endswith(".iso"):
                drives[ServerId(name.partition(".")[0])] = name
        return {
            server_id: GuestFiles(
                disk=disks.get(server_id),
                config_drive=drives.get(server_id),
                doing=doing.get(server_id, ""),
            )
            for server_id in disks.keys() | drives.keys() | doing.keys()
        }

    def make_disk(self, step: MakeDisk) -> None:
        """See `Storage.make_disk`."""
        doing = "its disk is about to be made"
        self._disks.begin(step.server_id, str(step), lambda: self._make(step), doing=doing)

    def write_config_drive(self, step: WriteConfigDrive) -> None:
        """See `Storage.write_config_drive`."""
        doing = "its config drive is being written"
        self._drives.begin(step.server_id, str(step), lambda: self._write(step), doing=doing)

    def delete(self, server_id: ServerId) -> None:
        """Delete all files of a server."""
        self._disks.forget(server_id)
        self._drives.forget(server_id)
        for directory in (self._directory, self._consoles):
            for path in directory.glob(f"{server_id}.*"):
                path.unlink(missing_ok=True)

    @property
    def problem(self) -> str:
        """See `HostWatch.problem`: what it tells of it does itself."""
        return ""

    def take(self) -> HostNews:
        """See `HostWatch.take`."""
        disks, drives = self._disks.take_news(), self._drives.take_news()
        return HostNews(domains=disks or drives)

    def _clear_up(self) -> None:
        """Delete what an earlier process left half made."""
        for left in self._directory.glob("*.new"):
            left.unlink(missing_ok=True)
        for server_id, number in _newest(path.name for path in self._directory.iterdir()).items():
            self._drop_older(server_id, number)
        for base in self._directory.glob("*.img"):
            self._drop_unused(base)

    def _drop_older(self, server_id: ServerId, number: int) -> None:
        """Delete the disks that a server had before this one."""
        for path in self._directory.glob(f"{server_id}.*qcow2"):
            found = read_disk_name(path.name)
            if found is not None and found[1] < number:
                path.unlink(missing_ok=True)
                path.with_suffix(".img").unlink(missing_ok=True)

    def _drop_unused(self, base: Path) -> None:
        """Delete an image that is below no disk."""
        if not base.with_suffix(".qcow2").exists():
            base.unlink(missing_ok=True)

    # Making them

    def _write(self, step: WriteConfigDrive) -> None:
        path = self._directory / step.name
        if not path.exists():
            scratch = self._directory / f"{step.server_id}.drive.new"
            try:
                iso.make(scratch, LABEL, step.files)
                scratch.chmod(0o600)
                durable.put_in_place(scratch, path)
            finally:
                scratch.unlink(missing_ok=True)
        for old in self._directory.glob(f"{step.server_id}.*.iso"):
            if old != path:
                old.unlink(missing_ok=True)

    def _make(self, step: MakeDisk) -> None:
        try:
            self._make_whole(step)
        except BaseException:
            with suppress(OSError):  # On a full disk, what is half made would keep it full.
                self._scratch(step).unlink(missing_ok=True)
                self._drop_unused(self._base(step))
            raise

    def _scratch(self, step: MakeDisk) -> Path:
        return self._directory / f"{step.server_id}.new"

    def _base(self, step: MakeDisk) -> Path:
        return self._disk(step).with_suffix(".img")

    def _disk(self, step: MakeDisk) -> Path:
        return self._directory / disk_name(step.server_id, step.number)

    def _make_whole(self, step: MakeDisk) -> None:
        base, scratch = self._base(step), self._scratch(step)
        scratch.unlink(missing_ok=True)
        size_bytes = step.disk_gib * GIB
        if step.image is None:
            qemu_img.create(scratch, size_bytes, backing=None, backing_format="")
        else:
            self._disks.say(step.server_id, f"image {step.image.id} is being fetched")
            path, info = self._images.ensure(step.image)
            try:
                require_fits(info, size_bytes)
            except UnfitImage as problem:
                raise HostRefused(f"use image {step.image.id}", str(problem)) from problem
            base.unlink(missing_ok=True)
            _copy(path, base)
            qemu_img.create(scratch, size_bytes, backing=base, backing_format=info.format)
        scratch.chmod(0o600)  # libvirt gives it to QEMU's user when the guest starts.
        durable.put_in_place(scratch, self._disk(step))
        self._drop_older(step.server_id, step.number)


def _newest(names: Iterable[str]) -> dict[ServerId, int]:
    """Return the number of the newest disk that each server has."""
    newest = dict[ServerId, int]()
    for found in filter(None, map(read_disk_name, names)):
        newest[found[0]] = max(found[1], newest.get(found[0], 0))
    return newest


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
