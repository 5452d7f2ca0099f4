"""HTTP on the standard library: one kept connection, JSON bodies, limits on time and size."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Self
from urllib.parse import urlsplit

from trunkline.client.errors import ClientError, Unreachable

ANSWER_BYTES_MAX: Final = 256 * 1024**2  # A page of 1000 devices is about 1 MiB.
_PIECE_BYTES: Final = 1 << 20
CONNECT_SECONDS_MAX: Final = 10.0
ANSWER_SECONDS_MAX: Final = 60.0

# What a kept connection says when the other side closed it while it was idle.
_STALE: Final = (
    http.client.RemoteDisconnected,
    http.client.CannotSendRequest,
    BrokenPipeError,
    ConnectionResetError,
    ConnectionAbortedError,
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, whatever its status. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """One kept connection to one server. One request at a time; others wait their turn.

    A request that meets a connection which the server closed while it was idle is sent once more,
    on a new one. So only requests may be sent that can be repeated; all of trunkline/v1 can be.
    """

    def __init__(
        self, url: str, *, ca_file: str | None = None, verify: bool = True,
        connect_seconds_max: float = CONNECT_SECONDS_MAX,
    ) -> None:  # fmt: skip
        """Set up for `url`; nothing is sent yet.

        Raises:
            ClientError: `url` is not http(s)://HOST[:PORT][/PATH].
        """
        self.url = url.rstrip("/")
        try:
            parts = urlsplit(self.url)
            port = parts.port
        except ValueError as problem:
            raise ClientError(f"not a URL: {url!r} ({problem})") from problem
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ClientError(f"not a URL of the form http(s)://HOST[:PORT]: {url!r}")
        self._connect_seconds_max = connect_seconds_max
        self._base_path = parts.path
        self._lock = threading.Lock()
        self._http: http.client.HTTPConnection
        if parts.scheme == "https":
            self._http = http.client.HTTPSConnection(
                parts.hostname, port, timeout=connect_seconds_max,
                context=_tls_context(ca_file, verify=verify),
            )  # fmt: skip
        else:
            self._http = http.client.HTTPConnection(
                parts.hostname, port, timeout=connect_seconds_max
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; a later request opens it again."""
        with self._lock:
            self._http.close()

    def abort(self) -> None:
        """Break off a request that another thread is waiting in: it raises `Unreachable` there."""
        if (open_socket := self._http.sock) is not None:
            try:
                open_socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # It was closed a moment ago: nobody is waiting in it.

    def request(
        self, method: str, path: str, *, body: bytes | None = None,
        headers: Mapping[str, str] | None = None, answer_seconds_max: float = ANSWER_SECONDS_MAX,
        into: Callable[[bytes], object] | None = None,
    ) -> Reply:  # fmt: skip
        """Send a request and return the answer, whatever its status.

        The body of an answer 200 is handed to `into`, if that is given, as it comes and however
        large it is; `answer_seconds_max` is then of each piece.

        Raises:
            Unreachable: No answer came, or it broke off, took too long or was too large.
        """
        sent = {
            "Accept": "application/json",
            "User-Agent": "trunkline-client",
            **({} if body is None else {"Content-Type": "application/json"}),
            **(headers or {}),
        }
        with self._lock:
            try:
                kept = self._http.sock is not None
                try:
                    return self._exchange(method, path, body, sent, answer_seconds_max, into)
                except _STALE:
                    if not kept:
                        raise
                self._http.close()
                return self._exchange(method, path, body, sent, answer_seconds_max, into)
            except BaseException as problem:
                connected = self._http.sock is not None
                self._http.close()  # Half an answer may be left in it.
                if isinstance(problem, (OSError, http.client.HTTPException)):
                    raise Unreachable(
                        self.url, _told(problem, answer_seconds_max), connected=connected
                    ) from problem
                raise

    def _open(self) -> socket.socket:
        """Return the connection's socket; connect if it is closed."""
        if (open_socket := self._http.sock) is not None:
            return open_socket
        self._http.timeout = self._connect_seconds_max
        self._http.connect()
        opened: socket.socket = self._http.sock
        # Headers and body leave in two segments; without this the second waits for an ACK.
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str],
        answer_seconds_max: float, into: Callable[[bytes], object] | None,
    ) -> Reply:  # fmt: skip
        self._open().settimeout(answer_seconds_max)
        self._http.request(method, self._base_path + path, body=body, headers=dict(headers))
        answer = self._http.getresponse()
        if into is not None and answer.status == HTTPStatus.OK:
            _pour(answer, into)
            content = b""
        else:
            content = _read_whole(answer)
        return Reply(
            answer.status, {name.lower(): text for name, text in answer.getheaders()}, content
        )


def _pour(answer: http.client.HTTPResponse, into: Callable[[bytes], object]) -> None:
    expected = answer.length
    if expected is None:
        raise http.client.HTTPException("its answer does not say how long it is")
    missing = expected
    while piece := answer.read(_PIECE_BYTES):
        missing -= len(piece)
        into(piece)
    if missing:  # A connection that broke off looks like an end: see below.
        raise http.client.IncompleteRead(b"", missing)


def _read_whole(answer: http.client.HTTPResponse) -> bytes:
    # Where a length is declared it must not be passed to read(): read(amount) takes a connection
    # that breaks off for the end of the answer. Source: http/client.py, HTTPResponse.read().
    declared = answer.length
    if declared is not None and declared <= ANSWER_BYTES_MAX:
        return answer.read()
    content = b"" if declared is not None else answer.read(ANSWER_BYTES_MAX + 1)
    if declared is not None or len(content) > ANSWER_BYTES_MAX:
        raise http.client.HTTPException(f"its answer passes {ANSWER_BYTES_MAX} bytes")
    return content


def _tls_context(ca_file: str | None, *, verify: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as problem:
        raise ClientError(f"the CA certificates in {ca_file} can't be read: {problem}") from problem
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _told(problem: Exception, answer_seconds_max: float) -> str:
    """Say what happened in words; the exceptions' own are for programmers."""
    match problem:
        case ConnectionRefusedError():
            return "connection refused"
        case TimeoutError():
            return f"nothing came within {answer_seconds_max:g} s"
        case socket.gaierror():
            return "its host name could not be resolved"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {problem.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {problem.reason or problem}"
        case http.client.BadStatusLine() if not isinstance(problem, http.client.RemoteDisconnected):
            return "it does not speak HTTP"
        case http.client.IncompleteRead():
            return "its answer broke off"
        case ConnectionResetError() | BrokenPipeError() | http.client.RemoteDisconnected():
            return "it closed the connection"
        case OSError() if problem.strerror:
            return problem.strerror.lower()
        case _:
            return str(problem) or type(problem).__name__
