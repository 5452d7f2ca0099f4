"""Making the control plane's parts and serving them over HTTP."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from trunkline.api.app import make_app
from trunkline.api.wakeups import Wakeups
from trunkline.control.fleet import LiveFleet
from trunkline.control.image_transfer import clear_up_images
from trunkline.control.networking import Networking
from trunkline.control.services import Limits, Services
from trunkline.domain.clock import Clock, IdSource
from trunkline.domain.errors import ErrorKind, TrunklineError
from trunkline.domain.ids import HostName
from trunkline.store.engine import Store
from trunkline.vif.registry import load_vif_types

KEEP_ALIVE_SECONDS = 75  # Longer than the clients' own, so that they close first.
BACKLOG = 2048


class AddressTaken(TrunklineError):
    """The service can't listen where it is told to."""

    code = "server.address_taken"
    kind = ErrorKind.CONFLICT

    def __init__(self, address: str, port: int, problem: str) -> None:
        super().__init__(
            f"cannot listen on {address}:{port}: {problem}; choose another with --port"
        )


def make_services(
    store: Store,
    *,
    clock: Clock,
    ids: IdSource,
    networking: Networking,
    images_dir: Path,
    wake_host: Callable[[HostName], None],
    limits: Limits | None = None,
) -> Services:
    """Join the parts, fill the fleet index from the store, clear up after a crash."""
    limits = limits or Limits()
    fleet = LiveFleet(
        clock,
        host_silent_seconds_max=limits.host_silent_seconds_max,
        replicated=store.dialect != "sqlite",
    )
    store.read(fleet.load)
    svc = Services(
        store=store,
        clock=clock,
        ids=ids,
        fleet=fleet,
        networking=networking,
        vif_types=load_vif_types(),
        images_dir=images_dir,
        wake_host=wake_host,
        limits=limits,
    )
    clear_up_images(svc)
    return svc


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
    bound = socket.socket(family, socket.SOCK_STREAM)
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
    on_ready: Callable[[], None],
) -> None:
    """Answer requests until a signal says to stop; what is under way is finished first."""
    app = make_app(svc, wakeups, public_url=public_url)
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
    server.run(sockets=[listener.socket])


class _Server(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, on_ready: Callable[[], None], wakeups: Wakeups
    ) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._wakeups = wakeups

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, then say so."""
        await super().startup(sockets=sockets)
        if self.started:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the long polls at once; the other requests are finished."""
        self._wakeups.close()
        await super().shutdown(sockets=sockets)
