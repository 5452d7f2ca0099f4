"""Requests whose tokens another service vouches for: however that one is, the others go on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from pathlib import Path

import pytest

from tests.support.clock import ManualClock
from tests.support.http_app import Reply
from tests.support.keystone_site import KeystoneSite, a_keystone_site
from tests.support.patience import HANGS_SECONDS
from tests.support.ssh_keys import an_ssh_key
from tests.support.stand_in_keystone import StandIn, a_stand_in, asking, token_body
from trunkline.api import elsewhere
from trunkline.api.routes import ROUTES
from trunkline.api.routing import Auth

LIST = "/network/v2.0/networks"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def stand_in(clock: ManualClock) -> Iterator[StandIn]:
    with a_stand_in(clock) as serving:
        serving.tokens["alice's"] = token_body("alice")
        yield serving


@pytest.fixture
def site(tmp_path: Path, stand_in: StandIn, clock: ManualClock) -> Iterator[KeystoneSite]:
    with (
        asking(stand_in.url, clock) as keystone,
        a_keystone_site(tmp_path, keystone, clock) as opened,
    ):
        yield opened


def a_network(site: KeystoneSite, token: str, **fields: object) -> Reply:
    body = {"network": {"name": "blue", **fields}}
    return site.http.request("POST", LIST, token=token, body=body)


def test_what_is_made_belongs_to_the_tokens_project_and_the_audit_trail_names_both(
    site: KeystoneSite, stand_in: StandIn
) -> None:
    made = a_network(site, "alice's")
    assert made.status == 201
    assert made.json()["network"]["project_id"] == "demo-id"
    stand_in.tokens["root's"] = token_body("root", "admin", "member", "reader")
    events = site.http.request("GET", "/trunkline/v1/events", token="root's").json()["events"]
    assert [(e["actor"], e["project_id"]) for e in events if e["action"] == "network.create"] == [
        ("user alice", "demo-id")
    ]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_user_of_an_ldap_whose_id_is_twice_as_long_can_own_what_users_own(
    tmp_path: Path,
    stand_in: StandIn,
    clock: ManualClock,
    database: str,
    request: pytest.FixtureRequest,
) -> None:
    url = None
    if database == "postgresql":
        url = request.getfixturevalue("new_postgres_database")()
    user = {"id": "5e" * 32, "name": "n" * 255, "domain": {"id": "3f1d", "name": "corp"}}
    stand_in.tokens["lena's"] = token_body("lena", user=user)
    key = {"name": "k", "public_key": an_ssh_key()}
    with (
        asking(stand_in.url, clock) as keystone,
        a_keystone_site(tmp_path, keystone, clock, url=url) as site,
    ):
        made = site.http.request(
            "POST", "/compute/v2.1/os-keypairs", token="lena's", body={"keypair": key}
        )
        assert made.status in (200, 201), made
        assert made.json()["keypair"]["user_id"] == user["id"]
        assert a_network(site, "lena's").status == 201


def test_a_token_is_held_to_the_access_rules_that_keystone_tells(
    site: KeystoneSite, stand_in: StandIn
) -> None:
    rule = {"id": "r", "service": "network", "method": "GET", "path": "/v2.0/networks"}
    credential = {"id": "c", "name": "ci", "restricted": True, "access_rules": [rule]}
    stand_in.tokens["ci's"] = token_body("alice", application_credential=credential)
    for _ in range(2):  # Asked of Keystone, and known.
        assert site.http.request("GET", LIST, token="ci's").status == 200
        assert a_network(site, "ci's").status == 401
        assert site.http.request("GET", "/compute/v2.1/servers", token="ci's").status == 401


def test_quotas_are_of_projects_that_only_keystone_knows(
    site: KeystoneSite, stand_in: StandIn
) -> None:
    stand_in.tokens["root's"] = token_body("root", "admin", "member", "reader")

    def ask(method: str, path: str, token: str = "root's", body: object = None) -> Reply:
        target = f"/trunkline/v1/quotas{path}"
        return site.http.request(method, target, token=token, body=body)

    project = "ac1f71b318cb4f6893591a633017cf93"
    made = ask("PUT", f"/{project}/servers", body={"limit": 3})
    assert (made.status, made.json()["project_id"], made.json()["project"]) == (
        200, project, project,
    )  # fmt: skip
    assert ask("PUT", "/demo/servers", body={"limit": 4}).json()["project_id"] == "demo-id"
    unknown = ask("PUT", "/marketing/servers", body={"limit": 4})
    assert unknown.status == 400
    assert "only Keystone knows the names" in unknown.json()["error"]["message"]
    listed = ask("GET", "").json()["quotas"]
    assert sorted((each["project"], each["limit"]) for each in listed) == [
        (project, 3), ("demo-id", 4),
    ]  # fmt: skip
    [own] = ask("GET", "", "alice's").json()["quotas"]
    assert (own["project_id"], own["limit"]) == ("demo-id", 4)
    assert ask("GET", f"?project={project}", "alice's").status == 404
    assert ask("DELETE", f"/{project}/servers").status == 204


def test_a_reader_may_look_and_may_not_change(site: KeystoneSite, stand_in: StandIn) -> None:
    stand_in.tokens["rita's"] = token_body("rita", "reader")
    assert site.http.request("GET", LIST, token="rita's").status == 200
    assert a_network(site, "rita's").status == 403


def test_a_token_for_the_system_speaks_for_no_project(
    site: KeystoneSite, stand_in: StandIn
) -> None:
    stand_in.tokens["root's"] = token_body("root", "admin", project=None, system={"all": True})
    made = a_network(site, "alice's").json()["network"]
    listed = site.http.request("GET", LIST, token="root's").json()["networks"]
    assert [network["id"] for network in listed] == [made["id"]]
    assert a_network(site, "root's").status == 403


@pytest.mark.parametrize(
    ("scope", "says"),
    [({}, "for no project"), ({"domain": {"id": "default"}}, "for a domain")],
)
def test_a_token_of_another_scope_is_refused_by_name(
    site: KeystoneSite, stand_in: StandIn, scope: dict[str, object], says: str
) -> None:
    stand_in.tokens["scope's"] = token_body("root", "admin", project=None, **scope)
    for _ in range(2):  # From Keystone, and from memory.
        refused = site.http.request("GET", LIST, token="scope's")
        assert refused.status == 403
        assert says in refused.json()["NeutronError"]["message"]


@pytest.mark.parametrize("token", [None, "made-up", "what is\tthis", "ÿ"])
def test_who_has_no_token_that_is_valid_is_told_where_to_log_in(
    site: KeystoneSite, stand_in: StandIn, token: str | None
) -> None:
    refused = site.http.request("GET", "/compute/v2.1/servers", token=token)
    assert refused.status == 401
    assert refused.headers["www-authenticate"] == f'Keystone uri="{stand_in.url}"'


def test_a_revoked_token_is_refused_once_the_answer_about_it_is_too_old(
    site: KeystoneSite, stand_in: StandIn, clock: ManualClock
) -> None:
    assert site.http.request("GET", LIST, token="alice's").status == 200
    stand_in.tokens.clear()
    clock.advance(59)
    assert site.http.request("GET", LIST, token="alice's").status == 200
    clock.advance(1)
    assert site.http.request("GET", LIST, token="alice's").status == 401


def test_every_face_says_that_keystone_is_away_and_when_to_come_again(
    site: KeystoneSite, stand_in: StandIn
) -> None:
    stand_in.says = 500, b""
    for path in (LIST, "/compute/v2.1/servers", "/image/v2/images", "/placement/resource_providers",
                 "/trunkline/v1/hosts"):  # fmt: skip
        reply = site.http.request("GET", path, token="alice's")
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        assert f"Keystone at {stand_in.url}" in reply.body.decode()


def test_no_route_that_asks_for_a_user_answers_without_keystones_word(
    site: KeystoneSite, stand_in: StandIn
) -> None:
    asked = 0
    for route in ROUTES:
        if route.auth not in (Auth.PUBLIC, Auth.AGENT) and not route.path.startswith("/identity"):
            path = route.path.replace("{", "").replace("}", "")
            assert site.http.request(route.method, path, token=f"made-up-{asked}").status == 401
            asked += 1
    assert stand_in.counts["validate"] == asked > 100


def test_identity_is_served_elsewhere_and_discovery_leads_there(
    site: KeystoneSite, stand_in: StandIn
) -> None:
    at = f"{stand_in.url}/v3/"
    root = site.http.request("GET", "/identity")
    assert root.status == 300
    assert root.json()["versions"]["values"][0]["links"] == [{"rel": "self", "href": at}]
    version = site.http.request("GET", "/identity/v3").json()["version"]
    assert version["links"] == [{"rel": "self", "href": at}]
    assert site.http.request("GET", "/").json()["faces"]["identity"] == stand_in.url
    for method, path in (("POST", "auth/tokens"), ("GET", "projects"), ("GET", "users/u")):
        refused = site.http.request(method, f"/identity/v3/{path}", token="alice's")
        assert refused.status == 404
        assert f"by Keystone at {stand_in.url}" in refused.json()["error"]["message"]


def test_requests_with_one_token_share_one_question(site: KeystoneSite, stand_in: StandIn) -> None:
    stand_in.may_answer.clear()
    asked = [site.http.start("GET", LIST, token="alice's") for _ in range(100)]
    assert stand_in.asked.acquire(timeout=HANGS_SECONDS)
    stand_in.may_answer.set()
    assert {one.result(30).status for one in asked} == {200}
    assert stand_in.counts["validate"] == 1


def test_a_client_that_goes_away_takes_the_answer_from_nobody_else(
    site: KeystoneSite, stand_in: StandIn
) -> None:
    gone = threading.Event()
    stand_in.may_answer.clear()
    first = site.http.start("GET", LIST, token="alice's", gone=gone)
    assert stand_in.asked.acquire(timeout=HANGS_SECONDS)
    second = site.http.start("GET", LIST, token="alice's")
    first.cancel()
    gone.set()
    stand_in.may_answer.set()
    assert second.result(30).status == 200


def test_a_silent_keystone_holds_up_nobody_whose_token_is_known(
    site: KeystoneSite, stand_in: StandIn
) -> None:
    assert site.http.request("GET", LIST, token="alice's").status == 200
    assert stand_in.asked.acquire(timeout=HANGS_SECONDS)
    stand_in.may_answer.clear()
    strangers = [
        site.http.start("GET", LIST, token=f"made-up-{number}")
        for number in range(elsewhere.ASKED_MAX + 10)
    ]
    for _ in range(elsewhere.ASKING_THREADS):
        assert stand_in.asked.acquire(timeout=HANGS_SECONDS)
    assert not stand_in.asked.acquire(blocking=False), "more than may ask at one time"
    refused = _those_done(strangers, 10)
    assert {reply.status for reply in refused} == {503}
    assert "other tokens are being checked" in refused[0].body.decode()
    assert site.http.request("GET", LIST, token="alice's").status == 200
    stand_in.may_answer.set()
    statuses = sorted(one.result(60).status for one in strangers)
    assert statuses == [401] * elsewhere.ASKED_MAX + [503] * 10


def _those_done(futures: list[Future[Reply]], count: int) -> list[Reply]:
    """Wait until `count` of them are done, and return their replies."""
    done: set[Future[Reply]] = set()
    while len(done) < count:
        rest = [one for one in futures if one not in done]
        newly = wait_for(rest, timeout=HANGS_SECONDS, return_when="FIRST_COMPLETED").done
        assert newly, f"only {len(done)} of {count} are done"
        done |= newly
    return [one.result() for one in done]
