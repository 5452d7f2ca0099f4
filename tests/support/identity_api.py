"""The identity face, asked as an admin asks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.http_app import Reply, Site, password_login

ROOT = "/identity/v3"
TOKENS = f"{ROOT}/auth/tokens"


class IdentityApi:
    """Sends requests to the identity face; by a token of admin unless another is given."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.admin = site.token("admin")

    def ask(
        self, method: str, path: str, body: object = None, *, token: str | None = None
    ) -> Reply:
        return self.site.http.request(
            method, f"{ROOT}/{path}", token=token or self.admin, body=body
        )

    def get(self, path: str, *, token: str | None = None) -> Any:
        reply = self.ask("GET", path, token=token)
        assert reply.status == 200, reply
        return reply.json()

    def make(self, what: str, **fields: object) -> dict[str, Any]:
        """Make a project, user or role, and return it as it is shown."""
        reply = self.ask("POST", f"{what}s", {what: fields})
        assert reply.status == 201, reply
        made: dict[str, Any] = reply.json()[what]
        return made

    def change(self, what: str, id_: str, **fields: object) -> Reply:
        return self.ask("PATCH", f"{what}s/{id_}", {what: fields})

    def names(self, path: str, *, token: str | None = None) -> list[str]:
        """Return the names in a list."""
        listed = self.get(path, token=token)
        (items,) = [items for key, items in listed.items() if key not in ("links", "truncated")]
        return [item["name"] for item in items]

    def id_of(self, what: str, name: str) -> str:
        """Return the ID of the project, user or role of a name."""
        (found,) = self.get(f"{what}s?name={name}")[f"{what}s"]
        return str(found["id"])

    def assign(self, user: str, role: str, path: str, method: str = "PUT") -> Reply:
        """Give a user a role, or ask about it, or take it away; `path` as ``projects/ID``."""
        ids = self.id_of("user", user), self.id_of("role", role)
        return self.ask(method, f"{path}/users/{ids[0]}/roles/{ids[1]}")

    def a_member(self, name: str, project: str, *roles: str) -> dict[str, Any]:
        """Make a user whose password is ``PASSWORD of NAME``, with roles in a project."""
        user = self.make("user", name=name, password=password_of(name))
        for role in roles or ("member",):
            path = f"projects/{self.id_of('project', project)}"
            assert self.assign(name, role, path).status == 204
        return user

    def log_in(self, body: Mapping[str, object]) -> Reply:
        return self.site.http.request("POST", TOKENS, body=body)

    def token_of(self, name: str, project: str | None) -> str:
        """Log a user in that `a_member` has made."""
        reply = self.log_in(password_login(name, password_of(name), project))
        assert reply.status == 201, reply
        return reply.headers["x-subject-token"]

    def works(self, token: str) -> bool:
        return self.ask("GET", "auth/projects", token=token).status == 200

    def events(self) -> list[Any]:
        """Return the audit trail, oldest first."""
        reply = self.site.http.request("GET", "/trunkline/v1/events", token=self.admin)
        assert reply.status == 200, reply
        return list(reversed(reply.json()["events"]))


def password_of(name: str) -> str:
    return f"PASSWORD of {name}"


def problem_of(reply: Reply) -> str:
    return str(reply.json()["error"]["message"])
