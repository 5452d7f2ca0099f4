"""The HTTP server: how it begins, and how it ends without a request that fails."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Final

import uvicorn

from trunkline.api.edge import Edge
from trunkline.bootstrap.http_protocol import (
    HANDSHAKE_SECONDS_MAX,
    HEAD_BYTES_MAX,
    Connections,
)
from trunkline.bootstrap.tls import ServedCertificate

KEEP_ALIVE_SECONDS: Final = 75  # Longer than the clients' own, so that they close first.
BACKLOG: Final = 2048
RESTING_SECONDS: Final = 1.0
FINISH_SECONDS_MAX: Final = 30
_LOOK_SECONDS: Final = 0.02
_CERTIFICATE_LOOK_TICKS: Final = 100  # Of uvicorn's main loop, ten a second.


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the service ends once SIGTERM has come."""

    drain_seconds: float = 0  # In which everything is answered, but for `/healthz`, which says so.
    # Once nothing new is accepted: how long a connection that rests may still bring a request. To
    # close it at once would lose what is on its way.
    resting_seconds: float = RESTING_SECONDS
    finish_seconds_max: float = FINISH_SECONDS_MAX  # What is under way has that long.


class HttpServer(uvicorn.Server):
    """Serves an application on a socket until a signal says to stop."""

    def __init__(
        self,
        app: Edge,
        *,
        ending: Ending | None = None,
        certificate: ServedCertificate | None = None,
        trusted_proxies: Sequence[str] = (),
        reloads_on_hangup: bool = False,
        connections: Connections | None = None,
        on_ready: Callable[[], None],
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,  # The app logs each request itself, without secrets.
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                h11_max_incomplete_event_size=HEAD_BYTES_MAX,
                http="h11",
                lifespan="off",
                ws="none",
                loop="uvloop",
                proxy_headers=bool(trusted_proxies),
                forwarded_allow_ips=list(trusted_proxies),
            )
        )
        self._app = app
        self._ending = ending or Ending()
        self._certificate = certificate
        self._reloads_on_hangup = reloads_on_hangup
        self._on_ready = on_ready
        self._connections = connections or Connections()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in good order.

        uvicorn raises every signal again when it is done. For SIGTERM that is death on the spot:
        agents in the middle of a step, the database's log not folded in. Ctrl-C may be raised
        again, as it unwinds.
        """
        if sig == signal.SIGTERM:
            self.should_exit = True
        else:
            self._ending = Ending(resting_seconds=0)  # Somebody waits at the keyboard.
            super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, then say so."""
        loop = asyncio.get_running_loop()
        tls = self._certificate
        make = self._connections.maker(self.config, self.server_state, {})
        self.servers = [
            await loop.create_server(
                make,
                sock=each,
                backlog=BACKLOG,
                ssl=None if tls is None else tls.context,
                ssl_handshake_timeout=None if tls is None else HANDSHAKE_SECONDS_MAX,
            )
            for each in sockets or ()
        ]
        if self._reloads_on_hangup:
            loop.add_signal_handler(signal.SIGHUP, self._reload)
        self.started = True
        self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        """Look whether the certificate is another one; what renews them need not tell."""
        if counter % _CERTIFICATE_LOOK_TICKS == 0:
            self._reload()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let go of clients, each at the end of an answer; long polls are answered at once."""
        self._app.drain()
        await self._until(lambda: self.force_exit, self._ending.drain_seconds)
        for server in self.servers:
            server.close()
        for each in sockets or ():
            each.close()
        self._app.end_waits()
        all_gone = await self._until(
            lambda: self._is_done() and not self._connections.beginning,
            self._ending.resting_seconds,
        )
        if not all_gone:
            for connection in list(self._connections.idle):
                connection.shutdown()
            await self._until(self._is_done, self._ending.finish_seconds_max)
        for task in self.server_state.tasks:
            task.cancel(msg="the service ends, and this took too long")

    def _reload(self) -> None:
        if self._certificate is not None:
            self._certificate.reload_if_changed()

    def _is_done(self) -> bool:
        return self.force_exit or not (self._connections.open or self.server_state.tasks)

    async def _until(self, is_so: Callable[[], bool], seconds_max: float) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds_max
        while not is_so() and loop.time() < deadline:
            await asyncio.sleep(_LOOK_SECONDS)
        return is_so()
