"""The real HTTP application: asked in-process, or served on a loopback TCP port."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from argon2 import PasswordHasher

from tests.support.patience import HANGS_SECONDS
from tests.support.roles import give_role
from tests.support.world import a_world
from trunkline.api.app import make_app
from trunkline.api.asgi import Message
from trunkline.api.edge import Edge
from trunkline.api.routes import ROUTES
from trunkline.api.routing import Route
from trunkline.api.wakeups import Wakeups
from trunkline.bootstrap.http_protocol import Connections
from trunkline.bootstrap.http_server import Ending, HttpServer
from trunkline.bootstrap.tls import ServedCertificate
from trunkline.control.identity import FirstPasswords, bootstrap_identity, caller_from_token
from trunkline.control.passwords import Passwords
from trunkline.control.services import Limits, Services
from trunkline.domain.clock import Clock
from trunkline.domain.identity import READER, Caller, User
from trunkline.domain.ids import UserId
from trunkline.domain.policy.policy import DEFAULT_POLICY, Policy
from trunkline.store.transaction import Transaction

# Hashes as the real ones are checked, only cheap to make: a test is no guesser.
CHEAP_PASSWORDS = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
READER_PASSWORD = "let me look"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]  # Names in lower case.
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class InProcess:
    """Sends requests to an ASGI application in an event loop of its own; usable by any thread."""

    def __init__(self, app: Edge) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(_cancel_all_others(), self._loop).result(HANGS_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def request(
        self,
        method: str,
        target: str,
        *,
        token: str | None = None,
        body: object = None,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send one request and return its answer; `body` goes as JSON, `raw` as it is."""
        return self.start(method, target, token=token, body=body, raw=raw, headers=headers).result(
            HANGS_SECONDS
        )

    def start(
        self,
        method: str,
        target: str,
        *,
        token: str | None = None,
        body: object = None,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        gone: threading.Event | None = None,
    ) -> Future[Reply]:
        """Send one request and don't wait; the client goes away when `gone` is set."""
        sent = dict(headers or {})
        if token is not None:
            sent["X-Auth-Token"] = token
        content = raw if raw is not None else (b"" if body is None else json.dumps(body).encode())

        async def chunks() -> AsyncIterator[bytes]:
            yield content

        return asyncio.run_coroutine_threadsafe(
            self._exchange(method, target, sent, chunks, gone), self._loop
        )

    def stream(
        self,
        method: str,
        target: str,
        pieces: Callable[[], AsyncIterator[bytes]],
        *,
        token: str,
        headers: Mapping[str, str],
        breaks_off: bool = False,
    ) -> Reply:
        """Send a body in pieces; with `breaks_off` the client is gone after the last of them."""
        gone = threading.Event()
        if breaks_off:
            gone.set()
        sent = {**headers, "X-Auth-Token": token}
        return asyncio.run_coroutine_threadsafe(
            self._exchange(method, target, sent, pieces, gone, breaks_off=breaks_off), self._loop
        ).result(HANGS_SECONDS)

    async def _exchange(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        pieces: Callable[[], AsyncIterator[bytes]],
        gone: threading.Event | None,
        *,
        breaks_off: bool = False,
    ) -> Reply:
        parts = urlsplit(target)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "root_path": "",
            "query_string": parts.query.encode("utf-8", "surrogatepass"),
            "headers": [
                (name.lower().encode(), value.encode("latin-1"))
                for name, value in {"host": "127.0.0.1:8774", **headers}.items()
            ],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8774),
        }
        incoming = pieces()
        ended = False

        async def receive() -> Message:
            nonlocal ended
            if not ended:
                try:
                    return {
                        "type": "http.request",
                        "body": await anext(incoming),
                        "more_body": True,
                    }
                except StopAsyncIteration:
                    ended = True
                    if not breaks_off:
                        return {"type": "http.request", "body": b"", "more_body": False}
            while gone is None or not gone.is_set():
                await asyncio.sleep(0.005)
            return {"type": "http.disconnect"}

        head: Message = {}
        received = bytearray()

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                head.update(message)
            else:
                received.extend(message.get("body", b""))

        await self._app(scope, receive, send)
        return Reply(
            head.get("status", 0),
            {name.decode(): value.decode("latin-1") for name, value in head.get("headers", ())},
            bytes(received),
        )


async def _cancel_all_others() -> None:
    """End what is still under way, or its worker threads would keep the process alive."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A control plane with its HTTP application."""

    svc: Services
    app: Edge
    wakeups: Wakeups
    http: InProcess
    passwords: FirstPasswords

    def token(self, user: str = "admin", project: str | None = None) -> str:
        """Log in and return the token."""
        password = READER_PASSWORD if user == "reader" else getattr(self.passwords, user)
        project = project or ("demo" if user == "reader" else user)
        reply = self.http.request(
            "POST", "/identity/v3/auth/tokens", body=password_login(user, password, project)
        )
        assert reply.status == 201, reply
        return reply.headers["x-subject-token"]

    def caller(self, user: str) -> Caller:
        """Return who a user is to the use cases."""
        return caller_from_token(self.svc, self.token(user), request_id="req-test")


def password_login(user: str, password: str, project: str | None) -> dict[str, Any]:
    """The body of a login, as the clients send it."""
    domain = {"id": "default"}
    auth: dict[str, Any] = {
        "identity": {
            "methods": ["password"],
            "password": {"user": {"name": user, "domain": domain, "password": password}},
        }
    }
    if project is not None:
        auth["scope"] = {"project": {"name": project, "domain": domain}}
    return {"auth": auth}


@contextmanager
def a_site(
    tmp_path: Path,
    *more_routes: Route,
    url: str | None = None,
    limits: Limits | None = None,
    passwords: Passwords | None = None,
    clock: Clock | None = None,
    policy: Policy = DEFAULT_POLICY,
) -> Iterator[Site]:
    """Open a control plane over a real store, with users, behind its HTTP application."""
    with a_world(tmp_path, url=url, clock=clock) as plain:
        wakeups = Wakeups()
        svc = replace(
            plain,
            passwords=passwords or Passwords(CHEAP_PASSWORDS),
            wake_host=wakeups.wake,
            limits=limits or plain.limits,
            policy=policy,
        )
        first = bootstrap_identity(svc)
        assert first is not None
        _add_reader(svc)
        app = make_app(svc, wakeups, routes=(*ROUTES, *more_routes))
        http = InProcess(app)
        try:
            yield Site(svc=svc, app=app, wakeups=wakeups, http=http, passwords=first)
        finally:
            wakeups.close()
            http.close()


def _add_reader(svc: Services) -> None:
    """Add a user who may only look at what the project demo has."""
    user = User(
        id=UserId(svc.ids.new_id()),
        name="reader",
        password_hash=svc.passwords.hash(READER_PASSWORD),
    )

    def write(tx: Transaction) -> None:
        [demo] = tx.identity.projects_named("demo")
        tx.identity.insert_user(user)
        give_role(tx, user.id, demo.id, READER)

    svc.store.write(write)


@contextmanager
def served(
    app: Edge,
    *,
    port: int = 0,
    certificate: ServedCertificate | None = None,
    connections: Connections | None = None,
    trusted_proxies: Sequence[str] = (),
) -> Iterator[str]:
    """Serve `app` on a loopback port (0: any that is free), as in real use; yield its URL."""
    ready = threading.Event()
    server = HttpServer(
        app,
        ending=Ending(resting_seconds=0),
        certificate=certificate,
        connections=connections,
        trusted_proxies=trusted_proxies,
        on_ready=ready.set,
    )
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with listener:
        listener.bind(("127.0.0.1", port))
        at = f"127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            assert ready.wait(HANGS_SECONDS)
            yield f"http://{at}" if certificate is None else f"https://{at}"
        finally:
            server.should_exit = True
            thread.join(HANGS_SECONDS)


def write_clouds(directory: Path, url: str, passwords: FirstPasswords) -> None:
    """Write a clouds.yaml with `trunkline` (admin) and `trunkline-demo` (member)."""
    clouds = {
        cloud: {
            "auth": {
                "auth_url": f"{url}/identity",
                "username": user,
                "password": password,
                "project_name": user,
                "user_domain_id": "default",
                "project_domain_id": "default",
            },
            "region_name": "RegionOne",
        }
        for cloud, user, password in (
            ("trunkline", "admin", passwords.admin),
            ("trunkline-demo", "demo", passwords.demo),
        )
    }
    # JSON is YAML.
    (directory / "clouds.yaml").write_text(json.dumps({"clouds": clouds}))
