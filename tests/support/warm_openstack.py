"""The `openstack` command without the second that it takes to import itself."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.environments import PINS
from tests.support.patience import HANGS_SECONDS


class WarmOpenStack:
    """Runs commands, each in a process of its own."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests

    def run(
        self, *args: str, cwd: Path, env: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run ``openstack ARGS`` as `subprocess.run` would, with text and captured output.

        Raises:
            subprocess.TimeoutExpired: It took longer than `timeout` seconds, and was killed.
        """
        request = json.dumps({"argv": args, "cwd": str(cwd), "env": dict(env)}).encode()
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            told, tell = os.pipe()
            try:
                socket.send_fds(self._requests, [request], [out.fileno(), err.fileno(), tell])
            finally:
                os.close(tell)
            try:
                status = _wait(told, args, timeout)
            finally:
                os.close(told)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(args, status, out.read(), err.read())


def _wait(told: int, args: tuple[str, ...], timeout: float) -> int:
    """Return the exit status of a command, of which `told` gives the process ID and the status."""
    until = time.monotonic() + timeout
    said = b""
    while said.count(b"\n") < 2:
        if not select.select([told], [], [], max(0, until - time.monotonic()))[0]:
            if pid := said.partition(b"\n")[0]:
                os.kill(int(pid), signal.SIGKILL)
            raise subprocess.TimeoutExpired(args, timeout)
        more = os.read(told, 100)
        assert more, f"openstack {args}: whoever waited for it is gone; {said!r}"
        said += more
    return os.waitstatus_to_exitcode(int(said.split()[1]))


@contextmanager
def warm_openstack(python: Path) -> Iterator[WarmOpenStack]:
    """Have the clients' `python` import them, and keep it for as long as commands are run."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, tempfile.TemporaryDirectory(prefix="tl-warm-") as home:
        with theirs:
            process = subprocess.Popen(
                [str(python), str(PINS / "warm_openstack.py")],
                stdin=theirs.fileno(),
                env={"PATH": os.environ["PATH"], "HOME": home},
            )
        try:
            yield WarmOpenStack(ours)
        finally:
            ours.close()
            process.wait(HANGS_SECONDS)
