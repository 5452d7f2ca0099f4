"""A bug is planted in the system; the auditor must name the promise that it breaks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sim.planted import PLANTED, Plant
from trunkline.sim import model
from trunkline.sim.world import run_seed

# Whatever changes the workload changes all worlds: the bug shows in one of the next.
SEEDS_TRIED = 12
RULES = {value for name, value in vars(model).items() if name.isupper() and name[0] != "_"}


def test_every_rule_has_a_bug_that_breaks_it() -> None:
    assert {rule for rule, _ in PLANTED.values()} == RULES


@pytest.mark.slow
@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_the_auditor_names_what_is_broken(
    plant: Plant, sim_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule, first = PLANTED[plant]
    parts = plant(monkeypatch)
    outcomes = (
        run_seed(seed, sim_directory, parts=parts) for seed in range(first, first + SEEDS_TRIED)
    )
    assert rule in (outcome.rule for outcome in outcomes), (
        "of the first seed:\n" + run_seed(first, sim_directory, parts=parts).story()
    )
