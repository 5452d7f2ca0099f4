"""One JSON file that is the whole state of a simulated machine, and the log of writes beside it.

The file is replaced atomically before a call returns, so the state outlives whoever was calling,
as a real kernel outlives an agent. It is not synced: what it must survive is SIGKILL, not the loss
of power, which a real kernel's state does not survive either.

Every attempted write is a line of the log. The state carries the newest line and the length of the
log before it: a process killed between the two writes leaves a log that the next one completes.
The log is also the lock, since it alone is never replaced.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from trunkline.reconcile.interfaces import HostRefused
from trunkline.wire import json


class LoggedState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What every state file carries for its log."""

    log_number: int = 0  # Lines written so far.
    log_bytes: int = 0  # Length of the log without `log_line`.
    log_line: str = ""  # The newest line; perhaps not yet in the log.


class LogEntry(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One attempted write."""

    number: int  # Counts from 1; no gaps.
    by: str  # `agent`, `libvirt`, `operator`, `boot` or `guest`.
    command: str  # As an operator would type it.
    result: str  # `OK`, an errno's name, or why libvirt refused.
    # Of a hypervisor's entry: the newest entry of the kernel's log by then, which puts the two logs
    # of a machine in one order.
    kernel_number: int = 0


S = TypeVar("S", bound=LoggedState)
_Stamp = tuple[int, int, int]  # Of a file: time of change, inode, size.


class Held(Generic[S]):
    """The state, held against every other process and thread; `commit` writes it."""

    def __init__(self, path: Path, log: int, state: S) -> None:
        self.state = state
        self._path = path
        self._log = log

    def save(self) -> None:
        """Replace the file by the state as it is now."""
        # One name will do: whoever writes it holds the lock.
        scratch = f"{self._path}.new"
        file = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            data = json.encode(self.state)
            while data:
                data = data[os.write(file, data) :]
            # The kernel's own stamps may be some milliseconds apart, and two states between them.
            now = time.time_ns()
            os.utime(file, ns=(now, now))
        finally:
            os.close(file)
        os.replace(scratch, self._path)  # noqa: PTH105 - the path is text for speed

    def commit(self, *, by: str, command: str, result: str, kernel_number: int = 0) -> None:
        """Replace the file, and add a line on what was attempted; see `LogEntry`."""
        state = self.state
        state.log_number += 1
        state.log_bytes += len(state.log_line.encode())
        entry = LogEntry(
            number=state.log_number,
            by=by,
            command=command,
            result=result,
            kernel_number=kernel_number,
        )
        state.log_line = msgspec.json.encode(entry).decode() + "\n"
        self.save()
        _append(self._log, state.log_line)


def _append(log: int, line: str) -> None:
    data = line.encode()
    while data:
        data = data[os.write(log, data) :]


def damaged(path: Path, problem: str) -> HostRefused:
    """Return the refusal of a simulated machine of which a file can't be read."""
    return HostRefused(
        f"reading {path}",
        f"{problem}; restore the file from a copy, or stop Trunkline and delete {path.parent}: the "
        "next start makes that host anew, without its guests",
    )


class StateFile(Generic[S]):
    """A state of type `S` in a file. Several processes may use the same file."""

    def __init__(self, path: Path, type_: type[S]) -> None:
        self.path = path
        self._text = str(path)
        self.log_path = path.with_suffix(".log")
        self._type = type_
        self._cached: tuple[_Stamp, S] | None = None

    def create(self, state: S) -> None:
        """Write the first state; the log starts empty."""
        self.log_path.write_bytes(b"")
        self.path.write_bytes(json.encode(state))

    def read(self) -> S:
        """Return the state as it is now; shared between readers, so never changed by them.

        Raises:
            HostRefused: The file is damaged or gone. Nothing is done to it.
        """
        try:
            found = os.stat(self._text)  # noqa: PTH116 - text for speed
        except OSError as problem:
            raise damaged(self.path, str(problem.strerror)) from problem
        # Taken before the file is read: one that is replaced meanwhile is read again.
        stamp = found.st_mtime_ns, found.st_ino, found.st_size
        cached = self._cached
        if cached is None or cached[0] != stamp:
            cached = self._cached = (stamp, self._decode(self._read_bytes()))
        return cached[1]

    def _read_bytes(self) -> bytes:
        try:
            with open(self._text, "rb", buffering=0) as file:  # noqa: PTH123 - text for speed
                return file.read()
        except OSError as problem:
            raise damaged(self.path, str(problem.strerror)) from problem

    def _decode(self, data: bytes) -> S:
        try:
            return json.decode(data, self._type)
        except msgspec.DecodeError as problem:
            raise damaged(self.path, str(problem)) from problem

    @contextmanager
    def held(self) -> Iterator[Held[S]]:
        """Hold the state alone, a copy that may be changed; nothing is written but by `Held`."""
        log = os.open(self.log_path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(log, fcntl.LOCK_EX)
            state = self._decode(self._read_bytes())
            self._complete_log(log, state)
            yield Held(self.path, log, state)
        finally:
            os.close(log)  # Lets go of the lock.

    def _complete_log(self, log: int, state: S) -> None:
        line = state.log_line.encode()
        length = os.fstat(log).st_size
        if length != state.log_bytes + len(line):
            os.ftruncate(log, min(length, state.log_bytes))
            _append(log, state.log_line)

    def log(self) -> tuple[LogEntry, ...]:
        """Read every attempted write so far, oldest first."""
        with self.held():  # Completes the log, and waits until no line is half written.
            data = self.log_path.read_bytes()
        return tuple(msgspec.json.Decoder(LogEntry).decode_lines(data))
