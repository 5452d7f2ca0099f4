"""Files that outlast a loss of power under the name that they are given."""

from __future__ import annotations

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Make the content of a file durable; of a directory, the names in it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_in_place(scratch: Path, path: Path) -> None:
    """Give a file that is whole its name, both durable. Other programs may have written it."""
    sync(scratch)
    scratch.replace(path)
    sync(path.parent)


def write_private(path: Path, text: str) -> None:
    """Write a file, whole or not at all, that only its owner can read."""
    scratch = path.with_name(path.name + ".new")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    put_in_place(scratch, path)
