"""`python -m trunkline.sim`: run seeds, and show the first that breaks a promise."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import click

from trunkline.sim.world import STEPS, run_seed

_FILES_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - only a place; the folder in it is private


@click.command(
    help="Run the whole system from seeds, and hold it to its promises.\n\n\b\nExamples:\n"
    "  python -m trunkline.sim --seeds 1000 --from 5000\n"
    "  python -m trunkline.sim --seed 4071 --trace"
)
@click.option("--seed", type=int, help="Run this seed alone.")
@click.option("--seeds", type=int, default=200, show_default=True, help="How many to run.")
@click.option("--from", "first", type=int, default=0, show_default=True, help="The first of them.")
@click.option("--steps", type=int, default=STEPS, show_default=True,
              help="Events before the faults stop.")  # fmt: skip
@click.option("--jobs", type=int, default=2, show_default=True, help="Processes.")
@click.option("--calm", is_flag=True, help="Without faults.")
@click.option("--trace", is_flag=True, help="Print the whole trace of each seed.")
@click.option("--keep-going", is_flag=True, help="Do not stop at the first that fails.")
def main(
    seed: int | None,
    seeds: int,
    first: int,
    steps: int,
    jobs: int,
    calm: bool,  # noqa: FBT001 - a flag of the command
    trace: bool,  # noqa: FBT001 - a flag of the command
    keep_going: bool,  # noqa: FBT001 - a flag of the command
) -> None:
    """Run the seeds; see the command's help."""
    chosen = range(first, first + seeds) if seed is None else range(seed, seed + 1)
    began, failed, ran = time.monotonic(), 0, 0
    for story in _stories(chosen, steps, jobs, calm=calm, trace=trace):
        ran += 1
        if story.startswith("ok"):
            if trace:
                click.echo(story.partition("\n")[2])
            continue
        failed += 1
        click.echo(story, err=True)
        if not keep_going:
            break
    took = time.monotonic() - began
    click.echo(f"{ran} seeds, {failed} failed, {took / max(ran, 1):.2f} s each")
    raise SystemExit(1 if failed else 0)


def _stories(seeds: range, steps: int, jobs: int, *, calm: bool, trace: bool) -> Iterator[str]:
    if len(seeds) == 1:
        yield _story(seeds[0], steps, calm, trace)
        return
    with ProcessPoolExecutor(jobs) as pool:
        runs = [pool.submit(_story, seed, steps, calm, trace) for seed in seeds]
        try:
            for run in runs:
                yield run.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _story(seed: int, steps: int, calm: bool, trace: bool) -> str:  # noqa: FBT001 - pickled
    memory = _FILES_IN_MEMORY if _FILES_IN_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory, prefix="trunkline-sim-") as directory:
        outcome = run_seed(seed, Path(directory), steps=steps, faults=not calm)
    if outcome.problem is not None:
        return (outcome.trace.text() if trace else "") + outcome.story()
    return f"ok\n{outcome.trace.text() if trace else ''}"


if __name__ == "__main__":
    main()
