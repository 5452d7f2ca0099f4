"""What happens at the same moment: one wins, the others are told so, and nothing is half done."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.support.http_app import Site
from tests.support.identity_api import IdentityApi

ROUNDS = 6


@pytest.fixture
def api(site: Site) -> IdentityApi:
    return IdentityApi(site)


def at_once(*requests: Callable[[], int]) -> list[int]:
    """Send requests from threads that start together; return their statuses in order."""
    start = threading.Barrier(len(requests))

    def send(request: Callable[[], int]) -> int:
        start.wait()
        return request()

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(send, requests))


def status_of(api: IdentityApi, method: str, path: str) -> int:
    return api.ask(method, path).status


@pytest.mark.parametrize("what", ["project", "user", "role"])
def test_of_several_that_make_the_same_name_one_does(api: IdentityApi, what: str) -> None:
    for number in range(ROUNDS):
        body = {what: {"name": f"n{number}"}}
        statuses = at_once(*[lambda b=body: api.ask("POST", f"{what}s", b).status] * 4)
        assert Counter(statuses) == {201: 1, 409: 3}


def test_a_role_is_given_in_nothing_that_is_being_deleted(api: IdentityApi) -> None:
    for number in range(ROUNDS):
        project = api.make("project", name=f"p{number}")["id"]
        user = api.make("user", name=f"u{number}")["id"]
        role = api.make("role", name=f"r{number}")["id"]
        grant = f"projects/{project}/users/{user}/roles/{role}"
        gone = [f"projects/{project}", f"users/{user}", f"roles/{role}"][number % 3]
        given, deleted, _ = at_once(
            partial(status_of, api, "PUT", grant),
            partial(status_of, api, "DELETE", gone),
            partial(status_of, api, "PUT", grant),
        )
        assert given in (204, 404)
        assert deleted == 204
        assert api.ask("GET", grant).status == 404
    assert len(api.get("role_assignments")["role_assignments"]) == 5


def test_who_logs_in_while_the_password_changes_has_no_token_of_before(api: IdentityApi) -> None:
    bob = api.a_member("bob", "demo")["id"]
    tokens: list[str] = []

    def log_in() -> int:
        reply = api.log_in(
            {
                "auth": {
                    "identity": {
                        "methods": ["password"],
                        "password": {"user": {"id": bob, "password": "0"}},
                    },
                    "scope": {"project": {"id": api.id_of("project", "demo")}},
                }
            }
        )
        if reply.status == 201:
            tokens.append(reply.headers["x-subject-token"])
        return reply.status

    for _ in range(ROUNDS):
        assert api.change("user", bob, password="0").status == 200
        tokens.clear()
        *_, changed = at_once(
            log_in, log_in, lambda: api.change("user", bob, password="other").status
        )
        assert changed == 200
        assert not any(api.works(token) for token in tokens)


def test_of_the_last_two_admins_one_stays(api: IdentityApi) -> None:
    boss = api.a_member("boss", "demo", "admin")["id"]
    admin = api.id_of("user", "admin")
    token = api.token_of("boss", "demo")
    statuses = at_once(
        lambda: api.change("user", boss, enabled=False).status,
        lambda: (
            api.ask("PATCH", f"users/{admin}", {"user": {"enabled": False}}, token=token).status
        ),
    )
    assert statuses.count(200) == 1
    assert set(statuses) <= {200, 409, 401}


def test_no_more_application_credentials_than_there_may_be_come_at_once(
    api: IdentityApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trunkline.control.application_credentials.CREDENTIALS_OF_USER_MAX", 2)
    bob = api.a_member("bob", "demo")["id"]
    token = api.token_of("bob", "demo")

    def make(name: str) -> int:
        body = {"application_credential": {"name": name}}
        return api.ask("POST", f"users/{bob}/application_credentials", body, token=token).status

    statuses = at_once(*[lambda name=f"c{number}": make(name) for number in range(6)])
    assert Counter(statuses) == {201: 2, 403: 4}


def test_tags_that_come_at_once_all_stay(api: IdentityApi) -> None:
    project = api.make("project", name="blue")["id"]
    tags = [f"t{number}" for number in range(6)]
    at_once(
        *[lambda tag=tag: api.ask("PUT", f"projects/{project}/tags/{tag}").status for tag in tags]
    )
    assert sorted(api.get(f"projects/{project}/tags")["tags"]) == tags
