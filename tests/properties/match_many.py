"""Any number of random matching problems against the oracles, in one run or in several.

    python -m tests.properties.match_many --instances 1000000 [--tally FILE]

One in twenty is large and goes to CP-SAT, the others are tried out whole. Ends with 1 at the first
answer that is wrong, and prints the problem. With a file for the tally, each run goes on with the
seeds after those of the runs before it, and tells what all of them have seen; one that is
interrupted loses no more than what it was at.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

from tests.properties.matching_judge import Tally, judge_many

SMALL_PER_SEED = 950
LARGE_PER_SEED = 50
PER_SEED = SMALL_PER_SEED + LARGE_PER_SEED
FIRST_SEED = 1_000_000


def judge_seed(seed: int) -> Tally:
    tally = judge_many(seed, SMALL_PER_SEED)
    tally.add(judge_many(seed, LARGE_PER_SEED, large=True))
    return tally


def read_tally(path: Path | None, first_seed: int) -> tuple[Tally, int]:
    """What the runs before this one have seen, and the seed to go on with."""
    if path is None or not path.exists():
        return Tally(), first_seed
    kept = json.loads(path.read_text())
    return Tally(**kept["tally"]), kept["next_seed"]


def keep_tally(path: Path | None, tally: Tally, next_seed: int) -> None:
    if path is not None:
        fresh = path.with_name(f"{path.name}.new")
        fresh.write_text(json.dumps({"tally": asdict(tally), "next_seed": next_seed}) + "\n")
        fresh.replace(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instances", type=int, default=100_000, help="of this run")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, help="of the first run")
    parser.add_argument("--tally", type=Path, help="a file that adds up several runs")
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    tally, first = read_tally(asked.tally, asked.first_seed)
    seeds = range(first, first + -(-asked.instances // PER_SEED))
    with ProcessPoolExecutor(asked.jobs) as pool:
        for seed, part in zip(seeds, pool.map(judge_seed, seeds), strict=True):
            tally.add(part)
            keep_tally(asked.tally, tally, seed + 1)
            if tally.instances % 20_000 == 0 or seed == seeds[-1]:
                print(f"{tally} after seed {seed}", flush=True)  # noqa: T201  # its purpose
    return 0


if __name__ == "__main__":
    sys.exit(main())
