"""Logging in, looking around, being shut out: the identity face over a real store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from argon2 import Parameters, PasswordHasher, extract_parameters

from tests.support.clock import ManualClock
from tests.support.http_app import READER_PASSWORD, Reply, Site, a_site, password_login
from tests.support.world import a_world
from trunkline.control import identity
from trunkline.control.logins import PasswordCredential, Ref
from trunkline.control.passwords import (
    FAILURE_WINDOW,
    FAILURES_MAX,
    GUESSERS_MAX,
    AttemptLimiter,
    Passwords,
    TooManyAttempts,
)
from trunkline.domain.errors import NotFound, Unauthenticated
from trunkline.store.transaction import Transaction

TOKENS = "/identity/v3/auth/tokens"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with a_site(tmp_path) as opened:
        yield opened


def login(site: Site, body: object) -> Reply:
    return site.http.request("POST", TOKENS, body=body)


def by_token(token: str, project: Mapping[str, Any] | None = None) -> dict[str, Any]:
    auth: dict[str, Any] = {"identity": {"methods": ["token"], "token": {"id": token}}}
    if project is not None:
        auth["scope"] = {"project": project}
    return {"auth": auth}


def works(site: Site, token: str) -> bool:
    return site.http.request("GET", "/identity/v3/auth/projects", token=token).status == 200


def test_a_token_says_who_where_and_until_when(site: Site) -> None:
    reply = login(site, password_login("demo", site.passwords.demo, "demo"))
    assert reply.status == 201
    token = reply.json()["token"]
    assert token["user"]["name"] == "demo"
    assert token["project"]["name"] == "demo"
    assert token["project"]["domain"] == {"id": "default", "name": "Default"}
    assert [role["name"] for role in token["roles"]] == ["member", "reader"]
    assert token["methods"] == ["password"]
    assert token["issued_at"] == "2026-01-01T00:00:00.000000Z"
    assert token["expires_at"] == "2026-01-01T12:00:00.000000Z"
    text = reply.headers["x-subject-token"]
    assert text.encode() not in reply.body


def test_the_catalog_names_what_is_served_as_the_client_reached_it(site: Site) -> None:
    reply = login(site, password_login("demo", site.passwords.demo, "demo"))
    catalog = reply.json()["token"]["catalog"]
    assert {entry["type"] for entry in catalog} == {
        "identity", "compute", "network", "image", "placement",
    }  # fmt: skip
    for entry in catalog:
        assert {endpoint["interface"] for endpoint in entry["endpoints"]} == {
            "public",
            "internal",
            "admin",
        }
        for endpoint in entry["endpoints"]:
            assert endpoint["region_id"] == "RegionOne"
            path = endpoint["url"].removeprefix("http://127.0.0.1:8774")
            assert site.http.request("GET", path).status in (200, 300), endpoint
    token = reply.headers["x-subject-token"]
    alone = site.http.request("GET", "/identity/v3/auth/catalog", token=token).json()["catalog"]
    assert alone == catalog
    body = password_login("demo", site.passwords.demo, "demo")
    without = site.http.request("POST", f"{TOKENS}?nocatalog", body=body)
    assert "catalog" not in without.json()["token"]


def test_who_has_the_wrong_name_password_project_or_domain_is_told_nothing_of_it(
    site: Site,
) -> None:
    right = site.passwords.demo
    bodies = [
        password_login("demo", "wrong", "demo"),
        password_login("nobody", right, "demo"),
        password_login("demo", right, "admin"),
        password_login("demo", right, "nowhere"),
        password_login("demo", "", "demo"),
        by_token("not a token"),
    ]
    elsewhere = password_login("demo", right, "demo")
    elsewhere["auth"]["identity"]["password"]["user"]["domain"] = {"id": "other"}
    bodies.append(elsewhere)
    project_elsewhere = password_login("demo", right, "demo")
    project_elsewhere["auth"]["scope"]["project"]["domain"] = {"name": "other"}
    bodies.append(project_elsewhere)
    replies = [login(site, body) for body in bodies]
    assert [reply.status for reply in replies] == [401] * len(bodies)
    wrong_password, wrong_name = replies[0].json(), replies[1].json()
    assert wrong_password == wrong_name
    assert replies[2].json() == replies[3].json()


def test_users_and_projects_go_by_id_too(site: Site) -> None:
    known = login(site, password_login("demo", site.passwords.demo, "demo")).json()["token"]
    auth = {
        "identity": {
            "methods": ["password"],
            "password": {"user": {"id": known["user"]["id"], "password": site.passwords.demo}},
        },
        "scope": {"project": {"id": known["project"]["id"]}},
    }
    assert login(site, {"auth": auth}).status == 201


def test_without_a_project_it_is_the_users_default_one(site: Site) -> None:
    body = password_login("demo", site.passwords.demo, None)
    assert login(site, body).json()["token"]["project"]["name"] == "demo"
    body["auth"]["scope"] = {"OS-TRUST:trust": {"id": "any"}}
    refused = login(site, body)
    assert refused.status == 401
    assert "not for a trust" in refused.json()["error"]["message"]


def unscoped(site: Site, user: str, password: str) -> Reply:
    body = password_login(user, password, None)
    body["auth"]["scope"] = "unscoped"
    return login(site, body)


def test_a_token_of_no_scope_is_for_getting_another_and_looking_around(site: Site) -> None:
    by_wish = unscoped(site, "demo", site.passwords.demo)
    without_default = login(site, password_login("reader", READER_PASSWORD, None))
    for reply in (by_wish, without_default):
        assert reply.status == 201
        token = reply.json()["token"]
        assert not {"project", "roles", "catalog", "system"} & set(token)
        text = reply.headers["x-subject-token"]
        own = site.http.request("GET", "/identity/v3/auth/projects", token=text).json()
        assert [project["name"] for project in own["projects"]] == ["demo"]
        for path in ("/compute/v2.1/servers", "/network/v2.0/networks", "/identity/v3/projects"):
            assert site.http.request("GET", path, token=text).status == 403
        scoped = login(site, by_token(text, {"name": "demo", "domain": {"id": "default"}}))
        assert scoped.json()["token"]["project"]["name"] == "demo"
        assert (
            login(site, by_token(text, {"name": "admin", "domain": {"id": "default"}})).status
            == 401
        )


def test_a_token_for_the_system_is_got_by_who_has_a_role_in_it(site: Site) -> None:
    body = password_login("admin", site.passwords.admin, None)
    body["auth"]["scope"] = {"system": {"all": True}}
    token = login(site, body)
    assert token.status == 201
    shown = token.json()["token"]
    assert shown["system"] == {"all": True}
    assert "project" not in shown
    assert [role["name"] for role in shown["roles"]] == ["admin", "manager", "member", "reader"]
    text = token.headers["x-subject-token"]
    systems = site.http.request("GET", "/identity/v3/auth/system", token=text).json()["system"]
    assert systems == [{"all": True}]
    assert site.http.request("GET", "/identity/v3/users", token=text).status == 200
    body = password_login("demo", site.passwords.demo, None)
    body["auth"]["scope"] = {"system": {"all": True}}
    assert login(site, body).status == 401
    body["auth"]["scope"] = {"system": {"all": False}}
    assert login(site, body).status == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"auth": None},
        {"auth": {"identity": {}}},
        {"auth": {"identity": {"methods": []}}},
        {"auth": {"identity": {"methods": "password"}}},
        {"auth": {"identity": {"methods": [7]}}},
        {"auth": {"identity": {"methods": ["password"]}}},
        {"auth": {"identity": {"methods": ["password"], "password": {"user": []}}}},
        {"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "demo"}}}}},
        password_login("demo", "x", "demo") | {"auth": {"scope": 7}},
        password_login("demo", "x" * 5000, "demo"),
        password_login("demo\0", "x", "demo"),
    ],
)
def test_a_malformed_login_is_400(site: Site, body: object) -> None:
    assert login(site, body).status == 400


def test_a_token_ends_when_it_expires_or_is_revoked(site: Site) -> None:
    clock = site.svc.clock
    assert isinstance(clock, ManualClock)
    first, second = site.token("demo"), site.token("demo")
    headers = {"X-Subject-Token": first}
    assert site.http.request("DELETE", TOKENS, token=second, headers=headers).status == 204
    assert not works(site, first)
    assert works(site, second)
    clock.advance(12 * 3600 - 1)
    assert works(site, second)
    clock.advance(1)
    assert not works(site, second)


def test_a_token_got_by_a_token_lives_no_longer(site: Site) -> None:
    clock = site.svc.clock
    assert isinstance(clock, ManualClock)
    first = site.token("admin")
    clock.advance(11 * 3600)
    reply = login(site, by_token(first, {"name": "demo", "domain": {"id": "default"}}))
    assert reply.status == 201
    token = reply.json()["token"]
    assert token["project"]["name"] == "demo"
    assert token["methods"] == ["password", "token"]
    assert token["expires_at"] == "2026-01-01T12:00:00.000000Z"
    clock.advance(3600)
    assert login(site, by_token(first)).status == 401


def test_the_store_has_no_token_and_no_password_in_clear(site: Site, tmp_path: Path) -> None:
    token = site.token("demo")
    written = b"".join(path.read_bytes() for path in tmp_path.glob("trunkline.db*"))
    assert token.encode() not in written
    assert site.passwords.demo.encode() not in written
    assert b"$argon2id$" in written


def test_a_disabled_user_or_project_and_a_lost_role_shut_out_at_once(site: Site) -> None:
    token = site.token("reader")
    reader = site.caller("reader")

    def change(statement: str) -> None:
        site.svc.store.write(lambda tx: tx._connection.exec_driver_sql(statement))

    for undo, do in (
        ("UPDATE users SET enabled = 1", "UPDATE users SET enabled = 0 WHERE name = 'reader'"),
        ("UPDATE projects SET enabled = 1", "UPDATE projects SET enabled = 0"),
        ("SELECT 1", f"DELETE FROM role_assignments WHERE user_id = '{reader.user_id}'"),
    ):
        assert works(site, token)
        change(do)
        assert not works(site, token)
        assert login(site, password_login("reader", "let me look", "demo")).status == 401
        change(undo)


def test_only_its_user_and_admins_may_look_at_a_token(site: Site) -> None:
    admin, demo, reader = site.token("admin"), site.token("demo"), site.token("reader")

    def look(method: str, asking: str, subject: str) -> int:
        headers = {"X-Subject-Token": subject}
        return site.http.request(method, TOKENS, token=asking, headers=headers).status

    assert look("GET", demo, demo) == 200
    assert look("HEAD", demo, demo) == 200
    assert look("GET", admin, demo) == 200
    assert look("GET", reader, demo) == 404
    assert look("DELETE", reader, demo) == 404
    assert look("GET", admin, "nothing") == 404
    assert works(site, demo)
    assert site.http.request("GET", TOKENS, token=demo).status == 404


def test_who_may_see_which_projects_and_users(site: Site) -> None:
    def get(user: str, path: str) -> Reply:
        return site.http.request("GET", f"/identity/v3{path}", token=site.token(user))

    def names(user: str, path: str) -> list[str]:
        listed = get(user, path).json()
        return [item["name"] for key, items in listed.items() if key != "links" for item in items]

    assert names("admin", "/projects") == ["admin", "demo"]
    assert names("admin", "/projects?name=demo") == ["demo"]
    assert names("admin", "/projects?domain_id=other") == []
    for query in ("", "?name=demo", "?is_domain=true"):
        assert get("demo", f"/projects{query}").status == 403
    assert names("demo", "/auth/projects") == ["demo"]
    assert names("admin", "/users") == ["admin", "demo", "reader"]
    assert names("admin", "/users?name=demo") == ["demo"]
    assert get("demo", "/users").status == 403
    projects, me = (site.caller("admin").project_id, site.caller("demo").user_id)
    assert get("admin", f"/projects/{projects}").json()["project"]["name"] == "admin"
    assert get("demo", f"/projects/{projects}").status == 404
    assert get("demo", f"/users/{me}").json()["user"]["name"] == "demo"
    assert get("reader", f"/users/{me}").status == 404
    assert b"argon2" not in get("admin", f"/users/{me}").body
    assert names("demo", f"/users/{me}/projects") == ["demo"]
    assert get("reader", f"/users/{me}/projects").status == 404
    assert names("demo", "/domains") == ["Default"]
    assert get("demo", "/domains/default").json()["domain"]["name"] == "Default"
    assert get("demo", "/domains/other").status == 404
    assert names("admin", "/roles") == ["admin", "manager", "member", "reader"]


def test_a_guesser_is_stopped_and_the_owner_elsewhere_is_not(site: Site) -> None:
    for _ in range(FAILURES_MAX):
        assert login(site, password_login("demo", "guess", "demo")).status == 401
    right = password_login("demo", site.passwords.demo, "demo")
    assert login(site, right).status == 429
    credential = PasswordCredential(
        user=Ref(name="demo", domain=Ref(id="default")),
        password=site.passwords.demo,
        address="192.0.2.7",
    )
    assert identity.issue_token(site.svc, credential, None)[1].user.name == "demo"
    assert isinstance(site.svc.clock, ManualClock)
    site.svc.clock.advance(FAILURE_WINDOW.total_seconds())
    assert login(site, right).status == 201


def test_the_memory_of_guessers_is_bounded() -> None:
    limiter, now = AttemptLimiter(), ManualClock().now()
    for number in range(GUESSERS_MAX + 100):
        limiter.failed("demo", f"address {number}", now)
    assert len(limiter._failures) == GUESSERS_MAX
    for _ in range(FAILURES_MAX):
        limiter.failed("demo", "guesser", now)
    with pytest.raises(TooManyAttempts):
        limiter.require_allowed("demo", "guesser", now)


class Recording(PasswordHasher):
    """Argon2 as ever; remembers what it was put to work on."""

    def __init__(self) -> None:
        super().__init__()
        self.verified: list[Parameters] = []

    def verify(self, stored: str | bytes, password: str | bytes) -> Literal[True]:
        self.verified.append(extract_parameters(str(stored)))
        return super().verify(stored, password)


def test_an_unknown_user_takes_as_much_work_as_a_wrong_password() -> None:
    hasher = Recording()
    passwords = Passwords(hasher)
    assert not passwords.matches("wrong", passwords.hash("right"))
    assert not passwords.matches("wrong", None)
    known, unknown = hasher.verified
    assert known == unknown


def test_logins_at_the_same_moment_all_get_their_own_token(site: Site) -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda _: site.token("demo"), range(24)))
    assert len(set(tokens)) == 24
    assert all(works(site, token) for token in tokens)


def test_an_installation_is_bootstrapped_once(site: Site) -> None:
    assert identity.bootstrap_identity(site.svc) is None
    assert works(site, site.token("admin"))


def new_password(site: Site, user: str) -> str:
    svc = site.svc
    password, _ = identity.reset_password(
        svc.store, user, domain=None, clock=svc.clock, ids=svc.ids, passwords=svc.passwords
    )
    return password


def test_a_lost_password_is_replaced_and_the_tokens_of_before_are_worthless(site: Site) -> None:
    before = site.token("demo")
    new = new_password(site, "demo")
    assert not works(site, before)
    assert login(site, password_login("demo", site.passwords.demo, "demo")).status == 401
    assert login(site, password_login("demo", new, "demo")).status == 201
    with pytest.raises(NotFound):
        new_password(site, "nobody")


def test_a_password_changed_while_it_is_checked_gives_no_token(tmp_path: Path) -> None:
    class Slow(Passwords):
        """Checks a password as it always does, and lets another change come in between."""

        def matches(self, password: str, stored_hash: str | None) -> bool:
            result = super().matches(password, stored_hash)
            svc.store.write(change)
            return result

    def change(tx: Transaction) -> None:
        [user] = tx.identity.users_named("demo")
        tx.identity.set_password_hash(user.id, "$argon2id$changed")

    with a_world(tmp_path) as svc:
        first = identity.bootstrap_identity(svc)
        assert first is not None
        credential = PasswordCredential(
            user=Ref(name="demo", domain=Ref(id="default")), password=first.demo
        )
        with pytest.raises(Unauthenticated):
            identity.issue_token(replace(svc, passwords=Slow()), credential, None)
