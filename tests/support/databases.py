"""Databases with this version's schema and no rows, copied from one that was made once.

Making one costs ten times what a copy does, and every test of the control plane has a database of
its own. How they are made, and that it is what the migrations make, is held by tests/store.
"""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path

from trunkline.store.schema import open_store


def a_sqlite_database(file: Path) -> str:
    """Put a new database at `file`, unless something is there, and return its URL."""
    if not file.exists():
        file.touch(mode=0o600)
        with file.open("wb") as copy:
            copy.write(_made_once())
            copy.flush()
            os.fsync(copy.fileno())  # It survives a power cut, as what migrations make does.
        directory = os.open(file.parent, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
    return f"sqlite:///{file}"


@cache
def _made_once() -> bytes:
    with tempfile.TemporaryDirectory(prefix="tl-schema-") as directory:
        file = Path(directory) / "trunkline.db"
        open_store(f"sqlite:///{file}").close()
        beside = [path.name for path in file.parent.iterdir() if path != file]
        assert not beside, f"what is in {beside} would be lacking in the copy"
        return file.read_bytes()
