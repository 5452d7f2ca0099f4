"""One target under Atheris: `python -m tests.fuzz.guided TARGET [libFuzzer's options] [CORPUS]`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["trunkline"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz until libFuzzer's options say that it is enough, or until something is found."""
    target = TARGETS[sys.argv.pop(1)]
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="trunkline-fuzz-") as scratch:
        directory = Path(scratch)
        atheris.Setup(sys.argv, lambda data: target.run(data, directory))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
