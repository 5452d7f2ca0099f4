"""`POST /trunkline/v1/defrag`: what it takes, and what it answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.http_app import Reply
from tests.support.two_networks import TwoNetworks, two_networks
from trunkline.domain.port import VnicType

PF = {"pf": "h1/0000:05:00.0"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[TwoNetworks]:
    """On h1, on blue: `mail` and `web`."""
    with two_networks(tmp_path) as opened:
        opened.server("both", opened.port(opened.red, "both-red", VnicType.DIRECT))
        for name in ("mail", "web"):
            opened.server(name, opened.port(opened.blue, f"{name}-blue", VnicType.DIRECT))
        yield opened


def ask(world: TwoNetworks, body: object, *, tenant: bool = False) -> Reply:
    return world.ask("/defrag", method="POST", body=body, tenant=tenant)


def test_an_answer_names_servers_hosts_and_addresses(world: TwoNetworks) -> None:
    answer = ask(world, {"whole": True, "pf": "h1/0000:06:00.0"}).json()
    assert not answer["is_found"]
    assert [one["server_name"] for one in answer["stuck"]] == ["both"]
    assert answer["stuck"][0]["counts"] == {"not_cabled": 1}
    on_h2 = ask(world, {"whole": True, "pf": "h2/0000:05:00.0"}).json()
    assert on_h2["is_found"]
    assert (on_h2["is_optimal"], on_h2["at_least"]) == (True, len(on_h2["moves"]))
    for move in on_h2["moves"]:
        assert (move["from_host"], move["to_host"]) == ("h2", "h1")
        assert all(device["after"].startswith("0000:05:02.") for device in move["devices"])


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({**PF}, 400, "free"),
        ({**PF, "free": 0}, 400, "free"),
        ({**PF, "free": "many"}, 400, "free"),
        ({**PF, "free": 1, "whole": True}, 400, "one of the two"),
        ({**PF, "free": None, "whole": False}, 400, "one of the two"),
        ({**PF, "whole": "perhaps"}, 400, "whole"),
        ({"free": 1}, 400, "one place"),
        ({"free": 1, "numa": "h1/0", **PF}, 400, "one place"),
        ({"free": 1, "pf": "h1"}, 400, "HOST/ADDRESS"),
        ({"free": 1, "pf": "h1/05:00.0"}, 400, "whole PCI address"),
        ({"free": 1, "pf": "/0000:05:00.0"}, 400, "HOST/ADDRESS"),
        ({"free": 1, "numa": "h1/one"}, 400, "a number"),
        ({"free": 1, "numa": "h1/²"}, 400, "a number"),
        ({"free": 1, "switch": ""}, 400, "switch"),
        ({"free": 1, **PF, "budget": -1}, 400, "budget"),
        ({"free": 1, **PF, "budget": 10**9}, 400, "budget"),
        ({"free": 1, **PF, "attributes": ["e.a"]}, 400, "attributes"),
        ({"free": 1, **PF, "attributes": {"e.a": 1}}, 400, "attributes.e.a"),
        ({"free": 1, **PF, "attributes": {"trusted": "true"}}, 400, "did you mean e.trusted?"),
        ({"free": 1, **PF, "attributes": {"can.fly": "true"}}, 400, "there are can.link_state"),
        ({"free": 1, **PF, "attributes": {f"e.a{n}": "1" for n in range(33)}}, 400, "at most 32"),
        ({"free": 1, **PF, "host": "h1"}, 400, "host"),
        ([], 400, "body"),
        ({"free": 1, "pf": "h9/0000:05:00.0"}, 404, "h9"),
        ({"free": 1, "pf": "h1/0000:99:00.0"}, 404, "h1/0000:99:00.0"),
        ({"free": 1, "numa": "h1/7"}, 404, "h1/7"),
        ({"free": 1, "switch": "tor1"}, 404, "tor1"),
    ],
)
def test_what_is_not_understood_or_not_there_is_told(
    world: TwoNetworks, body: object, status: int, said: str
) -> None:
    reply = ask(world, body)
    assert reply.status == status
    assert said in reply.json()["error"]["message"]


def test_tenants_plan_no_moves(world: TwoNetworks) -> None:
    assert ask(world, {"free": 1, **PF}, tenant=True).status == 403
