"""A session with every kind of secret; then each line, metric and answer is looked through."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.support.http_app import Reply, Site, a_site, password_login
from tests.support.identity_api import IdentityApi
from trunkline.bootstrap.logging import configure_logging


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    """What was logged, down to the least; the test's own logging comes back afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure_logging(as_json=True, stream=stream, level=logging.DEBUG)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


class Listening(IdentityApi):
    """Remembers what was answered, and which secrets were in use."""

    def __init__(self, site: Site) -> None:
        self.replies: list[Reply] = []
        self.secrets: set[str] = {site.passwords.admin, site.passwords.demo}
        super().__init__(site)

    def ask(
        self, method: str, path: str, body: object = None, *, token: str | None = None
    ) -> Reply:
        reply = super().ask(method, path, body, token=token)
        self.replies.append(reply)
        return reply

    def log_in(self, body: object) -> Reply:
        reply = self.site.http.request("POST", "/identity/v3/auth/tokens", body=body)
        self.replies.append(reply)
        if "x-subject-token" in reply.headers:
            self.secrets.add(reply.headers["x-subject-token"])
        return reply


def a_session(api: Listening) -> None:
    """Do everything that a secret goes into, rightly and wrongly."""
    first, second, wrong, chosen = "FIRST-s3cr3t", "SECOND-s3cr3t", "WRONG-s3cr3t", "CHOSEN-s3cr3t"
    api.secrets |= {api.admin, first, second, wrong, chosen}
    bob = api.make("user", name="bob", password=first)["id"]
    assert api.assign("bob", "member", f"projects/{api.id_of('project', 'demo')}").status == 204
    token = api.log_in(password_login("bob", first, "demo")).headers["x-subject-token"]
    for number in range(2):
        credential = {"name": f"c{number}"} | ({"secret": chosen} if number else {})
        made = api.ask(
            "POST", f"users/{bob}/application_credentials",
            {"application_credential": credential}, token=token,
        )  # fmt: skip
        api.replies.remove(made)  # The one answer that may have it.
        shown = made.json()["application_credential"]
        api.secrets.add(shown["secret"])
        own = {"id": shown["id"], "secret": shown["secret"]}
        for secret in (own, {**own, "secret": wrong}):
            proof = {"methods": ["application_credential"], "application_credential": secret}
            api.log_in({"auth": {"identity": proof}})
        api.get(f"users/{bob}/application_credentials/{shown['id']}")
    api.get(f"users/{bob}/application_credentials")
    for password in (wrong, first):
        api.log_in(password_login("bob", password, "nowhere"))
    malformed = password_login("bob", first, "demo")
    malformed["auth"]["identity"]["password"]["user"]["domain"] = first
    api.log_in(malformed)
    api.log_in({"auth": {"identity": {"methods": ["password"], "password": first}}})
    api.log_in({"auth": {"identity": {"methods": ["token"], "token": {"id": token}}}})
    api.log_in({"auth": {"identity": {"methods": ["token"], "token": {"id": wrong}}}})
    api.ask("POST", "users", {"user": {"name": "bob", "password": first}})
    api.ask("POST", "users", {"user": {"name": "x", "password": second * 400}})
    api.ask("PATCH", f"users/{bob}", {"user": {"password": first, "enabled": second}})
    for original in (wrong, first):
        change = {"original_password": original, "password": second}
        api.ask("POST", f"users/{bob}/password", {"user": change}, token=token)
    api.ask("GET", "projects", token=token)
    api.ask("GET", "projects", token=wrong)
    headers = {"X-Subject-Token": token}
    for method in ("GET", "DELETE"):
        api.replies.append(
            api.site.http.request(
                method, "/identity/v3/auth/tokens", token=api.admin, headers=headers
            )
        )
    api.replies.append(
        api.site.http.request("POST", "/identity/v3/auth/tokens", raw=f'{{"{first}'.encode())
    )
    api.change("user", bob, password=second, email="b@example.org")
    api.ask("DELETE", f"users/{bob}")


def test_no_secret_is_in_logs_metrics_answers_or_the_audit_trail(
    tmp_path: Path, out: io.StringIO
) -> None:
    with a_site(tmp_path) as site:
        api = Listening(site)
        a_session(api)
        metrics = site.http.request("GET", "/metrics").body.decode()
        events = json.dumps(api.events())
        logged = out.getvalue()
        assert len(logged.splitlines()) > 30, "nothing was listened to"
        answered = b"\n".join(reply.body for reply in api.replies).decode()
        heads = "\n".join(
            f"{name}: {value}"
            for reply in api.replies
            for name, value in reply.headers.items()
            if name != "x-subject-token"
        )
    stored = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert len(api.secrets) >= 12
    for secret in api.secrets:
        for where, text in {
            "logs": logged, "metrics": metrics, "answers": answered, "headers": heads,
            "the audit trail": events,
        }.items():  # fmt: skip
            assert secret not in text, f"{secret} is in {where}"
        assert secret.encode() not in stored, f"{secret} is in the database"


def test_what_stands_for_a_secret_in_the_program_does_not_show_it() -> None:
    from trunkline.control.application_credentials import ApplicationCredentialCreate
    from trunkline.control.logins import PasswordCredential, Ref, SecretCredential, TokenCredential
    from trunkline.control.user_accounts import UserUpdate

    for value in (
        PasswordCredential(user=Ref(name="bob"), password="s3cr3t"),
        SecretCredential(id="x", secret="s3cr3t"),
        TokenCredential("s3cr3t"),
        ApplicationCredentialCreate(name="x", secret="s3cr3t"),
        UserUpdate(password="s3cr3t"),
    ):
        assert "s3cr3t" not in repr(value)
