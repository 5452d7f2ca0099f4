"""The lab host's process 1: runs what tests outside ask for, a connection for each.

It calls out to the tests' side (`lab.channel`) and waits with one idle connection; when that is
used it forks, and offers the next. What is asked for is a program, or Python: a function, or a
module that is a program. Python runs in a fork of this process: what was imported here need not be
imported again.

A connection carries lines of JSON. In: the request, then `{"signal": N}`. Out: `{"out": text}`
and `{"err": text}` as they come, then `{"status": N, "outcome": …}`. When the connection breaks,
what it asked for is killed, with all its process group.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

ADDRESS_OPTION = "lab.commands="  # On the kernel's command line.
PRELOADED = (
    *("pyroute2", "libvirt", "lxml.etree", "msgspec", "tests.lab.kernel_inside"),
    # What the commands of a host load once they are asked for.
    *("trunkline.bootstrap.main", "trunkline.bootstrap.agent", "trunkline.bootstrap.host_helper"),
    *("trunkline.bootstrap.real_kernel", "trunkline.host.libvirt.hypervisor"),
    *("trunkline.host.libvirt.storage", "trunkline.host.linux.resources"),
)
CHUNK_BYTES = 65536


def main(preloaded: Sequence[str] = PRELOADED) -> None:
    """Serve until the machine is switched off."""
    for name in preloaded:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, _reap)
    words = Path("/proc/cmdline").read_text().split()
    [address] = [
        word.removeprefix(ADDRESS_OPTION) for word in words if word.startswith(ADDRESS_OPTION)
    ]
    host, _, tcp_port = address.rpartition(":")
    while True:
        connection = socket.create_connection((host, int(tcp_port)))
        asked = connection.recv(1, socket.MSG_PEEK)  # Returns when this connection is used.
        if asked and os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _serve(connection)
            os._exit(0)
        connection.close()


def _reap(_number: int, _frame: object) -> None:
    """Bury children, also those whose parents ended before them: this is process 1."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return


def _serve(connection: socket.socket) -> None:
    requests = connection.makefile("rb")
    request = json.loads(requests.readline())
    out, out_end = os.pipe()
    err, err_end = os.pipe()
    outcome, outcome_end = os.pipe()
    process = os.fork()
    if process == 0:
        connection.close()
        _become(request, out_end, err_end, outcome_end)
    for end in (out_end, err_end, outcome_end):
        os.close(end)
    pidfd = os.pidfd_open(process)
    with selectors.DefaultSelector() as selector:
        selector.register(out, selectors.EVENT_READ, "out")
        selector.register(err, selectors.EVENT_READ, "err")
        selector.register(outcome, selectors.EVENT_READ, "outcome")
        selector.register(pidfd, selectors.EVENT_READ, "ended")
        selector.register(connection, selectors.EVENT_READ, "asked")
        _pass_on(selector, connection, process)


def _pass_on(selector: selectors.BaseSelector, connection: socket.socket, process: int) -> None:
    """Carry output out and signals in, until the process has ended and its output is out.

    A daemon that it left behind may hold the pipes open: their end is not waited for.
    """
    told = b""
    ended = False
    while True:
        ready = [key for key, _ in selector.select(0 if ended else None)]
        if ended and not ready:
            break
        for key in ready:
            if key.data == "ended":
                ended = True
                selector.unregister(key.fileobj)
                continue
            if key.data == "asked":
                if not _obey(connection.recv(CHUNK_BYTES), process):
                    return
                continue
            chunk = os.read(key.fd, CHUNK_BYTES)
            if not chunk:
                selector.unregister(key.fileobj)
            elif key.data == "outcome":
                told += chunk
            else:
                _tell(connection, {key.data: chunk.decode("utf-8", "surrogateescape")})
    _, status = os.waitpid(process, 0)
    _tell(
        connection,
        {
            "status": os.waitstatus_to_exitcode(status),
            "outcome": json.loads(told) if told else None,
        },
    )


def _obey(said: bytes, process: int) -> bool:
    """Send the signals that were asked for; False if there is nobody any more."""
    if not said:
        os.killpg(process, signal.SIGKILL)
        return False
    for line in said.splitlines():
        os.kill(process, json.loads(line)["signal"])
    return True


def _tell(connection: socket.socket, message: dict[str, Any]) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def _become(request: dict[str, Any], out: int, err: int, outcome: int) -> NoReturn:
    """Be the process that was asked for."""
    status = 127
    try:
        os.setsid()
        given = os.memfd_create("input")
        os.write(given, request.get("input", "").encode())
        os.lseek(given, 0, os.SEEK_SET)
        for number, end in enumerate((given, out, err)):
            os.dup2(end, number)
        os.environ.update(request.get("env", {}))
        if "cwd" in request:
            os.chdir(request["cwd"])
        if "program" in request:
            sys.argv[1:] = request["argv"]
            runpy.run_module(request["program"], run_name="__main__", alter_sys=True)
            status = 0
        elif "argv" in request:
            os.execvp(request["argv"][0], request["argv"])
        else:
            status = _call(request, outcome)
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - whatever it is, who asked is told
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _call(request: dict[str, Any], outcome: int) -> int:
    told: dict[str, Any]
    try:
        function = importlib.import_module(request["module"])
        for name in request["function"].split("."):
            function = getattr(function, name)
        assert callable(function)
        told = {"returned": function(*request["args"], **request["kwargs"])}
    except BaseException as error:  # noqa: BLE001 - whatever it is, who asked is told
        told = {
            "raised": type(error).__name__,
            "text": str(error),
            "errno": getattr(error, "errno", None) or getattr(error, "code", None),
            "traceback": traceback.format_exc(),
        }
    with os.fdopen(outcome, "w") as file:
        json.dump(told, file)
    return int("raised" in told)


if __name__ == "__main__":
    main()
