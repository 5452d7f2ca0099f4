"""Where simulated worlds keep their files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.memory import directory_in_memory


@pytest.fixture(scope="module")
def sim_directory() -> Iterator[Path]:
    """A folder in memory where there is such a thing: a run syncs its files a thousand times."""
    with tempfile.TemporaryDirectory(
        dir=directory_in_memory(), prefix="trunkline-sim-"
    ) as directory:
        yield Path(directory)
