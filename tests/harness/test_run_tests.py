"""`make test` runs the lab beside the rest: neither hides that the other failed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lab.recipe import REPOSITORY
from tests.support.patience import HANGS_SECONDS

SCRIPT = """
import sys
from tools import run_tests
run_tests.needs.install = lambda: {lacking!r}
run_tests.OTHERS = (sys.executable, "-c", "print('others'); raise SystemExit({others})")
run_tests.LAB = (sys.executable, "-c", "print('lab'); raise SystemExit({lab})")
sys.exit(run_tests.main())
"""


def run(*, others: int, lab: int, lacking: str | None = None) -> tuple[int, list[str]]:
    script = SCRIPT.format(others=others, lab=lab, lacking=lacking)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, text=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}"}, timeout=HANGS_SECONDS,
    )  # fmt: skip
    return done.returncode, [line for line in done.stdout.splitlines() if line.strip("=")]


@pytest.mark.parametrize(("others", "lab"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_it_passes_if_both_do(others: int, lab: int) -> None:
    assert run(others=others, lab=lab) == (int(others or lab), ["others", "The lab:", "lab"])


@pytest.mark.parametrize("others", [0, 1])
def test_a_machine_that_cannot_run_the_lab_is_told_so_before_and_after(others: int) -> None:
    said = ["The tests of the lab (tests/lab) DO NOT RUN on this machine.", "No QEMU."]
    assert run(others=others, lab=1, lacking="No QEMU.") == (others, [*said, "others", *said])
