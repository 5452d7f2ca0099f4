"""Where simulated worlds keep their files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")


@pytest.fixture(scope="module")
def sim_directory() -> Iterator[Path]:
    """A folder in memory where there is such a thing: a run syncs its files a thousand times."""
    memory = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory, prefix="trunkline-sim-") as directory:
        yield Path(directory)
