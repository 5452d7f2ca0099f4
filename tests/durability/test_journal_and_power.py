"""The agent's journal survives the loss of power: the old one or the new one, always whole."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.durability.fixtures import RunUnderShim
from trunkline.agent.journal import JournalFile

pytestmark = pytest.mark.slow

SAVES = 6

# Each generation is printed once `save` has returned: only then may the agent touch the kernel.
PROGRAM = f"""
import sys
from pathlib import Path
from trunkline.agent.journal import JournalFile
from trunkline.domain.pci import PciAddress
from trunkline.reconcile.observed import Journal

journal = JournalFile(Path(sys.argv[1]) / "journal.json")
for generation in range(1, {SAVES} + 1):
    epochs = {{PciAddress(0, 0x3B, n >> 3, n & 7): generation for n in range(40 * generation)}}
    journal.save(Journal(boot_id="b", generation=generation, epochs=epochs))
    print(generation)
"""


def test_a_saved_journal_survives_power_loss_at_any_moment(
    run_under_shim: RunUnderShim, tmp_path: Path
) -> None:
    home = tmp_path / "host"
    home.mkdir()
    recording = run_under_shim([sys.executable, "-c", PROGRAM, home], home)
    assert recording.returncode == 0, recording.stderr
    assert recording.acknowledged(len(recording.events)) == [str(n + 1) for n in range(SAVES)]
    for point in recording.points():
        saved = len(recording.acknowledged(point))
        for image in recording.crash_images(point):
            found = JournalFile(image / "journal.json").current  # Raises when it is not whole.
            assert found.generation in {saved, saved + 1}, f"{image.parent.name}/{image.name}"
            assert len(found.epochs) == 40 * found.generation
