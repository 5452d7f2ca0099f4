"""The lab's ring of tests: make ready what takes long, then run pytest in its folder.

Two lab hosts share the tests, file by file: much of what a test does is to wait.
"""

from __future__ import annotations

import subprocess
import sys

from lab import content, needs
from lab.build import ensure_root
from lab.locks import lab_of_this_machine
from lab.processes import ending_with_us

PYTEST = (
    *(sys.executable, "-m", "pytest", "--durations=10"),
    *("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "tests/lab"),
)


def main() -> None:
    """Exit as pytest does, or say why the lab can't run."""
    if lacking := needs.install():
        sys.exit(lacking)
    with lab_of_this_machine():
        ensure_root()
        content.ensure_dependencies()
        sys.exit(subprocess.run(ending_with_us(PYTEST)).returncode)


if __name__ == "__main__":
    main()
