"""The storage shim as fixtures; see recording.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from tests.support.durability import recording
from tests.support.durability.recording import Recording


class RunUnderShim(Protocol):
    """`recording.run_under_shim`."""

    def __call__(
        self,
        argv: Sequence[str | Path],
        directory: Path,
        *,
        disk_bytes: int | None = None,
        env: Mapping[str, str] | None = None,
        timeout_seconds: float = 60,
    ) -> Recording: ...


@pytest.fixture(scope="session")
def shim_library() -> Path:
    """The compiled storage shim."""
    return recording.ensure_shim_library()


@pytest.fixture(scope="session")
def run_under_shim(shim_library: Path) -> RunUnderShim:
    """Runs a program and records what it does to its files."""
    return recording.run_under_shim
