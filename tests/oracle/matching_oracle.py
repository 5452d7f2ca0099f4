"""Says what the best match of a raw problem is: by trying everything, or by CP-SAT.

Two oracles that know nothing of each other's ways, nor of what they judge. A match is judged NIC by
NIC, device by device, as the rules are written in words:

* A NIC's device is of a slot that it fits. No slot gives more than it has free. If a PF is taken
  whole, nothing else of its family is taken.
* NICs with guarantees are on PFs that account bandwidth; the sum of guarantees is no more than is
  left, in each direction.
* The guest is on one of the nodes that the host reports; if it reports none, on any one on which
  a device is known to be, or on none. `required`: the device is on that node. `legacy`: it is, or
  its node is not known. `socket`: it is, or its socket is known to be that node's. `preferred`:
  each one that is not on the node counts 1.
* Affinity: the NICs of a rule are in one place. If soft, each place beyond the first counts 1. What
  is in an unknown place is together with its own family only.
* Anti-affinity: each NIC of a rule has a place of its own. If soft, each NIC beyond the number of
  known places used counts 1.
* NICs that pack: each adds its family's rank, families being in order of how many devices they have
  at the beginning, and then as they are numbered; the first has rank 0.
* Costs come first, then what counts, then ranks, then imbalance: each device adds how many fewer
  devices its family had left, when it was taken, than the fullest family has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TypeAlias

from ortools.sat.python import cp_model

from tests.oracle.matching_instances import RawMatch, RawRule

Merit = tuple[int, int, int, int]
Home = tuple[int | None, int | None]  # Node, socket.
Linear: TypeAlias = cp_model.LinearExpr | cp_model.IntVar | int


def homes(raw: RawMatch) -> list[Home]:
    """Where the guest may be."""
    sockets = {f["numa"]: f["socket"] for f in raw["families"] if f["numa"] is not None}
    if raw["nodes"]:
        return [(node, sockets.get(node)) for node in raw["nodes"]]
    anywhere: set[Home] = set(sockets.items())
    anywhere |= {(None, f["socket"]) for f in raw["families"]}
    return sorted(anywhere | {(None, None)}, key=str)


def numa_penalty(raw: RawMatch, nic: int, family: int, home: Home) -> int | None:
    """What a NIC's policy counts for a device of the family; None: it forbids it."""
    policy = raw["nics"][nic]["numa"]
    node, socket = raw["families"][family]["numa"], raw["families"][family]["socket"]
    there = node is not None and node == home[0]
    if policy == "required":
        return 0 if there else None
    if policy == "legacy":
        return 0 if there or node is None else None
    if policy == "socket":
        return 0 if there or (socket is not None and socket == home[1]) else None
    if policy == "preferred":
        return 0 if there else 1
    return 0


def place_of(raw: RawMatch, rule: RawRule, family: int) -> tuple[str, int]:
    facts = raw["families"][family]
    if rule["scope"] == "pf":
        return "known", family
    at = {"card": facts["card"], "switch": facts["switch"], "numa": facts["numa"]}[rule["scope"]]
    return ("unknown", family) if at is None else ("known", at)


def rooms(raw: RawMatch) -> list[int]:
    return [
        sum(slot["free"] for slot in raw["slots"] if slot["family"] == f)
        for f in range(len(raw["families"]))
    ]


def rank_of(raw: RawMatch, family: int) -> int:
    had = rooms(raw)
    before = [f for f, room in enumerate(had) if (room, f) < (had[family], family)]
    return sum(any(slot["family"] == f for slot in raw["slots"]) for f in before)


def merit_of(raw: RawMatch, chosen: Sequence[int], home: Home) -> Merit | None:
    """Judge a choice of one slot a NIC, the guest being there; None: some rule forbids it."""
    slots, families = raw["slots"], raw["families"]
    at = [slots[s]["family"] for s in chosen]
    cost = broken = packed = imbalance = 0
    for nic, s in enumerate(chosen):
        price = raw["nics"][nic]["costs"][s]
        penalty = numa_penalty(raw, nic, at[nic], home)
        if price is None or penalty is None or chosen.count(s) > slots[s]["free"]:
            return None
        if slots[s]["whole"] and at.count(at[nic]) > 1:
            return None
        cost += price
        broken += penalty
        packed += rank_of(raw, at[nic]) if raw["nics"][nic]["packs"] else 0
    for f, facts in enumerate(families):
        here = [raw["nics"][nic] for nic, family in enumerate(at) if family == f]
        for wanted, has in (
            ([nic["egress"] for nic in here], facts["egress"]),
            ([nic["ingress"] for nic in here], facts["ingress"]),
        ):
            if any(wanted) and (has is None or sum(wanted) > has):
                return None
    for rule in raw["rules"]:
        if len(rule["nics"]) < 2:
            continue
        places = [place_of(raw, rule, at[nic]) for nic in rule["nics"]]
        if rule["apart"]:
            off = len(places) - len({place for place in places if place[0] == "known"})
        else:
            off = len(set(places)) - 1
        if off and rule["hard"]:
            return None
        broken += off
    had = rooms(raw)
    for f in set(at):
        imbalance += sum(max(had) - (had[f] - taken) for taken in range(at.count(f)))
    return cost, broken, packed, imbalance


def by_trying_everything(raw: RawMatch) -> Merit | None:
    fitting = [
        [s for s, price in enumerate(nic["costs"]) if price is not None and raw["slots"][s]["free"]]
        for nic in raw["nics"]
    ]
    merits = (
        merit
        for chosen in _choices(fitting, [slot["free"] for slot in raw["slots"]])
        for home in homes(raw)
        if (merit := merit_of(raw, chosen, home)) is not None
    )
    return min(merits, default=None)


def _choices(fitting: Sequence[Sequence[int]], left: list[int]) -> Iterator[list[int]]:
    if not fitting:
        yield []
        return
    for s in fitting[0]:
        if left[s]:
            left[s] -= 1
            for rest in _choices(fitting[1:], left):
                yield [s, *rest]
            left[s] += 1


class CpModel:
    """One variable a NIC and slot that it fits, and what the rules make of them."""

    def __init__(self, raw: RawMatch) -> None:
        self.raw = raw
        self.model = cp_model.CpModel()
        self.soft: list[Linear] = []
        self.x = {
            (n, s): self.model.new_bool_var(f"NIC {n} from {s}")
            for n, nic in enumerate(raw["nics"])
            for s, price in enumerate(nic["costs"])
            if price is not None
        }

    def best(self) -> Merit | None:
        self.add_devices()
        self.add_numa()
        self.add_bandwidth()
        for rule in self.raw["rules"]:
            if len(rule["nics"]) > 1:
                self.add_rule(rule)
        cost = sum((self.raw["nics"][n]["costs"][s] or 0) * v for (n, s), v in self.x.items())
        packed = sum(
            rank_of(self.raw, self.raw["slots"][s]["family"]) * v
            for (n, s), v in self.x.items()
            if self.raw["nics"][n]["packs"]
        )
        self.model.minimize(
            cost * 10**11 + sum(self.soft) * 10**8 + packed * 10**5 + self.imbalance()
        )
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        status = solver.solve(self.model)
        if status == cp_model.INFEASIBLE:
            return None
        assert status == cp_model.OPTIMAL, solver.status_name(status)
        best = round(solver.objective_value)
        return best // 10**11, best // 10**8 % 1000, best // 10**5 % 1000, best % 10**5

    def of(self, n: int, f: int) -> list[cp_model.IntVar]:
        """A NIC's variables in a family."""
        slots = self.raw["slots"]
        return [v for (nic, s), v in self.x.items() if nic == n and slots[s]["family"] == f]

    def add_devices(self) -> None:
        slots = self.raw["slots"]
        for n in range(len(self.raw["nics"])):
            self.model.add_exactly_one(v for (nic, _), v in self.x.items() if nic == n)
        for s, slot in enumerate(slots):
            mine = [v for (_, other), v in self.x.items() if other == s]
            self.model.add(sum(mine) <= slot["free"])
            if slot["whole"]:
                kin = [v for (_, o), v in self.x.items() if slots[o]["family"] == slot["family"]]
                for v in mine:
                    self.model.add(sum(kin) <= 1).only_enforce_if(v)

    def add_numa(self) -> None:
        where = homes(self.raw)
        lives = [self.model.new_bool_var(f"guest at {home}") for home in where]
        self.model.add_exactly_one(lives)
        for n in range(len(self.raw["nics"])):
            for f in range(len(self.raw["families"])):
                for v, (lived, home) in product(self.of(n, f), zip(lives, where, strict=True)):
                    penalty = numa_penalty(self.raw, n, f, home)
                    if penalty is None:
                        self.model.add_bool_or(~v, ~lived)
                    elif penalty:
                        both = self.model.new_bool_var("off the guest's node")
                        self.model.add_bool_or(~v, ~lived, both)
                        self.soft.append(penalty * both)

    def add_bandwidth(self) -> None:
        for f, facts in enumerate(self.raw["families"]):
            for wanted, has in (
                ([nic["egress"] for nic in self.raw["nics"]], facts["egress"]),
                ([nic["ingress"] for nic in self.raw["nics"]], facts["ingress"]),
            ):
                terms = [mbps * v for n, mbps in enumerate(wanted) if mbps for v in self.of(n, f)]
                if terms:
                    self.model.add(sum(terms) <= (has or 0))

    def add_rule(self, rule: RawRule) -> None:
        inside: dict[tuple[str, int], list[cp_model.IntVar]] = {}
        for f in range(len(self.raw["families"])):
            for n in rule["nics"]:
                inside.setdefault(place_of(self.raw, rule, f), []).extend(self.of(n, f))
        off: Linear = len(rule["nics"]) if rule["apart"] else -1
        for (known, _), variables in inside.items():
            used = self.model.new_bool_var("place used")
            if not rule["apart"]:
                for v in variables:
                    self.model.add_implication(v, used)
                off = off + used
            elif known == "known":
                self.model.add(used <= sum(variables))
                off = off - used
        if rule["hard"]:
            self.model.add(off <= 0)
        else:
            self.soft.append(off)

    def imbalance(self) -> Linear:
        had = rooms(self.raw)
        total: Linear = 0
        nics = range(len(self.raw["nics"]))
        for f, room in enumerate(had):
            # Each further device adds more than the one before, so that a least sum takes the
            # first steps first.
            steps = [self.model.new_bool_var(f"device {k} of {f}") for k in nics]
            self.model.add(sum(steps) == sum(v for n in nics for v in self.of(n, f)))
            total = total + sum((max(had) - room + k) * step for k, step in enumerate(steps))
        return total


def by_cp_sat(raw: RawMatch) -> Merit | None:
    return CpModel(raw).best()
