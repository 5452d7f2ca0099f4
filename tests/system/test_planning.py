"""An operator plans with the commands, beside a running `trunkline up` with tenants on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import OpenStack
from tests.support.processes import ask, trunkline
from tests.system.test_up import Session

pytestmark = pytest.mark.slow

SHAPE = ("--flavor", "small", "--nic", "network=blue,vnic-type=direct")


class Operator(Session):
    """A user at a terminal who asks with the `trunkline` command, too."""

    def ask(self, *args: str) -> Any:
        return json.loads(ask(self.directory, *args, "--json"))

    def boot_on_blue(self, name: str) -> None:
        self.demo("port", "create", "--network", "blue", "--vnic-type", "direct", name)
        assert self.boot(name, "--port", name)["status"] == "ACTIVE"

    def held(self) -> list[Any]:
        return [each for each in self.ask("device", "list") if each["owner"]]

    def room(self) -> int:
        """How many more servers fit, by a count that is exact."""
        answer = self.ask("capacity", *SHAPE)
        assert answer["least"] == answer["most"]
        return int(answer["least"])


@pytest.fixture
def operator(tmp_path: Path, openstack: OpenStack) -> Iterator[Operator]:
    with trunkline(tmp_path, "up", "--data", ".", "--port", "0"):
        operator = Operator(tmp_path, openstack)
        operator.prepare()
        yield operator


def test_what_an_operator_is_told_is_what_happens(operator: Operator, openstack: OpenStack) -> None:
    room = operator.room()
    for name in ("web", "db"):
        operator.boot_on_blue(name)
    assert operator.room() == room - 2

    first, second = operator.held()
    assert first["host"] == second["host"]  # The one with the most free devices takes both.
    host, pf = first["host"], first["pf_address"]
    drained = operator.ask("what-if", "--drain", host)
    assert (drained["leaving"], drained["placed"], drained["stuck"]) == (2, 2, [])
    assert {move["server"] for move in drained["moves"]} == {"web", "db"}

    free = [
        each for each in operator.ask("device", "list", "--host", host, "--state", "free")
        if each["pf_address"] == pf
    ]  # fmt: skip
    plan = operator.ask("defrag", "--free", str(len(free) + 1), "--pf", f"{host}/{pf}")
    assert (plan["is_found"], plan["is_optimal"], len(plan["moves"])) == (True, True, 1)
    assert [each["id"] for each in operator.held()] == [first["id"], second["id"]]  # A plan only.

    assert operator.ask("quota", "set", "demo", "--limit", "2")["held"] == 2
    operator.demo("port", "create", "--network", "blue", "--vnic-type", "direct", "third")
    refused = openstack(
        operator.directory, "server", "create", "--flavor", "small", "--image", "tiny",
        "--port", "third", "third", cloud="trunkline-demo",
    )  # fmt: skip
    assert refused.returncode != 0
    assert "quota exceeded for VFs: 1 asked for, 2 of 2 held" in refused.stderr
    ask(operator.directory, "quota", "unset", "demo")
    assert operator.boot("third", "--port", "third")["status"] == "ACTIVE"

    assert operator.room() == room - 3
    said = ask(operator.directory, "verify")
    assert said == "6 hosts verified: nothing is wrong.\n"
