"""One contract, two databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trunkline.store.engine import Store
from trunkline.store.schema import open_store


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Each call names a database that is empty."""
    if request.param == "postgresql":
        new_database: Callable[[], str] = request.getfixturevalue("new_postgres_database")
        return new_database
    numbers = iter(range(1_000_000))
    return lambda: f"sqlite:///{tmp_path / f'{next(numbers)}.db'}"


@pytest.fixture
def store(new_url: Callable[[], str]) -> Iterator[Store]:
    """A store on a fresh database; SQLite's with its writer thread."""
    opened = open_store(new_url())
    yield opened
    opened.close()
