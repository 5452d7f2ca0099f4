"""Runs of random matches add up."""

from __future__ import annotations

from pathlib import Path

from tests.properties.match_many import FIRST_SEED, keep_tally, read_tally
from tests.properties.matching_judge import Tally


def test_a_run_goes_on_where_the_one_before_it_ended(tmp_path: Path) -> None:
    kept = tmp_path / "tally.json"
    assert read_tally(kept, FIRST_SEED) == (Tally(), FIRST_SEED)
    keep_tally(kept, Tally(3000, 2000, 1), FIRST_SEED + 3)
    tally, seed = read_tally(kept, FIRST_SEED)
    assert (tally, seed) == (Tally(3000, 2000, 1), FIRST_SEED + 3)
    tally.add(Tally(1000, 600, 0))
    keep_tally(kept, tally, seed + 1)
    assert read_tally(kept, FIRST_SEED) == (Tally(4000, 2600, 1), FIRST_SEED + 4)
    assert [path.name for path in tmp_path.iterdir()] == ["tally.json"]
