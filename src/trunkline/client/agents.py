"""The calls of an agent: enrol its host, fetch what is desired of it, report what was observed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Self
from urllib.parse import quote

from trunkline.client.connection import Connection
from trunkline.client.session import raise_for_error, read_answer
from trunkline.domain.ids import HostName, ImageId
from trunkline.reconcile.desired import HostConfig
from trunkline.reconcile.report import HostReport, ReportAck
from trunkline.wire.enrolment import EnrolAnswer, EnrolBody
from trunkline.wire.json import encode
from trunkline.wire.v1 import PREFIX

GRACE_SECONDS: Final = (
    15.0  # What a long poll's answer may take beyond the wait that was asked for.
)


def enrol(
    url: str, host: HostName, key: str, *, token: str | None = None, ca_file: str | None = None
) -> str:
    """Return a token that speaks for `host`; an earlier one of it is worthless from now on.

    Args:
        url: Where the service answers.
        host: The host's name.
        key: The enrolment key, or an enrolment token.
        token: The token to be, if the host has made one up and kept it, so that it can ask again
            when the answer was lost.
        ca_file: Certificates to trust.

    Raises:
        ApiError: The key does not let this host enrol, or the name is no host's.
        Unreachable: The service gave no answer.
    """
    with Connection(url, ca_file=ca_file) as connection:
        reply = connection.request("POST", _path(host, "enrol"), body=encode(EnrolBody(key, token)))
        return read_answer(reply, EnrolAnswer, connection.url).token


class AgentApi:
    """Speaks for one host, over one kept connection. Raises the classes of `client.errors`.

    A call and a long poll at the same time need an `AgentApi` each.
    """

    def __init__(self, url: str, host: HostName, token: str, *, ca_file: str | None = None) -> None:
        """Set up; nothing is sent yet."""
        self._connection = Connection(url, ca_file=ca_file)
        self._host = host
        self._headers = {"Authorization": f"Bearer {token}"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def abort(self) -> None:
        """Break off the call that another thread is waiting in."""
        self._connection.abort()

    def fetch(
        self, *, after_generation: int, consoles_asked: int, wait_seconds: int
    ) -> HostConfig | None:
        """Return what is desired of the host once it is newer than what is known of it.

        None: it was not, for `wait_seconds`.
        """
        reply = self._connection.request(
            "GET",
            f"{_path(self._host, 'desired')}?after={after_generation}&consoles={consoles_asked}"
            f"&wait={wait_seconds}",
            headers=self._headers,
            answer_seconds_max=wait_seconds + GRACE_SECONDS,
        )
        if reply.status == 204:
            return None
        return read_answer(reply, HostConfig, self._connection.url)

    def report(self, report: HostReport) -> ReportAck:
        """Hand over a report; when this returns it is stored."""
        reply = self._connection.request(
            "POST", _path(self._host, "report"), body=encode(report), headers=self._headers
        )
        return read_answer(reply, ReportAck, self._connection.url)

    def fetch_image(self, image_id: ImageId, write: Callable[[bytes], object]) -> None:
        """Hand the bytes of an image that a server of the host starts from to `write`."""
        reply = self._connection.request(
            "GET",
            _path(self._host, f"images/{quote(image_id, safe='')}"),
            headers=self._headers,
            into=write,
        )
        raise_for_error(reply, self._connection.url)


def _path(host: HostName, call: str) -> str:
    return f"{PREFIX}/hosts/{quote(host, safe='')}/{call}"
