"""What a machine must have for the lab."""

from __future__ import annotations

import os
import sys

from tools import system_packages


def missing() -> str | None:
    """Say what this machine lacks, and how to get it; None if it can run the lab."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return "The lab host is a Linux machine for x86_64, and so must this one be."
    if os.geteuid() != 0:
        return "The lab needs root: it makes file systems whose files have owners."
    if lacking := system_packages.unmet(system_packages.LAB_NEEDS):
        return f"The lab can't run here. {system_packages.told(lacking)}"
    return None


def install() -> str | None:
    """Install what is missing, where that is possible, and say what still is."""
    system_packages.ensure(system_packages.LAB_NEEDS)
    return missing()
