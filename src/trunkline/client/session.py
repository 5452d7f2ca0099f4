"""A logged-in connection: a token by password (identity v3), renewed when it has expired."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from trunkline.client.catalog import SERVICE_TYPE, find_trunkline
from trunkline.client.clouds import Cloud
from trunkline.client.connection import ANSWER_SECONDS_MAX, Connection, Reply
from trunkline.client.errors import ApiError, ClientError, Unreachable
from trunkline.wire.json import decode, encode
from trunkline.wire.v1 import PREFIX

T = TypeVar("T")

Query = Sequence[tuple[str, str]]

MESSAGE_CHARACTERS_MAX: Final = 2000  # Of an answer that is no error of ours: a proxy's page, say.


class Session:
    """Asks one Trunkline as one user. The first request logs in."""

    def __init__(self, cloud: Cloud) -> None:
        """Set up; nothing is sent yet. Raises `ClientError` if the cloud's URL is malformed."""
        self._cloud = cloud
        url, self._identity_path = split_auth_url(cloud.auth_url)
        self._identity = Connection(url, ca_file=cloud.ca_file, verify=cloud.verify)
        # Beside our own identity, unless the catalog of the one that we log in to says where.
        self._connection = self._identity
        self._in_catalog = False
        self._token: str | None = None

    @property
    def url(self) -> str:
        """The service's address, for messages."""
        return self._connection.url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._connection.close()
        self._identity.close()

    def get(self, path: str, type_: type[T], query: Query = ()) -> T:
        """GET a path below trunkline/v1 and read its answer as `type_`."""
        return self.call("GET", path, type_, query=query)

    def call(
        self, method: str, path: str, type_: type[T], *, query: Query = (),
        body: object | None = None, below: str = PREFIX,
    ) -> T:  # fmt: skip
        """Send a request below trunkline/v1, or another path, and read its answer as `type_`.

        Raises:
            ApiError: The service answered with an error.
            Unreachable: It gave no answer that makes sense.
        """
        target = below + path + (f"?{urlencode(query)}" if query else "")
        reply = self._send(method, target, None if body is None else encode(body))
        return read_answer(reply, type_, self.url)

    def send(self, method: str, target: str, *, body: object | None = None) -> None:
        """Send a request that is answered without a body; raises as `call` does."""
        encoded = None if body is None else encode(body)
        raise_for_error(self._send(method, target, encoded), self.url)

    def _send(self, method: str, target: str, body: bytes | None) -> Reply:
        fresh = self._token is None
        reply = self._send_with_token(method, target, body)
        if reply.status == 401 and not fresh:
            self._token = None
            reply = self._send_with_token(method, target, body)
        if reply.status == 404 and not self._in_catalog and target.startswith(PREFIX):
            code, _ = _error_in(reply.body)
            if "." not in code:  # As all of ours have it.
                raise Unreachable(
                    self.url,
                    "there is no trunkline/v1, and the catalog has no service of type "
                    f"{SERVICE_TYPE} that says where it is",
                    connected=True,
                )
        return reply

    def _send_with_token(self, method: str, target: str, body: bytes | None) -> Reply:
        if self._token is None:
            self._token = self._log_in()
        return self._connection.request(
            method, target, body=body, headers={"X-Auth-Token": self._token},
            answer_seconds_max=ANSWER_SECONDS_MAX,
        )  # fmt: skip

    def _log_in(self) -> str:
        reply = self._identity.request(
            "POST",
            self._identity_path + "/auth/tokens",
            body=json.dumps(password_login(self._cloud)).encode(),
        )
        raise_for_error(reply, self._identity.url)
        token = reply.headers.get("x-subject-token")
        if not token:
            raise Unreachable(
                self._identity.url, "its login gave no token: is it an identity service?"
            )
        url = find_trunkline(reply.body, self._cloud.region)
        self._in_catalog = url is not None
        if url is not None and url != self._connection.url:
            self._connection = Connection(
                url, ca_file=self._cloud.ca_file, verify=self._cloud.verify
            )
        return token


def split_auth_url(auth_url: str) -> tuple[str, str]:
    """Return the address that all faces share, and the path of identity v3 below it.

    ``https://cloud/tl/identity/v3`` is ``https://cloud/tl`` and ``/identity/v3``.
    """
    parts = urlsplit(auth_url)
    if not parts.scheme or not parts.netloc:
        raise ClientError(f"not a URL of the form http(s)://HOST[:PORT]: {auth_url!r}")
    path = parts.path.rstrip("/").removesuffix("/v3")
    base = path.removesuffix("/identity")
    return f"{parts.scheme}://{parts.netloc}{base}", f"{path[len(base) :]}/v3"


def password_login(cloud: Cloud) -> dict[str, Any]:
    """Return identity v3's request for a token of a user in a project."""
    return {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {
                    "user": {
                        "name": cloud.username,
                        "password": cloud.password,
                        "domain": {cloud.user_domain.by: cloud.user_domain.value},
                    }
                },
            },
            "scope": {
                "project": {
                    "name": cloud.project_name,
                    "domain": {cloud.project_domain.by: cloud.project_domain.value},
                }
            },
        }
    }


def read_answer(reply: Reply, type_: type[T], url: str) -> T:
    """Read a JSON answer as `type_`; raise `ApiError` or `Unreachable` as `Session.call` does."""
    raise_for_error(reply, url)
    try:
        return decode(reply.body, type_)
    except msgspec.DecodeError as problem:
        raise Unreachable(
            url, f"its answer is not what trunkline/v1 gives: {problem}", connected=True
        ) from problem


def raise_for_error(reply: Reply, url: str) -> None:
    """Raise `ApiError` unless the answer's status is a good one."""
    if reply.status < 300:
        return
    code, message = _error_in(reply.body)
    raise ApiError(
        status=reply.status,
        code=code,
        message=message or f"{url} answered with status {reply.status} and no explanation",
        request_id=reply.headers.get("x-openstack-request-id", ""),
    )


def _error_in(body: bytes) -> tuple[str, str]:
    """Return an error body's code and message: {"error": {"code": …, "message": …}}.

    The compute API has other words in the place of "error".
    """
    try:
        (error,) = msgspec.json.decode(body).values()
        return str(error.get("code", "")), str(error["message"])
    except (msgspec.MsgspecError, RecursionError, KeyError, TypeError, AttributeError, ValueError):
        return "", body[:MESSAGE_CHARACTERS_MAX].decode("utf-8", "replace").strip()
