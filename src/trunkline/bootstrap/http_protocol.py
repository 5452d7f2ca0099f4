"""One HTTP/1.1 connection: uvicorn's own, with the limits that uvicorn leaves to a proxy.

It is h11's reader: of uvicorn's two, the one that bounds how much of a request's head it keeps.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from trunkline.api.limits import HEADER_BYTES_MAX, TARGET_BYTES_MAX

# The longest head that can be answered; a longer one is refused before it is kept.
HEAD_BYTES_MAX: Final = HEADER_BYTES_MAX + TARGET_BYTES_MAX + 4096
HEAD_SECONDS_MAX: Final = 20.0  # From a connection, or the first byte of a head, to the head's end.
WRITE_SECONDS_MAX: Final = 60.0  # In which a client that is sent something must take some of it.
HANDSHAKE_SECONDS_MAX: Final = 10.0
CONNECTIONS_MAX: Final = 8192  # An agent has two; and a proxy keeps some for all of its clients.


@dataclass(slots=True)
class Connections:
    """All connections of a service; used by its event loop alone."""

    count_max: int = CONNECTIONS_MAX
    head_seconds_max: float = HEAD_SECONDS_MAX
    write_seconds_max: float = WRITE_SECONDS_MAX
    # Accepted, and in the middle of a TLS handshake.
    beginning: set[HttpConnection] = field(default_factory=set)
    # Those that no request is being answered on, the one that rests for longest first.
    idle: dict[HttpConnection, None] = field(default_factory=dict)
    open: set[Any] = field(default_factory=set)  # uvicorn's own set.

    def maker(
        self, config: Config, state: ServerState, app_state: dict[str, Any]
    ) -> Callable[[], HttpConnection]:
        """Return what asyncio calls for each connection that it accepts."""
        self.open = state.connections

        def make() -> HttpConnection:
            return HttpConnection(config, state, app_state, self)

        return make


class HttpConnection(H11Protocol):
    """Reads requests, hands them to the application, and writes its answers."""

    def __init__(
        self,
        config: Config,
        state: ServerState,
        app_state: dict[str, Any],
        connections: Connections,
    ) -> None:
        super().__init__(config, state, app_state)
        self._all = connections
        connections.beginning.add(self)
        # asyncio tells nobody of a handshake that failed, but it ends them all by then.
        self._beginning_timer = self.loop.call_later(
            HANDSHAKE_SECONDS_MAX, connections.beginning.discard, self
        )
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._has_sent = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's
        """Begin; where there are too many, the one that rests for longest makes room."""
        super().connection_made(transport)
        self._beginning_timer.cancel()
        self._all.beginning.discard(self)
        if len(self._all.open) > self._all.count_max:
            if not self._all.idle:
                self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")
                return
            longest = next(iter(self._all.idle))
            del self._all.idle[longest]
            longest.transport.close()
        self._all.idle[self] = None
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._all.idle.pop(self, None)
        self._head_has_come()
        if self._write_timer is not None:
            self._write_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        self._has_sent = True
        super().data_received(data)
        if not self._is_resting:
            self._all.idle.pop(self, None)
            self._head_has_come()
        elif self._head_timer is None and not self.transport.is_closing():
            self._await_head()  # What follows an answer is a head, or the rest of a refused body.

    def on_response_complete(self) -> None:
        """Go on with the next request, which may be here already."""
        if not self.transport.is_closing():
            self._all.idle[self] = None
        super().on_response_complete()
        if not self._is_resting:
            self._all.idle.pop(self, None)

    def pause_writing(self) -> None:
        """The client takes nothing for now."""
        super().pause_writing()
        self._watch_writing(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """The client has taken what there was."""
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request that we read, with h11's reason; the connection ends."""
        problem = sys.exc_info()[1]
        status = HTTPStatus.BAD_REQUEST
        if isinstance(problem, h11.ProtocolError):
            status, msg = HTTPStatus(problem.error_status_hint), str(problem)[:200]
        self._refuse(status, msg)

    def _should_upgrade(self) -> bool:
        return False  # To no other protocol: the request is answered as it is.

    @property
    def _is_resting(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self._all.head_seconds_max, self._head_is_late)

    def _head_has_come(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        if self._has_sent and self.conn.their_state is h11.IDLE:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "the head of the request took too long")
        else:
            self.transport.close()

    def _watch_writing(self, left: int) -> None:
        self._write_timer = self.loop.call_later(
            self._all.write_seconds_max, self._look_at_writing, left
        )

    def _look_at_writing(self, before: int) -> None:
        left = self.transport.get_write_buffer_size()
        if left < before:
            self._watch_writing(left)
        else:
            self.transport.abort()

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """Answer before any application does, if nothing is answered yet, and end."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            text = message.encode("ascii", "replace")
            headers = [
                ("Content-Type", "text/plain; charset=utf-8"),
                ("Content-Length", str(len(text))),
                ("Connection", "close"),
            ]
            for event in (
                h11.Response(status_code=status, headers=headers, reason=status.phrase),
                h11.Data(data=text),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
