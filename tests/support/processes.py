"""Trunkline's own commands as child processes: waited for by what they say, ended by pid."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.clients import client_environment
from tests.support.patience import HANGS_SECONDS

# What systemd does between fork and exec. Source: sd_listen_fds(3).
_PASSING = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""


def ask(cloud_dir: Path, *args: str) -> str:
    """Run a `trunkline` command that asks, as the admin, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "trunkline", *args], cwd=cloud_dir, text=True, check=True,
        env=client_environment(cloud_dir, "trunkline"), capture_output=True,
        timeout=HANGS_SECONDS,
    )  # fmt: skip
    return done.stdout


class Running:
    """A command that has said `ready`."""

    def __init__(self, process: subprocess.Popen[str], said: list[str]) -> None:
        self._process = process
        self.said = said

    @property
    def url(self) -> str:
        """Where it answers, by its own words."""
        prefix = "Trunkline answers at "
        return next(line for line in self.said if line.startswith(prefix)).removeprefix(prefix)

    def kill(self) -> None:
        """End it as a power switch would."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(HANGS_SECONDS)

    def interrupt(self) -> int:
        """Press Ctrl-C; return its exit status."""
        return self.signal(signal.SIGINT)

    def notify(self, number: signal.Signals) -> None:
        """Send a signal that it goes on after."""
        self._process.send_signal(number)

    def signal(self, number: signal.Signals) -> int:
        """Send a signal that ends it; return its exit status."""
        self._process.send_signal(number)
        return self._process.wait(HANGS_SECONDS)

    def wait_killed(self) -> None:
        """Wait until it has ended by SIGKILL, by its own hand."""
        assert self._process.wait(HANGS_SECONDS) == -signal.SIGKILL

    def stop(self) -> None:
        """Ask it to end, if it has not."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(HANGS_SECONDS)


@contextmanager
def trunkline(
    directory: Path,
    *args: str,
    env: Mapping[str, str] | None = None,
    listener: socket.socket | None = None,
) -> Iterator[Running]:
    """Run ``trunkline ARGS`` in `directory` from when it says `ready` on.

    It is passed `listener` as systemd passes a socket.
    """
    command = [sys.executable, "-m", "trunkline", *args]
    passed = []
    if listener is not None:
        passed = [listener.fileno()]
        command = [sys.executable, "-c", _PASSING, str(listener.fileno()), *command]
    log = directory / f"{args[0]}-{os.getpid()}-{len(list(directory.glob('*.log')))}.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env={**os.environ, **(env or {})},
            pass_fds=passed,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line.rstrip("\n"))
                if said[-1] == "ready":
                    break
            assert said[-1:] == ["ready"], f"{args}: {said}\n{log.read_text()}"
            running = Running(process, said)
            yield running
            running.stop()
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
