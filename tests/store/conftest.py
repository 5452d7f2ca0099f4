"""One contract, two databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.databases import a_sqlite_database
from tests.support.world import a_world
from trunkline.control.services import Services
from trunkline.store.engine import Store
from trunkline.store.schema import open_store


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Each call names a database that is empty."""
    if request.param == "postgresql":
        new_database: Callable[[], str] = request.getfixturevalue("new_empty_postgres_database")
        return new_database
    numbers = iter(range(1_000_000))
    return lambda: f"sqlite:///{tmp_path / f'{next(numbers)}.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with the schema, and no rows."""
    if request.param == "postgresql":
        new_database: Callable[[], str] = request.getfixturevalue("new_postgres_database")
        return new_database()
    return a_sqlite_database(tmp_path / "trunkline.db")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A store on a fresh database."""
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.fixture
def svc(url: str, tmp_path: Path) -> Iterator[Services]:
    """A control plane on a fresh database."""
    with a_world(tmp_path, url=url) as opened:
        yield opened


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """A store for many examples, each of which leaves its rows or undoes them."""
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'trunkline.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_cluster").new_database()
    opened = open_store(url)
    yield opened
    opened.close()
