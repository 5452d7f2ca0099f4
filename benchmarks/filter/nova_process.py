"""Nova in a Python environment of its own, in .cache/nova, and its filter as a process there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from benchmarks._raw_fleet import VFS_PER_PF, RawHost, Wants
from benchmarks.peers.services import PINS, version_of
from tests.support.environments import ensure_environment

HERE = Path(__file__).resolve().parent


def ensure_nova() -> Path:
    """Return the interpreter that has Nova, after building its environment where that is due."""
    return ensure_environment("nova", PINS) / "python"


def nova_version() -> str:
    """The version that is pinned."""
    return version_of("nova")


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
