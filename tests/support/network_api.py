"""One user's view of the network face, for stories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.http_app import Reply, Site


class NetworkApi:
    """Asks ``/network/v2.0`` as one user. Each call says which status it expects."""

    def __init__(self, site: Site, user: str) -> None:
        self._http = site.http
        self._token = site.token(user)

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        return self._http.request(
            method,
            f"/network/v2.0/{path}",
            token=self._token,
            body=body,
            raw=raw,
            headers=headers,
        )

    def create(self, what: str, expect: int = 201, **fields: Any) -> Any:
        """``{"provider:…"}`` goes as ``provider__…``, a colon being no part of a Python name."""
        named = {name.replace("__", ":"): value for name, value in fields.items()}
        reply = self.ask("POST", f"{what}s", {what: named})
        assert reply.status == expect, reply
        return reply.json()[what] if expect == 201 else error_of(reply)

    def show(self, what: str, id_: str, expect: int = 200) -> Any:
        reply = self.ask("GET", f"{what}s/{id_}")
        assert reply.status == expect, reply
        return reply.json()[what] if expect == 200 else error_of(reply)

    def all(self, what: str, query: str = "") -> Any:
        reply = self.ask("GET", f"{what}s?{query}")
        assert reply.status == 200, reply
        return reply.json()[f"{what}s"]

    def names(self, what: str, query: str = "") -> list[str]:
        return [item["name"] for item in self.all(what, query)]

    def update(self, what: str, id_: str, expect: int = 200, **fields: Any) -> Any:
        named = {name.replace("__", ":"): value for name, value in fields.items()}
        reply = self.ask("PUT", f"{what}s/{id_}", {what: named})
        assert reply.status == expect, reply
        return reply.json()[what] if expect == 200 else error_of(reply)

    def delete(self, what: str, id_: str, expect: int = 204) -> Any:
        reply = self.ask("DELETE", f"{what}s/{id_}")
        assert reply.status == expect, reply
        return None if expect == 204 else error_of(reply)


def error_of(reply: Reply) -> Any:
    """The error in Neutron's form: type, message, detail."""
    error = reply.json()["NeutronError"]
    assert set(error) == {"type", "message", "detail"}
    return error
