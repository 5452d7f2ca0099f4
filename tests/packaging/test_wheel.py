"""The wheel: built, installed by pip into an empty environment, and run."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.packaging.conftest import run_outside
from tests.support.environments import REPOSITORY

PACKAGES_MAX = 40
INSTALLED_MB_MAX = 100

pytestmark = pytest.mark.slow


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        top = {name.split("/")[0] for name in archive.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == {"trunkline"}


def test_every_file_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("trunkline/")}
    tracked = subprocess.run(
        ["git", "ls-files", "src/trunkline"],
        cwd=REPOSITORY,
        text=True,
        capture_output=True,
        check=True,
    ).stdout.split()
    assert {name.removeprefix("src/") for name in tracked} <= packed


def test_few_packages_are_installed_at_run_time(environment: Path) -> None:
    script = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    names = run_outside(environment / "bin/python", "-I", "-c", script).split()
    assert "trunkline" in names
    assert len(names) <= PACKAGES_MAX, sorted(names)


def test_little_room_is_taken_at_run_time(environment: Path) -> None:
    files = [path for path in (environment / "lib").rglob("*") if path.is_file()]
    megabytes = sum(path.stat().st_size for path in files) / 1e6
    assert megabytes <= INSTALLED_MB_MAX


def test_the_installed_package_is_whole(environment: Path) -> None:
    run_outside(environment / "bin/python", "-I", "-m", "compileall", "-q", environment / "lib")
    script = "import trunkline; print(trunkline.__file__)"
    where = run_outside(environment / "bin/python", "-I", "-c", script).strip()
    assert Path(where).is_relative_to(environment)
