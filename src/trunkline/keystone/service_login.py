"""The service's own token, by which it may ask about those of others."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import structlog

from trunkline.client.connection import Reply
from trunkline.client.errors import Unreachable
from trunkline.domain.clock import Clock
from trunkline.domain.errors import IdentityUnavailable
from trunkline.keystone.answers import read_expiry
from trunkline.keystone.connections import Connections

RENEW_SECONDS: Final = 120.0  # Before it expires, by Keystone's clock, which may differ from ours.
REFUSED_PAUSE_SECONDS: Final = 30.0  # Keystone may lock a user out who tries too often.
LOGIN_PATH: Final = "/auth/tokens?nocatalog"

log: Final = structlog.get_logger("trunkline.keystone")


class LoginRefused(IdentityUnavailable):
    """Keystone does not take the service's own credential."""

    code = "identity.service_login_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordLogin:
    """A user that was made for the service, in a project."""

    username: str
    password: str = field(repr=False)
    project_name: str
    user_domain: str  # The name of it; so is the other.
    project_domain: str

    def body(self) -> dict[str, Any]:
        """Return what is sent to log in."""
        user = {
            "name": self.username,
            "domain": {"name": self.user_domain},
            "password": self.password,
        }
        project = {"name": self.project_name, "domain": {"name": self.project_domain}}
        return {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": project},
            }
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationCredentialLogin:
    """An application credential of such a user: it names user and project by itself."""

    id: str
    secret: str = field(repr=False)

    def body(self) -> dict[str, Any]:
        """Return what is sent to log in."""
        credential = {"id": self.id, "secret": self.secret}
        method = "application_credential"
        return {"auth": {"identity": {"methods": [method], method: credential}}}


class ServiceToken:
    """Gets the token when it is first needed, and a new one before that expires.

    Safe from any thread; while one logs in, the others wait for it.
    """

    def __init__(
        self,
        connections: Connections,
        login: PasswordLogin | ApplicationCredentialLogin,
        clock: Clock,
        *,
        public_url: str,
    ) -> None:
        """Set up; nothing is sent yet. `public_url` is for messages."""
        self._connections = connections
        self._body = msgspec.json.encode(login.body())
        self._clock = clock
        self._public_url = public_url
        self._lock = threading.Lock()
        self._token = ""
        self._expires_at: datetime | None = None
        self._refused_at: datetime | None = None

    def get(self, *, refused: str | None = None) -> str:
        """Return a token; another one than `refused`, which Keystone did not take.

        Raises:
            LoginRefused: The credential is not taken, or was not a moment ago.
            IdentityUnavailable: Keystone gave no token all the same.
            Unreachable: It gave no answer.
        """
        with self._lock:
            if self._token == refused:
                self._token = ""
            now = self._clock.now()
            if self._token and not self._ends_within(RENEW_SECONDS, now):
                return self._token
            try:
                self._log_in(now)
            except (IdentityUnavailable, Unreachable):
                if not self._token or self._ends_within(0, now):
                    raise
            return self._token

    def _ends_within(self, seconds: float, now: datetime) -> bool:
        return self._expires_at is None or self._expires_at <= now + timedelta(seconds=seconds)

    def _log_in(self, now: datetime) -> None:
        if self._refused_at is not None and self._refused_at <= now < self._refused_at + timedelta(
            seconds=REFUSED_PAUSE_SECONDS
        ):
            raise self._login_refused()
        reply = self._connections.request("login", "POST", LOGIN_PATH, body=self._body)
        self._refused_at = None
        if reply.status == 401:
            self._refused_at = now
            log.error("keystone refuses the service's own login", url=self._connections.url)
            raise self._login_refused()
        token, expires_at = self._read(reply)
        self._token, self._expires_at = token, expires_at

    def _login_refused(self) -> LoginRefused:
        return LoginRefused(
            self._public_url,
            "it does not accept the credential that this service has for it; an operator can "
            "mend [keystone] in controller.toml",
        )

    def _read(self, reply: Reply) -> tuple[str, datetime]:
        token = reply.headers.get("x-subject-token", "")
        try:
            if reply.status != 201 or not token:
                raise ValueError(f"status {reply.status}")
            return token, read_expiry(reply.body)
        except ValueError as problem:
            log.warning("keystone gave no token", url=self._connections.url, problem=str(problem))
            raise IdentityUnavailable(
                self._public_url, f"it gave this service no token (status {reply.status})"
            ) from problem
