"""Whole worlds from fixed seeds. A failure prints the seed, the command, and what came before."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkline.sim.world import run_seed

SEEDS = 200
CHUNK = 10  # Seeds in one test, so that workers share them evenly.


@pytest.mark.parametrize("seed", range(4))
def test_the_promises_hold(seed: int, sim_directory: Path) -> None:
    outcome = run_seed(seed, sim_directory)
    assert outcome.problem is None, outcome.story()


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_the_promises_hold_for_ten_seeds_from(first: int, sim_directory: Path) -> None:
    for seed in range(first, first + CHUNK):
        outcome = run_seed(seed, sim_directory)
        assert outcome.problem is None, outcome.story()


def test_without_faults_every_server_that_fits_is_active_or_as_asked(sim_directory: Path) -> None:
    outcome = run_seed(7, sim_directory, faults=False)
    assert outcome.problem is None, outcome.story()
    assert "refused" not in [line.split()[-1] for line in outcome.trace.text().splitlines()]
