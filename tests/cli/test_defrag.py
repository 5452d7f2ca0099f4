"""`trunkline defrag` against the real application over TCP, and what it refuses to ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal, check_session
from tests.support.two_networks import TwoNetworks, two_networks
from trunkline.cli.exit_codes import ExitCode
from trunkline.domain.port import VnicType


@pytest.fixture
def world(tmp_path: Path) -> Iterator[TwoNetworks]:
    """On h1: `web` with a NIC on blue, `both` with one on each network."""
    with two_networks(tmp_path) as opened:
        opened.server(
            "both",
            opened.port(opened.blue, "both-blue", VnicType.DIRECT),
            opened.port(opened.red, "both-red", VnicType.DIRECT),
        )
        opened.server("mail", opened.port(opened.blue, "mail-blue", VnicType.DIRECT))
        opened.server("web", opened.port(opened.blue, "web-blue", VnicType.DIRECT))
        yield opened


SESSIONS = {
    "defrag": "defrag --free 1 --pf h1/0000:05:00.0",
    "defrag-free-already": "defrag --free 1 --pf h1/0000:06:00.0",
    "defrag-refused": "defrag --whole --pf h1/0000:05:00.0",
    "defrag-given-up": "defrag --free 1 --pf h1/0000:05:00.0 --budget 0",
    "defrag-nothing-there": "defrag --free 1 --pf h1/0000:05:00.0 --attribute e.trusted=true",
    "defrag-tenant": "defrag --free 1 --pf h1/0000:05:00.0 --os-cloud trunkline-demo",
}


@pytest.mark.parametrize("name", SESSIONS)
def test_a_session_reads_as_it_was_reviewed(terminal: Terminal, name: str) -> None:
    check_session(terminal, name, SESSIONS[name])


def test_json_is_the_answer_whole(terminal: Terminal) -> None:
    answer = terminal.json("defrag --free 1 --pf h1/0000:05:00.0")
    assert (answer["is_found"], answer["is_optimal"], answer["at_least"]) == (True, True, 1)
    [move] = answer["moves"]
    assert (move["from_host"], move["to_host"], len(move["devices"])) == ("h1", "h2", 1)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("defrag --pf h1/0000:05:00.0", "--free N or --whole"),
        ("defrag --free 1 --whole --pf h1/0000:05:00.0", "--free N or --whole"),
        ("defrag --free 1", "--pf, --numa or --switch"),
        ("defrag --free 1 --pf h1/0000:05:00.0 --numa h1/0", "--pf, --numa or --switch"),
        ("defrag --free 0 --switch tor1", "x>=1"),
        ("defrag --free 1 --switch tor1 --attribute trusted", "KEY=VALUE"),
    ],
)
def test_a_question_that_can_not_be_meant_is_not_asked(
    terminal: Terminal, line: str, said: str
) -> None:
    result = terminal.run(line)
    assert result.exit_code == ExitCode.USAGE
    assert said in result.output
