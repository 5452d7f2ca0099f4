"""The async shell: reads a request, runs its handler in a worker thread, and does the waiting.

Beside it only `transport` (bytes in and out) and `wakeups` are async. No handler waits, so no slow
client and no long poll holds a worker thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, TypeVar

import structlog
from anyio import CancelScope, CapacityLimiter, to_thread

from trunkline.api import discovery, transport
from trunkline.api.asgi import Receive as AsgiReceive
from trunkline.api.asgi import Scope, Send
from trunkline.api.authentication import authenticate_agent, authenticate_user, token_in
from trunkline.api.compute.versions import SERVED as COMPUTE_VERSIONS
from trunkline.api.elsewhere import Elsewhere
from trunkline.api.errors import render_bug, render_error, render_problem
from trunkline.api.faces import Face, face_of
from trunkline.api.foreground import Foreground
from trunkline.api.http import Answer, LongPoll, Receive, Request, Response, SendFile
from trunkline.api.limits import (
    CHUNK_BYTES,
    LARGE_BODIES_BYTES_MAX,
    SLOW_WAITING_MAX,
    SLOW_WORKER_THREADS,
    UNKNOWN_BODY_BYTES_MAX,
    WORKER_THREADS,
)
from trunkline.api.metrics import REQUESTS
from trunkline.api.placement.versions import SERVED as PLACEMENT_VERSIONS
from trunkline.api.problems import HttpProblem
from trunkline.api.routing import Auth, Lane, Match, Route, Router
from trunkline.api.versions import Microversion, negotiate, version_headers
from trunkline.api.wakeups import Wakeups
from trunkline.control.services import Services
from trunkline.domain.errors import TooManyLogins, TrunklineError
from trunkline.domain.identity import Caller
from trunkline.domain.ids import HostName
from trunkline.domain.policy.rule import Rule

T = TypeVar("T")
log: Final = structlog.get_logger("trunkline.api")

_STRICT: Final = (Face.COMPUTE, Face.IMAGE)  # As Nova and Glance are about a slash at the end.
_SERVED: Final = {Face.COMPUTE: COMPUTE_VERSIONS, Face.PLACEMENT: PLACEMENT_VERSIONS}


@dataclass(slots=True)
class _Exchange:
    """One request and its answer, as far as they have got."""

    request_id: str
    method: str
    started: float
    path: str = ""
    base_url: str = ""
    face: Face = Face.TRUNKLINE
    status: int = 0
    answering: bool = False  # The head of the answer is out: nothing else can be answered.
    body_bytes: int = 0  # Set aside for a large body.
    caller: Caller | None = None
    host_name: HostName | None = None
    headers: dict[str, str] = field(default_factory=dict)  # To be sent with any answer.


class Edge:
    """The ASGI application."""

    def __init__(
        self,
        svc: Services,
        router: Router,
        wakeups: Wakeups,
        *,
        public_url: str | None,
        foreground: Foreground,
    ) -> None:
        self._svc = svc
        self._router = router
        self._wakeups = wakeups
        self._public_url = public_url
        self._foreground = foreground
        self._draining = False
        self._lanes = {
            Lane.QUICK: CapacityLimiter(WORKER_THREADS),
            Lane.SLOW: CapacityLimiter(SLOW_WORKER_THREADS),
        }
        self._body_bytes = 0  # Of all large bodies.
        self._logins = 0  # Running, and waiting for a thread.
        elsewhere = svc.identity_elsewhere
        self._elsewhere = None if elsewhere is None else Elsewhere(elsewhere)

    async def __call__(self, scope: Scope, receive: AsgiReceive, send: Send) -> None:
        """Answer one request, whatever happens, and write one line about it to the log."""
        assert scope["type"] == "http", "the server neither asks for a lifespan nor upgrades"
        exchange = _Exchange(f"req-{self._svc.ids.new_id()}", scope["method"], time.perf_counter())
        exchange.headers["x-openstack-request-id"] = exchange.request_id
        with structlog.contextvars.bound_contextvars(request_id=exchange.request_id):
            try:
                await self._answer_or_fault(exchange, scope, receive, send)
            except transport.ClientGone:
                exchange.status = 499  # As nginx logs it; nobody is there to be answered.
            finally:
                self._body_bytes -= exchange.body_bytes
                _log_access(exchange)

    def drain(self) -> None:
        """From now on end a connection with each answer, and have `/healthz` send clients away."""
        self._draining = True

    def end_waits(self) -> None:
        """Answer all long polls, those to come too, at once."""
        self._wakeups.close()

    async def _answer_or_fault(
        self, exchange: _Exchange, scope: Scope, receive: AsgiReceive, send: Send
    ) -> None:
        try:
            await self._answer(exchange, scope, receive, send)
        except TrunklineError as error:
            response = render_error(exchange.face, error, exchange.request_id)
        except HttpProblem as problem:
            response = render_problem(exchange.face, problem, exchange.request_id)
        except transport.ClientGone:
            raise
        except Exception:
            log.exception(
                "unexpected error",
                request_id=exchange.request_id,
                method=exchange.method,
                path=exchange.path,
            )
            if exchange.answering:
                raise  # The server closes the connection: half an answer is not taken for one.
            response = render_bug(exchange.face, exchange.request_id)
        else:
            return
        if exchange.answering:
            raise transport.ClientGone
        if response.status == 401:
            identity_url = discovery.identity_url(self._svc, exchange.base_url)
            exchange.headers["WWW-Authenticate"] = f'Keystone uri="{identity_url}"'
        await self._send(exchange, send, response)

    async def _answer(
        self, exchange: _Exchange, scope: Scope, receive: AsgiReceive, send: Send
    ) -> None:
        scope = transport.in_origin_form(scope)
        exchange.path = scope["path"]
        exchange.face = face_of(exchange.path.removeprefix("/").split("/"))
        if exchange.face is Face.COMPUTE:
            exchange.headers["x-compute-request-id"] = exchange.request_id  # Nova's own name.
        headers = transport.read_headers(scope)
        exchange.base_url = transport.base_url(scope, headers, self._public_url)
        segments, query = transport.read_target(scope)
        if exchange.path.endswith("/") and exchange.face in _STRICT and len(segments) > 2:
            # An ID that got lost on the way must not mean all that there is.
            raise HttpProblem(404, "the resource could not be found")
        match = self._find(exchange.method, segments)
        request = Request(
            method=exchange.method,
            path=exchange.path,
            params=match.params,
            query=query,
            headers=headers,
            base_url=exchange.base_url,
            request_id=exchange.request_id,
            client_address=(scope.get("client") or ("", 0))[0],
            is_draining=self._draining,
            found_version=_microversion(exchange, match.route, headers),
        )
        if not match.route.streams:
            body = await self._read_body(exchange, match.route, request, receive)
            request = replace(request, body=body)
        answer = await self._run_handler(exchange, match.route, request)
        match answer:
            case LongPoll():
                answer = await self._wait(answer, receive)
            case Receive():
                answer = await self._take_in(answer, receive)
            case SendFile():
                await self._send_file(exchange, send, answer)
                return
            case Response():
                pass
        await self._send(exchange, send, answer)

    def _find(self, method: str, segments: list[str]) -> Match:
        match = self._router.match(method, segments)
        if isinstance(match, Match):
            return match
        if segments[:1] == [Face.IDENTITY.value]:
            discovery.require_identity_here(self._svc)
        if match.allow:
            allow = {"Allow": ", ".join(match.allow)}
            raise HttpProblem(405, f"the method {method} is not allowed here", headers=allow)
        raise HttpProblem(404, "the resource could not be found")

    async def _read_body(
        self, exchange: _Exchange, route: Route, request: Request, receive: AsgiReceive
    ) -> bytes:
        """Read the body; a large one only of those who may send it."""
        bytes_max = route.body_bytes_max
        if route.auth is Auth.PUBLIC:
            bytes_max = min(bytes_max, UNKNOWN_BODY_BYTES_MAX)
        size = transport.body_bytes(request.headers, bytes_max=bytes_max)
        if size > UNKNOWN_BODY_BYTES_MAX:
            elsewhere = await self._caller_elsewhere(route, request)
            await self._in_thread(partial(self._authenticate, exchange, route, request, elsewhere))
            if self._body_bytes + size > LARGE_BODIES_BYTES_MAX:
                problem = "too many large bodies at one time; try again in a second"
                raise HttpProblem(503, problem, headers={"Retry-After": "1"})
            exchange.body_bytes = size
            self._body_bytes += size
        return await transport.read_body(receive, bytes_max=bytes_max)

    async def _caller_elsewhere(self, route: Route, request: Request) -> Caller | None:
        if self._elsewhere is None or route.auth in (Auth.PUBLIC, Auth.AGENT):
            return None
        return await self._elsewhere.caller(token_in(request.headers))

    async def _run_handler(self, exchange: _Exchange, route: Route, request: Request) -> Answer:
        elsewhere = await self._caller_elsewhere(route, request)

        def authenticate_and_run() -> Answer:
            known = self._authenticate(exchange, route, request, elsewhere)
            return route.handler(self._svc, known)

        lane = self._lanes[route.lane]
        with (
            self._counted(route.lane),
            self._foreground.request() if route.auth is not Auth.AGENT else nullcontext(),
        ):
            return await to_thread.run_sync(authenticate_and_run, limiter=lane)

    @contextmanager
    def _counted(self, lane: Lane) -> Iterator[None]:
        """Count who is in the slow lane: logins, and whatever else hashes a password.

        A limiter counts those who wait, but not at once: many that come in one turn of the event
        loop would see each other too late.

        Raises:
            TooManyLogins: There are so many already.
        """
        if lane is not Lane.SLOW:
            yield
            return
        if self._logins >= SLOW_WORKER_THREADS + SLOW_WAITING_MAX:
            raise TooManyLogins
        self._logins += 1
        try:
            yield
        finally:
            self._logins -= 1

    def _authenticate(
        self, exchange: _Exchange, route: Route, request: Request, elsewhere: Caller | None
    ) -> Request:
        match route.auth:
            case Auth.PUBLIC:
                return request
            case Auth.AGENT:
                exchange.host_name = authenticate_agent(self._svc, request.headers)
                return replace(request, found_host=exchange.host_name)
            case Auth.USER | Auth.LOGIN | Rule():
                exchange.caller = authenticate_user(self._svc, route, request, elsewhere=elsewhere)
                return replace(request, found_caller=exchange.caller)

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await to_thread.run_sync(function, limiter=self._lanes[Lane.QUICK])

    async def _wait(self, poll: LongPoll, receive: AsgiReceive) -> Response:
        """Wait for the poll's answer, or until nobody waits for it any more."""
        answer = asyncio.ensure_future(self._poll(poll))
        gone = asyncio.ensure_future(transport.until_gone(receive))
        try:
            await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise transport.ClientGone
            return answer.result()
        finally:
            for task in (answer, gone):
                task.cancel()
            await asyncio.gather(answer, gone, return_exceptions=True)

    async def _poll(self, poll: LongPoll) -> Response:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + poll.timeout_seconds
        with self._wakeups.waiting_for(poll.host_name) as waiter:
            while True:
                response = await self._in_thread(poll.ready)
                if response is not None:
                    return response
                if self._wakeups.closed or not await waiter.changed(deadline - loop.time()):
                    break
        if isinstance(poll.otherwise, TrunklineError):
            raise poll.otherwise
        return poll.otherwise

    async def _take_in(self, answer: Receive, receive: AsgiReceive) -> Response:
        sink, held = answer.sink, bytearray()
        try:
            async for chunk in transport.stream_body(receive):
                held += chunk
                if len(held) >= CHUNK_BYTES:
                    piece, held = bytes(held), bytearray()
                    await self._in_thread(partial(sink.write, piece))
            await self._in_thread(partial(sink.write, bytes(held)))
            return await self._in_thread(sink.complete)
        except BaseException:
            with CancelScope(shield=True):
                await self._in_thread(sink.abandon)
            raise

    async def _send_file(self, exchange: _Exchange, send: Send, answer: SendFile) -> None:
        try:
            headers = {**exchange.headers, **answer.headers, **self._farewell()}
            exchange.status, exchange.answering = 200, True
            await transport.start_response(
                send, 200, headers, content_type=answer.content_type, size_bytes=answer.size_bytes
            )
            left = 0 if exchange.method == "HEAD" else answer.size_bytes
            while left:
                piece = await self._in_thread(partial(answer.file.read, min(left, CHUNK_BYTES)))
                if not piece:
                    raise OSError(f"{answer.file.name} has {left} bytes less than recorded")
                left -= len(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            answer.file.close()

    async def _send(self, exchange: _Exchange, send: Send, response: Response) -> None:
        exchange.status, exchange.answering = response.status, True
        head_only = exchange.method == "HEAD"
        headers = exchange.headers | self._farewell()
        await transport.send_response(send, response, headers, head_only=head_only)

    def _farewell(self) -> dict[str, str]:
        """Return what has the client open another connection for its next request."""
        return {"Connection": "close"} if self._draining else {}


def _microversion(
    exchange: _Exchange, route: Route, headers: Mapping[str, str]
) -> Microversion | None:
    served = _SERVED.get(exchange.face)
    if served is None or route.auth is Auth.PUBLIC:
        return None
    version = negotiate(headers, served)
    exchange.headers.update(version_headers(version, served))
    return version


def _log_access(exchange: _Exchange) -> None:
    """Write one line. Neither headers, query nor bodies are in it: they carry secrets and names."""
    caller = exchange.caller
    seconds = time.perf_counter() - exchange.started
    REQUESTS.labels(exchange.face.value, exchange.method, exchange.status).observe(seconds)
    log.info(
        "request",
        request_id=exchange.request_id,
        method=exchange.method,
        path=exchange.path,
        status=exchange.status,
        duration_ms=round(seconds * 1000, 2),
        user=caller.user_name if caller else None,
        user_id=caller.user_id if caller else None,
        project_id=caller.project_id if caller else None,
        host=exchange.host_name,
    )
