"""What stories are told with: a whole control plane behind its HTTP application."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.stories.desk import Desks
from tests.support.clients import OpenStack
from tests.support.http_app import Site, a_site


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """The whole service on either database: what a client sees must not depend on it."""
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("new_postgres_database")()
    with a_site(tmp_path, url=url) as opened:
        yield opened


@pytest.fixture(scope="module")
def desks(
    tmp_path_factory: pytest.TempPathFactory,
    openstack: OpenStack,
    run_with_sdk: Callable[..., subprocess.CompletedProcess[str]],
) -> Desks:
    """Desks with the real clients on them."""
    return Desks(tmp_path_factory.mktemp, openstack, run_with_sdk)
