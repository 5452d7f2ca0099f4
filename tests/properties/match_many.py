"""Any number of random matching problems against the oracles.

    python -m tests.properties.match_many --instances 1000000

One in twenty is large and goes to CP-SAT, the others are tried out whole. Ends with 1 at the first
answer that is wrong, and prints the problem.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor

from tests.properties.matching_judge import Tally, judge_many

SMALL_PER_SEED = 950
LARGE_PER_SEED = 50
PER_SEED = SMALL_PER_SEED + LARGE_PER_SEED


def judge_seed(seed: int) -> Tally:
    tally = judge_many(seed, SMALL_PER_SEED)
    tally.add(judge_many(seed, LARGE_PER_SEED, large=True))
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instances", type=int, default=100_000)
    parser.add_argument("--first-seed", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    seeds = range(asked.first_seed, asked.first_seed + -(-asked.instances // PER_SEED))
    tally = Tally()
    with ProcessPoolExecutor(asked.jobs) as pool:
        for seed, part in zip(seeds, pool.map(judge_seed, seeds), strict=True):
            tally.add(part)
            if tally.instances % 20_000 == 0 or seed == seeds[-1]:
                print(f"{tally} after seed {seed}", flush=True)  # noqa: T201  # its purpose
    return 0


if __name__ == "__main__":
    sys.exit(main())
