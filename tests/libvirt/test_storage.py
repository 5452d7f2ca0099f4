"""Disks made from images, by qemu-img: fetched, checked, cached, thrown out."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.contract.guests import A, B
from tests.support.waiting import wait_until
from trunkline.domain.ids import ImageId, ServerId
from trunkline.host.libvirt.image_cache import ImageCache
from trunkline.host.libvirt.storage import LibvirtStorage
from trunkline.reconcile.desired import ImageSource
from trunkline.reconcile.interfaces import HostRefused
from trunkline.reconcile.observed import GuestFiles
from trunkline.reconcile.steps import MakeDisk, WriteConfigDrive

pytestmark = pytest.mark.system

READY = GuestFiles(disk=1)
MIB = 1 << 20


def qemu_img(*words: object) -> str:
    done = subprocess.run(
        ["qemu-img", *map(str, words)], check=True, capture_output=True, text=True
    )
    return done.stdout


def info(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(qemu_img("info", "--output=json", "-U", path))
    return read


class Service:
    """What has the images; hands out what it is told to, and counts."""

    def __init__(self) -> None:
        self.images: dict[ImageId, bytes] = {}
        self.sent: list[ImageId] = []
        self.held = threading.Event()
        self.held.set()

    def add(self, data: bytes, *, disk_format: str = "raw") -> ImageSource:
        image_id = ImageId(f"image-{len(self.images)}")
        self.images[image_id] = data
        return ImageSource(
            id=image_id, sha512=hashlib.sha512(data).hexdigest(), size_bytes=len(data),
            disk_format=disk_format,
        )  # fmt: skip

    def fetch(self, image: ImageSource, write: Callable[[bytes], None]) -> None:
        self.sent.append(image.id)
        assert self.held.wait(30)
        data = self.images[image.id]
        for at in range(0, len(data), 1000):
            write(data[at : at + 1000])


class Host:
    """A host's storage, and the service that it fetches from."""

    def __init__(self, directory: Path, *, cache_bytes: int = 64 * MIB) -> None:
        self.directory = directory
        self.cache_bytes = cache_bytes
        self.service = Service()
        self.woken = threading.Event()
        self.storage = self.restart()

    @property
    def disks(self) -> Path:
        return self.directory / "disks"

    @property
    def consoles(self) -> Path:
        return self.directory / "consoles"

    @property
    def images(self) -> Path:
        return self.directory / "images"

    def restart(self) -> LibvirtStorage:
        cache = ImageCache(self.images, bytes_max=self.cache_bytes, fetch=self.service.fetch)
        self.storage = LibvirtStorage(
            self.disks, cache, consoles=self.consoles, on_news=self.woken.set
        )
        return self.storage

    def make(self, server_id: ServerId, image: ImageSource | None, disk_gib: int = 1) -> Path:
        """Make a disk as an agent does: begin, be told, look."""
        step = MakeDisk(server_id=server_id, image=image, disk_gib=disk_gib)
        self.woken.clear()
        self.storage.make_disk(step)
        assert self.woken.wait(30)
        assert self.storage.take().domains
        if server_id not in self.storage.files():
            self.storage.make_disk(step)
            raise AssertionError("neither made nor refused")
        assert self.storage.files()[server_id] == READY
        return self.disks / f"{server_id}.qcow2"

    def write(self, step: WriteConfigDrive) -> None:
        """Write a config drive likewise."""
        self.woken.clear()
        self.storage.write_config_drive(step)
        assert self.woken.wait(30)
        if self.storage.files()[step.server_id].config_drive != step.name:
            self.storage.write_config_drive(step)
            raise AssertionError("neither written nor refused")

    def cached(self) -> set[str]:
        return {path.name for path in self.images.iterdir()}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def a_qcow2(directory: Path, size: str = "8M", *options: str, content: bytes = b"") -> bytes:
    raw, made = directory / "made.raw", directory / "made.qcow2"
    raw.write_bytes(content)
    qemu_img("resize", "-q", "-f", "raw", raw, size)
    qemu_img("convert", "-q", "-f", "raw", "-O", "qcow2", *options, raw, made)
    return made.read_bytes()


def content(path: Path, count: int) -> bytes:
    """The first bytes that a guest reads from a disk."""
    out = path.with_suffix(".out")
    qemu_img("convert", "-f", "qcow2", "-O", "raw", path, out)
    with out.open("rb") as file:
        read = file.read(count)
    out.unlink()
    return read


@pytest.mark.parametrize("disk_format", ["raw", "qcow2"])
def test_a_disk_starts_as_its_image_and_has_the_flavors_size(
    host: Host, tmp_path: Path, disk_format: str
) -> None:
    words = b"what the image holds " * 1000
    data = words if disk_format == "raw" else a_qcow2(tmp_path, content=words)
    image = host.service.add(data, disk_format=disk_format)
    disk = host.make(A, image, disk_gib=3)
    said = info(disk)
    assert (said["format"], said["virtual-size"]) == ("qcow2", 3 << 30)
    assert said["backing-filename-format"] == disk_format, "said, so that it is never probed"
    assert content(disk, len(words)) == words
    assert host.images.joinpath(image.sha512).read_bytes() == data


def test_a_server_without_an_image_gets_a_blank_disk(host: Host) -> None:
    said = info(host.make(A, None, disk_gib=2))
    assert said["virtual-size"] == 2 << 30
    assert "backing-filename" not in said


def test_an_image_is_fetched_once_however_many_disks_it_is_for(host: Host) -> None:
    image = host.service.add(b"x" * 4096)
    host.make(A, image)
    host.restart()
    host.make(B, replace(image, id=ImageId("the same bytes, by another name")))
    assert len(host.service.sent) == 1


def test_the_agent_does_not_wait_and_is_told(host: Host) -> None:
    image = host.service.add(b"x")
    host.service.held.clear()
    step = MakeDisk(server_id=A, image=image, disk_gib=1)
    host.storage.make_disk(step)
    host.storage.make_disk(step)  # A second time is no second fetch.
    wait_until(lambda: host.service.sent, "the fetch begins")
    state = host.storage.files()[A]
    assert state.disk is None
    assert "image-0 is being fetched" in state.doing
    assert host.storage.take().is_empty
    assert not host.woken.is_set()
    host.service.held.set()
    assert host.woken.wait(30)
    assert host.storage.files()[A] == READY
    assert host.service.sent == [image.id]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sha512": "0" * 128}, "SHA-512"),
        ({"size_bytes": 99}, "more came than its 99 bytes"),
        ({"size_bytes": 101}, "100 of 101 bytes"),
    ],
)
def test_bytes_that_are_not_the_images_are_not_kept(
    host: Host, change: dict[str, Any], said: str
) -> None:
    image = replace(host.service.add(b"x" * 100), **change)
    with pytest.raises(HostRefused, match=said) as refused:
        host.make(A, image)
    assert refused.value.transient, "they may come whole the next time"
    assert host.cached() == set()
    assert list(host.disks.iterdir()) == []


def test_a_failure_is_told_once_and_then_it_is_tried_anew(host: Host) -> None:
    good = host.service.add(b"x" * 100)
    host.service.images[good.id] = b"y" * 100
    with pytest.raises(HostRefused):
        host.make(A, good)
    host.service.images[good.id] = b"x" * 100
    host.make(A, good)


def test_a_format_that_is_not_served_is_refused_before_anything_is_fetched(host: Host) -> None:
    image = host.service.add(b"x", disk_format="vmdk")
    with pytest.raises(HostRefused, match="'vmdk'; qcow2 and raw are served") as refused:
        host.make(A, image)
    assert not refused.value.transient
    assert host.service.sent == []


def test_a_qcow2_that_stands_on_a_file_of_the_host_is_refused_and_not_kept(
    host: Host, tmp_path: Path
) -> None:
    secret, image_file = tmp_path / "secret", tmp_path / "bad.qcow2"
    secret.write_bytes(b"secret" * 1000)
    qemu_img("create", "-q", "-f", "qcow2", "-b", secret, "-F", "raw", image_file, "1M")
    image = host.service.add(image_file.read_bytes(), disk_format="qcow2")
    with pytest.raises(HostRefused, match="stands on another file") as refused:
        host.make(A, image)
    assert not refused.value.transient
    assert host.cached() == set()


def test_a_qcow2_with_its_data_in_another_file_is_refused(host: Host, tmp_path: Path) -> None:
    image_file = tmp_path / "bad.qcow2"
    option = f"data_file={tmp_path}/data.raw,data_file_raw=on"
    qemu_img("create", "-q", "-f", "qcow2", "-o", option, image_file, "1M")
    image = host.service.add(image_file.read_bytes(), disk_format="qcow2")
    with pytest.raises(HostRefused, match="data in another file"):
        host.make(A, image)


def test_a_raw_image_that_looks_like_a_qcow2_is_bytes_to_the_guest_and_no_more(
    host: Host, tmp_path: Path
) -> None:
    secret, image_file = tmp_path / "secret", tmp_path / "bad.qcow2"
    secret.write_bytes(b"secret" * 1000)
    qemu_img("create", "-q", "-f", "qcow2", "-b", secret, "-F", "raw", image_file, "1M")
    data = image_file.read_bytes()
    disk = host.make(A, host.service.add(data, disk_format="raw"))
    assert content(disk, len(data)) == data


def test_an_image_that_is_not_of_the_format_it_is_said_to_be_is_refused(host: Host) -> None:
    image = host.service.add(b"no qcow2" * 1000, disk_format="qcow2")
    with pytest.raises(HostRefused, match="no qcow2"):
        host.make(A, image)


def test_an_image_that_claims_more_than_the_disk_has_is_refused(host: Host, tmp_path: Path) -> None:
    image = host.service.add(a_qcow2(tmp_path, "2G"), disk_format="qcow2")
    with pytest.raises(HostRefused, match="2147483648 bytes"):
        host.make(A, image, disk_gib=1)
    host.make(B, image, disk_gib=2)


def test_the_image_unused_for_longest_goes_when_there_is_no_room(tmp_path: Path) -> None:
    host = Host(tmp_path, cache_bytes=3000)
    images = [host.service.add(bytes([number]) * 1000) for number in range(4)]
    for image in images[:3]:
        host.make(A, image)
        host.storage.delete(A)
    host.make(A, images[0])  # Now used last, and in use.
    host.storage.delete(A)
    host.make(A, images[3])
    assert host.cached() == {images[at].sha512 for at in (0, 2, 3)}


def test_an_image_that_goes_leaves_the_disks_that_were_made_from_it(tmp_path: Path) -> None:
    host = Host(tmp_path, cache_bytes=1500)
    first, second = (host.service.add(bytes([number]) * 1000) for number in range(1, 3))
    disk = host.make(A, first)
    host.make(B, second)
    assert host.cached() == {second.sha512}
    assert content(disk, 1000) == bytes([1]) * 1000


def test_an_image_larger_than_the_cache_is_refused(tmp_path: Path) -> None:
    host = Host(tmp_path, cache_bytes=500)
    with pytest.raises(HostRefused, match="raise the limit"):
        host.make(A, host.service.add(b"x" * 1000))


def test_who_is_given_the_files_of_a_disk_is_not_given_the_image(host: Host) -> None:
    """libvirt gives all files of a disk to QEMU's user, and most of them never back."""
    image = host.service.add(b"x" * 1000)
    host.make(A, image)
    for path in host.disks.iterdir():
        path.chmod(0)
    (cached,) = host.images.iterdir()
    assert cached.stat().st_mode & 0o777 == 0o644
    assert cached.stat().st_nlink == 1
    host.make(B, image)


def test_of_a_disk_that_can_not_be_made_nothing_is_left(host: Host) -> None:
    image = host.service.add(b"x" * 1000)
    with pytest.raises(HostRefused):
        host.make(A, image, disk_gib=10**10)  # More than QEMU can count.
    assert list(host.disks.iterdir()) == []


def test_a_disk_keeps_its_image_though_the_cache_be_emptied_by_hand(host: Host) -> None:
    disk = host.make(A, host.service.add(b"x" * 1000))
    for path in host.images.iterdir():
        path.unlink()
    assert content(disk, 1000) == b"x" * 1000


def test_what_a_killed_agent_left_half_made_is_deleted_and_whole_disks_are_found(
    host: Host,
) -> None:
    image = host.service.add(b"x" * 1000)
    host.make(A, image)
    (host.disks / f"{B}.new").touch()
    (host.disks / f"{B}.img").touch()
    (host.images / "half.part").touch()
    storage = host.restart()
    assert storage.files() == {A: READY}
    assert {path.name for path in host.disks.iterdir()} == {f"{A}.qcow2", f"{A}.img"}
    assert host.cached() == {image.sha512}


def rebuild(host: Host, image: ImageSource | None, number: int) -> Path:
    """Make the next disk of A, as a rebuild does."""
    host.woken.clear()
    host.storage.make_disk(MakeDisk(server_id=A, image=image, disk_gib=1, number=number))
    assert host.woken.wait(30)
    return host.disks / f"{A}.{number}.qcow2"


def names(host: Host) -> set[str]:
    return {path.name for path in host.disks.iterdir()}


def test_a_new_disk_takes_the_place_of_the_old_one_with_its_own_image(host: Host) -> None:
    old, new = host.service.add(b"o" * 1000), host.service.add(b"n" * 1000)
    host.make(A, old)
    host.make(B, old)
    disk = rebuild(host, new, 2)
    assert content(disk, 1000) == b"n" * 1000
    assert host.storage.files()[A] == GuestFiles(disk=2)
    assert names(host) == {f"{A}.2.qcow2", f"{A}.2.img", f"{B}.qcow2", f"{B}.img"}
    rebuild(host, None, 10)
    assert host.storage.files()[A] == GuestFiles(disk=10)
    assert names(host) == {f"{A}.10.qcow2", f"{B}.qcow2", f"{B}.img"}


def test_a_disk_is_kept_until_the_next_one_is_whole(host: Host) -> None:
    image, gone = host.service.add(b"x" * 1000), host.service.add(b"y" * 1000)
    host.make(A, image)
    rebuild(host, replace(gone, sha512="0" * 128), 2)
    assert host.storage.files()[A] == READY
    assert names(host) == {f"{A}.qcow2", f"{A}.img"}
    with pytest.raises(HostRefused, match="SHA-512"):
        host.storage.make_disk(MakeDisk(server_id=A, image=gone, disk_gib=1, number=2))


def test_older_disks_that_a_killed_agent_left_are_deleted(host: Host) -> None:
    host.make(A, None)
    for name in (f"{A}.2.qcow2", f"{A}.2.img", f"{A}.3.qcow2", f"{A}.4.img"):
        (host.disks / name).touch()
    assert host.restart().files() == {A: GuestFiles(disk=3)}
    assert names(host) == {f"{A}.3.qcow2"}


def test_delete_takes_all_files_of_one_server(host: Host) -> None:
    image = host.service.add(b"x" * 1000)
    host.make(A, image)
    host.make(B, image)
    host.storage.delete(A)
    host.storage.delete(A)
    assert host.storage.files() == {B: READY}
    assert {path.stem for path in host.disks.iterdir()} == {B}


def test_what_a_guest_opens_has_a_name_that_libvirt_may_read_under_apparmor(host: Host) -> None:
    host.make(A, host.service.add(b"x" * 1000))
    host.write(a_drive("one"))
    names = {path.suffix for path in host.disks.iterdir()}
    # Debian 12, /etc/apparmor.d/usr.lib.libvirt.virt-aa-helper: libvirt looks below the topmost.
    assert names == {".qcow2", ".img", ".iso"}


def test_nobody_but_qemu_and_the_agent_can_list_disks(host: Host) -> None:
    assert host.disks.stat().st_mode & 0o777 == 0o711
    assert host.images.stat().st_mode & 0o777 == 0o711
    assert host.make(A, None).stat().st_mode & 0o777 == 0o600


def test_a_config_drive_waits_for_no_image(host: Host) -> None:
    host.service.held.clear()
    image = host.service.add(b"x")
    host.storage.make_disk(MakeDisk(server_id=B, image=image, disk_gib=1))
    host.write(a_drive("one"))
    assert host.storage.take().domains
    files = host.storage.files()
    assert "is being fetched" in files[B].doing
    assert files[A] == GuestFiles(config_drive=f"{A}.one.iso")
    host.service.held.set()
    wait_until(lambda: host.storage.files()[B] == READY, "the disk is made")


def a_drive(name: str, words: bytes = b"words") -> WriteConfigDrive:
    files = {"openstack/latest/meta_data.json": b"{}", "openstack/latest/user_data": words}
    return WriteConfigDrive(server_id=A, name=f"{A}.{name}.iso", files=files)


def test_a_config_drive_holds_its_files_under_the_label_that_guests_look_for(
    host: Host, tmp_path: Path
) -> None:
    host.write(a_drive("one", bytes(range(256))))
    image, out = host.disks / f"{A}.one.iso", tmp_path / "out"
    done = subprocess.run(
        ["xorriso", "-osirrox", "on", "-indev", f"stdio:{image}", "-extract", "/", out],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "config-2" in done.stdout + done.stderr
    assert (out / "openstack/latest/user_data").read_bytes() == bytes(range(256))
    assert (out / "openstack/latest/meta_data.json").read_bytes() == b"{}"
    assert image.stat().st_mode & 0o777 == 0o600


def test_a_new_config_drive_takes_the_place_of_the_old_one_and_of_no_disk(host: Host) -> None:
    host.make(A, None)
    for name in ("one", "two", "two"):
        host.write(a_drive(name))
    assert {path.name for path in host.disks.iterdir()} == {f"{A}.qcow2", f"{A}.two.iso"}
    assert host.storage.files() == {A: replace(READY, config_drive=f"{A}.two.iso")}
    host.storage.delete(A)
    assert list(host.disks.iterdir()) == []
