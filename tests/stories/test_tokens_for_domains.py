"""Stories: tokens for a domain. They tell which roles their user has there, and allow no more than
one of no scope: no rule asks of which domain a thing is.

  shop: user eve, who has a role in it; closed: disabled
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.http_app import Reply, Site
from tests.support.identity_api import TOKENS, IdentityApi, password_of


@pytest.fixture
def api(site: Site) -> IdentityApi:
    return IdentityApi(site)


class Shop:
    def __init__(self, api: IdentityApi) -> None:
        self.api = api
        self.id = api.make("domain", name="shop")["id"]
        password = password_of("eve")
        self.eve = api.make("user", name="eve", password=password, domain_id=self.id)["id"]
        self.give("admin")

    def give(self, role: str, method: str = "PUT", user: str | None = None) -> None:
        whose = f"domains/{self.id}/users/{user or self.eve}"
        path = f"{whose}/roles/{self.api.id_of('role', role)}"
        assert self.api.ask(method, path).status == 204

    def log_in(
        self, domain: dict[str, str], user_id: str | None = None, name: str = "eve"
    ) -> Reply:
        user = {"id": user_id or self.eve, "password": password_of(name)}
        identity = {"methods": ["password"], "password": {"user": user}}
        return self.api.log_in({"auth": {"identity": identity, "scope": {"domain": domain}}})

    def token_of(self, user_id: str, name: str) -> str:
        reply = self.log_in({"id": self.id}, user_id, name)
        assert reply.status == 201, reply
        return reply.headers["x-subject-token"]

    @property
    def token(self) -> str:
        return self.token_of(self.eve, "eve")


@pytest.fixture
def shop(api: IdentityApi) -> Shop:
    return Shop(api)


def test_it_tells_the_domain_and_the_roles_there(api: IdentityApi, shop: Shop) -> None:
    for named in ({"id": shop.id}, {"name": "shop"}):
        token: dict[str, Any] = shop.log_in(named).json()["token"]
        assert token["domain"] == {"id": shop.id, "name": "shop"}
        assert [role["name"] for role in token["roles"]] == ["admin", "manager", "member", "reader"]
        assert not {"project", "system", "is_domain"} & set(token)
        assert token["catalog"]
    text = shop.token
    headers = {"X-Subject-Token": text}
    shown = api.site.http.request("GET", TOKENS, token=text, headers=headers).json()["token"]
    assert shown["domain"]["id"] == shop.id


def test_it_allows_what_one_of_no_scope_does_whatever_its_roles(
    api: IdentityApi, shop: Shop
) -> None:
    token, admin = shop.token, api.id_of("user", "admin")
    assert api.ask("GET", f"users/{shop.eve}", token=token).status == 200
    assert api.ask("GET", f"users/{admin}", token=token).status == 404
    assert api.ask("GET", f"users/{admin}/projects", token=token).status == 404
    headers = {"X-Subject-Token": api.admin}
    for method in ("GET", "DELETE"):
        reply = api.site.http.request(method, TOKENS, token=token, headers=headers)
        assert reply.status == 404
    for path in (
        "/identity/v3/users", "/identity/v3/projects", "/identity/v3/domains",
        "/compute/v2.1/servers/detail?all_tenants=1", "/compute/v2.1/os-hypervisors",
        "/network/v2.0/networks", "/image/v2/images", "/placement/resource_providers",
        "/trunkline/v1/hosts",
    ):  # fmt: skip
        assert api.site.http.request("GET", path, token=token).status == 403, path
    made = api.ask("POST", "users", {"user": {"name": "x", "domain_id": shop.id}}, token=token)
    assert made.status == 403


def test_it_is_got_by_who_has_a_role_in_the_domain_as_long_as_that_is_so(
    api: IdentityApi, shop: Shop
) -> None:
    assert shop.log_in({"id": "default"}).status == 401
    assert shop.log_in({"id": "nowhere"}).status == 401
    assert shop.log_in({"name": shop.id}).status == 401
    assert shop.log_in({}).status == 400
    token = shop.token
    shop.give("admin", "DELETE")
    assert not api.works(token)
    assert shop.log_in({"id": shop.id}).status == 401
    shop.give("reader")
    bob = api.make("user", name="bob", password=password_of("bob"))["id"]  # Of another domain.
    shop.give("reader", user=bob)
    token, bobs = shop.token, shop.token_of(bob, "bob")
    api.change("domain", shop.id, enabled=False)
    assert not api.works(token)
    assert shop.log_in({"id": shop.id}).status == 401
    assert not api.works(bobs)
    api.change("domain", shop.id, enabled=True)
    assert not api.works(bobs)  # For good.


def test_the_domains_that_one_may_have_a_token_for_are_listed(api: IdentityApi, shop: Shop) -> None:
    group = api.make("group", name="keepers", domain_id=shop.id)["id"]
    assert api.ask("PUT", f"groups/{group}/users/{shop.eve}").status == 204
    reader = api.id_of("role", "reader")
    for name, enabled in (("depot", True), ("closed", False)):
        domain = api.make("domain", name=name)["id"]
        assert api.ask("PUT", f"domains/{domain}/groups/{group}/roles/{reader}").status == 204
        api.change("domain", domain, enabled=enabled)
    # A role of a domain that implies none is no way in.
    bare = api.make("domain", name="bare")["id"]
    idle = api.make("role", name="idle", domain_id=bare)["id"]
    assert api.ask("PUT", f"domains/{bare}/users/{shop.eve}/roles/{idle}").status == 204
    assert shop.log_in({"id": bare}).status == 401
    assert api.names("auth/domains", token=shop.token) == ["depot", "shop"]
    assert api.names("auth/domains", token=api.site.token("demo")) == []
