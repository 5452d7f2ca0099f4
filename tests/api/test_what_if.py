"""What would be, over HTTP.

h1 has 2 VFs on phy1 (blue) and 2 on phy2 (red), h2 has 2 on phy1.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.http_app import Reply
from tests.support.two_networks import TwoNetworks
from trunkline.domain.port import VnicType

BLUE = {"network": "blue", "vnic_type": "direct"}


def ask(world: TwoNetworks, body: object, *, tenant: bool = False) -> Reply:
    return world.ask("/what-if", method="POST", body=body, tenant=tenant)


def answer(world: TwoNetworks, **body: object) -> Any:
    reply = ask(world, body)
    assert reply.status == 200, reply
    return reply.json()


def test_a_drain_tells_who_would_go_where_and_who_nowhere(world: TwoNetworks) -> None:
    red = world.server("on red", world.port(world.red, "r", VnicType.DIRECT))
    found = answer(world, drain=["h1"])
    assert (found["leaving"], found["placed"], found["at_most"]) == (1, 0, 0)
    [stuck] = found["stuck"]
    assert (stuck["server_id"], stuck["server"], stuck["from_host"]) == (
        red.server.id, "on red", "h1",
    )  # fmt: skip
    assert stuck["counts"] == {"not_cabled": 1}
    assert "phy2" in stuck["smallest_change"]


def test_an_added_host_takes_what_a_drained_one_has(world: TwoNetworks) -> None:
    world.server("on red", world.port(world.red, "r", VnicType.DIRECT))
    found = answer(world, drain=["h1"], add_hosts=1, like="h1")
    [move] = found["moves"]
    assert (move["from_host"], move["to_host"]) == ("h1", "new host 1 like h1")
    assert move["nics"][0]["device"].startswith("0000:06:")
    assert found["shape"] is None


def test_a_shape_is_told_with_its_numbers_before_and_after(world: TwoNetworks) -> None:
    shape = answer(world, lose_pf=["h2/0000:05:00.0"], nics=[BLUE])["shape"]
    assert (shape["fits"], shape["host"]) == (True, "h1")
    assert shape["before"] == {"least": 4, "most": 4}
    assert shape["after"] == {"least": 2, "most": 2}
    none = answer(world, drain=["h1", "h2"], nics=[BLUE])["shape"]
    assert (none["fits"], none["host"], none["after"]) == (False, None, {"least": 0, "most": 0})


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, "ask something"),
        ({"drain": "h1"}, 400, "drain: must be a list"),
        ({"drain": ["h9"]}, 404, "host h9 could not be found"),
        ({"lose_pf": ["h1"]}, 400, "lose_pf: 'h1' must be HOST/ADDRESS"),
        ({"lose_pf": ["h1/5"]}, 400, "lose_pf: 'h1/5'"),
        ({"lose_pf": ["h1/0000:77:00.0"]}, 404, "PF h1/0000:77:00.0 could not be found"),
        ({"add_hosts": -1, "like": "h1"}, 400, "add_hosts: must be between 0 and 1000"),
        ({"add_hosts": 1}, 400, "like: say which host"),
        ({"drain": ["h1"], "colour": 1}, 400, "colour: not known here"),
        ({"drain": ["h1"], "nics": [{"network": "grey"}]}, 404, "network grey"),
        ([], 400, "body: must be an object"),
    ],
)
def test_what_is_not_understood_is_named(
    world: TwoNetworks, body: object, status: int, said: str
) -> None:
    reply = ask(world, body)
    assert reply.status == status
    assert said in reply.json()["error"]["message"]


def test_tenants_are_refused(world: TwoNetworks) -> None:
    assert ask(world, {"drain": ["h1"]}, tenant=True).status == 403
