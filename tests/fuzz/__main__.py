"""Fuzz the readers of bytes from outside: `python -m tests.fuzz [--seconds N] [TARGET…]`.

With Atheris (`make fuzz` brings it where there is a wheel of it), each target runs so long in a
process of its own, guided by coverage, from a corpus in `.cache/fuzz` that begins with its seeds.
Without it, Hypothesis tries 5,000 examples for each. What is found is printed, and kept there.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from tests.fuzz.seeds import corpus
from tests.fuzz.targets import TARGETS

REPOSITORY: Final = Path(__file__).resolve().parents[2]
CACHE: Final = REPOSITORY / ".cache/fuzz"
INPUT_BYTES_MAX: Final = 8192  # Twice the longest seed.
INPUT_SECONDS_MAX: Final = 30  # For one input, on a busy machine: a reader that hangs is found.


def main() -> int:
    """Run; return 0 if nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="for each target (20)")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    asked = parser.parse_args()
    unknown = sorted(set(asked.targets) - TARGETS.keys())
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}")
    names = asked.targets or list(TARGETS)
    if importlib.util.find_spec("atheris") is None:
        print("Atheris is not installed: Hypothesis tries 5,000 examples for each target.")  # noqa: T201  # its purpose
        return _by_hypothesis(names)
    with ThreadPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as runners:
        found = list(runners.map(partial(_guided, seconds=asked.seconds), names))
    return int(any(found))


def _by_hypothesis(names: list[str]) -> int:
    tests = "tests/fuzz/test_readers.py"
    chosen = " or ".join(f"[{name}]" for name in names)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", tests, *(["-k", chosen] if len(names) == 1 else [])],
        cwd=REPOSITORY,
        env={**os.environ, "HYPOTHESIS_PROFILE": "long"},
        check=False,
    ).returncode


def _guided(name: str, *, seconds: int) -> bool:
    """Fuzz one target; say whether anything was found."""
    inputs, found = CACHE / "corpus" / name, CACHE / "found"
    corpus(inputs, tuple(TARGETS[name].seeds))
    found.mkdir(parents=True, exist_ok=True)
    ran = subprocess.run(
        [
            sys.executable, "-m", "tests.fuzz.guided", name,
            f"-max_total_time={seconds}", f"-max_len={INPUT_BYTES_MAX}",
            f"-timeout={INPUT_SECONDS_MAX}",
            f"-artifact_prefix={found}/{name}-", str(inputs),
        ],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )  # fmt: skip
    runs = re.search(r"Done (\d+) runs", ran.stdout)
    if ran.returncode == 0 and runs is not None:
        print(f"{name:20} {int(runs[1]):>9,} inputs, corpus of {len(list(inputs.iterdir()))}")  # noqa: T201  # its purpose
        return False
    print(f"{name:20} FOUND\n{ran.stdout[-4000:]}")  # noqa: T201  # its purpose
    return True


if __name__ == "__main__":
    sys.exit(main())
