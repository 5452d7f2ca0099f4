"""Running things inside the lab host from outside; `lab.guest.commands` is the other end."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Returned = TypeVar("Returned")

SECONDS_MAX = 400  # For one command, unless it says another limit: everything is slow inside.


class CommandFailed(Exception):
    """A command inside exited with another status than 0."""

    def __init__(self, what: str, done: Done) -> None:
        super().__init__(f"{what}: status {done.status}\n{done.stdout}{done.stderr}".rstrip())
        self.done = done


class RaisedInside(Exception):
    """A function that was called inside raised; the text has its traceback.

    Attributes:
        kind: The name of the exception's class.
        errno: Of an OSError, or the code of a NetlinkError; None of others.
    """

    def __init__(self, what: str, told: Mapping[str, Any]) -> None:
        super().__init__(f"{what} raised inside the lab host:\n{told['traceback']}")
        self.kind: str = told["raised"]
        self.text: str = told["text"]
        self.errno: int | None = told["errno"]


class LabHostGone(Exception):
    """The lab host does not answer: it ended, or broke the connection."""


class TooSlow(Exception):
    """What was waited for did not come in time."""


@dataclass(frozen=True)
class Done:
    """How a command ended; a negative status is a signal's number."""

    status: int
    stdout: str
    stderr: str
    outcome: Mapping[str, Any] | None = None


class Running:
    """A command that runs inside. When it is closed, what still runs there is killed."""

    def __init__(self, what: str, connection: socket.socket) -> None:
        self._what = what
        self._connection = connection
        self._unread = b""
        self._done: Done | None = None
        self._said = {"out": "", "err": ""}

    @property
    def stdout(self) -> str:
        """What it had said when somebody last waited."""
        return self._said["out"]

    def signal(self, number: int) -> None:
        """Send it a signal; processes that it started don't get it."""
        self._connection.sendall(json.dumps({"signal": int(number)}).encode() + b"\n")

    def wait(self, seconds: float = SECONDS_MAX) -> Done:
        """Wait for its end.

        Raises:
            TooSlow: It still runs; it is killed.
        """
        self._read_until(lambda: False, seconds)
        assert self._done is not None
        return self._done

    def wait_for(self, text: str, seconds: float = SECONDS_MAX) -> str:
        """Wait until it has said `text` on standard output, and return all that it has said.

        Raises:
            TooSlow: It said other things; it is killed.
            CommandFailed: It ended before.
        """
        self._read_until(lambda: text in self.stdout, seconds)
        if text not in self.stdout and self._done is not None:
            raise CommandFailed(f"{self._what} ended before it said {text!r}", self._done)
        return self.stdout

    def close(self) -> None:
        """Kill what still runs."""
        self._connection.close()

    def _read_until(self, is_enough: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._done is None and not is_enough():
            left = max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([self._connection], [], [], left)
            if not ready:
                self.close()
                raise TooSlow(f"{self._what}: {seconds:g} s were not enough; it said: {self._said}")
            chunk = self._connection.recv(1 << 16)
            if not chunk:
                raise LabHostGone(f"{self._what}: the connection broke; it said: {self._said}")
            *lines, self._unread = (self._unread + chunk).split(b"\n")
            for line in lines:
                self._take(json.loads(line))

    def _take(self, message: Mapping[str, Any]) -> None:
        if "status" in message:
            self._connection.close()
            self._done = Done(
                message["status"], _mended(self._said["out"]), _mended(self._said["err"]),
                message["outcome"],
            )  # fmt: skip
            return
        for stream, text in message.items():
            self._said[stream] += text


def _mended(text: str) -> str:
    """Join characters that were cut between two chunks."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class Channel:
    """The side of the lab host's commands that tests see."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._running: list[Running] = []

    @property
    def tcp_port(self) -> int:
        """Where the lab host is to connect, on loopback."""
        return int(self._listener.getsockname()[1])

    def has_been_called(self, seconds: float) -> bool:
        """Wait so long for the lab host's first connection; say whether it has come."""
        ready, _, _ = select.select([self._listener], [], [], seconds)
        return bool(ready)

    def close(self) -> None:
        """Kill what runs, and take no more connections."""
        self.end_all()
        self._listener.close()

    def forget(self) -> None:
        """Hang up on a lab host that is no more: what comes next is another's first connection."""
        self.end_all()
        while select.select([self._listener], [], [], 0)[0]:
            self._listener.accept()[0].close()

    def end_all(self) -> None:
        """Kill what was started and still runs."""
        while self._running:
            self._running.pop().close()

    def start(
        self,
        argv: Sequence[str],
        *,
        given: str = "",
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
    ) -> Running:
        """Start a program inside; `given` is its standard input."""
        request = {"argv": list(argv), "input": given, "env": dict(env or {}), "cwd": cwd}
        return self._ask(" ".join(argv), request)

    def start_python(
        self, module: str, *argv: str, env: Mapping[str, str] | None = None
    ) -> Running:
        """Start what ``python3 -m MODULE ARGV`` starts, without the seconds of its imports."""
        request = {"program": module, "argv": list(argv), "env": dict(env or {})}
        return self._ask(" ".join((module, *argv)), request)

    def run(
        self,
        *argv: str,
        given: str = "",
        env: Mapping[str, str] | None = None,
        seconds: float = SECONDS_MAX,
    ) -> str:
        """Run a program inside and return what it printed.

        Raises:
            CommandFailed: Its status was not 0.
            TooSlow: It took longer; it was killed.
        """
        done = self.start(argv, given=given, env=env).wait(seconds)
        if done.status != 0:
            raise CommandFailed(" ".join(argv), done)
        return done.stdout

    def call(
        self,
        function: Callable[..., Returned],
        *args: object,
        seconds: float = SECONDS_MAX,
        **kwargs: object,
    ) -> Returned:
        """Call a function of a module inside, in a process of its own, and return what it returns.

        Arguments and result pass as JSON: tuples come back as lists, keys as strings.

        Raises:
            RaisedInside: It raised.
            TooSlow: It took longer; it was killed.
        """
        what = f"{function.__module__}.{function.__qualname__}"
        request = {
            "module": function.__module__, "function": function.__qualname__,
            "args": args, "kwargs": kwargs,
        }  # fmt: skip
        done = self._ask(what, request).wait(seconds)
        if done.outcome is None:
            raise CommandFailed(what, done)
        if "raised" in done.outcome:
            raise RaisedInside(what, done.outcome)
        returned: Returned = done.outcome["returned"]
        return returned

    def _ask(self, what: str, request: Mapping[str, Any]) -> Running:
        told = json.dumps(request).encode() + b"\n"
        ready, _, _ = select.select([self._listener], [], [], SECONDS_MAX)
        if not ready:
            raise LabHostGone(f"{what}: the lab host takes no command")
        connection, _ = self._listener.accept()
        connection.sendall(told)
        running = Running(what, connection)
        self._running.append(running)
        return running
