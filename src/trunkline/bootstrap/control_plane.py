"""Serving the control plane over HTTP."""

from __future__ import annotations

import gc
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import FrameType

import uvicorn

from trunkline.api.app import make_app
from trunkline.api.foreground import Foreground
from trunkline.api.wakeups import Wakeups
from trunkline.bootstrap.directory import DataDirectory, Login
from trunkline.control.identity import bootstrap_identity, reset_password
from trunkline.control.services import Services
from trunkline.domain.errors import ErrorKind, TrunklineError

KEEP_ALIVE_SECONDS = 75  # Longer than the clients' own, so that they close first.
BACKLOG = 2048
ADMIN_CLOUD, DEMO_CLOUD = "trunkline", "trunkline-demo"


class AddressTaken(TrunklineError):
    """The service can't listen where it is told to."""

    code = "server.address_taken"
    kind = ErrorKind.CONFLICT

    def __init__(self, address: str, port: int, problem: str) -> None:
        super().__init__(
            f"cannot listen on {address}:{port}: {problem}; choose another port with --port, or "
            "another address"
        )


@dataclass(frozen=True, slots=True)
class Listener:
    """A bound socket: its port is known before anything answers on it."""

    socket: socket.socket
    url: str


def listen(address: str, port: int) -> Listener:
    """Bind where the service is to answer; port 0 takes any that is free.

    Raises:
        AddressTaken: Something listens there already, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's algorithm off only where it is: else each
    # answer waits some 40 ms for the client's delayed acknowledgement of its first packet.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((address, port))
    except OSError as problem:
        bound.close()
        raise AddressTaken(address, port, problem.strerror or str(problem)) from problem
    shown = f"[{address}]" if ":" in address else address
    return Listener(bound, f"http://{shown}:{bound.getsockname()[1]}")


def serve(
    svc: Services,
    wakeups: Wakeups,
    listener: Listener,
    *,
    public_url: str | None = None,
    foreground: Foreground | None = None,
    on_ready: Callable[[], None],
) -> None:
    """Answer requests until a signal says to stop; what is under way is finished first."""
    app = make_app(svc, wakeups, public_url=public_url, foreground=foreground)
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,  # The app logs each request itself, without secrets.
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=10,
            backlog=BACKLOG,
            server_header=False,
        ),
        on_ready,
        wakeups,
    )
    # The fleet index stays as long as the process: without this each full collection would look
    # at all of its hosts, 0.1 s at ten thousand of them, in the middle of some decision.
    gc.collect()
    gc.freeze()
    server.run(sockets=[listener.socket])


class _Server(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, on_ready: Callable[[], None], wakeups: Wakeups
    ) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._wakeups = wakeups

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in good order.

        uvicorn raises every signal again when it is done. For SIGTERM that is death on the spot:
        agents in the middle of a step, the database's log not folded in. Ctrl-C may be raised
        again, as it unwinds.
        """
        if sig == signal.SIGTERM:
            self.should_exit = True
        else:
            super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, then say so."""
        await super().startup(sockets=sockets)
        if self.started:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the long polls at once; the other requests are finished."""
        self._wakeups.close()
        await super().shutdown(sockets=sockets)
        if self.force_exit:
            # A second Ctrl-C has uvicorn leave this out, and the application, which waits for it,
            # would be cancelled with a traceback.
            await self.lifespan.shutdown()


def new_logins(directory: DataDirectory, svc: Services, url: str) -> list[Login]:
    """Write clouds.yaml for this URL; return what must be shown, because it never is again.

    Whoever is alone with the database has the passwords nowhere but in clouds.yaml. Where that is
    gone (deleted, or a kill came between the commit and the file), there are new ones. A replica
    leaves that be: another one may have the file.
    """
    first = bootstrap_identity(svc)
    if first is not None:
        passwords = first.admin, first.demo
    elif logins := directory.read_logins():
        directory.write_clouds(url, logins)
        return []
    elif svc.store.dialect != "sqlite":
        return []
    else:
        reset = partial(
            reset_password, svc.store, clock=svc.clock, ids=svc.ids, passwords=svc.passwords
        )
        passwords = reset("admin"), reset("demo")
    logins = [
        Login(ADMIN_CLOUD, "admin", passwords[0], "admin"),
        Login(DEMO_CLOUD, "demo", passwords[1], "demo"),
    ]
    directory.write_clouds(url, logins)
    return logins
