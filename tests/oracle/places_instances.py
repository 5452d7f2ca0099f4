"""Small random fleets whose devices say where they are, and requests with rules about that."""

from __future__ import annotations

from random import Random

from tests.oracle.placement_instances import NETWORKS, random_host
from tests.oracle.placement_oracle import RawDevice, RawHost, RawNic, RawNode, RawRequest, RawRule

SCOPES = ("pf", "card", "switch", "numa")
AMOUNTS = (None, -5, 10, 20, 20, 35, 60, 100)  # Mbps that a PF has left.
POLICIES = ("required", "legacy", "socket", "preferred")


def placed_instance(dice: Random) -> tuple[RawRequest, list[RawHost]]:
    hosts = [placed_host(dice, number) for number in range(dice.choice((1, 1, 2, 3)))]
    return ruled_request(dice), hosts


def guaranteed_instance(dice: Random) -> tuple[RawRequest, list[RawHost]]:
    """One with PFs that account bandwidth, some of them, and NICs that ask for guarantees."""
    request, hosts = placed_instance(dice)
    give_bandwidth(dice, request, hosts)
    return request, hosts


def give_bandwidth(dice: Random, request: RawRequest, hosts: list[RawHost]) -> None:
    """Let hosts have bandwidth to guarantee, and NICs with devices ask for it."""
    for host in hosts:
        pfs = {device["pf"] or device["id"] for device in host["devices"]}
        host["bandwidth"] = {
            pf: {"egress": dice.choice(AMOUNTS), "ingress": dice.choice(AMOUNTS)}
            for pf in sorted(pfs)
            if dice.random() < 0.8
        }
    asked = dice.choice((("egress",), ("ingress",), ("egress", "ingress")))
    for nic in request["nics"]:
        if nic["kind"] is not None and dice.random() < 0.4:
            nic["egress"] = dice.choice((5, 10, 10, 15)) if "egress" in asked else 0
            nic["ingress"] = dice.choice((5, 10, 10, 20)) if "ingress" in asked else 0


def roomy_instance(dice: Random) -> tuple[RawRequest, list[RawHost]]:
    """One under rules that several servers fit, whose NICs compete for what there is."""
    request, hosts = placed_instance(dice)
    if dice.random() < 0.6:
        give_bandwidth(dice, request, hosts)
    if dice.random() < 0.4:
        request["rules"] = []
    request |= {"vcpus": 1, "memory": dice.choice((1, 512)), "disk": 0}
    for host in hosts:
        host |= {"enabled": True, "up": True, "vcpus": dice.choice((3, 64)), "memory": 65536}
        vfs = [device for device in host["devices"] if device["kind"] == "vf"]
        host["devices"] += [
            {**vf, "id": f"{vf['pf']}-vf{index}", "vf_index": index}
            for vf in vfs
            for index in [10 + (vf["vf_index"] or 0)]
        ]
        for device in host["devices"]:
            device["free"] = device["free"] or dice.random() < 0.5
        for node in host["nodes"]:
            node |= {"vcpus": dice.choice((0, 2, 4, 8)), "memory": dice.choice((512, 2048, 8192))}
    return request, hosts


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
