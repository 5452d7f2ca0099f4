"""Running qemu-img: argument lists, no shell, an empty environment, limits on what it may use."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

from trunkline.host.libvirt.image_format import ImageInfo, UnfitImage, read_info
from trunkline.reconcile.interfaces import HostRefused

# A header can make qemu-img work without end. OpenStack's limits, which images in use have stood.
ADDRESS_SPACE_BYTES_MAX: Final = 1 << 30
CPU_SECONDS_MAX: Final = 30
SECONDS_MAX: Final = 120.0
_OUTPUT_BYTES_MAX: Final = 1 << 20
_ERROR_CHARS_MAX: Final = 500


def info(path: Path, *, image_format: str) -> ImageInfo:
    """Look at a file that nobody has to trust.

    Raises:
        UnfitImage: It can't be a disk, or must not.
        HostRefused: qemu-img is missing, or did not end.
    """
    # A raw image is whatever its bytes are; everything else has a header to be read.
    done = _run("info", "--output=json", "-f", image_format, _file(path))
    if done.returncode != 0:
        raise UnfitImage(f"qemu-img can't read it as {image_format}: {_said(done)}")
    if len(done.stdout) > _OUTPUT_BYTES_MAX:
        raise UnfitImage("qemu-img says too much of it")
    return read_info(done.stdout, expected_format=image_format)


def create(path: Path, size_bytes: int, *, backing: Path | None, backing_format: str) -> None:
    """Make a qcow2 disk; what is not written to it is read from `backing`.

    Raises:
        HostRefused: It could not be made.
    """
    words = ["create", "-q", "-f", "qcow2"]
    if backing is not None:
        words += ["-b", str(backing), "-F", backing_format]
    done = _run(*words, str(path), str(size_bytes))
    if done.returncode != 0:
        raise HostRefused(f"qemu-img create {path}", _said(done))


def _file(path: Path) -> str:
    """Name a file so that qemu-img takes it for nothing else (``nbd:…``, ``json:{…}``)."""
    return f"file:{path}"


def _run(*words: str) -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("qemu-img")
    limiter = shutil.which("prlimit")
    if program is None or limiter is None:
        missing, package = (
            ("qemu-img", "qemu-utils") if program is None else ("prlimit", "util-linux")
        )
        raise HostRefused(
            f"qemu-img {words[0]}", f"{missing} is not installed: `apt-get install {package}`"
        )
    limits = [f"--as={ADDRESS_SPACE_BYTES_MAX}", f"--cpu={CPU_SECONDS_MAX}"]
    try:
        return subprocess.run(  # noqa: S603 - a list of arguments, of which none is a program
            [limiter, *limits, "--", program, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"LC_ALL": "C"},
            timeout=SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise HostRefused(
            f"qemu-img {words[0]}", f"did not end within {SECONDS_MAX:g} s", transient=True
        ) from None


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    said = " ".join(done.stderr.decode(errors="replace").split())
    return said[:_ERROR_CHARS_MAX] or f"it ended with status {done.returncode}"
