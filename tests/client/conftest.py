"""The service as clients see it: over TCP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.http_app import served
from tests.support.two_networks import TwoNetworks, two_networks


@pytest.fixture
def world(tmp_path: Path) -> Iterator[TwoNetworks]:
    with two_networks(tmp_path) as opened:
        yield opened


@pytest.fixture
def url(world: TwoNetworks) -> Iterator[str]:
    with served(world.site.app) as address:
        yield address
