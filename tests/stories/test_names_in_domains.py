"""Stories: a name is one user's, or one project's, within a domain; another domain may have it too.

Default: project demo, user demo; shop: project demo, user demo; depot: project demo
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.http_app import Reply, Site, password_login
from tests.support.identity_api import IdentityApi, password_of
from trunkline.control import identity
from trunkline.control.passwords import FAILURES_MAX
from trunkline.domain.errors import Invalid, NotFound


@pytest.fixture
def api(site: Site) -> IdentityApi:
    return IdentityApi(site)


class Shop:
    """The domain shop, with a user and a project that are named as others in the default one."""

    def __init__(self, api: IdentityApi) -> None:
        self.domain = api.make("domain", name="shop")["id"]
        self.project = api.make("project", name="demo", domain_id=self.domain)["id"]
        password = password_of("demo")
        self.user = api.make("user", name="demo", domain_id=self.domain, password=password)["id"]
        member = api.id_of("role", "member")
        grant = f"projects/{self.project}/users/{self.user}/roles/{member}"
        assert api.ask("PUT", grant).status == 204


@pytest.fixture
def shop(api: IdentityApi) -> Shop:
    return Shop(api)


def log_in(
    api: IdentityApi,
    domain: Mapping[str, str],
    password: str,
    *,
    user: str = "demo",
    project: Mapping[str, Any] | None = None,
) -> Reply:
    named = {"name": user, "domain": domain, "password": password}
    auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": named}}}
    if project is not None:
        auth["scope"] = {"project": project}
    return api.log_in({"auth": auth})


def test_a_name_is_free_in_each_domain_and_taken_once_in_it(api: IdentityApi, shop: Shop) -> None:
    for what in ("user", "project"):
        again = {what: {"name": "demo", "domain_id": shop.domain}}
        assert api.ask("POST", f"{what}s", again).status == 409, what
        assert len(api.get(f"{what}s?name=demo")[f"{what}s"]) == 2
        [found] = api.get(f"{what}s?name=demo&domain_id={shop.domain}")[f"{what}s"]
        assert found["id"] == getattr(shop, what)
        other = api.make(what, name="other", domain_id=shop.domain)["id"]
        assert api.change(what, other, name="demo").status == 409
        assert api.change(what, other, name="admin").status == 200


def test_whom_a_name_means_at_a_login_is_said_by_the_domain(api: IdentityApi, shop: Shop) -> None:
    theirs, ours = password_of("demo"), api.site.passwords.demo
    for domain in ({"id": shop.domain}, {"name": "shop"}):
        reply = log_in(api, domain, theirs, project={"name": "demo", "domain": domain})
        token = reply.json()["token"]
        assert (token["user"]["id"], token["project"]["id"]) == (shop.user, shop.project)
        assert log_in(api, domain, ours).status == 401
    for domain in ({"id": "default"}, {"name": "Default"}):
        reply = log_in(api, domain, ours, project={"name": "demo", "domain": domain})
        token = reply.json()["token"]
        assert shop.user != token["user"]["id"]
        assert shop.project != token["project"]["id"]
        assert log_in(api, domain, theirs).status == 401
    there = {"name": "demo", "domain": {"name": "shop"}}
    assert log_in(api, {"id": "default"}, ours, project=there).status == 401


def test_an_id_of_a_domain_is_no_name_of_it(api: IdentityApi, shop: Shop) -> None:
    # Whoever may name a domain could otherwise stand in for another.
    api.make("domain", name=shop.domain)
    assert log_in(api, {"name": shop.domain}, password_of("demo")).status == 401
    assert log_in(api, {"id": "shop"}, password_of("demo")).status == 401
    assert log_in(api, {"id": shop.domain}, password_of("demo")).status == 201


def test_an_application_credential_goes_by_its_users_domain(api: IdentityApi, shop: Shop) -> None:
    scope = {"id": shop.project}
    logged_in = log_in(api, {"name": "shop"}, password_of("demo"), project=scope)
    token = logged_in.headers["x-subject-token"]
    path = f"users/{shop.user}/application_credentials"
    body = {"application_credential": {"name": "deploy", "secret": "s" * 20}}
    assert api.ask("POST", path, body, token=token).status == 201

    def by_name(domain: Mapping[str, str]) -> int:
        own = {"name": "deploy", "secret": "s" * 20, "user": {"name": "demo", "domain": domain}}
        identity_ = {"methods": ["application_credential"], "application_credential": own}
        return api.log_in({"auth": {"identity": identity_}}).status

    assert by_name({"name": "shop"}) == 201
    assert by_name({"name": "Default"}) == 401


def test_guesses_count_for_the_user_that_is_meant_and_no_other(
    api: IdentityApi, shop: Shop
) -> None:
    for number in range(FAILURES_MAX):
        domain = {"id": shop.domain} if number % 2 else {"name": "shop"}
        assert log_in(api, domain, "guess").status == 401
    assert log_in(api, {"name": "shop"}, password_of("demo")).status == 429
    assert api.log_in(password_login("demo", api.site.passwords.demo, "demo")).status == 201


@pytest.mark.parametrize("name", ["demo", "nobody"])
def test_guesses_by_a_domains_id_and_name_count_together_whether_there_is_such_a_user_or_not(
    api: IdentityApi, shop: Shop, name: str
) -> None:
    for _ in range(FAILURES_MAX):
        assert log_in(api, {"id": shop.domain}, "guess", user=name).status == 401
    assert log_in(api, {"name": "shop"}, "guess", user=name).status == 429


@pytest.mark.parametrize("name", ["demo", "nobody"])
@pytest.mark.parametrize("made_up", ["{}", "named '{}' in default"])
def test_guesses_by_an_id_that_nobody_has_tell_of_no_name(
    api: IdentityApi, name: str, made_up: str
) -> None:
    user = {"id": made_up.format(name), "password": "guess"}
    by_id = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    for _ in range(FAILURES_MAX):
        assert api.log_in(by_id).status == 401
    assert log_in(api, {"id": "default"}, "guess", user=name).status == 401


def quota(api: IdentityApi, project: str, *, token: str | None = None) -> Reply:
    path = f"/trunkline/v1/quotas?project={project}"
    return api.site.http.request("GET", path, token=token or api.admin)


def test_a_project_that_a_quota_is_of_is_named_so_that_it_can_be_told(
    api: IdentityApi, shop: Shop
) -> None:
    depot = api.make("domain", name="depot")["id"]
    api.make("project", name="demo", domain_id=depot)
    body = {"limit": 3}
    http, path = api.site.http, "/trunkline/v1/quotas/{}/vf"
    asked = http.request("PUT", path.format("demo"), token=api.admin, body=body)
    assert asked.status == 400
    assert f"{shop.project} (domain shop)" in str(asked.json())
    assert "(domain depot)" in str(asked.json())
    assert quota(api, "demo").status == 400
    ours = http.request("PUT", path.format(shop.project), token=api.admin, body=body)
    assert ours.status == 200
    [shown] = quota(api, shop.project).json()["quotas"]
    assert (shown["project_id"], shown["project"], shown["limit"]) == (shop.project, "demo", 3)
    # Who sees their own project alone means that one, and learns of no other.
    assert quota(api, "demo", token=api.site.token("demo")).json()["quotas"] == []


def reset(api: IdentityApi, user: str, domain: str | None) -> str:
    svc = api.site.svc
    password, _ = identity.reset_password(
        svc.store, user, domain=domain, clock=svc.clock, ids=svc.ids, passwords=svc.passwords
    )
    return password


def test_a_password_is_reset_of_the_user_in_the_domain_that_is_said(
    api: IdentityApi, shop: Shop
) -> None:
    with pytest.raises(Invalid, match=r"more than one is called 'demo'.*Default, shop"):
        reset(api, "demo", None)
    with pytest.raises(NotFound, match="domain nowhere"):
        reset(api, "demo", "nowhere")
    with pytest.raises(NotFound, match="user admin"):
        reset(api, "admin", "shop")
    for domain in ("shop", shop.domain):
        new = reset(api, "demo", domain)
        assert log_in(api, {"name": "shop"}, new).status == 201
    assert api.log_in(password_login("demo", api.site.passwords.demo, "demo")).status == 201
    told = [row["details"] for row in api.events() if row["action"] == "user.reset_password"]
    assert told == [{"user_id": shop.user}] * 2
    assert api.log_in(password_login("admin", reset(api, "admin", None), "admin")).status == 201
