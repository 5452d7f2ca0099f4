"""What the tests of trunkline/v1 start from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.two_networks import TwoNetworks, two_networks


@pytest.fixture
def world(tmp_path: Path) -> Iterator[TwoNetworks]:
    with two_networks(tmp_path) as opened:
        yield opened
