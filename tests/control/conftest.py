"""What tests of the use cases start from."""

from __future__ import annotations

from collections.abc import Iterator
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


@pytest.fixture(params=["sqlite", "postgresql"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_cluster").new_database()
    with a_world(tmp_path, url=url) as svc:
        a_flavor(svc)
        agents = {
            f"h{n}": AgentByHand(
                svc, f"h{n}", a_card(5, "phy1", serial=n) + a_card(0x82, "phy2", serial=n)
            )
            for n in (1, 2)
        }
        yield Scene(svc, a_network(svc, "blue", (PHY1, 100)), a_network(svc, "red", (PHY2, 200)),
                    agents)  # fmt: skip
