"""Says what the best match of a raw problem is: by trying everything, or by CP-SAT.

Two oracles that know nothing of each other's ways, nor of what they judge. A match is judged NIC by
NIC, device by device, as the rules are written in words:

* A NIC's device is of a slot that it fits. No slot gives more than it has free. If a PF is taken
  whole, nothing else of its family is taken.
* NICs with guarantees are on PFs that account bandwidth; the sum of guarantees is no more than is
  left, in each direction.
* The guest is on one of the nodes that the host reports; if it reports none, on any one on which a
  device is known to be, or on none. `required`: the device is on that node. `legacy`: it is, or its
  node is not known. `socket`: it is, or its socket is known to be that node's. `preferred`: each one
  that is not on the node counts 1.
* Affinity: the NICs of a rule are in one place. If soft, each place beyond the first counts 1. What
  is in an unknown place is together with its own family only.
* Anti-affinity: each NIC of a rule has a place of its own. If soft, each NIC beyond the number of
  known places used counts 1.
* Costs come first, then what counts, then imbalance: each device adds how many fewer devices its
  family had left, when it was taken, than the fullest family has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ortools.sat.python import cp_model

from tests.oracle.matching_instances import RawMatch, RawRule

Merit = tuple[int, int, int]
Home = tuple[int | None, int | None]  # Node, socket.


def homes(raw: RawMatch) -> list[Home]:
    """Where the guest may be."""
    sockets = {f["numa"]: f["socket"] for f in raw["families"] if f["numa"] is not None}
    if raw["nodes"]:
        return [(node, sockets.get(node)) for node in raw["nodes"]]
    anywhere: set[Home] = {(node, socket) for node, socket in sockets.items()}
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


def merit_of(raw: RawMatch, chosen: Sequence[int], home: Home) -> Merit | None:
    """Judge a choice of one slot a NIC, the guest being there; None: some rule forbids it."""
    slots, families = raw["slots"], raw["families"]
    at = [slots[s]["family"] for s in chosen]
    cost = broken = imbalance = 0
    for nic, s in enumerate(chosen):
        price = raw["nics"][nic]["costs"][s]
        penalty = numa_penalty(raw, nic, at[nic], home)
        if price is None or penalty is None or chosen.count(s) > slots[s]["free"]:
            return None
        if slots[s]["whole"] and at.count(at[nic]) > 1:
            return None
        cost += price
        broken += penalty
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
    return cost, broken, imbalance


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


def by_cp_sat(raw: RawMatch) -> Merit | None:
    """Best merit of all, one variable a NIC and slot."""
    model = cp_model.CpModel()
    nics, slots = range(len(raw["nics"])), raw["slots"]
    families = range(len(raw["families"]))
    x = {
        (n, s): model.new_bool_var(f"x{n},{s}")
        for n in nics
        for s, price in enumerate(raw["nics"][n]["costs"])
        if price is not None
    }
    for n in nics:
        model.add_exactly_one(v for (nic, _), v in x.items() if nic == n)
    for s, slot in enumerate(slots):
        model.add(sum(v for (_, other), v in x.items() if other == s) <= slot["free"])
        if slot["whole"]:
            of_family = [(o, v) for (_, o), v in x.items() if slots[o]["family"] == slot["family"]]
            for (_, other), v in x.items():
                if other == s:
                    model.add(sum(u for _, u in of_family) <= 1).only_enforce_if(v)

    def of(n: int, f: int) -> list[cp_model.IntVar]:
        return [v for (nic, s), v in x.items() if nic == n and slots[s]["family"] == f]

    soft: list[cp_model.LinearExprT] = []
    _model_numa(model, raw, of, soft)
    _model_bandwidth(model, raw, of)
    for r, rule in enumerate(raw["rules"]):
        _model_rule(model, raw, rule, r, of, soft)

    imbalance: list[cp_model.LinearExprT] = []
    had = rooms(raw)
    for f in families:
        steps = [model.new_bool_var(f"takes{f},{k}") for k in nics]
        model.add(sum(steps) == sum(v for n in nics for v in of(n, f)))
        imbalance += [(max(had) - (had[f] - k)) * step for k, step in enumerate(steps)]
    cost = sum((raw["nics"][n]["costs"][s] or 0) * v for (n, s), v in x.items())
    model.minimize(cost * 10**8 + sum(soft) * 10**5 + sum(imbalance))

    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return None
    assert status == cp_model.OPTIMAL, solver.status_name(status)
    best = round(solver.objective_value)
    return best // 10**8, best // 10**5 % 1000, best % 10**5


def _model_numa(model, raw, of, soft) -> None:
    where = homes(raw)
    lives = [model.new_bool_var(f"home{h}") for h in range(len(where))]
    model.add_exactly_one(lives)
    for n in range(len(raw["nics"])):
        for f in range(len(raw["families"])):
            for v in of(n, f):
                for h, home in enumerate(where):
                    penalty = numa_penalty(raw, n, f, home)
                    if penalty is None:
                        model.add_bool_or(~v, ~lives[h])
                    elif penalty:
                        both = model.new_bool_var("")
                        model.add_bool_or(~v, ~lives[h], both)
                        soft.append(penalty * both)


def _model_bandwidth(model, raw, of) -> None:
    for f, facts in enumerate(raw["families"]):
        for way in ("egress", "ingress"):
            terms = [
                nic[way] * v for n, nic in enumerate(raw["nics"]) for v in of(n, f) if nic[way]
            ]
            if terms:
                model.add(sum(terms) <= (0 if facts[way] is None else facts[way]))


def _model_rule(model, raw, rule, r, of, soft) -> None:
    if len(rule["nics"]) < 2:
        return
    in_place = {}
    for f in range(len(raw["families"])):
        for n in rule["nics"]:
            in_place.setdefault(place_of(raw, rule, f), []).extend(of(n, f))
    if rule["apart"]:
        off = len(rule["nics"])
        for (known, number), inside in in_place.items():
            if known == "known":
                used = model.new_bool_var(f"rule{r} at {number}")
                model.add(used <= sum(inside))
                off -= used
    else:
        off = -1
        for (known, number), inside in in_place.items():
            used = model.new_bool_var(f"rule{r} {known} {number}")
            for v in inside:
                model.add_implication(v, used)
            off += used
    if rule["hard"]:
        model.add(off <= 0)
    else:
        soft.append(off)
