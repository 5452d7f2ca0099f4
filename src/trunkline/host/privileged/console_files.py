"""Reading what guests have said, from the files that libvirt writes.

They are root's: virtlogd writes them, who moves ID.log on to ID.log.0, .1 and .2 as it grows. The
directory is the agent's, which deletes them with their server; so nothing in it is taken for what
it passes itself off as. Source: libvirt src/util/virrotatingfile.c; virtlogd.conf.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

from trunkline.domain.console import CONSOLE_BYTES_MAX
from trunkline.domain.ids import ServerId

DIRECTORY: Final = Path("/var/lib/trunkline/guests/consoles")  # By compute.toml's defaults.
ROTATED_MAX: Final = 10  # virtlogd's `max_backups` is 3 unless an operator says more.


def console_file(directory: Path, server_id: ServerId) -> Path:
    """Return where libvirt is to write what a server's guests say."""
    return directory / f"{server_id}.log"


def read_console(directory: Path, server_id: ServerId) -> bytes:
    """Return the last `CONSOLE_BYTES_MAX` bytes, of which the oldest may be from rotated files.

    Raises:
        OSError: A file is there and can't be read, or is none that libvirt has made.
    """
    name = console_file(directory, server_id).name
    try:
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    try:
        said, seen = b"", set[int]()
        for each in (name, *(f"{name}.{number}" for number in range(ROTATED_MAX))):
            left = CONSOLE_BYTES_MAX - len(said)
            if left == 0:
                break
            said = _end_of(folder, each, left, seen) + said
        return said
    finally:
        os.close(folder)


def _end_of(folder: int, name: str, bytes_max: int, seen: set[int]) -> bytes:
    """Return the end of a file, unless it was read by its former name, or is not there."""
    try:
        # Not following links, nor waiting for whoever might write to a pipe of this name.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        return b""
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise OSError(errno.EPERM, f"{name} is no file that libvirt has made")
        if status.st_ino in seen:
            return b""
        seen.add(status.st_ino)
        os.lseek(file, max(0, status.st_size - bytes_max), os.SEEK_SET)
        pieces = []
        while bytes_max and (piece := os.read(file, bytes_max)):
            pieces.append(piece)
            bytes_max -= len(piece)
        return b"".join(pieces)
    finally:
        os.close(file)
