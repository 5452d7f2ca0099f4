"""Files that outlast a loss of power under the name that they are given."""

from __future__ import annotations

import os
from pathlib import Path


def put_in_place(scratch: Path, path: Path) -> None:
    """Give a file that is whole its name, both synced. Other programs may have written it."""
    descriptor = os.open(scratch, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    scratch.rename(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Sync the names in a directory."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
