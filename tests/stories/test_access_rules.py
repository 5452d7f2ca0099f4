"""Access rules: application credentials that may make some requests only."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.http_app import Reply, Site
from tests.support.identity_api import IdentityApi, problem_of
from trunkline.api.identity import access_rules as face
from trunkline.control import access_rules

SERVERS = {"service": "compute", "method": "GET", "path": "/v2.1/servers"}
TAGS = {"service": "network", "method": "PUT", "path": "/v2.0/networks/{id}/tags/*"}
NETWORKS = {"service": "network", "method": "GET", "path": "/network/v2.0/**"}


@pytest.fixture
def api(site: Site) -> IdentityApi:
    return IdentityApi(site)


@pytest.fixture
def bob(api: IdentityApi) -> str:
    return str(api.a_member("bob", "demo")["id"])


class Bobs:
    """What bob does with his application credentials and their rules."""

    def __init__(self, api: IdentityApi, user_id: str) -> None:
        self.api, self.id, self.token = api, user_id, api.token_of("bob", "demo")

    def make(self, name: str, rules: object, token: str | None = None, **more: object) -> Reply:
        body = {"application_credential": {"name": name, "access_rules": rules, **more}}
        path = f"users/{self.id}/application_credentials"
        return self.api.ask("POST", path, body, token=token or self.token)

    def made(self, name: str, *rules: object, **more: Any) -> dict[str, Any]:
        reply = self.make(name, list(rules), **more)
        assert reply.status == 201, reply
        shown: dict[str, Any] = reply.json()["application_credential"]
        return shown

    def token_by(self, credential: dict[str, Any]) -> str:
        reply = self.log_in(
            "application_credential", {"id": credential["id"], "secret": credential["secret"]}
        )
        return reply.headers["x-subject-token"]

    def log_in(self, method: str, proof: object) -> Reply:
        reply = self.api.log_in({"auth": {"identity": {"methods": [method], method: proof}}})
        assert reply.status == 201, reply
        return reply

    def rules(self, query: str = "") -> list[dict[str, Any]]:
        listed = self.api.get(f"users/{self.id}/access_rules{query}", token=self.token)
        found: list[dict[str, Any]] = listed["access_rules"]
        return found

    def delete(self, path: str, token: str | None = None) -> Reply:
        return self.api.ask("DELETE", f"users/{self.id}/{path}", token=token or self.token)

    def ask(self, token: str, method: str, path: str, body: object = None) -> int:
        return self.api.site.http.request(method, path, token=token, body=body).status


@pytest.fixture
def bobs(api: IdentityApi, bob: str) -> Bobs:
    return Bobs(api, bob)


def test_a_token_by_it_makes_the_requests_that_its_rules_allow_and_no_others(bobs: Bobs) -> None:
    token = bobs.token_by(bobs.made("narrow", SERVERS, TAGS, NETWORKS))
    network = bobs.api.site.http.request(
        "POST", "/network/v2.0/networks", token=bobs.token, body={"network": {"name": "n"}}
    ).json()["network"]["id"]
    tags = f"/network/v2.0/networks/{network}/tags"
    for method, path, status in (
        ("GET", "/compute/v2.1/servers", 200),
        ("GET", "/compute/v2.1/servers?name=x", 200),
        ("GET", "/compute/v2.1/%73ervers", 200),  # Another spelling of the same.
        ("GET", "/compute/v2.1/servers/detail", 401),
        ("HEAD", "/compute/v2.1/servers", 401),
        ("POST", "/compute/v2.1/servers", 401),
        ("GET", "/compute/v2.1/flavors", 401),
        ("PUT", f"{tags}/x", 201),
        ("PUT", f"{tags}/a%2Fb", 201),  # A slash in a name parts nothing.
        ("DELETE", f"{tags}/x", 401),
        ("GET", f"{tags}/x", 204),
        ("GET", "/network/v2.0/ports", 200),
        ("GET", "/image/v2/images", 401),
        ("GET", "/placement/resource_providers", 401),
        ("GET", "/trunkline/v1/devices", 401),
        ("GET", "/identity/v3/auth/catalog", 401),
        ("GET", f"/identity/v3/users/{bobs.id}/access_rules", 401),
        ("POST", f"/identity/v3/users/{bobs.id}/password", 401),
        ("GET", "/compute/v2.1", 200),  # For everybody.
    ):
        assert bobs.ask(token, method, path) == status, (method, path)
    for path in ("/compute/v2.1/flavors", "/network/v2.0/networks", "/trunkline/v1/devices"):
        refused = bobs.api.site.http.request("DELETE", path, token=token)
        assert refused.status in (401, 405)
    said = bobs.api.site.http.request("GET", "/compute/v2.1/flavors", token=token)
    assert "no access rule of the application credential allows this GET" in said.body.decode()


def test_what_a_token_is_can_always_be_asked_and_tells_the_rules(bobs: Bobs) -> None:
    made = bobs.made("narrow", SERVERS)
    token = bobs.token_by(made)
    shown = bobs.api.site.http.request(
        "GET", "/identity/v3/auth/tokens", token=token, headers={"X-Subject-Token": token}
    )
    assert shown.status == 200
    credential = shown.json()["token"]["application_credential"]
    assert credential["access_rules"] == made["access_rules"]
    assert credential["access_rules"] == [{"id": made["access_rules"][0]["id"], **SERVERS}]


def test_a_token_that_was_got_by_such_a_token_may_no_more(bobs: Bobs) -> None:
    token = bobs.token_by(bobs.made("narrow", SERVERS))
    again = bobs.log_in("token", {"id": token}).headers["x-subject-token"]
    assert again != token
    assert bobs.ask(again, "GET", "/compute/v2.1/servers") == 200
    assert bobs.ask(again, "GET", "/network/v2.0/ports") == 401


def test_without_rules_or_with_an_empty_list_anything_may_be_asked(bobs: Bobs) -> None:
    for name, rules in (("one", None), ("two", [])):
        reply = bobs.make(name, rules)
        assert reply.status == 201
        made = reply.json()["application_credential"]
        assert "access_rules" not in made
        assert bobs.ask(bobs.token_by(made), "GET", "/network/v2.0/ports") == 200


def test_a_rule_is_a_users_once_and_outlives_its_credentials(bobs: Bobs) -> None:
    one = bobs.made("one", SERVERS, SERVERS, TAGS)
    assert [rule["path"] for rule in one["access_rules"]] == [SERVERS["path"], TAGS["path"]]
    by_id = {"id": one["access_rules"][0]["id"]}
    two = bobs.made("two", SERVERS, by_id)
    assert two["access_rules"] == one["access_rules"][:1]
    assert len(bobs.rules()) == 2
    assert [rule["path"] for rule in bobs.rules("?service=network")] == [TAGS["path"]]
    assert bobs.rules("?method=PUT&service=compute") == []
    (servers,) = bobs.rules(f"?path={SERVERS['path']}")
    path = f"access_rules/{servers['id']}"
    shown = bobs.api.get(f"users/{bobs.id}/{path}", token=bobs.token)["access_rule"]
    assert shown == servers
    assert shown["links"]["self"].endswith(f"/users/{bobs.id}/{path}")
    for name, credential in (("one", one), ("two", two)):
        refused = bobs.delete(path)
        assert (refused.status, "delete that credential" in problem_of(refused)) == (403, True)
        assert bobs.delete(f"application_credentials/{credential['id']}").status == 204, name
    assert len(bobs.rules()) == 2
    assert bobs.delete(path).status == 204
    assert bobs.delete(path).status == 404
    assert [rule["path"] for rule in bobs.rules()] == [TAGS["path"]]
    assert "access_rule.delete" in {event["action"] for event in bobs.api.events()}


def test_rules_go_with_their_user(bobs: Bobs) -> None:
    bobs.made("one", SERVERS)
    assert bobs.api.ask("DELETE", f"users/{bobs.id}").status == 204
    again = bobs.api.a_member("bob", "demo")
    assert bobs.api.get(f"users/{again['id']}/access_rules")["access_rules"] == []


def test_a_restricted_credential_deletes_rules_that_are_in_no_use_as_in_keystone(
    bobs: Bobs,
) -> None:
    all_of_identity = {"service": "identity", "method": "DELETE", "path": "/v3/**"}
    token = bobs.token_by(bobs.made("restricted", all_of_identity))
    other = bobs.made("other", SERVERS)
    rule = f"access_rules/{other['access_rules'][0]['id']}"
    credential = f"application_credentials/{other['id']}"
    statuses = [
        bobs.delete(path, by).status
        for path, by in ((rule, token), (credential, token), (credential, None), (rule, token))
    ]
    assert statuses == [403, 403, 204, 204]


def test_others_neither_see_nor_name_a_users_rules(bobs: Bobs) -> None:
    rule = bobs.made("one", SERVERS)["access_rules"][0]
    eve = Bobs.__new__(Bobs)
    eve.api, eve.id = bobs.api, str(bobs.api.a_member("eve", "demo")["id"])
    eve.token = bobs.api.token_of("eve", "demo")
    refused = eve.make("theirs", [{"id": rule["id"]}])
    assert (refused.status, "access_rules[0].id" in problem_of(refused)) == (400, True)
    path = f"users/{bobs.id}/access_rules"
    for method, of in (("GET", path), ("GET", f"{path}/{rule['id']}"),
                       ("DELETE", f"{path}/{rule['id']}")):  # fmt: skip
        assert bobs.api.ask(method, of, token=eve.token).status == 404
    own = f"users/{eve.id}/access_rules/{rule['id']}"
    assert bobs.api.ask("GET", own, token=eve.token).status == 404
    assert bobs.api.get(f"{path}/{rule['id']}")["access_rule"]["id"] == rule["id"], "admins may"


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("all", "access_rules: must be a list"),
        ({"0": SERVERS}, "access_rules: must be a list"),
        (["GET"], "access_rules[0]"),
        ([{}], "access_rules[0].service: is required"),
        ([SERVERS, {**SERVERS, "method": "get"}], "access_rules[1].method"),
        ([{**SERVERS, "method": "TRACE"}], "access_rules[0].method"),
        ([{**SERVERS, "method": None}], "access_rules[0].method"),
        ([{**SERVERS, "path": "v2.1/servers"}], "access_rules[0].path: must begin with a slash"),
        ([{**SERVERS, "path": "/" + "*a" * 5000}], "access_rules[0].path"),
        ([{**SERVERS, "path": "/{id"}], "access_rules[0].path: has a {"),
        ([{**SERVERS, "path": 7}], "access_rules[0].path"),
        ([{**SERVERS, "service": ""}], "access_rules[0].service"),
        ([{**SERVERS, "service": "s" * 65}], "access_rules[0].service"),
        ([{**SERVERS, "colour": "red"}], "access_rules[0].colour"),
        ([{"id": "none"}], "access_rules[0].id: is no access rule of the user"),
        ([{"id": 7}], "access_rules[0].id"),
        ([SERVERS] * (face.RULES_MAX + 1), "access_rules: at most"),
    ],
)
def test_what_no_rule_can_be_is_refused_by_name(bobs: Bobs, rules: object, said: str) -> None:
    refused = bobs.make("bad", rules)
    assert (refused.status, said in problem_of(refused)) == (400, True), refused.body
    assert bobs.rules() == []


def test_a_user_has_so_many_rules_at_most(bobs: Bobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_rules, "RULES_OF_USER_MAX", 2)
    bobs.made("one", SERVERS, TAGS)
    refused = bobs.make("two", [SERVERS, NETWORKS])
    assert (refused.status, "at most" in problem_of(refused)) == (403, True)
    bobs.made("two", SERVERS)


def test_credentials_made_at_one_time_share_a_rule(bobs: Bobs) -> None:
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda at: bobs.make(f"c{at}", [SERVERS, TAGS]), range(4)))
    assert [reply.status for reply in replies] == [201] * 4, replies
    assert len(bobs.rules()) == 2
