"""A real Keystone from PyPI, of the tests' own, and a client to furnish it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.environments import PINS, ensure_environment
from tests.support.patience import HANGS_SECONDS
from trunkline.client.connection import Connection, Reply

ADMIN_PASSWORD = "the first admin's"
DEFAULT_DOMAIN = {"id": "default"}


def project_scope(name: str) -> dict[str, Any]:
    return {"project": {"name": name, "domain": DEFAULT_DOMAIN}}


SYSTEM_SCOPE = {"system": {"all": True}}
DOMAIN_SCOPE = {"domain": DEFAULT_DOMAIN}


@dataclass
class Keystone:
    """A Keystone that answers at `url`, spoken to as its first admin."""

    url: str
    home: Path
    pid: int
    _connection: Connection
    _token: str = ""
    ids: dict[str, str] = field(default_factory=dict)  # Of roles, by name.

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send one request below /v3, by default with the admin's token."""
        sent = {"X-Auth-Token": self._token if token is None else token, **(headers or {})}
        content = None if body is None else json.dumps(body).encode()
        return self._connection.request(method, f"/v3{path}", body=content, headers=sent)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send a request that must succeed, and return what is in the one key of its answer."""
        reply = self.send(method, path, body)
        assert reply.status < 300, (method, path, reply)
        return next(iter(json.loads(reply.body).values())) if reply.body else None

    def log_in(self) -> None:
        """Become the admin that the bootstrap made."""
        self._token = self.token("admin", ADMIN_PASSWORD, project_scope("admin"))
        self.ids = {role["name"]: role["id"] for role in self.ask("GET", "/roles")}

    def token(
        self, user: str, password: str, scope: object = None, *, domain: str = "default"
    ) -> str:
        """Return a new token of a user; `scope` None: of no scope."""
        who = {"name": user, "domain": {"id": domain}, "password": password}
        return self.token_by({"methods": ["password"], "password": {"user": who}}, scope)

    def token_by(self, identity: object, scope: object = None) -> str:
        """Return a new token by any method."""
        auth = {"identity": identity} | ({"scope": scope} if scope is not None else {})
        if scope is None and "application_credential" not in str(identity):
            auth["scope"] = "unscoped"
        reply = self.send("POST", "/auth/tokens", {"auth": auth}, token="")
        assert reply.status == 201, reply
        return reply.headers["x-subject-token"]

    def revoke(self, token: str) -> None:
        """Make a token worthless."""
        reply = self.send("DELETE", "/auth/tokens", headers={"X-Subject-Token": token})
        assert reply.status == 204, reply

    def a_project(self, name: str) -> str:
        """Make a project and return its ID."""
        made = self.ask("POST", "/projects", {"project": {"name": name, "domain_id": "default"}})
        return str(made["id"])

    def a_role(self, name: str) -> None:
        """Make a role."""
        self.ids[name] = self.ask("POST", "/roles", {"role": {"name": name}})["id"]

    def a_user(self, name: str, password: str, *, domain: str = "default", **roles: str) -> str:
        """Make a user with roles, `role=project ID`, and return the user's ID."""
        asked = {"name": name, "password": password, "domain_id": domain}
        user_id = str(self.ask("POST", "/users", {"user": asked})["id"])
        for role, project_id in roles.items():
            self.ask("PUT", f"/projects/{project_id}/users/{user_id}/roles/{self.ids[role]}")
        return user_id

    def change_user(self, user_id: str, **fields: object) -> None:
        """Change a user: ``enabled=False``."""
        self.ask("PATCH", f"/users/{user_id}", {"user": fields})


@contextmanager
def a_keystone(home: Path) -> Iterator[Keystone]:
    """Make a Keystone in `home` and serve it."""
    python = ensure_environment("keystone") / "python"
    command = [str(python), str(PINS / "keystone_server.py"), str(home), ADMIN_PASSWORD]
    with (home / "said").open("w") as said:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (home / "said").read_text()
        with Connection(json.loads(line)["url"]) as connection:
            keystone = Keystone(connection.url, home, process.pid, connection)
            keystone.log_in()
            yield keystone
    finally:
        process.terminate()
        process.wait(HANGS_SECONDS)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="session")
def keystone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keystone]:
    """One Keystone for all tests of this process: what a test makes in it has names of its own."""
    with a_keystone(tmp_path_factory.mktemp("keystone")) as started:
        yield started
