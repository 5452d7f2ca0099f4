"""The lab's ring of tests: make ready what takes long, then run pytest in its folder."""

from __future__ import annotations

import os
import sys

from lab import content, needs
from lab.build import ensure_root
from lab.locks import only_one_on_this_machine


def main() -> None:
    """Become pytest; exit otherwise only if the lab can't run."""
    if lacking := needs.install():
        sys.exit(lacking)
    with only_one_on_this_machine("lab-host"):
        ensure_root()
        content.ensure_dependencies()
    os.execv(sys.executable, [sys.executable, "-m", "pytest", "--durations=10", "tests/lab"])


if __name__ == "__main__":
    main()
