"""How long one host's match takes: hosts of 4 and 8 PFs, rules of all kinds at random.

    python -m benchmarks.matching [--problems 2000]

Prints one JSON object. Times are of single calls, in milliseconds of processor time on one core,
each problem fresh from the seed and solved once:

* ``flow``: NICs that want segments and tags, on 4 PFs with 64 VFs, filled at random;
* ``rules``: besides these NUMA policies, guarantees, and up to four affinities, hard and soft;
* ``hostile``: 16 NICs on 8 PFs, no two alike: dozens of contradicting pairs, or guarantees that
  leave 2 % of air.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import replace
from random import Random
from time import process_time

from trunkline.domain.nic_rules import NumaPolicy, Scope
from trunkline.placement.matching.match import solve
from trunkline.placement.matching.problem import ClassRule, Place, Problem

VFS_PER_PF = 64
SPEEDS_MBPS = (10_000, 25_000)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    few = max(20, args.problems // 20)
    results = [
        measure("flow, 4 NICs", lambda dice: on_flow(dice, nics=4), args.problems, args.seed),
        measure("flow, 8 NICs", lambda dice: on_flow(dice, nics=8), args.problems, args.seed),
        measure("rules, 4 NICs", lambda dice: ruled(dice, nics=4), args.problems, args.seed),
        measure("rules, 8 NICs", lambda dice: ruled(dice, nics=8), args.problems, args.seed),
        measure(
            "rules, 8 NICs, 8 PFs", lambda d: ruled(d, nics=8, pfs=8), args.problems, args.seed
        ),
        measure("hostile, wishes", contradicting_wishes, few, args.seed),
        measure("hostile, pairs", contradicting_pairs, few, args.seed),
        measure("hostile, guarantees", tight_guarantees, few, args.seed),
    ]
    sys.stdout.write(json.dumps({"benchmark": "matching", "results": results}, indent=1) + "\n")


def measure(
    name: str, make: Callable[[Random], Problem], count: int, seed: int
) -> dict[str, object]:
    dice = Random(seed)
    problems = [make(dice) for _ in range(count)]
    gc.collect()
    gc.freeze()
    times: list[float] = []
    fits = proven = 0
    for problem in problems:
        begin = process_time()
        solution = solve(problem)
        times.append((process_time() - begin) * 1000)
        fits += solution is not None
        proven += solution is None or solution.is_proven
    times.sort()
    return {
        "case": name,
        "problems": count,
        "fit": round(fits / count, 3),
        "proven_best": round(proven / count, 3),
        "ms": {
            "p50": statistics.median(times),
            "p99": times[int(count * 0.99)],
            "worst": times[-1],
        },
    }


def on_flow(dice: Random, *, nics: int, pfs: int = 4) -> Problem:
    """Two physical networks over PFs, some of them trusted; NICs want one, or a trusted VF."""
    network = [pf % 2 if dice.random() < 0.5 else dice.randrange(2) for pf in range(pfs)]
    trusted = [dice.random() < 0.5 for _ in range(pfs)]

    def row(wanted: int | None, *, wants_trust: bool) -> tuple[int | None, ...]:
        return tuple(
            None
            if wanted not in (None, network[pf]) or (wants_trust and not trusted[pf])
            else int(trusted[pf] and not wants_trust)
            for pf in range(pfs)
        )

    return Problem(
        counts=(1,) * nics,
        costs=tuple(
            row(dice.choice((0, 1, None)), wants_trust=dice.random() < 0.3) for _ in range(nics)
        ),
        free=tuple(
            dice.randrange(VFS_PER_PF + 1) if dice.random() < 0.7 else dice.randrange(4)
            for _ in range(pfs)
        ),
        family=tuple(range(pfs)),
        whole=(False,) * pfs,
    )


def ruled(dice: Random, *, nics: int, pfs: int = 4) -> Problem:
    """The same with rules."""
    mbps = tuple(dice.choice((0, 1000, 2500, 5000)) for _ in range(nics))
    policies = (None, None, *NumaPolicy)
    one = dice.choice(policies)
    return replace(
        on_flow(dice, nics=nics, pfs=pfs),
        numa=tuple(dice.choice(policies) if dice.random() < 0.3 else one for _ in range(nics)),
        egress=mbps if dice.random() < 0.6 else (),
        ingress=mbps if dice.random() < 0.6 else (),
        rules=tuple(
            a_rule(dice, nics, hard=0.7, size=min(4, nics)) for _ in range(dice.randint(0, 4))
        ),
        places=places(pfs),
        egress_left=speeds_left(dice, pfs),
        ingress_left=speeds_left(dice, pfs),
        numa_nodes=dice.choice(((0, 1), (0,), (1,), ())),
    )


def places(pfs: int) -> tuple[Place, ...]:
    """Two PFs a card, half of the cards a node, PFs of a card on two switches."""
    return tuple(
        Place(numa_node=pf * 2 // pfs, socket=pf * 2 // pfs, card=pf // 2, switch=pf % 2)
        for pf in range(pfs)
    )


def speeds_left(dice: Random, pfs: int) -> tuple[int, ...]:
    return tuple(dice.randrange(dice.choice(SPEEDS_MBPS)) for _ in range(pfs))


def a_rule(dice: Random, nics: int, *, hard: float, size: int) -> ClassRule:
    return ClassRule(
        scope=dice.choice(list(Scope)),
        apart=dice.random() < 0.5,
        hard=dice.random() < hard,
        classes=tuple(sorted(dice.sample(range(nics), dice.randint(2, size)))),
    )


def sixteen(dice: Random) -> Problem:
    """16 NICs, 8 PFs, and room for all."""
    return Problem(
        counts=(1,) * 16,
        costs=((0,) * 8,) * 16,
        free=tuple(dice.randrange(20, VFS_PER_PF + 1) for _ in range(8)),
        family=tuple(range(8)),
        whole=(False,) * 8,
        places=places(8),
    )


def contradicting_wishes(dice: Random) -> Problem:
    return replace(sixteen(dice), rules=tuple(a_rule(dice, 16, hard=0, size=2) for _ in range(40)))


def contradicting_pairs(dice: Random) -> Problem:
    return replace(
        sixteen(dice), rules=tuple(a_rule(dice, 16, hard=0.5, size=2) for _ in range(25))
    )


def tight_guarantees(dice: Random) -> Problem:
    mbps = [dice.randrange(1000, 9000) for _ in range(16)]
    shares = [dice.uniform(0.6, 1.4) for _ in range(8)]
    left = tuple(int(sum(mbps) * 1.02 * share / sum(shares)) for share in shares)
    return replace(sixteen(dice), egress=tuple(mbps), egress_left=left)


if __name__ == "__main__":
    main()
