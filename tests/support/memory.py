"""Where tests keep their files: in memory, where the machine has room for that.

Nothing that a test shows depends on a disk: what survives a power cut is asked of the storage shim,
not of the kernel. On a disk, a test waits for each of its syncs, and making a database of
PostgreSQL, three hundred files, takes four times as long.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_MEMORY = Path("/dev/shm")
_ROOM_BYTES_MIN = 2 << 30  # Three workers take a tenth of it at most; containers often have 64 MiB.


def directory_in_memory() -> Path | None:
    """Return a directory for files that need no disk; None: this machine has none that will do."""
    if not _MEMORY.is_dir() or not os.access(_MEMORY, os.W_OK | os.X_OK):
        return None
    return _MEMORY if shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES_MIN else None
