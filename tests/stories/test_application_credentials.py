"""Application credentials: what programs log in with, what they may, and when they die."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.clock import ManualClock
from tests.support.http_app import Reply, Site, password_login
from tests.support.identity_api import IdentityApi, password_of, problem_of
from trunkline.control import application_credentials
from trunkline.control.passwords import FAILURES_MAX


@pytest.fixture
def api(site: Site) -> IdentityApi:
    return IdentityApi(site)


@pytest.fixture
def bob(api: IdentityApi) -> str:
    return str(api.a_member("bob", "demo")["id"])


def make(api: IdentityApi, user_id: str, token: str, **fields: object) -> Reply:
    body = {"application_credential": {"name": "deploy", **fields}}
    return api.ask("POST", f"users/{user_id}/application_credentials", body, token=token)


def made(api: IdentityApi, user_id: str, **fields: object) -> dict[str, Any]:
    reply = make(api, user_id, api.token_of("bob", "demo"), **fields)
    assert reply.status == 201, reply
    shown: dict[str, Any] = reply.json()["application_credential"]
    return shown


def login(api: IdentityApi, credential: object, scope: object = None) -> Reply:
    auth: dict[str, object] = {
        "identity": {"methods": ["application_credential"], "application_credential": credential}
    }
    if scope is not None:
        auth["scope"] = scope
    return api.log_in({"auth": auth})


def by_id(credential: dict[str, Any]) -> dict[str, Any]:
    return {"id": credential["id"], "secret": credential["secret"]}


def token_by(api: IdentityApi, credential: dict[str, Any]) -> str:
    reply = login(api, by_id(credential))
    assert reply.status == 201, reply
    return reply.headers["x-subject-token"]


def test_its_secret_is_shown_once_and_kept_nowhere(
    api: IdentityApi, bob: str, tmp_path: Path
) -> None:
    one = made(api, bob, description="for CI", access_rules=[])
    assert len(one["secret"]) >= 43
    assert {key: one[key] for key in one if key not in ("id", "links", "secret", "roles")} == {
        "name": "deploy", "description": "for CI", "user_id": bob, "system": None,
        "project_id": api.id_of("project", "demo"), "expires_at": None, "unrestricted": False,
    }  # fmt: skip
    assert [role["name"] for role in one["roles"]] == ["member", "reader"]
    path = f"users/{bob}/application_credentials"
    token = api.token_of("bob", "demo")
    shown = api.get(f"{path}/{one['id']}", token=token)["application_credential"]
    assert shown == {key: value for key, value in one.items() if key != "secret"}
    assert api.get(path, token=token)["application_credentials"] == [shown]
    assert api.get(f"{path}?name=other", token=token)["application_credentials"] == []
    assert api.get(path)["application_credentials"] == [shown], "admins may look"
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or one["secret"].encode() not in file.read_bytes()
    assert one["secret"] not in str(api.events())


def test_it_logs_in_by_its_id_or_by_its_name_and_user(api: IdentityApi, bob: str) -> None:
    one = made(api, bob, secret="of my own")
    assert one["secret"] == "of my own"
    user = {"name": "bob", "domain": {"id": "default"}}
    for credential in (
        by_id(one),
        {"name": "deploy", "user": user, "secret": "of my own"},
        {"name": "deploy", "user": {"id": bob}, "secret": "of my own"},
    ):
        reply = login(api, credential)
        assert reply.status == 201
        token = reply.json()["token"]
        assert token["methods"] == ["application_credential"]
        assert (token["user"]["id"], token["project"]["name"]) == (bob, "demo")
        assert token["application_credential"] == {
            "id": one["id"], "name": "deploy", "restricted": True,
        }  # fmt: skip
        text = reply.headers["x-subject-token"]
        assert api.site.http.request("GET", "/compute/v2.1/servers", token=text).status == 200
    refusals = [
        login(api, credential)
        for credential in (
            {"id": one["id"], "secret": "wrong"},
            {"id": "nothing", "secret": "of my own"},
            {"name": "other", "user": user, "secret": "of my own"},
            {"name": "deploy", "user": {"name": "eve", "domain": {"id": "default"}}, "secret": "x"},
            {"name": "deploy", "user": {"name": "bob", "domain": {"id": "no"}}, "secret": "x"},
        )
    ]
    assert {reply.status for reply in refusals} == {401}
    assert len({reply.body for reply in refusals}) == 1, "nothing tells which of it was wrong"


def test_it_is_for_its_project_alone(api: IdentityApi, bob: str) -> None:
    api.make("project", name="blue")
    api.assign("bob", "member", f"projects/{api.id_of('project', 'blue')}")
    one = made(api, bob)
    other = {"project": {"name": "blue", "domain": {"id": "default"}}}
    own = {"project": {"name": "demo", "domain": {"id": "default"}}}
    assert login(api, by_id(one), other).status == 401
    assert login(api, by_id(one), {"system": {"all": True}}).status == 401
    assert login(api, by_id(one), own).status == 201
    text = token_by(api, one)
    by_token: dict[str, Any] = {"identity": {"methods": ["token"], "token": {"id": text}}}
    assert api.log_in({"auth": {**by_token, "scope": other}}).status == 401
    again = api.log_in({"auth": by_token})
    assert again.status == 201
    assert again.json()["token"]["application_credential"]["id"] == one["id"]


def test_it_has_the_roles_that_it_was_given_and_no_more(api: IdentityApi, bob: str) -> None:
    reader = api.id_of("role", "reader")
    for number, roles in enumerate(([{"name": "reader"}], [{"id": reader}])):
        one = made(api, bob, name=f"looks{number}", roles=roles)
        text = token_by(api, one)
        assert [role["name"] for role in one["roles"]] == ["reader"]
        network = {"network": {"name": "n"}}
        refused = api.site.http.request("POST", "/network/v2.0/networks", token=text, body=network)
        assert refused.status == 403
    for roles in ([{"name": "admin"}], [{"id": "nothing"}], [{"name": "nothing"}]):
        reply = make(api, bob, api.token_of("bob", "demo"), name="x", roles=roles)
        assert (reply.status, "roles[0]" in problem_of(reply)) == (400, True)


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"name": None}, 400, "application_credential.name: is required"),
        ({"expires_at": "soon"}, 400, "application_credential.expires_at: must be a time"),
        ({"expires_at": "2025-12-31T00:00:00"}, 400, "application_credential.expires_at: has"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, 400, "application_credential.expires_at"),
        ({"roles": "all"}, 400, "application_credential.roles: must be a list"),
        ({"roles": [{}]}, 400, "application_credential.roles[0].name: is required"),
        ({"unrestricted": "maybe"}, 400, "application_credential.unrestricted"),
        ({"project_id": "other"}, 400, "application_credential.project_id"),
        ({"colour": "red"}, 400, "application_credential.colour"),
    ],
)  # fmt: skip
def test_what_none_can_be_is_refused_by_name(
    api: IdentityApi, bob: str, fields: dict[str, object], status: int, said: str
) -> None:
    reply = make(api, bob, api.token_of("bob", "demo"), **fields)
    assert (reply.status, said in problem_of(reply)) == (status, True), reply


def test_only_its_user_makes_it_and_admins_may_delete_it(api: IdentityApi, bob: str) -> None:
    api.a_member("eve", "demo")
    eve = api.token_of("eve", "demo")
    one = made(api, bob)
    path = f"users/{bob}/application_credentials/{one['id']}"
    assert make(api, bob, eve).status == 404
    assert make(api, bob, api.admin).status == 403
    assert api.ask("GET", path, token=eve).status == 404
    assert api.ask("DELETE", path, token=eve).status == 404
    eves = api.id_of("user", "eve")
    of_eve = f"users/{eves}/application_credentials/{one['id']}"
    assert api.ask("GET", of_eve).status == 404
    assert make(api, bob, api.token_of("bob", "demo")).status == 409, "the name is taken"
    assert api.ask("DELETE", path).status == 204
    assert api.ask("DELETE", path).status == 404


def test_a_restricted_one_makes_and_deletes_none(api: IdentityApi, bob: str) -> None:
    restricted = token_by(api, made(api, bob, name="restricted"))
    unrestricted = token_by(api, made(api, bob, name="free", unrestricted=True))
    by_token = api.log_in(
        {"auth": {"identity": {"methods": ["token"], "token": {"id": restricted}}}}
    ).headers["x-subject-token"]
    for text in (restricted, by_token):
        assert make(api, bob, text, name="another").status == 403
        listed = api.get(f"users/{bob}/application_credentials", token=text)
        (own,) = [
            each for each in listed["application_credentials"] if each["name"] == "restricted"
        ]
        path = f"users/{bob}/application_credentials/{own['id']}"
        assert api.ask("DELETE", path, token=text).status == 403
    assert make(api, bob, unrestricted, name="another").status == 201
    assert api.ask("DELETE", path, token=unrestricted).status == 204


def deaths(api: IdentityApi, bob: str) -> dict[str, Any]:
    """Return what ends an application credential of bob's, each to be done once."""
    demo = f"projects/{api.id_of('project', 'demo')}"
    one = api.get(f"users/{bob}/application_credentials")["application_credentials"][0]
    return {
        "deleted": lambda: api.ask("DELETE", f"users/{bob}/application_credentials/{one['id']}"),
        "user deleted": lambda: api.ask("DELETE", f"users/{bob}"),
        "user disabled": lambda: api.change("user", bob, enabled=False),
        "project disabled": lambda: api.change(
            "project", api.id_of("project", "demo"), enabled=False
        ),
        "role taken away": lambda: api.assign("bob", "member", demo, "DELETE"),
        "role deleted": lambda: api.ask("DELETE", f"roles/{api.id_of('role', 'painter')}"),
    }


@pytest.mark.parametrize(
    "how",
    ["deleted", "user deleted", "user disabled", "project disabled", "role taken away",
     "role deleted"],
)  # fmt: skip
def test_it_dies_with_what_it_rests_on(api: IdentityApi, bob: str, how: str) -> None:
    api.make("role", name="painter")
    api.assign("bob", "painter", f"projects/{api.id_of('project', 'demo')}")
    one = made(api, bob, roles=[{"name": "member"}, {"name": "painter"}])
    text = token_by(api, one)
    reply = deaths(api, bob)[how]()
    assert reply.status in (200, 204), reply
    assert not api.works(text)
    assert login(api, by_id(one)).status == 401


def test_it_dies_with_its_project(api: IdentityApi, bob: str) -> None:
    project = api.make("project", name="blue")
    api.assign("bob", "member", f"projects/{project['id']}")
    one = make(api, bob, api.token_of("bob", "blue")).json()["application_credential"]
    text = token_by(api, one)
    assert api.ask("DELETE", f"projects/{project['id']}").status == 204
    assert not api.works(text)
    assert login(api, by_id(one)).status == 401
    assert api.get(f"users/{bob}/application_credentials")["application_credentials"] == []


def test_it_outlives_a_change_of_the_password(api: IdentityApi, bob: str) -> None:
    one = made(api, bob)
    assert api.change("user", bob, password="new").status == 200
    assert login(api, by_id(one)).status == 201
    assert api.log_in(password_login("bob", password_of("bob"), "demo")).status == 401


def test_it_ends_when_it_is_to_and_tokens_with_it(api: IdentityApi, bob: str) -> None:
    clock = api.site.svc.clock
    assert isinstance(clock, ManualClock)
    for number, until in enumerate(("2026-01-01T01:00:00", "2026-01-01T03:00:00+02:00")):
        one = made(api, bob, name=f"short{number}", expires_at=until)
        assert one["expires_at"] == "2026-01-01T01:00:00.000000"
    text = token_by(api, one)
    shown = login(api, by_id(one)).json()["token"]
    assert shown["expires_at"] == "2026-01-01T01:00:00.000000Z"
    clock.advance(3599)
    assert api.works(text)
    clock.advance(1)
    assert not api.works(text)
    assert login(api, by_id(one)).status == 401


def test_guessing_a_secret_is_stopped_whatever_it_is_called_by(api: IdentityApi, bob: str) -> None:
    one = made(api, bob)
    for number in range(FAILURES_MAX):
        named = {"name": "deploy", "user": {"id": bob}} if number % 2 else {"id": one["id"]}
        assert login(api, {**named, "secret": "guess"}).status == 401
    assert login(api, by_id(one)).status == 429
    assert api.works(api.token_of("bob", "demo")), "the password is another thing"


def test_a_user_has_so_many_at_most(
    api: IdentityApi, bob: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application_credentials, "CREDENTIALS_OF_USER_MAX", 2)
    for number in range(2):
        made(api, bob, name=f"n{number}")
    refused = make(api, bob, api.token_of("bob", "demo"), name="n2")
    assert (refused.status, "at most" in problem_of(refused)) == (403, True)
