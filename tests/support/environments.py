"""Python environments beside the project's own, for programs that must not share its packages.

Each is built once, in .cache/, from a file of pins, and again when that changes.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = REPOSITORY / ".cache"
PINS = Path(__file__).parent / "envs"


@contextmanager
def only_one_process(name: str) -> Iterator[None]:
    """Hold the lock `name`: parallel test workers build a shared thing one after another."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def digest_of(*paths: Path) -> str:
    """Tell one content of these files from another."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def ensure_environment(name: str, folder: Path = PINS) -> Path:
    """Return the `bin` folder of the environment `name`, building it where it is missing or old.

    Its pins are NAME.txt in `folder`.
    """
    home, pins = CACHE / name, folder / f"{name}.txt"
    stamp, wanted = home / "pins.sha256", digest_of(pins)
    with only_one_process(name):
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(home, ignore_errors=True)
            _uv("venv", "--python", ">=3.11", str(home))
            _uv("pip", "install", "--python", str(home / "bin/python"), "--requirements", str(pins))
            stamp.write_text(wanted)
    return home / "bin"


def _uv(*arguments: str) -> None:
    command = [str(REPOSITORY / "tools/uv"), "--quiet", *arguments]
    done = subprocess.run(command, text=True, capture_output=True, timeout=600)
    assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}"
