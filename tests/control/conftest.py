"""What tests of the use cases start from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.control.scene import Scene
from tests.support.world import (
    PHY1,
    PHY2,
    AgentByHand,
    a_card,
    a_flavor,
    a_network,
    a_world,
)
from trunkline.control.services import Services


@pytest.fixture(params=["sqlite", "postgresql"])
def svc(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Services]:
    """A control plane on either database: what holds on one must hold on the other."""
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("new_postgres_database")()
    with a_world(tmp_path, url=url) as opened:
        yield opened


@pytest.fixture(params=["threads on SQLite", "replicas on PostgreSQL"])
def replicas(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Services]]:
    """One control plane for all threads, or three over one database."""
    with ExitStack() as stack:
        if request.param == "threads on SQLite":
            yield [stack.enter_context(a_world(tmp_path))]
        else:
            url = request.getfixturevalue("new_postgres_database")()
            yield [stack.enter_context(a_world(tmp_path, url=url, seed=n)) for n in range(3)]


@pytest.fixture
def scene(svc: Services) -> Scene:
    a_flavor(svc)
    agents = {
        f"h{n}": AgentByHand(
            svc, f"h{n}", a_card(5, "phy1", serial=n) + a_card(0x82, "phy2", serial=n)
        )
        for n in (1, 2)
    }
    blue, red = a_network(svc, "blue", (PHY1, 100)), a_network(svc, "red", (PHY2, 200))
    return Scene(svc, blue, red, agents)
