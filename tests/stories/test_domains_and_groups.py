"""Stories: domains besides the default one, projects below others, and groups of users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.http_app import Reply, Site
from tests.support.identity_api import TOKENS, IdentityApi, password_of, problem_of
from trunkline.control import role_assignments


@pytest.fixture
def api(site: Site) -> IdentityApi:
    return IdentityApi(site)


def log_in(api: IdentityApi, user: str, domain: str, scope: Mapping[str, Any] | None) -> Reply:
    named = {"name": user, "password": password_of(user), "domain": {"name": domain}}
    identity = {"methods": ["password"], "password": {"user": named}}
    return api.log_in({"auth": {"identity": identity} | ({"scope": scope} if scope else {})})


def in_shop(api: IdentityApi) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make the domain shop with a project till, of which its user eve is a member."""
    domain = api.make("domain", name="shop")
    project = api.make("project", name="till", domain_id=domain["id"])
    api.make("user", name="eve", password=password_of("eve"), domain_id=domain["id"])
    assert api.assign("eve", "member", f"projects/{project['id']}").status == 204
    return domain, project


def test_a_domain_is_made_changed_and_deleted(api: IdentityApi) -> None:
    made = api.make("domain", name="shop", owner="us")
    assert (made["description"], made["enabled"], made["owner"]) == ("", True, "us")
    assert api.ask("POST", "domains", {"domain": {"name": "shop"}}).status == 409
    assert api.names("domains") == ["Default", "shop"]
    assert api.ask("DELETE", f"domains/{made['id']}").status == 403  # It is enabled.
    assert api.change("domain", made["id"], enabled=False, name="closed").status == 200
    assert api.names("domains?enabled=false") == ["closed"]
    assert api.ask("DELETE", f"domains/{made['id']}").status == 204
    assert api.ask("GET", f"domains/{made['id']}").status == 404


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": ""}, "domain.name"),
        ({"name": "a" * 65}, "domain.name"),
        ({"name": "a", "explicit_domain_id": "b"}, "domain.explicit_domain_id"),
        ({"name": "a", "enabled": [1]}, "domain.enabled"),
        ({"name": "a", "options": {"immutable": True}}, "domain.options.immutable"),
    ],
)
def test_a_domain_that_cannot_be_is_refused_by_field(
    api: IdentityApi, fields: dict[str, Any], named: str
) -> None:
    reply = api.ask("POST", "domains", {"domain": fields})
    assert (reply.status, problem_of(reply).startswith(named)) == (400, True)


def test_the_default_domain_stays(api: IdentityApi) -> None:
    assert api.change("domain", "default", enabled=False).status == 403
    assert api.ask("DELETE", "domains/default").status == 403
    assert api.change("domain", "default", description="Ours").status == 200


def test_others_than_admins_see_the_default_domain_alone(api: IdentityApi) -> None:
    domain = api.make("domain", name="shop")
    demo = api.site.token("demo")
    assert api.names("domains", token=demo) == ["Default"]
    assert api.ask("GET", f"domains/{domain['id']}", token=demo).status == 404


def test_whoever_is_of_a_domain_logs_in_by_its_name_and_is_shown_in_it(api: IdentityApi) -> None:
    domain, _ = in_shop(api)
    scope = {"project": {"name": "till", "domain": {"id": domain["id"]}}}
    reply = log_in(api, "eve", "shop", scope)
    token = reply.json()["token"]
    assert token["user"]["domain"] == {"id": domain["id"], "name": "shop"}
    assert token["project"]["domain"] == {"id": domain["id"], "name": "shop"}
    assert log_in(api, "eve", "Default", scope).status == 401
    elsewhere = {"project": {"name": "till", "domain": {"name": "Default"}}}
    assert log_in(api, "eve", "shop", elsewhere).status == 401
    assert api.names(f"projects?domain_id={domain['id']}") == ["till"]
    assert api.names(f"projects?parent_id={domain['id']}") == ["till"]
    assert api.names(f"users?domain_id={domain['id']}") == ["eve"]
    assert "till" not in api.names("projects?domain_id=default")


def test_a_disabled_domain_lets_nobody_in_and_its_tokens_end_at_once(api: IdentityApi) -> None:
    domain, project = in_shop(api)
    scope = {"project": {"id": project["id"]}}
    token = log_in(api, "eve", "shop", scope).headers["x-subject-token"]
    assert api.works(token)
    assert api.change("domain", domain["id"], enabled=False).status == 200
    assert not api.works(token)
    assert log_in(api, "eve", "shop", scope).status == 401
    api.change("domain", domain["id"], enabled=True)
    assert not api.works(token)
    assert log_in(api, "eve", "shop", scope).status == 201


def test_with_a_domain_go_its_users_groups_and_projects(api: IdentityApi) -> None:
    domain, project = in_shop(api)
    below = api.make("project", name="drawer", parent_id=project["id"])
    group = api.make("group", name="sellers", domain_id=domain["id"])
    assert below["domain_id"] == domain["id"]
    api.change("domain", domain["id"], enabled=False)
    assert api.ask("DELETE", f"domains/{domain['id']}").status == 204
    assert "eve" not in api.names("users")
    assert not {"till", "drawer"} & set(api.names("projects"))
    assert api.ask("GET", f"groups/{group['id']}").status == 404


def test_what_is_of_no_domain_is_refused(api: IdentityApi) -> None:
    for what in ("user", "project", "group"):
        asked = {what: {"name": "new", "domain_id": "nowhere"}}
        assert api.ask("POST", f"{what}s", asked).status == 404, what
    user = api.make("user", name="eve")
    assert api.change("user", user["id"], domain_id="other").status == 400
    assert api.change("user", user["id"], domain_id="default", id=user["id"]).status == 200
    assert api.change("user", user["id"], id="other").status == 400


def test_projects_are_below_others_five_deep(api: IdentityApi) -> None:
    parent = api.make("project", name="p1")
    assert parent["parent_id"] == "default"
    for number in range(2, 6):
        child = api.make("project", name=f"p{number}", parent_id=parent["id"])
        assert child["parent_id"] == parent["id"]
        assert api.ask("DELETE", f"projects/{parent['id']}").status == 409
        parent = child
    too_far = {"project": {"name": "p6", "parent_id": parent["id"]}}
    assert problem_of(api.ask("POST", "projects", too_far)).startswith("project.parent_id")
    assert api.ask("DELETE", f"projects/{parent['id']}").status == 204
    other = api.make("domain", name="other")
    across = {"name": "p", "parent_id": api.id_of("project", "p1"), "domain_id": other["id"]}
    assert api.ask("POST", "projects", {"project": across}).status == 400


def test_who_is_in_a_group_has_its_roles_as_long_as_both_last(api: IdentityApi) -> None:
    group = api.make("group", name="ops", description="on call")
    user = api.make("user", name="bob", password=password_of("bob"))
    project, role = api.id_of("project", "demo"), api.id_of("role", "member")
    of_group = f"projects/{project}/groups/{group['id']}/roles"
    scope = {"project": {"id": project}}
    assert log_in(api, "bob", "Default", scope).status == 401
    assert api.ask("PUT", f"{of_group}/{role}").status == 204
    assert api.names(of_group) == ["member"]
    assert api.ask("HEAD", f"{of_group}/{role}").status == 204
    assert api.ask("PUT", f"groups/{group['id']}/users/{user['id']}").status == 204
    reply = log_in(api, "bob", "Default", scope)
    assert {each["name"] for each in reply.json()["token"]["roles"]} == {"member", "reader"}
    token = reply.headers["x-subject-token"]
    assert api.names("auth/projects", token=token) == ["demo"]
    # The user was given nothing itself.
    assert api.names(f"projects/{project}/users/{user['id']}/roles") == []
    (given,) = api.get(f"role_assignments?group.id={group['id']}")["role_assignments"]
    assert (given["group"], "user" in given) == ({"id": group["id"]}, False)
    effective = api.get(f"role_assignments?user.id={user['id']}&effective")["role_assignments"]
    assert {each["user"]["id"] for each in effective} == {user["id"]}
    assert all("membership" in each["links"] for each in effective)
    assert api.ask("DELETE", f"groups/{group['id']}/users/{user['id']}").status == 204
    shown = api.site.http.request("GET", TOKENS, token=token, headers={"X-Subject-Token": token})
    assert shown.status == 401
    assert api.ask("DELETE", f"{of_group}/{role}").status == 204
    assert api.ask("DELETE", f"{of_group}/{role}").status == 404


def test_members_of_groups_are_listed(api: IdentityApi) -> None:
    group = api.make("group", name="ops")
    names = ("ann", "bob")
    ids = [api.make("user", name=name)["id"] for name in names]
    for user in ids:
        for _ in range(2):
            assert api.ask("PUT", f"groups/{group['id']}/users/{user}").status == 204
    assert api.names(f"groups/{group['id']}/users") == list(names)
    assert api.names(f"users/{ids[0]}/groups") == ["ops"]
    assert api.ask("HEAD", f"groups/{group['id']}/users/{ids[0]}").status == 204
    assert api.ask("DELETE", f"users/{ids[0]}").status == 204
    assert api.names(f"groups/{group['id']}/users") == ["bob"]
    assert api.change("group", group["id"], name="night", domain_id="x").status == 400
    assert api.change("group", group["id"], name="night").json()["group"]["name"] == "night"
    assert api.ask("DELETE", f"groups/{group['id']}").status == 204
    assert api.names("groups") == []


def test_roles_in_a_domain_are_apart_from_those_in_others(api: IdentityApi) -> None:
    domain = api.make("domain", name="shop")
    path = f"domains/{domain['id']}"
    user = api.make("user", name="bob")
    assert api.assign("bob", "reader", path).status == 204
    assert api.names(f"{path}/users/{user['id']}/roles") == ["reader"]
    assert api.names(f"domains/default/users/{user['id']}/roles") == []
    listed = api.get(f"role_assignments?scope.domain.id={domain['id']}&include_names")
    (given,) = listed["role_assignments"]
    assert given["scope"]["domain"] == {"id": domain["id"], "name": "shop"}


def test_the_domain_of_the_last_admin_is_not_shut(api: IdentityApi) -> None:
    domain = api.make("domain", name="ops")
    project = api.make("project", name="root", domain_id=domain["id"])
    user = api.make("user", name="boss", password=password_of("boss"), domain_id=domain["id"])
    assert api.assign("boss", "admin", f"projects/{project['id']}").status == 204
    scope = {"project": {"id": project["id"]}}
    boss = log_in(api, "boss", "ops", scope).headers["x-subject-token"]
    first = api.id_of("user", "admin")
    off = {"user": {"enabled": False}}
    assert api.ask("PATCH", f"users/{first}", off, token=boss).status == 200
    shut = {"domain": {"enabled": False}}
    assert api.ask("PATCH", f"domains/{domain['id']}", shut, token=boss).status == 409
    assert api.ask("DELETE", f"users/{user['id']}", token=boss).status == 409


def test_who_is_in_the_system_by_a_group_is_told_so(api: IdentityApi) -> None:
    group, eve = api.make("group", name="ops"), api.a_member("eve", "demo")
    token = api.token_of("eve", "demo")
    assert api.get("auth/system", token=token)["system"] == []
    path = f"system/groups/{group['id']}/roles/{api.id_of('role', 'reader')}"
    assert api.ask("PUT", path).status == 204
    assert api.ask("PUT", f"groups/{group['id']}/users/{eve['id']}").status == 204
    assert api.get("auth/system", token=token)["system"] == [{"all": True}]


def test_what_a_group_gives_each_member_is_told_up_to_a_number(
    api: IdentityApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = api.id_of("project", "demo")
    before = len(api.get("role_assignments?effective")["role_assignments"])
    for name in ("ops", "sellers"):
        group = api.make("group", name=name)
        for role in ("member", "reader"):
            path = f"projects/{demo}/groups/{group['id']}/roles/{api.id_of('role', role)}"
            assert api.ask("PUT", path).status == 204
        for number in range(3):
            user = api.make("user", name=f"{name}{number}")
            assert api.ask("PUT", f"groups/{group['id']}/users/{user['id']}").status == 204
    told = api.get("role_assignments?effective")["role_assignments"]
    assert len(told) == before + 2 * 3 * 3  # A member is a reader, too.
    only = api.get(f"role_assignments?effective&user.id={user['id']}")["role_assignments"]
    assert {each["user"]["id"] for each in only} == {user["id"]}
    for limit in (8, 10, 12):
        monkeypatch.setattr(role_assignments, "ASSIGNMENTS_SHOWN_MAX", limit)
        cut = api.get("role_assignments?effective")
        assert (len(cut["role_assignments"]), cut["truncated"]) == (limit, True)


def test_whose_default_project_is_of_a_disabled_domain_gets_a_token_of_no_scope(
    api: IdentityApi,
) -> None:
    domain, project = in_shop(api)
    api.make("user", name="bob", password=password_of("bob"), default_project_id=project["id"])
    assert api.assign("bob", "member", f"projects/{project['id']}").status == 204
    assert "project" in log_in(api, "bob", "Default", None).json()["token"]
    assert api.change("domain", domain["id"], enabled=False).status == 200
    reply = log_in(api, "bob", "Default", None)
    assert (reply.status, "project" in reply.json()["token"]) == (201, False)
