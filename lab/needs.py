"""What a machine must have for the lab; `python -m lab.needs` installs it, and builds the image."""

from __future__ import annotations

import os
import sys

from lab import content
from lab.build import ensure_root
from lab.locks import only_one_on_this_machine
from tools import system_packages


def missing() -> str | None:
    """Say what this machine lacks, and how to get it; None if it can run the lab."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return "The lab host is a Linux machine for x86_64, and so must this one be."
    if os.geteuid() != 0:
        return "The lab needs root: it makes file systems with their owners."
    if lacking := system_packages.unmet(system_packages.LAB_NEEDS):
        return f"The lab can't run here. {system_packages.told(lacking)}"
    return None


def main() -> None:
    """Make ready whatever takes long; exit 0 only if the lab can run."""
    system_packages.ensure(system_packages.LAB_NEEDS)
    if lacking := missing():
        sys.exit(lacking)
    with only_one_on_this_machine("lab-host"):
        ensure_root()
        content.ensure_dependencies()


if __name__ == "__main__":
    main()
