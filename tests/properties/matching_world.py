"""Raw matching problems, as `solve` wants them."""

from __future__ import annotations

from collections.abc import Sequence

from tests.oracle.matching_instances import RawMatch
from trunkline.domain.nic_rules import NumaPolicy, Scope
from trunkline.placement.matching.problem import ClassRule, Place, Problem, Solution


def a_problem(raw: RawMatch) -> tuple[Problem, list[int]]:
    """The problem, with NICs that nothing tells apart in one class; and the class of each NIC."""
    classes: dict[object, int] = {}
    members: list[int] = []
    for n, nic in enumerate(raw["nics"]):
        about = tuple(r for r, rule in enumerate(raw["rules"]) if n in rule["nics"])
        key = (tuple(nic["costs"]), nic["numa"], nic["egress"], nic["ingress"], nic["packs"], about)
        members.append(classes.setdefault(key, len(classes)))
    first = [raw["nics"][members.index(c)] for c in range(len(classes))]
    problem = Problem(
        counts=tuple(members.count(c) for c in range(len(classes))),
        costs=tuple(tuple(nic["costs"]) for nic in first),
        free=tuple(slot["free"] for slot in raw["slots"]),
        family=tuple(slot["family"] for slot in raw["slots"]),
        whole=tuple(slot["whole"] for slot in raw["slots"]),
        numa=tuple(None if nic["numa"] is None else NumaPolicy(nic["numa"]) for nic in first),
        egress=tuple(nic["egress"] for nic in first),
        ingress=tuple(nic["ingress"] for nic in first),
        packs=tuple(nic["packs"] for nic in first),
        rules=tuple(
            ClassRule(
                scope=Scope(rule["scope"]),
                apart=rule["apart"],
                hard=rule["hard"],
                classes=tuple(sorted({members[n] for n in rule["nics"]})),
            )
            for rule in raw["rules"]
            if len(rule["nics"]) > 1
        ),
        places=tuple(
            Place(numa_node=f["numa"], socket=f["socket"], card=f["card"], switch=f["switch"])
            for f in raw["families"]
        ),
        egress_left=tuple(f["egress"] for f in raw["families"]),
        ingress_left=tuple(f["ingress"] for f in raw["families"]),
        numa_nodes=tuple(raw["nodes"]) or None,
    )
    return problem, members


def chosen_slots(solution: Solution, members: Sequence[int]) -> list[int]:
    """The slot of each NIC, if each takes the next one of its class."""
    slots = [
        [slot for slot, count in enumerate(row) for _ in range(count)] for row in solution.taken
    ]
    return [slots[c].pop(0) for c in members]
