"""The same seed gives the same trace, byte for byte."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from trunkline.sim.world import run_seed


def test_the_same_seed_gives_the_same_trace_in_another_process(sim_directory: Path) -> None:
    """The other process hashes text otherwise, so that no order may come from a set."""
    here = run_seed(3, sim_directory, steps=60).trace.text()
    for hash_seed in ("1", "2"):
        there = subprocess.run(
            [sys.executable, "-m", "trunkline.sim", "--seed", "3", "--steps", "60", "--trace"],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert there.startswith(here)


def test_another_seed_gives_another_trace(sim_directory: Path) -> None:
    traces = {run_seed(seed, sim_directory, steps=10).trace.text() for seed in (1, 2)}
    assert len(traces) == 2


def test_a_violation_is_told_with_its_seed_and_how_to_see_it_again(sim_directory: Path) -> None:
    outcome = run_seed(5, sim_directory, steps=10)
    story = outcome.story()
    assert story.startswith("seed 5: ")
    assert story.endswith("again: python -m trunkline.sim --seed 5 --steps 10 --trace")
    assert len(story.splitlines()) <= 45
