"""Stand in for the Python that Ansible runs modules with, without importing the SDK each time.

Runs in Ansible's environment, not in the project's. ``warm_python.py FOLDER`` imports openstacksdk,
listens, and makes FOLDER/python: an executable file that has the program that it is given, as a
file or on stdin, run by a fork of this process, and ends as that does.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

IMPORTED = ("openstack.connection", "keystoneauth1.loading")
REQUEST_BYTES_MAX = 131_072

CALLER = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as warm:
    warm.connect({address!r})
    asked = {{"argv": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ)}}
    socket.send_fds(warm, [json.dumps(asked).encode()], [0, 1, 2])
    sys.exit(int(warm.recv(16) or b"1"))
"""


def main(folder: Path) -> None:
    for name in IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # A fork writes to no page only because something is counted on it.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Nobody waits for the forks that wait.
    address, python = folder / "warm", folder / "python"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(address))
        listener.listen()
        python.write_text(CALLER.format(python=sys.executable, address=str(address)))
        python.chmod(0o755)
        print("ready", flush=True)
        while True:
            caller, _ = listener.accept()
            with caller:
                if os.fork() == 0:
                    listener.close()
                    serve(caller)


def serve(caller: socket.socket) -> NoReturn:
    """Run what a caller asks for in a fork, and tell it how that ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, files, _, _ = socket.recv_fds(caller, REQUEST_BYTES_MAX, 3)
    if os.fork() == 0:
        caller.close()
        run(json.loads(request), files)
        sys.exit()
    _, status = os.wait()
    caller.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def run(request: Any, files: list[int]) -> None:
    """Be the program; it leaves by SystemExit."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.argv = request["argv"] or ["-"]
    if request["argv"]:
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        exec(compile(sys.stdin.read(), "<stdin>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
