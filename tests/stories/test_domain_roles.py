"""Stories: roles of a domain, which are good for nothing but the roles that they imply.

shop: project till, user eve, roles clerk and auditor; Default: project demo, user bob
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.http_app import Reply, Site
from tests.support.identity_api import IdentityApi, password_of, problem_of


@pytest.fixture
def api(site: Site) -> IdentityApi:
    return IdentityApi(site)


class Shop:
    def __init__(self, api: IdentityApi) -> None:
        self.api = api
        self.domain = api.make("domain", name="shop")["id"]
        self.project = api.make("project", name="till", domain_id=self.domain)["id"]
        password = password_of("eve")
        self.eve = api.make("user", name="eve", password=password, domain_id=self.domain)["id"]
        self.clerk = self.role("clerk")

    def role(self, name: str) -> str:
        return str(self.api.make("role", name=name, domain_id=self.domain)["id"])

    def give(self, role: str, target: str, user: str | None = None) -> Reply:
        return self.api.ask("PUT", f"{target}/users/{user or self.eve}/roles/{role}")

    def imply(self, prior: str, implied: str) -> Reply:
        return self.api.ask("PUT", f"roles/{prior}/implies/{implied}")

    def log_in(self) -> Reply:
        user = {"id": self.eve, "password": password_of("eve")}
        return self.api.log_in({
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": {"id": self.project}},
            }
        })  # fmt: skip

    def effective(self, query: str = "") -> list[dict[str, Any]]:
        listed = self.api.get(f"role_assignments?effective&user.id={self.eve}{query}")
        found: list[dict[str, Any]] = listed["role_assignments"]
        return found


@pytest.fixture
def shop(api: IdentityApi) -> Shop:
    return Shop(api)


def test_a_domain_has_roles_of_its_own_and_their_names_are_free_elsewhere(
    api: IdentityApi, shop: Shop
) -> None:
    assert api.get(f"roles/{shop.clerk}")["role"]["domain_id"] == shop.domain
    assert api.names(f"roles?domain_id={shop.domain}") == ["clerk"]
    assert "clerk" not in api.names("roles")
    assert api.names("roles?domain_id=default") == []
    again = {"role": {"name": "clerk", "domain_id": shop.domain}}
    assert api.ask("POST", "roles", again).status == 409
    assert api.make("role", name="clerk")["domain_id"] is None
    nowhere = {"role": {"name": "x", "domain_id": "nowhere"}}
    assert api.ask("POST", "roles", nowhere).status == 404
    moved = api.change("role", shop.clerk, domain_id="default")
    assert (moved.status, "role.domain_id" in problem_of(moved)) == (400, True)
    renamed = api.change("role", shop.clerk, name="seller", domain_id=shop.domain)
    assert renamed.json()["role"]["name"] == "seller"


def test_it_lets_nobody_do_anything_whatever_it_is_called(api: IdentityApi, shop: Shop) -> None:
    shop.give(shop.role("admin"), f"projects/{shop.project}")
    assert shop.log_in().status == 401
    assert shop.effective() == []
    [given] = api.get(f"role_assignments?user.id={shop.eve}&include_names")["role_assignments"]
    assert given["role"]["domain"] == {"id": shop.domain, "name": "shop"}
    # Nor does it count for an admin who is left when the last one goes.
    admin = api.id_of("user", "admin")
    assert api.change("user", admin, enabled=False).status == 409


def test_who_has_it_has_what_it_implies_until_it_does_so_no_more(
    api: IdentityApi, shop: Shop
) -> None:
    assert shop.give(shop.clerk, f"projects/{shop.project}").status == 204
    auditor = shop.role("auditor")
    assert shop.imply(shop.clerk, auditor).status == 201
    assert api.change("role", auditor, description="looks at the books").status == 200
    assert shop.imply(auditor, api.id_of("role", "member")).status == 201
    assert api.ask("HEAD", f"roles/{shop.clerk}/implies/{auditor}").status == 204
    [told] = api.get(f"roles/{shop.clerk}/implies")["role_inference"]["implies"]
    assert (told["id"], told["name"]) == (auditor, "auditor")
    token = shop.log_in().json()["token"]
    assert [role["name"] for role in token["roles"]] == ["member", "reader"]
    had = {(each["role"]["id"], each["links"]["prior_role"]) for each in shop.effective()}
    assert {role for role, _ in had} == {api.id_of("role", name) for name in ("member", "reader")}
    assert all(f"roles/{shop.clerk}/implies/" in link for _, link in had)
    assert len(shop.effective(f"&role.id={api.id_of('role', 'reader')}")) == 1
    assert shop.effective(f"&role.id={shop.clerk}") == []
    kept = shop.log_in().headers["x-subject-token"]
    assert api.works(kept)
    assert api.ask("DELETE", f"roles/{shop.clerk}/implies/{auditor}").status == 204
    assert not api.works(kept)


def test_what_it_implies_may_be_of_any_domain_and_nothing_leads_into_one(
    api: IdentityApi, shop: Shop
) -> None:
    depot = api.make("domain", name="depot")["id"]
    theirs = api.make("role", name="clerk", domain_id=depot)["id"]
    ours = api.make("role", name="painter")["id"]
    assert shop.imply(shop.clerk, theirs).status == 201
    assert shop.imply(theirs, shop.clerk).status == 400  # It would come back to itself.
    assert shop.imply(shop.clerk, ours).status == 201
    assert shop.imply(ours, shop.clerk).status == 403
    assert shop.imply(shop.clerk, api.id_of("role", "admin")).status == 403
    # A role of a domain that is called admin is not the one that nothing may imply.
    assert shop.imply(shop.clerk, shop.role("admin")).status == 201


def test_it_is_for_projects_of_its_domain(api: IdentityApi, shop: Shop) -> None:
    demo = api.id_of("project", "demo")
    assert shop.give(shop.clerk, f"projects/{demo}").status == 403
    assert shop.give(shop.clerk, "system").status == 400
    assert shop.give(shop.clerk, f"domains/{shop.domain}").status == 204
    bob = api.make("user", name="bob")["id"]
    assert shop.give(shop.clerk, f"projects/{shop.project}", bob).status == 204


def test_it_goes_with_its_domain(api: IdentityApi, shop: Shop) -> None:
    bob = api.make("user", name="bob")["id"]
    shop.give(shop.clerk, f"projects/{shop.project}", bob)
    api.change("domain", shop.domain, enabled=False)
    assert api.ask("DELETE", f"domains/{shop.domain}").status == 204
    assert api.ask("GET", f"roles/{shop.clerk}").status == 404
    assert api.get(f"role_assignments?user.id={bob}")["role_assignments"] == []
