"""Kept connections to one Keystone, one for each request that is under way."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Final

import structlog
from prometheus_client import Histogram

from trunkline.client.connection import Connection, Reply
from trunkline.client.errors import Unreachable

AWAY_SECONDS: Final = 1.0  # What clients are told to wait, too.

REQUESTS: Final = Histogram(
    "trunkline_keystone_request_seconds",
    "Requests to Keystone, by what for, and the status of the answer; none where none came.",
    ["request", "status"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
log: Final = structlog.get_logger("trunkline.keystone")


class Connections:
    """Sends requests below /v3, each over a connection that no other one uses meanwhile.

    There are as many connections as there ever were requests at one time: whoever sends them
    bounds that. After a request that Keystone left unanswered, others are not sent for a second:
    those that wait for a thread, or for the service's own token, would each wait as long again.
    """

    def __init__(self, url: str, *, ca_file: str | None, seconds_max: float) -> None:
        """Set up; nothing is sent yet.

        Args:
            url: Where Keystone answers, with or without `/v3`.
            ca_file: Certificates to trust, instead of the machine's.
            seconds_max: For connecting, and again for each wait for a piece of the answer.

        Raises:
            ClientError: `url` is malformed, or the certificates can't be read.
        """
        self.url = url.rstrip("/").removesuffix("/v3") + "/v3"
        self._ca_file = ca_file
        self._seconds_max = seconds_max
        self._lock = threading.Lock()
        self._idle: list[Connection] = [self._new()]
        self._answered_at = float("-inf")
        self._away: Unreachable | None = None
        self._away_until = float("-inf")

    def request(
        self, purpose: str, method: str, path: str, *, body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:  # fmt: skip
        """Send a request and return the answer, whatever its status.

        Raises:
            Unreachable: No answer came, or none had come to another request a moment ago.
        """
        started = time.monotonic()
        with self._lock:
            if self._away is not None and started < self._away_until:
                raise Unreachable(self.url, self._away.problem)
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._new()
        status = "none"
        try:
            reply = connection.request(
                method, path, body=body, headers=headers, answer_seconds_max=self._seconds_max
            )
            status = str(reply.status)
            self._note_answer()
            return reply
        except Unreachable as problem:
            self._note_silence(problem, started)
            raise
        finally:
            REQUESTS.labels(purpose, status).observe(time.monotonic() - started)
            with self._lock:
                self._idle.append(connection)

    def close(self) -> None:
        """Close those that are idle; a later request opens another one."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _new(self) -> Connection:
        return Connection(self.url, ca_file=self._ca_file, connect_seconds_max=self._seconds_max)

    def _note_answer(self) -> None:
        with self._lock:
            self._answered_at = time.monotonic()
            was_away, self._away = self._away is not None, None
        if was_away:
            log.info("keystone answers again", url=self.url)

    def _note_silence(self, problem: Unreachable, started: float) -> None:
        with self._lock:
            if self._answered_at > started:
                return  # It answers others: this request was unlucky.
            was_away, self._away = self._away is not None, problem
            self._away_until = time.monotonic() + AWAY_SECONDS
        if not was_away:
            log.warning("keystone does not answer", url=self.url, problem=problem.problem)
