"""The real system as child processes: the server, and the agent of one host."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

START_SECONDS_MAX: Final = 30.0
STOP_SECONDS_MAX: Final = 10.0
_POLL_SECONDS: Final = 0.02
_never: Final = threading.Event()


class Stuck(Exception):
    """Something that was waited for has not come about."""


def wait_until(holds: Callable[[], bool], what: str, *, seconds_max: float) -> None:
    """Wait for a state.

    Raises:
        Stuck: It has not come about in this time.
    """
    deadline = time.monotonic() + seconds_max
    while not holds():
        if time.monotonic() > deadline:
            raise Stuck(f"{what}: not within {seconds_max:g} s")
        _never.wait(_POLL_SECONDS)


class Child:
    """A process of ours, with its output in a file. It never outlives the demonstration."""

    def __init__(self, name: str, scratch: Path) -> None:
        self.name = name
        self._output = scratch / f"{name}.out"
        self._errors = scratch / f"{name}.err"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process ID."""
        assert self._process is not None
        return self._process.pid

    def output(self) -> str:
        """What it has printed since its last start."""
        return self._output.read_text()

    def start(self, arguments: list[str], environment: Mapping[str, str] | None = None) -> None:
        """Start ``trunkline ARGUMENTS`` and wait until it says `ready`."""
        self.launch(arguments, environment)
        wait_until(
            lambda: self._has_ended() or "\nready\n" in self.output(),
            f"{self.name} is ready",
            seconds_max=START_SECONDS_MAX,
        )
        if self._has_ended():
            raise Stuck(f"{self.name} ended at once: {self._errors.read_text()[-2000:]}")

    def launch(self, arguments: list[str], environment: Mapping[str, str] | None = None) -> None:
        """Start ``trunkline ARGUMENTS``; its output begins anew."""
        with self._output.open("wb") as output, self._errors.open("ab") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "trunkline", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env={**os.environ, **(environment or {})},
                start_new_session=True,  # Ctrl-C is for us; we stop our children.
            )

    def kill(self) -> None:
        """SIGKILL: it gets no chance to tidy up."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def wait_killed(self, *, seconds_max: float) -> None:
        """Wait for it to be ended by SIGKILL, from whatever side."""
        wait_until(self._has_ended, f"{self.name} is killed", seconds_max=seconds_max)
        assert self._process is not None
        if self._process.returncode != -signal.SIGKILL:
            raise Stuck(f"{self.name} ended with {self._process.returncode}, not by SIGKILL")

    def stop(self) -> None:
        """Ask it to end, and see to it that it does."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None


class System:
    """`trunkline up` on one data directory, and `trunkline agent` for one of its hosts."""

    def __init__(self, directory: Path, *, external_host: str) -> None:
        self.data = directory / "data"
        self.external_host = external_host
        self.compute_file = directory / "compute.toml"
        self._state = directory / "agent"
        self.server = Child("trunkline-up", directory)
        self.agent = Child(f"trunkline-agent-{external_host}", directory)
        self.url = ""

    @property
    def server_command(self) -> list[str]:
        """What `trunkline` is called with; after the first start, on the same TCP port."""
        port = self.url.rpartition(":")[2] or "0"
        return [
            "up", "--fleet", "scenario", "--data", str(self.data), "--port", port,
            "--external-agent", self.external_host,
        ]  # fmt: skip

    def start_server(self) -> None:
        """Start everything but one host's agent."""
        self.server.start(self.server_command)
        found = re.search(r"answers at (\S+)", self.server.output())
        if found is None:
            raise Stuck("the server does not say where it answers")
        self.url = found[1]

    def write_compute_file(self) -> str:
        """Write the agent's configuration, and return it."""
        text = (
            f'host = "{self.external_host}"\n'
            f'state_dir = "{self._state}"\n'
            "\n[controller]\n"
            f'url = "{self.url}"\n'
            f'enrolment_key_file = "{self.data}/enrolment.key"\n'
            '\n[[device_spec]]\naddress = "0000:05:*.*"\nphysical_network = "phy1"\n'
            '\n[[device_spec]]\naddress = "0000:82:*.*"\nphysical_network = "phy2"\n'
        )
        self.compute_file.write_text(text)
        return text

    def start_agent(self, *, kill_at: str | None = None) -> None:
        """Start the agent of the one host; `kill_at`: it is to end itself with SIGKILL there."""
        arguments = ["agent", "--config", str(self.compute_file)]
        arguments += ["--simulate", str(self.data / "hosts")]
        if kill_at is None:
            self.agent.start(arguments)
        else:
            # It may reach the point before it has said `ready`.
            self.agent.launch(arguments, {"TRUNKLINE_KILL_AT": kill_at})

    def stop(self) -> None:
        """Stop both."""
        self.agent.stop()
        self.server.stop()
