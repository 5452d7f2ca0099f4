"""Roles by the identity face, and who is given which of them where."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.http_app import Site, password_login
from tests.support.identity_api import TOKENS, IdentityApi, password_of, problem_of


@pytest.fixture
def api(site: Site) -> IdentityApi:
    return IdentityApi(site)


def test_a_role_of_any_name_is_made_changed_and_deleted(api: IdentityApi) -> None:
    made = api.make("role", name="Größter Maler", description="paints", domain_id=None, options={})
    assert {key: made[key] for key in made if key not in ("id", "links")} == {
        "name": "Größter Maler", "description": "paints", "domain_id": None, "options": {},
    }  # fmt: skip
    changed = api.change("role", made["id"], name="painter", description=None).json()["role"]
    assert (changed["name"], changed["description"]) == ("painter", None)
    assert api.get(f"roles/{made['id']}")["role"] == changed
    assert api.names("roles?name=painter") == ["painter"]
    assert api.names("roles") == ["admin", "manager", "member", "painter", "reader"]
    assert api.names("roles?domain_id=default") == []
    assert api.ask("POST", "roles", {"role": {"name": "painter"}}).status == 409
    assert api.ask("DELETE", f"roles/{made['id']}").status == 204
    assert api.ask("GET", f"roles/{made['id']}").status == 404


@pytest.mark.parametrize("name", ["admin", "manager", "member", "reader"])
def test_the_roles_that_rules_count_on_stay(api: IdentityApi, name: str) -> None:
    role = api.get(f"roles/{api.id_of('role', name)}")["role"]
    assert role["options"] == {"immutable": True}
    assert api.ask("DELETE", f"roles/{role['id']}").status == 403
    assert api.change("role", role["id"], description="x").status == 403
    assert api.ask("POST", "roles", {"role": {"name": name}}).status == 409


def test_which_roles_imply_which_is_shown(api: IdentityApi) -> None:
    inferences = api.get("role_inferences")["role_inferences"]
    assert [
        (each["prior_role"]["name"], [role["name"] for role in each["implies"]])
        for each in inferences
    ] == [("admin", ["manager"]), ("manager", ["member"]), ("member", ["reader"])]
    member, reader = api.id_of("role", "member"), api.id_of("role", "reader")
    implied = api.get(f"roles/{member}/implies")["role_inference"]["implies"]
    assert [role["id"] for role in implied] == [reader]
    assert api.get(f"roles/{reader}/implies")["role_inference"]["implies"] == []
    assert api.ask("GET", f"roles/{member}/implies/{reader}").status == 200
    assert api.ask("GET", f"roles/{reader}/implies/{member}").status == 404
    assert api.ask("PUT", f"roles/{reader}/implies/{member}").status == 403


def test_a_role_of_ones_own_implies_others_until_that_is_taken_back(api: IdentityApi) -> None:
    boss, clerk = (api.make("role", name=name)["id"] for name in ("boss", "clerk"))
    member, admin = api.id_of("role", "member"), api.id_of("role", "admin")
    for prior, implied in ((boss, clerk), (clerk, member)):
        reply = api.ask("PUT", f"roles/{prior}/implies/{implied}")
        assert (reply.status, reply.json()["role_inference"]["implies"]["id"]) == (201, implied)
        assert api.ask("HEAD", f"roles/{prior}/implies/{implied}").status == 204
    assert api.ask("HEAD", f"roles/{boss}/implies/{member}").status == 404  # Not directly.
    for prior, implied, status in (
        (boss, admin, 403), (clerk, boss, 400), (boss, boss, 400), (boss, "x", 404),
    ):  # fmt: skip
        assert api.ask("PUT", f"roles/{prior}/implies/{implied}").status == status, implied
    api.a_member("bob", "demo", "boss")
    token = api.token_of("bob", "demo")

    def roles() -> set[str]:
        shown = api.site.http.request(
            "GET", TOKENS, token=token, headers={"X-Subject-Token": token}
        )
        return {role["name"] for role in shown.json()["token"]["roles"]}

    assert roles() == {"boss", "clerk", "member", "reader"}
    bob = api.id_of("user", "bob")
    effective = api.get(f"role_assignments?user.id={bob}&effective=true")["role_assignments"]
    assert len(effective) == 4
    assert api.ask("DELETE", f"roles/{clerk}/implies/{member}").status == 204
    assert api.ask("DELETE", f"roles/{clerk}/implies/{member}").status == 404
    assert roles() == {"boss", "clerk"}


@pytest.mark.parametrize("where", ["project", "domain", "system"])
def test_a_role_is_given_looked_at_and_taken_away(api: IdentityApi, where: str) -> None:
    paths = {
        "project": f"projects/{api.id_of('project', 'demo')}",
        "domain": "domains/default",
        "system": "system",
    }
    path, user = paths[where], api.make("user", name="bob")
    assert api.assign("bob", "reader", path, "GET").status == 404
    for _ in range(2):
        assert api.assign("bob", "reader", path).status == 204
    assert api.assign("bob", "reader", path, "GET").status == 204
    assert api.assign("bob", "reader", path, "HEAD").status == 204
    assert api.assign("bob", "member", path, "HEAD").status == 404
    assert api.names(f"{path}/users/{user['id']}/roles") == ["reader"]
    (shown,) = api.get(f"role_assignments?user.id={user['id']}")["role_assignments"]
    assert list(shown["scope"]) == [where]
    assert shown["links"]["assignment"].endswith(
        f"/identity/v3/{path}/users/{user['id']}/roles/{api.id_of('role', 'reader')}"
    )
    assert api.assign("bob", "reader", path, "DELETE").status == 204
    assert api.assign("bob", "reader", path, "DELETE").status == 404
    assert api.get(f"role_assignments?user.id={user['id']}")["role_assignments"] == []


def test_who_and_what_is_not_there_gets_no_role(api: IdentityApi) -> None:
    user, role, project = (
        api.id_of("user", "demo"), api.id_of("role", "reader"), api.id_of("project", "demo"),
    )  # fmt: skip
    for path in (
        f"projects/{project}/users/{user}/roles/nothing",
        f"projects/{project}/users/nobody/roles/{role}",
        f"projects/nowhere/users/{user}/roles/{role}",
        f"projects/system/users/{user}/roles/{role}",
        f"projects/domain/users/{user}/roles/{role}",
        f"domains/other/users/{user}/roles/{role}",
        f"system/users/nobody/roles/{role}",
    ):
        for method in ("PUT", "GET", "HEAD", "DELETE"):
            assert api.ask(method, path).status == 404, (method, path)
    assert api.ask("PUT", f"projects/{project}/groups/g/roles/{role}").status == 404


@pytest.mark.parametrize("holder", ["user", "group"])
def test_what_is_missing_where_a_role_is_given_is_named(api: IdentityApi, holder: str) -> None:
    id_, role = api.make(holder, name="ops")["id"], api.id_of("role", "reader")
    project, them = api.id_of("project", "demo"), f"{holder}s"
    own = f"reader of {holder} ops"
    by_id = own if holder == "user" else f"{role} of group {id_}"  # What a check says.
    for method, path, missing in (
        ("GET", f"projects/{project}/{them}/none/roles", f"{holder} none"),
        ("GET", f"projects/none/{them}/{id_}/roles", "project none"),
        ("GET", f"domains/none/{them}/{id_}/roles", "domain none"),
        ("GET", f"projects/{project}/{them}/{id_}/roles/{role}", f"role assignment {by_id}"),
        ("PUT", f"projects/{project}/{them}/none/roles/{role}", f"{holder} none"),
        ("PUT", f"projects/{project}/{them}/{id_}/roles/none", "role none"),
        ("PUT", f"projects/none/{them}/{id_}/roles/{role}", "project none"),
        ("PUT", f"domains/none/{them}/{id_}/roles/{role}", "domain none"),
        ("DELETE", f"projects/{project}/{them}/none/roles/{role}", f"{holder} none"),
        ("DELETE", f"projects/{project}/{them}/{id_}/roles/{role}", f"role assignment {own}"),
        ("DELETE", f"system/{them}/{id_}/roles/none", "role none"),
    ):
        reply = api.ask(method, path)
        assert reply.status == 404, (method, path)
        assert problem_of(reply) == f"{missing} could not be found", (method, path)


def test_a_role_given_to_a_group_is_told_of_the_group(api: IdentityApi) -> None:
    group, role = api.make("group", name="ops")["id"], api.id_of("role", "reader")
    for method in ("PUT", "PUT", "DELETE"):
        assert api.ask(method, f"system/groups/{group}/roles/{role}").status == 204
    told = {"group_id": group, "role_id": role, "target": "system"}
    assert [(each["action"], each["subject"], each["details"]) for each in api.events()[-2:]] == [
        ("role.assign", "group ops", told),
        ("role.unassign", "group ops", told),
    ]


def shown_of(found: list[Any]) -> set[tuple[str, str, str]]:
    """Return each assignment as user, role and scope."""
    return {
        (
            each["user"]["name"],
            each["role"]["name"],
            each["scope"].get("project", {}).get("name") or next(iter(each["scope"])),
        )
        for each in found
    }


def test_role_assignments_are_found_by_user_role_and_scope(api: IdentityApi) -> None:
    bob = api.a_member("bob", "demo", "member")["id"]
    assert api.assign("bob", "reader", "system").status == 204
    demo, reader = api.id_of("project", "demo"), api.id_of("role", "reader")
    everything = {
        ("admin", "admin", "admin"), ("admin", "admin", "demo"), ("admin", "admin", "system"),
        ("bob", "member", "demo"), ("bob", "reader", "system"), ("demo", "member", "demo"),
        ("reader", "reader", "demo"),
    }  # fmt: skip
    for query, wanted in {
        "": everything,
        f"&user.id={bob}": {each for each in everything if each[0] == "bob"},
        f"&scope.project.id={demo}": {each for each in everything if each[2] == "demo"},
        "&scope.system=all": {each for each in everything if each[2] == "system"},
        f"&role.id={reader}": {each for each in everything if each[1] == "reader"},
        f"&role.id={reader}&user.id={bob}": {("bob", "reader", "system")},
        f"&user.id={bob}&effective": {
            ("bob", "member", "demo"), ("bob", "reader", "demo"), ("bob", "reader", "system"),
        },
        f"&role.id={reader}&scope.project.id={demo}&effective=true": {
            (name, "reader", "demo") for name in ("admin", "bob", "demo", "reader")
        },
        f"&user.id={bob}&effective=false": {
            ("bob", "member", "demo"), ("bob", "reader", "system"),
        },
        "&scope.domain.id=default": set(),
        "&scope.domain.id=other": set(),
        "&scope.project.id=system": set(),
        "&group.id=x": set(),
        "&scope.OS-INHERIT:inherited_to=projects": set(),
        "&user.id=nobody": set(),
        "&role.id=nothing&effective": set(),
    }.items():  # fmt: skip
        found = api.get(f"role_assignments?include_names{query}")["role_assignments"]
        assert shown_of(found) == wanted, query
        assert len(found) == len(wanted), query
    plain = api.get("role_assignments?user.id=" + bob)["role_assignments"]
    assert all("name" not in each["user"] and "name" not in each["role"] for each in plain)
    assert api.ask("GET", "role_assignments?nothing=known").status == 400
    both = api.ask("GET", f"role_assignments?scope.system=all&scope.project.id={demo}")
    assert both.status == 400


def test_an_implied_assignment_names_what_implies_it(api: IdentityApi) -> None:
    bob = api.a_member("bob", "demo", "member")["id"]
    found = api.get(f"role_assignments?user.id={bob}&effective")["role_assignments"]
    given, implied = sorted(found, key=lambda each: len(each["links"]))
    assert "prior_role" not in given["links"]
    assert implied["links"]["assignment"] == given["links"]["assignment"]
    assert implied["links"]["prior_role"].endswith(
        f"/roles/{given['role']['id']}/implies/{implied['role']['id']}"
    )


def test_a_role_that_is_taken_away_is_gone_from_tokens_that_are_out(api: IdentityApi) -> None:
    api.a_member("bob", "demo", "reader", "member")
    token, demo = api.token_of("bob", "demo"), f"projects/{api.id_of('project', 'demo')}"
    body = {"network": {"name": "n"}}

    def makes_networks() -> int:
        return api.site.http.request(
            "POST", "/network/v2.0/networks", token=token, body=body
        ).status

    assert makes_networks() == 201
    api.assign("bob", "member", demo, "DELETE")
    assert makes_networks() == 403
    api.assign("bob", "reader", demo, "DELETE")
    assert not api.works(token)


def test_a_role_that_is_deleted_is_nobodys(api: IdentityApi) -> None:
    role = api.make("role", name="painter")
    bob = api.a_member("bob", "demo", "painter")
    token = api.token_of("bob", "demo")
    shown = api.log_in(password_login("bob", password_of("bob"), "demo")).json()["token"]
    assert shown["roles"] == [{"id": role["id"], "name": "painter"}]
    assert api.ask("DELETE", f"roles/{role['id']}").status == 204
    assert not api.works(token)
    assert api.get(f"role_assignments?user.id={bob['id']}")["role_assignments"] == []


def test_what_there_is_one_of_is_shown_and_the_rest_is_refused_by_name(
    api: IdentityApi, site: Site
) -> None:
    assert api.names("domains?name=Default") == ["Default"]
    assert api.names("domains?name=other") == []
    assert api.names("domains?enabled=false") == []
    assert [region["id"] for region in api.get("regions")["regions"]] == ["RegionOne"]
    assert api.get("regions/RegionOne")["region"]["id"] == "RegionOne"
    (compute,) = api.get("services?type=compute")["services"]
    assert api.get(f"services/{compute['id']}")["service"]["name"] == "nova"
    found = api.get(f"endpoints?service_id={compute['id']}&interface=public")["endpoints"]
    assert [each["url"] for each in found] == ["http://127.0.0.1:8774/compute/v2.1"]
    assert api.get(f"endpoints/{found[0]['id']}")["endpoint"] == found[0]
    assert api.names("groups") == []
    assert api.get("auth/domains")["domains"] == []
    assert api.get("auth/system", token=site.token("demo"))["system"] == []
    for path in ("domains/other", "regions/x", "services/x", "endpoints/x", "groups/x"):
        assert api.ask("GET", path).status == 404, path
    for method, path, named in (
        ("POST", "services", "catalog"), ("POST", "endpoints", "catalog"),
        ("POST", "regions", "catalog"), ("GET", "OS-TRUST/trusts", "trusts"),
        ("POST", "credentials", "credentials"),
    ):  # fmt: skip
        reply = api.ask(method, path, {})
        assert (reply.status, named in problem_of(reply)) == (501, True), (method, path)


def test_no_role_is_called_as_a_default_one_in_other_letters(api: IdentityApi) -> None:
    """Rules fold cases: who has it would be an admin, and be told of to nobody."""
    assert api.ask("POST", "roles", {"role": {"name": "Admin"}}).status == 409
    ops = api.make("role", name="ops")
    assert api.change("role", ops["id"], name="ADMIN").status == 409
    assert api.change("role", ops["id"], name="Ops").status == 200
