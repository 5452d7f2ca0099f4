"""docs/compute-api.md names every action on servers, each once."""

from __future__ import annotations

import re
from collections import Counter

from tests.tidy.repository import REPOSITORY
from trunkline.api.compute.server_actions import ACTIONS
from trunkline.api.compute.versions import HIGHEST, LOWEST

PAGE = (REPOSITORY / "docs/compute-api.md").read_text()


def test_every_action_has_its_place_in_the_table() -> None:
    table = PAGE.partition("## Actions on servers")[2].partition("\n## ")[0]
    first_cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = Counter(name for cell in first_cells for name in re.findall(r"`([^`]+)`", cell))
    assert named == Counter(ACTIONS.keys())


def test_the_versions_that_are_served_are_told() -> None:
    assert f"microversions {LOWEST} to {HIGHEST}" in PAGE
