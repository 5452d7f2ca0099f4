"""Random matching problems of one host, as raw data: NIC by NIC, tight, with all rules mixed.

Imports nothing of what is judged.
"""

from __future__ import annotations

from random import Random
from typing import TypedDict

SCOPES = ("pf", "card", "switch", "numa")
POLICIES = ("required", "preferred", "legacy", "socket")


class RawSlot(TypedDict):
    family: int
    free: int
    whole: bool


class RawFamily(TypedDict):
    numa: int | None
    socket: int | None
    card: int
    switch: int | None
    egress: int | None
    ingress: int | None


class RawWish(TypedDict):
    """What one NIC asks for."""

    costs: list[int | None]  # By slot.
    numa: str | None
    egress: int
    ingress: int
    packs: bool


class RawRule(TypedDict):
    scope: str
    apart: bool
    hard: bool
    nics: list[int]


class RawMatch(TypedDict):
    nics: list[RawWish]
    rules: list[RawRule]
    families: list[RawFamily]
    slots: list[RawSlot]
    nodes: list[int]  # NUMA nodes that the guest can be on; empty: the host reports none.


def small_match(dice: Random) -> RawMatch:
    """Small enough to try everything."""
    if dice.random() < 0.25:
        return alike_match(dice, nics=dice.choice((3, 3, 4, 4, 5)), families=(3, 4, 4))
    return random_match(dice, nics=dice.choice((1, 2, 2, 3, 3, 3, 4)), families=(1, 2, 2, 3, 3))


def large_match(dice: Random) -> RawMatch:
    """Up to eight NICs on up to eight families."""
    if dice.random() < 0.5:
        return alike_match(dice, nics=dice.randint(4, 8), families=(4, 4, 6, 8))
    return random_match(dice, nics=dice.randint(4, 8), families=(3, 4, 4, 5, 6))


def alike_match(dice: Random, *, nics: int, families: tuple[int, ...]) -> RawMatch:
    """PFs that differ in little but where they are, and several rules on that.

    Switches run across cards and nodes. What exchanges PFs that are alike is tried here.
    """
    count = dice.choice(families)
    rooms = dice.choice(((0,), (0,), (0, 3), (0, 1, 2, 3)))
    left = dice.choice(((None,), (10,), (10, 13), (15, 30)))
    few = dice.random() < 0.3
    wish = dice.choice(((0, 0), (0, 0), (3, 5), (4, 7)))
    return {
        "nics": [
            {"costs": [0] * count, "numa": None, "egress": mbps, "ingress": 0, "packs": False}
            for mbps in (dice.choice(wish) if left != (None,) else 0 for _ in range(nics))
        ],
        "rules": [_rule(dice, min(nics, 4)) for _ in range(dice.choice((1, 2, 2, 3, 3, 4)))],
        "families": [
            {
                "numa": f * 2 // count,
                "socket": 0,
                "card": f // 2,
                "switch": f % 2,
                "egress": dice.choice(left),
                "ingress": None,
            }
            for f in range(count)
        ],
        "slots": [
            {
                "family": f,
                "free": dice.choice((1, 2)) if few else nics + dice.choice(rooms),
                "whole": False,
            }
            for f in range(count)
        ],
        "nodes": [],
    }


def packing(dice: Random, raw: RawMatch) -> RawMatch:
    """The same problem, with some NICs, or all, that rather fill a PF than spread over them."""
    share = dice.choice((0.5, 1.0))
    for nic in raw["nics"]:
        nic["packs"] = dice.random() < share
    return raw


def random_match(dice: Random, *, nics: int, families: tuple[int, ...]) -> RawMatch:
    raw_families = _families(dice, dice.choice(families))
    slots = _slots(dice, len(raw_families), nics)
    wishes = [_wish(dice, slots) for _ in range(dice.choice((1, 1, 2, 3)))]
    if dice.random() < 0.4:
        for wish in wishes:
            wish["egress"] = wish["ingress"] = 0
    if dice.random() < 0.4:
        for wish in wishes:
            wish["numa"] = None
    known = sorted({f["numa"] for f in raw_families if f["numa"] is not None})
    return {
        "nics": [dict(dice.choice(wishes)) for _ in range(nics)],  # type: ignore[misc]  # a copy
        "rules": [_rule(dice, nics) for _ in range(dice.choice((0, 0, 1, 1, 1, 2, 2, 3)))],
        "families": raw_families,
        "slots": slots,
        "nodes": dice.choice(([], [], known, [0, 1], [1])),
    }


def _families(dice: Random, count: int) -> list[RawFamily]:
    """PFs in an order of any sort, two a card or not, cards on nodes or across."""
    orderly = dice.random() < 0.6
    accounts = dice.random() < 0.7
    unknown = dice.choice((0.0, 0.0, 0.2))
    sizes = dice.choice(((10,), (10, 25), (0, 10, 25)))
    found: list[RawFamily] = []
    for f in range(count):
        numa = (f * 2 // count) if orderly else dice.randrange(3)
        socket = numa // 2 if dice.random() < 0.5 else numa
        is_known = dice.random() >= unknown
        found.append(
            {
                "numa": numa if is_known else None,
                "socket": _socket_of(found, numa, socket)
                if is_known or dice.random() < 0.5
                else None,
                "card": f // 2 if orderly else dice.randrange(count),
                "switch": None if dice.random() < unknown else dice.randrange(2),
                "egress": dice.choice(sizes) if accounts or dice.random() < 0.5 else None,
                "ingress": dice.choice(sizes) if accounts or dice.random() < 0.5 else None,
            }
        )
    return found


def _socket_of(families: list[RawFamily], numa: int, otherwise: int) -> int | None:
    """A node is on one socket, whichever of its devices says so."""
    return next((f["socket"] for f in families if f["numa"] == numa), otherwise)


def _slots(dice: Random, families: int, nics: int) -> list[RawSlot]:
    slots: list[RawSlot] = []
    roomy = dice.random() < 0.4
    for f in range(families):
        if dice.random() < 0.4:
            slots.append({"family": f, "free": int(dice.random() < 0.9), "whole": True})
        for _ in range(dice.choice((1, 1, 1, 2))):
            free = nics + dice.randrange(3) if roomy else dice.randrange(nics + 1)
            slots.append({"family": f, "free": free, "whole": False})
    dice.shuffle(slots)
    return slots


def _wish(dice: Random, slots: list[RawSlot]) -> RawWish:
    wants_pf = dice.random() < 0.15
    may_be_either = dice.random() < 0.1
    fitting = dice.choice((0.6, 0.9, 1.0))
    dearness = dice.choice((0, 0, 1, 2))
    return {
        "costs": [
            dice.randint(0, dearness)
            if (slot["whole"] is wants_pf or may_be_either) and dice.random() < fitting
            else None
            for slot in slots
        ],
        "numa": dice.choice(POLICIES) if dice.random() < 0.5 else None,
        "egress": dice.choice((0, 0, 3, 5, 8)),
        "ingress": dice.choice((0, 0, 0, 4, 10)),
        "packs": False,
    }


def _rule(dice: Random, nics: int) -> RawRule:
    return {
        "scope": dice.choice(SCOPES),
        "apart": dice.random() < 0.5,
        "hard": dice.random() < 0.6,
        "nics": sorted(dice.sample(range(nics), dice.randint(min(2, nics), nics))),
    }
