"""A real Keystone is asked, and what it says is what the stand-in says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.clock import ManualClock, a_clock_for_clients
from tests.support.keystone import (
    ADMIN_PASSWORD,
    DOMAIN_SCOPE,
    SYSTEM_SCOPE,
    Keystone,
    project_scope,
)
from tests.support.keystone_site import a_keystone_site
from tests.support.patience import HANGS_SECONDS
from tests.support.stand_in_keystone import a_stand_in, asking, token_body
from trunkline.domain.access_rules import AccessMethod
from trunkline.domain.errors import Forbidden, IdentityUnavailable, Unauthenticated
from trunkline.keystone import identity
from trunkline.keystone.connections import Connections
from trunkline.keystone.service_login import ApplicationCredentialLogin, ServiceToken

SECRET = "the service's own"


@dataclass(frozen=True, slots=True)
class Tenants:
    """Projects `service` and `demo`, and who has which roles in them."""

    demo: str
    alice: str  # A member of demo, with a role of the operator's own.


@pytest.fixture(scope="module")
def tenants(keystone: Keystone) -> Tenants:
    service, demo = keystone.a_project("service"), keystone.a_project("demo")
    keystone.a_user("trunkline", SECRET, service=service)
    keystone.a_role("netops")
    alice = keystone.a_user("alice", "alice's", member=demo, netops=demo)
    keystone.a_user("rita", "rita's", reader=demo)
    keystone.ask("PUT", f"/domains/default/users/{alice}/roles/{keystone.ids['reader']}")
    return Tenants(demo, alice)


@pytest.fixture
def clock() -> ManualClock:
    return a_clock_for_clients()


@pytest.fixture
def asked(keystone: Keystone, tenants: Tenants, clock: ManualClock) -> Iterator[identity.Keystone]:
    with asking(keystone.url, clock, password=SECRET, seconds_max=HANGS_SECONDS) as opened:
        yield opened


@pytest.fixture
def alices(keystone: Keystone, tenants: Tenants) -> str:
    return keystone.token("alice", "alice's", project_scope("demo"))


def test_a_member_speaks_for_the_project_with_its_implied_and_own_roles(
    asked: identity.Keystone, tenants: Tenants, alices: str
) -> None:
    caller = asked.ask(alices)
    assert (caller.user_id, caller.user_name) == (tenants.alice, "alice")
    assert (caller.project_id, caller.project_name) == (tenants.demo, "demo")
    assert caller.roles == {"member", "reader", "netops"}
    assert caller.expires_at is not None


def test_an_admin_of_the_system_speaks_for_it(asked: identity.Keystone, keystone: Keystone) -> None:
    caller = asked.ask(keystone.token("admin", ADMIN_PASSWORD, SYSTEM_SCOPE))
    assert (caller.is_system, caller.project_id) == (True, None)
    assert caller.roles == {"admin", "manager", "member", "reader"}


@pytest.mark.parametrize(("scope", "says"), [(None, "no project"), (DOMAIN_SCOPE, "a domain")])
def test_tokens_of_no_scope_or_a_domain_are_of_no_use(
    asked: identity.Keystone, keystone: Keystone, tenants: Tenants, scope: object, says: str
) -> None:
    with pytest.raises(Forbidden, match=says):
        asked.ask(keystone.token("alice", "alice's", scope))


@pytest.mark.parametrize("token", ["made-up", "gAAAAA" + "x" * 170, "x" * 8192])
def test_a_token_that_is_made_up_is_refused(asked: identity.Keystone, token: str) -> None:
    with pytest.raises(Unauthenticated):
        asked.ask(token)


def test_a_revoked_token_is_refused_once_the_answer_is_too_old(
    asked: identity.Keystone, keystone: Keystone, clock: ManualClock, alices: str
) -> None:
    asked.ask(alices)
    keystone.revoke(alices)
    assert asked.find_caller(alices) is not None
    clock.advance(60)
    assert asked.find_caller(alices) is None
    with pytest.raises(Unauthenticated):
        asked.ask(alices)


def test_a_user_who_is_disabled_is_refused(
    asked: identity.Keystone, keystone: Keystone, tenants: Tenants
) -> None:
    dora = keystone.a_user("dora", "dora's", member=tenants.demo)
    token = keystone.token("dora", "dora's", project_scope("demo"))
    assert asked.ask(token).user_name == "dora"
    keystone.change_user(dora, enabled=False)
    with pytest.raises(Unauthenticated):
        asked.ask(token)


def test_an_application_credential_speaks_for_its_project_and_brings_its_rules(
    asked: identity.Keystone, keystone: Keystone, tenants: Tenants, alices: str
) -> None:
    rule = {"path": "/v2.1/servers", "method": "GET", "service": "compute"}
    tokens = []
    for name, more in (("plain", {}), ("restricted", {"access_rules": [rule]})):
        asked_for = {"application_credential": {"name": name, **more}}
        path = f"/users/{tenants.alice}/application_credentials"
        reply = keystone.send("POST", path, asked_for, token=alices)
        made = json.loads(reply.body)["application_credential"]
        method = "application_credential"
        credential = {"id": made["id"], "secret": made["secret"]}
        tokens.append(keystone.token_by({"methods": [method], method: credential}))
    assert asked.ask(tokens[0]).project_id == tenants.demo
    assert asked.ask(tokens[0]).access_rules == ()
    (kept,) = asked.ask(tokens[1]).access_rules
    assert kept.what == ("compute", AccessMethod.GET, "/v2.1/servers")


def test_of_access_rules_keystone_does_what_the_built_in_service_does(
    keystone: Keystone, tenants: Tenants, alices: str
) -> None:
    path = f"/users/{tenants.alice}"

    def made(name: str, *rules: object) -> dict[str, Any]:
        asked_for = {"application_credential": {"name": name, "access_rules": rules}}
        reply = keystone.send("POST", f"{path}/application_credentials", asked_for, token=alices)
        shown: dict[str, Any] = json.loads(reply.body)["application_credential"]
        return shown

    # An empty list is none: nothing is left to hold requests to.
    empty = made("empty")
    assert "access_rules" not in empty
    proof = {"id": empty["id"], "secret": empty["secret"]}
    by_it = keystone.token_by(
        {"methods": ["application_credential"], "application_credential": proof}
    )
    told = keystone.send("GET", "/auth/tokens", token=by_it, headers={"X-Subject-Token": by_it})
    assert "access_rules" not in json.loads(told.body)["token"]["application_credential"]
    # Restricted as it is, it deletes a rule that no credential has, and neither a credential
    # nor a rule of one.
    rule = {"path": "/v2.1/flavors", "method": "GET", "service": "compute"}
    other = made("other", rule)
    rule_path = f"{path}/access_rules/{other['access_rules'][0]['id']}"
    credential_path = f"{path}/application_credentials/{other['id']}"
    statuses = [
        keystone.send("DELETE", deleted, token=token).status
        for deleted, token in (
            (rule_path, by_it), (credential_path, by_it), (credential_path, alices),
            (rule_path, by_it),
        )
    ]  # fmt: skip
    assert statuses == [403, 403, 204, 204]


def test_the_service_logs_in_by_an_application_credential_too(
    keystone: Keystone, tenants: Tenants, clock: ManualClock, alices: str
) -> None:
    own = keystone.token("trunkline", SECRET, project_scope("service"))
    user = json.loads(keystone.send("GET", "/auth/tokens", headers={"X-Subject-Token": own}).body)[
        "token"
    ]["user"]["id"]
    made = json.loads(
        keystone.send(
            "POST", f"/users/{user}/application_credentials",
            {"application_credential": {"name": "validation"}}, token=own,
        ).body
    )["application_credential"]  # fmt: skip
    connections = Connections(keystone.url, ca_file=None, seconds_max=HANGS_SECONDS)
    login = ApplicationCredentialLogin(id=made["id"], secret=made["secret"])
    service = ServiceToken(connections, login, clock, public_url=keystone.url)
    by_credential = identity.Keystone(
        connections, service, clock, public_url=keystone.url, cache_seconds=60
    )
    with closing(by_credential):
        assert by_credential.ask(alices).user_name == "alice"


def test_an_own_token_that_was_revoked_is_replaced(
    asked: identity.Keystone, keystone: Keystone, alices: str
) -> None:
    keystone.revoke(asked._service_token.get())
    assert asked.ask(alices).user_name == "alice"


def test_a_user_without_the_role_for_it_is_told_what_it_lacks(
    keystone: Keystone, tenants: Tenants, clock: ManualClock, alices: str
) -> None:
    keystone.a_user("meek", "meek's", reader=tenants.demo)
    with asking(keystone.url, clock, password="meek's", seconds_max=HANGS_SECONDS) as meek:
        body = meek._service_token._body
        meek._service_token._body = body.replace(b'"trunkline"', b'"meek"').replace(
            b'"service"', b'"demo"'
        )
        with pytest.raises(IdentityUnavailable, match="needs the role service or admin"):
            meek.ask(alices)


def test_a_reader_of_keystones_may_look_here_and_change_nothing(
    asked: identity.Keystone, keystone: Keystone, tmp_path: Path, clock: ManualClock
) -> None:
    ritas = keystone.token("rita", "rita's", project_scope("demo"))
    alices = keystone.token("alice", "alice's", project_scope("demo"))
    body = {"network": {"name": "blue"}}
    with a_keystone_site(tmp_path, asked, clock) as site:
        path = "/network/v2.0/networks"
        assert site.http.request("POST", path, token=alices, body=body).status == 201
        assert len(site.http.request("GET", path, token=ritas).json()["networks"]) == 1
        assert site.http.request("POST", path, token=ritas, body=body).status == 403


def test_the_stand_in_says_what_keystone_says(
    keystone: Keystone, tenants: Tenants, alices: str
) -> None:
    own = keystone.token("trunkline", SECRET, project_scope("service"))

    def ask(url: str, own: str, subject: str) -> tuple[int, Any]:
        with closing(Connections(url, ca_file=None, seconds_max=HANGS_SECONDS)) as connections:
            headers = {"X-Auth-Token": own, "X-Subject-Token": subject}
            reply = connections.request("test", "GET", identity.VALIDATE_PATH, headers=headers)
            return reply.status, json.loads(reply.body)

    with a_stand_in() as stand_in:
        stand_in.tokens["alice's"] = token_body("alice", "member", "reader", "netops")
        stand_in.own_tokens.add("own")
        ids = own, alices, "own", "alice's"
        real, ours = ask(keystone.url, *ids[:2]), ask(stand_in.url, *ids[2:])
        assert real[0] == ours[0] == 200
        assert _shape(real[1]) == _shape(ours[1])
        assert ask(keystone.url, own, "made-up")[0] == ask(stand_in.url, "own", "made-up")[0] == 404
        assert ask(keystone.url, "no", alices)[0] == ask(stand_in.url, "no", "alice's")[0] == 401
        stand_in.may_validate = False
        ritas = keystone.token("rita", "rita's", project_scope("demo"))
        assert ask(keystone.url, ritas, alices)[0] == ask(stand_in.url, "own", "alice's")[0] == 403


def _shape(value: Any) -> Any:
    """Keys and types, of lists those of the first."""
    if isinstance(value, dict):
        return {name: _shape(inner) for name, inner in value.items()}
    return [_shape(value[0])] if isinstance(value, list) else type(value)
