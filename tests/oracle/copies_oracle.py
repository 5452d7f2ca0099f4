"""Says how many copies of a raw match fit on its host at once: by CP-SAT, copy by copy.

Each copy is a guest of its own, with a home of its own and the hard rules kept among its own NICs;
devices, guarantees and a node's seats are shared by all. Imports nothing of what it judges.
"""

from __future__ import annotations

from itertools import pairwise, product

from ortools.sat.python import cp_model

from tests.oracle.matching_instances import RawMatch
from tests.oracle.matching_oracle import homes, numa_penalty, place_of
from tests.oracle.solving import most_there


def most_copies(raw: RawMatch, *, seats: dict[int, int], enough: int) -> int:
    """The most copies, no more than `enough`."""
    model = cp_model.CpModel()
    slots, families, nics = raw["slots"], raw["families"], raw["nics"]
    devices = sum(slot["free"] for slot in slots)
    copies = range(min(enough, devices // len(nics)))
    there = [model.new_bool_var(f"copy {k}") for k in copies]
    for one, other in pairwise(there):
        model.add(one >= other)
    x = {
        (k, n, s): model.new_bool_var(f"copy {k}, NIC {n} from {s}")
        for k in copies
        for n, nic in enumerate(nics)
        for s, price in enumerate(nic["costs"])
        if price is not None
    }
    for k, n in product(copies, range(len(nics))):
        model.add(sum(v for (c, m, _), v in x.items() if (c, m) == (k, n)) == there[k])
    for s, slot in enumerate(slots):
        model.add(sum(v for (_, _, t), v in x.items() if t == s) <= slot["free"])
    for f, facts in enumerate(families):
        here = {key: v for key, v in x.items() if slots[key[2]]["family"] == f}
        given_away = model.new_bool_var(f"PF {f} is given whole")
        for (_, _, s), v in here.items():
            model.add_implication(v, given_away if slots[s]["whole"] else ~given_away)
        for what in ("egress", "ingress"):
            terms = [nics[n][what] * v for (_, n, _), v in here.items() if nics[n][what]]
            if terms:
                model.add(sum(terms) <= (facts[what] or 0))
    _add_homes(model, raw, x, there, seats)
    for k in copies:
        for rule in raw["rules"]:
            if not rule["hard"] or len(rule["nics"]) < 2:
                continue
            at: dict[tuple[str, int], list[cp_model.IntVar]] = {}
            for (c, n, s), v in x.items():
                if c == k and n in rule["nics"]:
                    at.setdefault(place_of(raw, rule, slots[s]["family"]), []).append(v)
            used = {place: model.new_bool_var("place used") for place in at}
            for place, variables in at.items():
                for v in variables:
                    model.add_implication(v, used[place])
                if rule["apart"]:
                    model.add(sum(variables) <= int(place[0] == "known"))
            if not rule["apart"]:
                model.add(sum(used.values()) <= 1)
    return most_there(model, there)


def _add_homes(
    model: cp_model.CpModel,
    raw: RawMatch,
    x: dict[tuple[int, int, int], cp_model.IntVar],
    there: list[cp_model.IntVar],
    seats: dict[int, int],
) -> None:
    """A guest whose NICs bind it to a node takes a seat there."""
    where = homes(raw)
    binding = any(nic["numa"] not in (None, "preferred") for nic in raw["nics"])
    on_node: dict[int | None, list[cp_model.IntVar]] = {}
    for k, present in enumerate(there):
        lives = [model.new_bool_var(f"copy {k} at {home}") for home in where]
        model.add(sum(lives) == present)
        for lived, home in zip(lives, where, strict=True):
            on_node.setdefault(home[0], []).append(lived)
            for (c, n, s), v in x.items():
                if c == k and numa_penalty(raw, n, raw["slots"][s]["family"], home) is None:
                    model.add_bool_or(~v, ~lived)
    if binding and raw["nodes"]:
        for node, count in seats.items():
            model.add(sum(on_node.get(node, [])) <= count)
