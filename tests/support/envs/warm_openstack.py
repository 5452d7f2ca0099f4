"""Run the installed `openstack` command again and again, each time in a fork of this process.

Runs in the clients' environment, not in the project's. Four fifths of the time of a command goes to
importing the client; here that is done once. What a fork then runs is the file `bin/openstack`, as
the main program, with arguments, environment, folder and output of its own.

A request is one message on the socket that stdin is: JSON with argv, cwd and env, and three file
descriptors: stdout, stderr, and a pipe that is told the command's process ID and its wait status.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import signal
import socket
import sys
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NoReturn

from cliff import command
from stevedore import _cache  # It reads the entry points of all packages, once a process.

REQUEST_BYTES_MAX = 131_072
COMMAND = Path(sys.executable).with_name("openstack")
IMPORTED = ("openstack.", "keystoneauth1.plugin", "cliff.formatter.")
"""How the groups of entry points begin that a command comes to know."""


def main() -> None:
    sys.argv = [str(COMMAND)]  # The client names itself for it while it is imported.
    everything = entry_points()
    for group in (name for name in everything.groups if name.startswith(IMPORTED)):
        for found in everything.select(group=group):
            with suppress(Exception):  # A plug-in that lacks what it needs; commands pass over it.
                found.load()
        _cache.get_group_all(group)
    command._get_distributions_by_modules()  # For the last line of a command's help.
    gc.collect()
    gc.freeze()  # A fork writes to no page only because something is counted on it.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Nobody waits for the forks that wait.
    requests = socket.socket(fileno=os.dup(0))
    while True:
        request, descriptors, _, _ = socket.recv_fds(requests, REQUEST_BYTES_MAX, 3)
        if not request:
            return
        if os.fork() == 0:
            requests.close()
            wait_for_command(json.loads(request), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def wait_for_command(request: Any, out: int, err: int, told: int) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.close(told)
        run(request, out, err)
        sys.exit()
    os.write(told, f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    os.write(told, f"{status}\n".encode())
    os._exit(0)


def run(request: Any, out: int, err: int) -> None:
    """Be the command; it leaves by SystemExit."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, number in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(source, number)
        os.close(source)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.argv = [str(COMMAND), *request["argv"]]
    runpy.run_path(str(COMMAND), run_name="__main__")


if __name__ == "__main__":
    main()
