"""Ports that have names are told by them, wherever NICs are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.support.two_networks import TwoNetworks
from trunkline.domain.port import Port, VnicType


def explain(world: TwoNetworks, ports: Sequence[Port], **more: object) -> Any:
    body = {"nics": [{"port": port.id} for port in ports], **more}
    reply = world.ask("/explain", method="POST", body=body)
    assert reply.status == 200, reply
    return reply.json()


def test_a_port_with_a_name_is_told_by_it_and_its_id(world: TwoNetworks) -> None:
    views = [
        world.port(world.red, name, VnicType.DIRECT_PHYSICAL) for name in ("inside", "outside", "")
    ]
    ports = [view.port for view in views]
    inside, outside, nameless = (
        f"inside ({ports[0].id})", f"outside ({ports[1].id})", ports[2].id
    )  # fmt: skip
    (given,) = explain(world, ports[:1])["nics"]
    assert (given["nic"], given["said"]) == (ports[0].id, inside)
    answer = explain(world, ports)
    for host in (answer["hosts"][0], answer["hosts"][1]):
        assert [nic["nic"] for nic in host["nics"]] == [port.id for port in ports]
        assert [nic["said"] for nic in host["nics"]] == [inside, outside, nameless]
    assert answer["smallest_change"].endswith(f"(for {outside} and {nameless})")
    server = world.server("web", *views).server
    assert server.fault is not None
    assert "inside" not in server.fault.message
    assert f"; {outside}: too_few_together (" in server.fault.details
    assert server.fault.details.startswith(f"Smallest change: {answer['smallest_change']}\n")


def test_a_rule_in_the_way_is_told_with_the_names_of_its_ports(world: TwoNetworks) -> None:
    ports = [world.port(world.red, n, VnicType.DIRECT).port for n in ("inside", "outside")]
    told = explain(world, ports, hints={"trunkline:nic_anti_affinity": ["pf"]})
    assert told["smallest_change"] == (
        f"do without the rule: inside ({ports[0].id}) and outside ({ports[1].id})"
        " each on a PF of its own"
    )
