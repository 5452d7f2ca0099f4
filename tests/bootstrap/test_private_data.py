"""What a first start leaves on the disk is its owner's alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from trunkline.bootstrap.directory import DATABASE, DataDirectory
from trunkline.store.schema import open_store


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_data_directory_and_its_database_are_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "above" / "data"
    directory = DataDirectory(path)
    store = open_store(directory.database_url)
    try:
        assert (mode(path), mode(path / DATABASE)) == (0o700, 0o600)
        assert {mode(file) for file in path.glob(f"{DATABASE}*")} == {0o600}
    finally:
        store.close()
        directory.close()


def test_a_directory_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.mkdir(mode=0o750)
    DataDirectory(path).close()
    assert mode(path) == 0o750
