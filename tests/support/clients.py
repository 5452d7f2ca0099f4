"""The unmodified OpenStack clients, in an environment of their own, and tempest's schemas."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from tests.support.environments import ensure_environment
from tests.support.patience import HANGS_SECONDS
from tests.support.response_schemas import ResponseSchemas, load_response_schemas
from tests.support.warm_openstack import warm_openstack


class OpenStack(Protocol):
    """Runs one `openstack` command against the clouds of `cloud_dir`/clouds.yaml."""

    def __call__(
        self, cloud_dir: Path, *args: str, cloud: str = "trunkline", check: bool = False
    ) -> subprocess.CompletedProcess[str]: ...


def client_environment(cloud_dir: Path, cloud: str) -> dict[str, str]:
    """What a client process sees: the clouds file, and nothing of the caller's Python or clouds."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OS_", "PYTHON", "VIRTUAL_ENV"))
    }
    return kept | {
        "OS_CLIENT_CONFIG_FILE": str(cloud_dir / "clouds.yaml"),
        "OS_CLOUD": cloud,
        "HOME": str(cloud_dir),  # No settings, no token cache of whoever runs the tests.
        "COLUMNS": "400",
    }


@pytest.fixture(scope="session")
def openstack_bin() -> Path:
    """The clients' `bin` folder: `openstack`, and a `python` that imports openstacksdk."""
    return ensure_environment("clients")


@pytest.fixture(scope="session")
def openstack(openstack_bin: Path) -> Iterator[OpenStack]:
    """`openstack(cloud_dir, "server", "list")` runs the real command and returns what it said."""
    with openstack_commands(openstack_bin) as run:
        yield run


@contextmanager
def openstack_commands(openstack_bin: Path) -> Iterator[OpenStack]:
    """See `openstack`."""
    with warm_openstack(openstack_bin / "python") as warm:

        def run(
            cloud_dir: Path, *args: str, cloud: str = "trunkline", check: bool = False
        ) -> subprocess.CompletedProcess[str]:
            env = client_environment(cloud_dir, cloud)
            done = warm.run(*args, cwd=cloud_dir, env=env, timeout=HANGS_SECONDS)
            said = f"{done.stdout}{done.stderr}"
            assert not check or done.returncode == 0, f"openstack {' '.join(args)}:\n{said}"
            return done

        yield run


@pytest.fixture(scope="session")
def run_with_sdk(openstack_bin: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`run_with_sdk(cloud_dir, script, cloud=…)` runs a Python script that uses openstacksdk."""

    def run(
        cloud_dir: Path, script: str, *, cloud: str = "trunkline"
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(openstack_bin / "python"), "-c", script],
            cwd=cloud_dir,
            env=client_environment(cloud_dir, cloud),
            text=True,
            capture_output=True,
            timeout=HANGS_SECONDS,
        )

    return run


@pytest.fixture(scope="session")
def response_schemas() -> ResponseSchemas:
    """tempest's published response schemas of the compute API, per microversion."""
    return load_response_schemas()
