"""A stand-in for Keystone that fails when it is told to, as a real one can't be made to.

What it answers when all is well is compared with a real Keystone's: tests/keystone/test_real.py.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from trunkline.bootstrap.real import RealClock
from trunkline.domain.clock import Clock
from trunkline.keystone.connections import Connections
from trunkline.keystone.identity import Keystone
from trunkline.keystone.service_login import PasswordLogin, ServiceToken

PASSWORD = "the service's own"
DEFAULT_DOMAIN = {"id": "default", "name": "Default"}
HELD_SECONDS_MAX = 30


def token_body(user_name: str = "alice", *roles: str, **fields: object) -> dict[str, Any]:
    """What Keystone says of a token for project `demo`; fields that are None are left out."""
    body: dict[str, Any] = {
        "methods": ["password"],
        "user": {
            "domain": DEFAULT_DOMAIN,
            "id": f"{user_name}-id",
            "name": user_name,
            "password_expires_at": None,
        },
        "audit_ids": ["2iszDrkRQ2q6JRwh3FUGxA"],
        "expires_at": "2036-01-01T00:00:00.000000Z",
        "issued_at": "2025-12-31T23:00:00.000000Z",
        "project": {"domain": DEFAULT_DOMAIN, "id": "demo-id", "name": "demo"},
        "is_domain": False,
        "roles": [{"id": f"{role}-id", "name": role} for role in roles or ("member", "reader")],
    } | fields
    return {"token": {name: value for name, value in body.items() if value is not None}}


def utc(at: datetime) -> str:
    """A time as Keystone writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class StandIn:
    """What it knows and how it fails; changed by tests while it serves."""

    url: str = ""
    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    own_tokens: set[str] = field(default_factory=set)  # That it has given, and still takes.
    own_seconds: float = 3600
    clock: Clock = field(default_factory=RealClock)  # By which what it gives expires.
    password: str = PASSWORD
    may_validate: bool = True
    says: tuple[int, bytes] | None = None  # To every validation.
    counts: Counter[str] = field(default_factory=Counter)
    may_answer: threading.Event = field(default_factory=threading.Event)
    asked: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __post_init__(self) -> None:
        self.may_answer.set()

    def log_in(self, sent: bytes) -> tuple[int, object, Mapping[str, str]]:
        """``POST /v3/auth/tokens``."""
        self.counts["login"] += 1
        auth = json.loads(sent)["auth"]["identity"]
        secret = auth.get("application_credential", {}).get("secret")
        if (secret or auth["password"]["user"]["password"]) != self.password:
            return 401, {"error": {"code": 401}}, {}
        token = f"own-{self.counts['login']}"
        self.own_tokens.add(token)
        ends = self.clock.now() + timedelta(seconds=self.own_seconds)
        body = token_body("trunkline", "service", expires_at=utc(ends))
        return 201, body, {"X-Subject-Token": token}

    def validate(self, own: str | None, token: str | None) -> tuple[int, object]:
        """``GET /v3/auth/tokens``."""
        self.counts["validate"] += 1
        self.asked.release()
        self.may_answer.wait(HELD_SECONDS_MAX)
        if self.says is not None:
            return self.says
        if own not in self.own_tokens:
            return 401, {"error": {"code": 401}}
        if not self.may_validate:
            return 403, {"error": {"code": 403}}
        if token not in self.tokens:
            return 404, {"error": {"code": 404}}
        return 200, self.tokens[token]


@contextmanager
def a_stand_in(clock: Clock | None = None) -> Iterator[StandIn]:
    """Serve one on a free port."""
    stand_in = StandIn(clock=clock or RealClock())

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # Else each answer waits 40 ms for an acknowledgement.

        def do_GET(self) -> None:
            own, subject = self.headers.get("X-Auth-Token"), self.headers.get("X-Subject-Token")
            self._say(*stand_in.validate(own, subject), {})

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            self._say(*stand_in.log_in(self.rfile.read(length)))

        def _say(self, status: int, body: object, headers: Mapping[str, str]) -> None:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, text in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True  # One may be in the middle of a long silence.

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # Whoever asked had waited long enough.

    server = Server(("127.0.0.1", 0), Handler)
    stand_in.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stand_in
    finally:
        stand_in.may_answer.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def asking(
    url: str,
    clock: Clock,
    *,
    password: str = PASSWORD,
    cache_seconds: float = 60,
    seconds_max: float = 30,
) -> Iterator[Keystone]:
    """Open what asks the Keystone at `url`, as user `trunkline` of project `service`."""
    connections = Connections(url, ca_file=None, seconds_max=seconds_max)
    login = PasswordLogin(
        username="trunkline",
        password=password,
        project_name="service",
        user_domain="Default",
        project_domain="Default",
    )
    own = ServiceToken(connections, login, clock, public_url=url)
    keystone = Keystone(connections, own, clock, public_url=url, cache_seconds=cache_seconds)
    try:
        yield keystone
    finally:
        keystone.close()
