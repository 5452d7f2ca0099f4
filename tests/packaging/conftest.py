"""The wheel, and an environment with nothing but it and what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.support.environments import REPOSITORY


def run_outside(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command outside of the project, and fail with what it said."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL"))}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    run_outside(
        REPOSITORY / "tools/uv", "build", "--quiet", "--wheel", "--out-dir", target, REPOSITORY
    )
    (built,) = target.glob("trunkline-*.whl")
    return built


@pytest.fixture(scope="session")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that was empty, after `pip install` of the wheel."""
    home = tmp_path_factory.mktemp("environment")
    venv.EnvBuilder(with_pip=False).create(home)
    pip = (sys.executable, "-m", "pip", "--quiet", "--python", str(home / "bin/python"))
    run_outside(*pip, "install", wheel, cwd=home)
    return home
