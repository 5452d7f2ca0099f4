"""Small random fleets whose devices say where they are, and requests with rules about that."""

from __future__ import annotations

from random import Random

from tests.oracle.placement_instances import NETWORKS, random_host
from tests.oracle.placement_oracle import RawDevice, RawHost, RawNic, RawNode, RawRequest, RawRule

SCOPES = ("pf", "card", "switch", "numa")
POLICIES = ("required", "legacy", "socket", "preferred")


def placed_instance(dice: Random) -> tuple[RawRequest, list[RawHost]]:
    hosts = [placed_host(dice, number) for number in range(dice.choice((1, 1, 2, 3)))]
    return ruled_request(dice), hosts


def placed_host(dice: Random, number: int) -> RawHost:
    host = random_host(dice, number)
    host["devices"] = [
        device
        for port in range(dice.choice((1, 2, 2, 3, 3, 4)))
        for device in _family(dice, f"h{number}-card{port // 2}.{port % 2}")
    ]
    dice.shuffle(host["devices"])
    host["nodes"] = [_node(dice, number) for number in range(dice.choice((0, 2, 2, 3)))]
    return host


def _node(dice: Random, number: int) -> RawNode:
    return {
        "number": number,
        "socket": None if dice.random() < 0.2 else number // 2,
        "vcpus": dice.choice((0, 1, 3, 4, 4)),
        "memory": dice.choice((511, 512, 2048, 2048)),
    }


def _family(dice: Random, pf: str) -> list[RawDevice]:
    """A PF with VFs. Mostly all say one node and one switch; some say nothing, some contradict."""
    network = dice.choice(NETWORKS)
    node, switch = dice.choice(("0", "1", "1", "2")), dice.choice(("a", "b", "b"))
    silent, contradicting = dice.random() < 0.15, dice.random() < 0.1

    def said() -> dict[str, str]:
        found = {"e.physical_network": network}
        if silent and dice.random() < 0.8:
            return found
        if dice.random() < 0.9:
            found["numa_node"] = dice.choice(("0", "1")) if contradicting else node
        if dice.random() < 0.9:
            found["e.switch"] = dice.choice(("a", "b")) if contradicting else switch
        return found

    devices: list[RawDevice] = []
    if dice.random() < 0.8:
        devices.append(_device(pf, "pf", None, None, said(), dice))
    vfs = range(dice.choice((0, 1, 2, 3)))
    return devices + [_device(f"{pf}-vf{n}", "vf", pf, n, said(), dice) for n in vfs]


def _device(
    name: str, kind: str, pf: str | None, vf_index: int | None, said: dict[str, str], dice: Random
) -> RawDevice:
    return {
        "id": name,
        "kind": kind,
        "pf": pf,
        "vf_index": vf_index,
        "attributes": said,
        "free": dice.random() < 0.9,
    }


def ruled_request(dice: Random) -> RawRequest:
    count = dice.choice((1, 2, 2, 3, 3, 4))
    nics = [_nic(dice, f"nic {n}") for n in range(count)]
    return {
        "nics": nics,
        "vcpus": dice.choice((1, 1, 4)),
        "memory": dice.choice((512, 512, 2048)),
        "disk": 1,
        "excluded": [],
        "only": None,
        "rules": [_rule(dice, nics) for _ in range(dice.choice((0, 1, 1, 2, 3)))],
    }


def _nic(dice: Random, name: str) -> RawNic:
    networks = dice.sample(NETWORKS, dice.choice((1, 2, 2)))
    return {
        "name": name,
        "kind": dice.choice(("vf",) * 12 + ("pf", "pf", None)),
        "options": [
            {
                "segment": f"segment-{network}",
                "attributes": {"e.physical_network": network},
                "bridge": network,
            }
            for network in networks
        ],
        "attributes": {},
        "numa": dice.choice(POLICIES) if dice.random() < 0.4 else None,
    }


def _rule(dice: Random, nics: list[RawNic]) -> RawRule:
    names = [nic["name"] for nic in nics]
    return {
        "scope": dice.choice(SCOPES),
        "apart": dice.random() < 0.5,
        "hard": dice.random() < 0.85,
        "nics": dice.sample(names, dice.randint(min(2, len(names)), len(names))),
    }
