"""What the tests of commands start from: the real application, over TCP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.cli.terminal import Terminal
from tests.support.http_app import served, write_clouds
from tests.support.two_networks import TwoNetworks, two_networks
from trunkline.domain.port import VnicType


@pytest.fixture
def world(tmp_path: Path) -> Iterator[TwoNetworks]:
    """Two servers: `web` with a NIC on each network, `whole` with the whole PF of h2."""
    with two_networks(tmp_path) as opened:
        opened.server(
            "web",
            opened.port(opened.blue, "web-blue", VnicType.DIRECT),
            opened.port(opened.red, "web-red", VnicType.MACVTAP),
        )
        opened.server("whole", opened.port(opened.blue, "", VnicType.DIRECT_PHYSICAL))
        yield opened


@pytest.fixture
def terminal(world: TwoNetworks, tmp_path: Path) -> Iterator[Terminal]:
    # The service in this process would log onto the stdout that a command's output is read from.
    with capture_logs(), served(world.site.app) as url:
        write_clouds(tmp_path, url, world.site.passwords)
        yield Terminal(tmp_path, url)
