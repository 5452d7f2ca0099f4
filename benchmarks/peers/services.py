"""The services that are compared, each in one process of its own on loopback, asked alike."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.service import Session, log_in, running
from tests.support.environments import ensure_environment

HERE = Path(__file__).resolve().parent
PINS = HERE / "pins"
STOP_SECONDS_MAX = 30


class Service(NamedTuple):
    """One that answers."""

    session: Session
    pid: int

    def cpu_seconds(self) -> float:
        """What its process has used of processors until now."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def version_of(package: str, pins: str = "") -> str:
    """The version of a package that is pinned."""
    lines = (PINS / f"{pins or package}.txt").read_text().splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith(f"{package}=="))


@contextmanager
def a_peer(name: str, home: Path, headers: Mapping[str, str]) -> Iterator[Service]:
    """Run NAME_server.py by the peer's own interpreter, until the block ends."""
    home.mkdir()
    python = ensure_environment(name, PINS) / "python"
    with (home / "said").open("w") as said:
        process = subprocess.Popen(
            [str(python), "-W", "ignore", str(HERE / f"{name}_server.py"), str(home)],
            stdout=subprocess.PIPE, stderr=said, text=True,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"{name} did not start: {(home / 'said').read_text()[-4000:]}"
        with closing(Session(json.loads(line)["url"], "admin", headers)) as session:
            yield Service(session, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def a_trunkline(home: Path, fleet: Path, headers: Mapping[str, str]) -> Iterator[Service]:
    """Run `trunkline up` with simulated hosts in `home`, until the block ends."""
    with (
        running(home / "data", str(fleet)) as (url, _, pid),
        closing(log_in(url, home / "data", headers)) as session,
    ):
        yield Service(session, pid)
