"""What stories are told with: a whole control plane behind its HTTP application."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.http_app import Site, a_site


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """The whole service on either database: what a client sees must not depend on it."""
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_cluster").new_database()
    with a_site(tmp_path, url=url) as opened:
        yield opened
