"""Run every test: the lab's ring beside the others, since it waits much of the time.

What the lab says comes after the others have ended. Where it can't run, that is said before and
after, and the others decide alone.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile

from lab import needs
from lab.recipe import REPOSITORY

# Three at once, since they wait a quarter of the time; what the lab emulates goes first.
OTHERS = (
    *("nice", "-n", "5", sys.executable, "-m", "pytest"),
    *("-n", "3", "--dist", "worksteal", "-m", "not lab"),
    "--durations=25",  # What to look at first when all of it takes too long.
)
LAB = (sys.executable, "-m", "lab.ring")
RULE = "=" * 80


def main() -> int:
    """Return 0 if all that could run passed."""
    if lacking := needs.install():
        headline = "The tests of the lab (tests/lab) DO NOT RUN on this machine."
        notice = f"{RULE}\n{headline}\n{lacking}\n{RULE}"
        print(notice, flush=True)
        status = subprocess.run(OTHERS, cwd=REPOSITORY).returncode
        print(notice)
        return status
    with tempfile.TemporaryFile("w+") as said:
        lab = subprocess.Popen(LAB, stdout=said, stderr=subprocess.STDOUT, cwd=REPOSITORY)
        try:
            status = subprocess.run(OTHERS, cwd=REPOSITORY).returncode
            lab_status = lab.wait()
        finally:
            lab.kill()
        said.seek(0)
        print(f"{RULE}\nThe lab:\n{said.read()}", flush=True)
    return status or lab_status


if __name__ == "__main__":
    sys.exit(main())
