"""Nova in a Python environment of its own, in .cache/nova, and its filter as a process there."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from benchmarks._raw_fleet import VFS_PER_PF, RawHost, Wants

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
PINS = HERE / "nova.txt"
HOME = REPOSITORY / ".cache/nova"
INSTALL_SECONDS_MAX = 900


class NovaMissing(SystemExit):
    """Nova could not be installed, or does not start: says which step failed, and how."""


def ensure_nova() -> Path:
    """Return the interpreter that has Nova, after building its environment where that is due."""
    python, stamp = HOME / "bin/python", HOME / "pins.sha256"
    wanted = hashlib.sha256(PINS.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(HOME, ignore_errors=True)
        _uv("making the environment", "venv", "--python", ">=3.11", str(HOME))
        _uv(
            "installing Nova", "pip", "install", "--python", str(python),
            "--requirements", str(PINS),
        )  # fmt: skip
        _run("importing Nova", [str(python), "-W", "ignore", "-c", "import nova.pci.stats"])
        stamp.write_text(wanted)
    return python


def nova_version() -> str:
    """The version that is pinned."""
    return next(
        line.partition("==")[2] for line in PINS.read_text().splitlines() if line[:6] == "nova=="
    )


def _uv(step: str, *arguments: str) -> None:
    _run(step, [str(REPOSITORY / "tools/uv"), "--quiet", *arguments])


def _run(step: str, command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, text=True, capture_output=True, timeout=INSTALL_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        raise NovaMissing(f"{step} took more than {INSTALL_SECONDS_MAX} s") from None
    if done.returncode != 0:
        raise NovaMissing(f"{step} failed: {' '.join(command)}\n{done.stdout}{done.stderr}")


class Taken(NamedTuple):
    """What one decision took: by the wall's clock, and of the processor."""

    seconds: float
    cpu: float


class NovaFilter:
    """The filter, asked one thing at a time; a context manager."""

    def __init__(self, python: Path, hosts: Sequence[RawHost], fleet_file: Path) -> None:
        fleet_file.write_text(json.dumps([_as_json(host) for host in hosts]))
        self._process = subprocess.Popen(
            [str(python), "-W", "ignore", str(HERE / "nova_filter.py"), str(fleet_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def load(self, *, numa: bool) -> None:
        """Make every host's statistics."""
        self._ask("load", numa=numa)

    def check(self) -> None:
        """Hold the pools it was given against those that Nova makes of devices."""
        self._ask("check")

    def decide(self, nics: Sequence[Wants]) -> tuple[Taken, set[int]]:
        """Return what it took, and the numbers of the hosts that accept."""
        answer = self._ask("decide", nics=nics)
        return Taken(answer["seconds"], answer["cpu"]), set(answer["accepted"])

    def set_free(self, number: int, host: RawHost) -> None:
        """Tell what a host has free now."""
        self._ask("set", number=number, free=[pf.free.bit_count() for pf in host.pfs])

    def _ask(self, do: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"Nova's filter ended with status {self._process.wait()}; see above")
        return json.loads(line)


def _as_json(host: RawHost) -> dict[str, Any]:
    return {
        "pfs": [
            {
                "address": pf.address,
                "numa_node": pf.numa_node,
                "facts": pf.facts,
                "tags": pf.tags,
                "vf_count": VFS_PER_PF,
                "free": pf.free.bit_count(),
            }
            for pf in host.pfs
        ]
    }
