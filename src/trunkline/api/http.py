"""What handlers are given and what they answer. Handlers are plain synchronous functions.

``def show(svc: Services, request: Request) -> Answer`` runs in a worker thread. Whatever has to
wait is returned as a value, and the async shell (`api.edge`) does the waiting: a `LongPoll` for a
change, a `Receive` for a body that is streamed in, a `SendFile` for one that is streamed out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from trunkline.api.versions import Microversion
from trunkline.domain.errors import TrunklineError
from trunkline.domain.identity import Caller
from trunkline.domain.ids import HostName


@dataclass(frozen=True, slots=True)
class Query:
    """The query string: names may repeat, and keep their order."""

    pairs: tuple[tuple[str, str], ...] = ()

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self.pairs)

    def all(self, name: str) -> list[str]:
        """Return every value given for `name`."""
        return [value for key, value in self.pairs if key == name]

    def find(self, name: str) -> str | None:
        """Return the last value given for `name`."""
        values = self.all(name)
        return values[-1] if values else None

    def names(self) -> list[str]:
        """Return each name once, in the order in which they came."""
        return list(dict.fromkeys(key for key, _ in self.pairs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request, read and authenticated."""

    method: str
    path: str
    params: Mapping[str, str]  # From the path, decoded: `{id}` of the route.
    query: Query
    headers: Mapping[str, str]  # Names in lower case; of repeated ones the last.
    base_url: str  # How the client reaches us: ``http://HOST:PORT``, without a slash at the end.
    request_id: str
    client_address: str = ""  # The peer's, or what a trusted proxy says it is.
    body: bytes = b""
    is_draining: bool = False  # The service is about to stop.
    found_version: Microversion | None = None  # Compute and placement only; negotiated.
    found_caller: Caller | None = None
    found_host: HostName | None = None

    @property
    def caller(self) -> Caller:
        """Who is asking; only on routes that ask for a user."""
        assert self.found_caller is not None
        return self.found_caller

    @property
    def version(self) -> Microversion:
        """The microversion; only on routes of faces that have any, with a user."""
        assert self.found_version is not None
        return self.found_version

    @property
    def host_name(self) -> HostName:
        """The host whose agent is asking; only on routes for agents."""
        assert self.found_host is not None
        return self.found_host


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer that is ready. `body` is sent as JSON, unless it is bytes or None (no body)."""

    status: int = 200
    body: object | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class LongPoll:
    """Answer when there is something to say, and hold no worker thread until then.

    `ready` is called at once, and again each time the host is woken; it runs in a worker thread.
    """

    host_name: HostName  # Whose `Wakeups` to wait for.
    ready: Callable[[], Response | None]  # None: nothing to say yet.
    timeout_seconds: float
    # What to answer, or raise, when the time is over or the service stops.
    otherwise: Response | TrunklineError


class Sink(Protocol):
    """Takes in a body as it arrives. Its methods run in worker threads, one at a time."""

    def write(self, chunk: bytes) -> None:
        """Take the next piece."""
        ...

    def complete(self) -> Response:
        """All has arrived: make it last, and answer."""
        ...

    def abandon(self) -> None:
        """It broke off, or `write` or `complete` raised: undo everything."""
        ...


@dataclass(frozen=True, slots=True)
class Receive:
    """Stream the request's body into a sink; for routes with `streams=True`."""

    sink: Sink


@dataclass(frozen=True, slots=True, kw_only=True)
class SendFile:
    """Answer 200 with a file's bytes; the shell closes it."""

    file: BinaryIO
    size_bytes: int
    content_type: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = Response | LongPoll | Receive | SendFile


def json_list(name: str, items: Sequence[object], **more: object) -> Response:
    """Answer 200 with ``{name: items}``, and what else belongs beside it."""
    return Response(body={name: list(items), **more})
