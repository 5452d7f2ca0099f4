"""Between ASGI messages and our requests and answers. Nothing here knows a use case."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote

from trunkline.api.asgi import Message, Receive, Scope, Send
from trunkline.api.http import Query, Response
from trunkline.api.limits import (
    BODY_SECONDS_MAX,
    CHUNK_SECONDS_MAX,
    HEADER_BYTES_MAX,
    QUERY_PAIRS_MAX,
    TARGET_BYTES_MAX,
)
from trunkline.api.parsing import text_problem
from trunkline.api.problems import HttpProblem
from trunkline.domain.errors import Invalid, TooLarge
from trunkline.wire.json import encode

_HOST: Final = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?")
_ABSOLUTE: Final = re.compile(rb"(?i:https?)://(?P<host>[^/?#@]*)(?P<path>/.*)?", re.DOTALL)
_ONCE: Final = (b"authorization", b"content-type", b"x-auth-token", b"x-subject-token")
_BODILESS: Final = frozenset({204, 304})


class ClientGone(Exception):
    """The client closed the connection before it was answered."""


def in_origin_form(scope: Scope) -> Scope:
    """Return the scope of a request as if it had named its path alone.

    A request may name the whole URL; what that says of the host goes before the Host header.
    Source: RFC 9112, 3.2.2.
    """
    whole = _ABSOLUTE.fullmatch(scope.get("raw_path") or b"")
    if whole is None:
        return scope
    kept = [(name, value) for name, value in scope["headers"] if name != b"host"]
    raw_path = whole["path"] or b"/"
    return {
        **scope,
        "raw_path": raw_path,
        "path": unquote(raw_path.decode("latin-1")),
        "headers": [(b"host", whole["host"]), *kept],
    }


def read_headers(scope: Scope) -> dict[str, str]:
    """Return the headers by their name in lower case.

    Raises:
        HttpProblem: They are too long, contradict each other, or the body is compressed.
    """
    raw: list[tuple[bytes, bytes]] = scope["headers"]
    if sum(len(name) + len(value) for name, value in raw) > HEADER_BYTES_MAX:
        raise HttpProblem(431, f"the headers are longer than {HEADER_BYTES_MAX} bytes")
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}
    if "transfer-encoding" in headers and (
        "content-length" in headers or scope["http_version"] == "1.0"
    ):
        # We would read it by chunks; a proxy before us that does not takes a part of this request
        # for the next one, of somebody else. Source: RFC 9112, 6.1.
        problem = "Transfer-Encoding does not go with Content-Length, nor with HTTP/1.0"
        raise HttpProblem(400, problem, headers={"Connection": "close"})
    if len(headers) < len(raw):
        names = [name.lower() for name, _ in raw]
        for name in _ONCE:
            if names.count(name) > 1:  # Which of them a proxy has looked at, nobody knows.
                raise HttpProblem(400, f"the header {name.decode()} is given more than once")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise HttpProblem(415, "a compressed body is not taken: send it as it is")
    return headers


def read_target(scope: Scope) -> tuple[list[str], Query]:
    """Return the path's segments and the query, decoded.

    Each segment is decoded by itself: an encoded slash is part of a name, and parts nothing.

    Raises:
        HttpProblem: They are too long, or no text.
        Invalid: A value in the query can't be stored; it is named.
    """
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    raw_query: bytes = scope["query_string"]
    if len(raw_path) + len(raw_query) > TARGET_BYTES_MAX:
        raise HttpProblem(414, f"path and query are longer than {TARGET_BYTES_MAX} bytes")
    inner = raw_path.decode("latin-1").removeprefix("/").removesuffix("/")
    try:
        segments = [unquote(part, errors="strict") for part in inner.split("/")] if inner else []
        pairs = parse_qsl(
            raw_query.decode("latin-1"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=QUERY_PAIRS_MAX,
        )
    except ValueError as problem:  # Not UTF-8, or too many pairs.
        raise HttpProblem(400, f"malformed path or query: {problem}") from None
    if any(text_problem(segment) for segment in segments):
        raise HttpProblem(400, "malformed path: a NUL character in it")
    for name, value in pairs:
        if (fault := text_problem(name) or text_problem(value)) is not None:
            raise Invalid(name.replace("\0", "\\0"), fault)
    return segments, Query(tuple(pairs))


def base_url(scope: Scope, headers: Mapping[str, str], public_url: str | None) -> str:
    """Return how the client reaches us: what is configured, or what it put in its Host header.

    Raises:
        HttpProblem: The Host header is none.
    """
    if public_url is not None:
        return public_url.rstrip("/")
    host = headers.get("host")
    if host is None:
        server = scope.get("server") or ("localhost", None)
        host = server[0] if server[1] is None else f"{server[0]}:{server[1]}"
    elif not _HOST.fullmatch(host):
        raise HttpProblem(400, "malformed Host header")
    return f"{scope['scheme']}://{host}"


def body_bytes(headers: Mapping[str, str], *, bytes_max: int) -> int:
    """Return how long the body will be; the limit, if it is not said.

    Raises:
        TooLarge: It passes the limit.
    """
    if "transfer-encoding" in headers:
        return bytes_max
    declared = headers.get("content-length", "0")
    size = int(declared) if declared.isdecimal() else 0
    if size > bytes_max:
        raise TooLarge("the request's body", bytes_max, "bytes")
    return size


async def read_body(receive: Receive, *, bytes_max: int) -> bytes:
    """Return the whole body.

    Raises:
        TooLarge: It passes the limit; no more than that is ever held.
        HttpProblem: It did not arrive in time.
        ClientGone: It broke off.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            async for chunk in _chunks(receive):
                body += chunk
                if len(body) > bytes_max:
                    raise TooLarge("the request's body", bytes_max, "bytes")
    except TimeoutError:
        raise HttpProblem(408, f"the body took longer than {BODY_SECONDS_MAX:.0f} s") from None
    return bytes(body)


async def stream_body(receive: Receive) -> AsyncIterator[bytes]:
    """Yield the body as it arrives.

    Raises:
        HttpProblem: Nothing came for too long.
        ClientGone: It broke off.
    """
    chunks = _chunks(receive)
    while True:
        try:
            async with asyncio.timeout(CHUNK_SECONDS_MAX):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        except TimeoutError:
            problem = f"nothing of the body came for {CHUNK_SECONDS_MAX:.0f} s"
            raise HttpProblem(408, problem) from None
        yield chunk


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


async def until_gone(receive: Receive) -> None:
    """Return when the client has closed the connection; its body has been read before."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def start_response(
    send: Send, status: int, headers: Mapping[str, str], *, content_type: str, size_bytes: int
) -> None:
    """Send the head of an answer."""
    lines = dict(headers)
    if status not in _BODILESS:
        lines["Content-Type"] = content_type
        lines["Content-Length"] = str(size_bytes)
    pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in lines.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})


async def send_response(
    send: Send, response: Response, headers: Mapping[str, str], *, head_only: bool
) -> None:
    """Send a whole answer; for HEAD, without its body."""
    body = _encoded(response)
    await start_response(
        send,
        response.status,
        {**headers, **response.headers},
        content_type=response.content_type,
        size_bytes=len(body),
    )
    silent = head_only or response.status in _BODILESS
    await send({"type": "http.response.body", "body": b"" if silent else body})


def _encoded(response: Response) -> bytes:
    if response.body is None:
        return b""
    return response.body if isinstance(response.body, bytes) else encode(response.body)
