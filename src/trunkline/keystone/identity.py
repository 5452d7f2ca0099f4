"""Asking Keystone whom a token speaks for."""

from __future__ import annotations

import re
from typing import Final

import structlog
from prometheus_client import Counter

from trunkline.client.connection import Reply
from trunkline.client.errors import Unreachable
from trunkline.domain.clock import Clock
from trunkline.domain.errors import IdentityUnavailable
from trunkline.domain.identity import Caller
from trunkline.keystone.answers import Unusable, read_token
from trunkline.keystone.cache import AnswerCache, digest_of
from trunkline.keystone.connections import Connections
from trunkline.keystone.service_login import ServiceToken

VALIDATE_PATH: Final = "/auth/tokens?nocatalog"
# To who does not say so, Keystone tells nothing of tokens with access rules.
_HOLDS_TO_RULES: Final = {"OpenStack-Identity-Access-Rules": "1.0"}
# A token that holds all it stands for has some 1,000 characters (JWS), the usual ones 200 (Fernet).
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,8192}")

CACHED: Final = Counter(
    "trunkline_keystone_cached",
    "Tokens whose validation was answered from memory, Keystone not being asked.",
)
log: Final = structlog.get_logger("trunkline.keystone")


class Keystone:
    """Knows whom tokens speak for. Safe from any thread.

    Tokens that an application credential with access rules gave are invalid here: Keystone says
    so to a service that does not promise to enforce such rules.
    """

    def __init__(
        self,
        connections: Connections,
        service_token: ServiceToken,
        clock: Clock,
        *,
        public_url: str,
        cache_seconds: float,
    ) -> None:
        """Set up; nothing is sent yet.

        Args:
            connections: To Keystone.
            service_token: The token to ask with.
            clock: Tells what has expired.
            public_url: Where clients reach Keystone.
            cache_seconds: How long an answer counts: so long may a token that was revoked be used.
        """
        self.url = public_url.rstrip("/").removesuffix("/v3")
        self._connections = connections
        self._service_token = service_token
        self._clock = clock
        self._cache = AnswerCache(cache_seconds)
        self._problem: str | None = None  # Why the last token could not be validated.

    def find_caller(self, token: str) -> Caller | None:
        """Return whom a token speaks for if that is known by now; never waits.

        Raises:
            Unauthenticated: It is known to speak for nobody.
            Forbidden: It is known to be for no project, and not for the system.
        """
        if not _TOKEN.fullmatch(token):
            raise Unusable.INVALID.error
        found = self._cache.find(digest_of(token), self._clock.now())
        if found is None:
            return None
        CACHED.inc()
        return _caller(found)

    def ask(self, token: str) -> Caller:
        """Ask Keystone whom a token speaks for; may wait for as long as it may take to answer.

        Raises:
            Unauthenticated: For nobody.
            Forbidden: It is for no project, and not for the system.
            IdentityUnavailable: Keystone does not say.
        """
        now = self._clock.now()
        try:
            answer = self._validate(token)
        except Unreachable as problem:
            raise IdentityUnavailable(self.url, problem.problem) from problem
        self._problem = None
        self._cache.keep(digest_of(token), answer, now)
        return _caller(answer)

    def log_in(self) -> None:
        """Get the service's own token, to find out at once whether that works.

        Raises:
            LoginRefused: Its credential is not accepted.
            IdentityUnavailable: Keystone does not answer, or not with a token.
        """
        try:
            self._service_token.get()
        except Unreachable as problem:
            raise IdentityUnavailable(self.url, problem.problem) from problem

    def close(self) -> None:
        """Close the connections to Keystone."""
        self._connections.close()

    def _validate(self, token: str) -> Caller | Unusable:
        own = self._service_token.get()
        reply = self._send(token, own)
        if reply.status == 401:  # It is the service's own token that is no longer good.
            reply = self._send(token, self._service_token.get(refused=own))
        if reply.status == 404:
            return Unusable.INVALID
        if reply.status != 200:
            raise self._unfit(f"it answered with status {reply.status}{_advice(reply)}")
        try:
            answer = read_token(reply.body)
        except ValueError as problem:
            raise self._unfit(f"its answer is not a token's: {problem}") from problem
        if isinstance(answer, Caller) and _has_expired(answer, self._clock):
            return Unusable.INVALID
        return answer

    def _send(self, token: str, own: str) -> Reply:
        headers = {"X-Auth-Token": own, "X-Subject-Token": token, **_HOLDS_TO_RULES}
        return self._connections.request("validate", "GET", VALIDATE_PATH, headers=headers)

    def _unfit(self, problem: str) -> IdentityUnavailable:
        if problem != self._problem:
            log.warning("keystone validates no token", url=self._connections.url, problem=problem)
        self._problem = problem
        return IdentityUnavailable(self.url, problem)


def _caller(answer: Caller | Unusable) -> Caller:
    if isinstance(answer, Unusable):
        raise answer.error
    return answer


def _has_expired(caller: Caller, clock: Clock) -> bool:
    return caller.expires_at is not None and caller.expires_at <= clock.now()


def _advice(reply: Reply) -> str:
    if reply.status != 403:
        return ""
    return ": the service's own user may not validate tokens; it needs the role service or admin"
