"""Projects and users by the identity face: made, listed, changed, deleted, and what goes along."""

from __future__ import annotations

import pytest

from tests.support.http_app import Site, password_login
from tests.support.identity_api import TOKENS, IdentityApi, password_of, problem_of


@pytest.fixture
def api(site: Site) -> IdentityApi:
    return IdentityApi(site)


def test_a_project_is_made_shown_changed_and_deleted(api: IdentityApi) -> None:
    made = api.make("project", name="blue", description="theirs", tags=["a", "b"], cost_centre="7")
    assert {key: made[key] for key in made if key not in ("id", "links")} == {
        "name": "blue", "description": "theirs", "enabled": True, "domain_id": "default",
        "parent_id": "default", "is_domain": False, "tags": ["a", "b"], "options": {},
        "cost_centre": "7",
    }  # fmt: skip
    assert api.get(f"projects/{made['id']}")["project"] == made
    changed = api.change("project", made["id"], name="navy", enabled=False, cost_centre=None, a=[1])
    assert changed.status == 200
    shown = changed.json()["project"]
    assert (shown["name"], shown["enabled"], shown["a"]) == ("navy", False, [1])
    assert shown["description"] == "theirs"
    assert "cost_centre" not in shown
    assert api.ask("DELETE", f"projects/{made['id']}").status == 204
    assert api.ask("GET", f"projects/{made['id']}").status == 404
    assert api.ask("DELETE", f"projects/{made['id']}").status == 404
    assert api.change("project", made["id"], name="x").status == 404


def test_projects_are_found_by_what_they_are(api: IdentityApi) -> None:
    for name, tags in (("one", ["x", "y"]), ("two", ["x"]), ("off", [])):
        api.make("project", name=name, tags=tags, enabled=name != "off")
    for query, names in {
        "": ["admin", "demo", "off", "one", "two"],
        "?name=two": ["two"],
        "?enabled=false": ["off"],
        "?enabled": ["admin", "demo", "one", "two"],
        "?domain_id=default&parent_id=default&name=one": ["one"],
        "?domain_id=other": [],
        "?parent_id=other": [],
        "?is_domain=true": [],
        "?tags=x": ["one", "two"],
        "?tags=x,y": ["one"],
        "?tags-any=x,y": ["one", "two"],
        "?not-tags=x,y": ["admin", "demo", "off", "two"],
        "?not-tags-any=x,y": ["admin", "demo", "off"],
        "?tags=X": [],
        "?nothing=known": ["admin", "demo", "off", "one", "two"],
    }.items():
        assert api.names(f"projects{query}") == names, query
    assert api.ask("GET", "projects?name__contains=o").status == 400


def test_lists_have_pages_for_who_asks_for_them(api: IdentityApi) -> None:
    for number in range(4):
        api.make("project", name=f"p{number}")
    seen, path = [], "projects?limit=2"
    while path:
        listed = api.get(path)
        assert "truncated" not in listed
        seen.append([project["name"] for project in listed["projects"]])
        path = (listed["links"]["next"] or "").partition("/identity/v3/")[2]
    assert seen == [["admin", "demo"], ["p0", "p1"], ["p2", "p3"], []]
    assert api.ask("GET", "users?limit=x").status == 400
    assert api.ask("GET", "users?marker=nobody").status == 404


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({}, 400, "project.name: is required"),
        ({"name": " "}, 400, "project.name: must have more than spaces"),
        ({"name": "x" * 65}, 400, "project.name"),
        ({"name": 7}, 400, "project.name: must be text"),
        ({"name": "demo"}, 409, "project demo already exists"),
        ({"name": "x", "enabled": "perhaps"}, 400, "project.enabled"),
        ({"name": "x", "domain_id": "other"}, 404, "domain other"),
        ({"name": "x", "parent_id": "other"}, 400, "project.parent_id: there is no"),
        ({"name": "x", "is_domain": True}, 400, "project.is_domain: not served"),
        ({"name": "x", "options": {"immutable": True}}, 400, "options.immutable: not served"),
        ({"name": "x", "tags": ["a,b"]}, 400, "project.tags[0]"),
        ({"name": "x", "tags": [f"t{n}" for n in range(81)]}, 400, "at most 80"),
        ({"name": "x", "id": "mine"}, 400, "project.id: can't be set"),
        ({"name": "x", "more": "y" * 20_000}, 400, "project.more"),
    ],
)  # fmt: skip
def test_what_no_project_can_be_is_refused_by_name(
    api: IdentityApi, fields: dict[str, object], status: int, said: str
) -> None:
    reply = api.ask("POST", "projects", {"project": fields})
    assert (reply.status, said in problem_of(reply)) == (status, True), reply


def test_tags_come_and_go_one_by_one(api: IdentityApi) -> None:
    path = f"projects/{api.make('project', name='blue')['id']}/tags"
    assert api.ask("PUT", path, {"tags": ["a", "b", "a"]}).json()["tags"] == ["a", "b"]
    assert api.ask("PUT", f"{path}/c").status == 201
    assert api.ask("PUT", f"{path}/c").status == 201
    assert api.ask("GET", f"{path}/c").status == 204
    assert api.ask("DELETE", f"{path}/a").status == 204
    assert api.ask("DELETE", f"{path}/a").status == 404
    assert api.ask("GET", f"{path}/a").status == 404
    assert api.ask("PUT", f"{path}/a,b").status == 400
    assert api.get(path)["tags"] == ["b", "c"]
    assert api.ask("DELETE", path).status == 204
    assert api.get(path)["tags"] == []
    assert api.ask("PUT", path, {"tags": [f"t{number}" for number in range(80)]}).status == 200
    assert api.ask("PUT", f"{path}/one-more").status == 400


def test_a_project_that_owns_something_is_not_deleted_and_says_what(
    api: IdentityApi, site: Site
) -> None:
    project = api.make("project", name="blue")
    api.a_member("bob", "blue")
    token = api.token_of("bob", "blue")
    made = site.http.request(
        "POST", "/network/v2.0/networks", token=token, body={"network": {"name": "n"}}
    ).json()["network"]
    subnet = {"subnet": {"network_id": made["id"], "ip_version": 4, "cidr": "10.0.0.0/24"}}
    site.http.request("POST", "/network/v2.0/subnets", token=token, body=subnet)
    refused = api.ask("DELETE", f"projects/{project['id']}")
    assert refused.status == 409
    assert problem_of(refused) == "project blue is in use: it still owns 1 networks, 1 subnets"
    assert api.works(token)
    assert site.http.request(
        "DELETE", f"/network/v2.0/networks/{made['id']}", token=token
    ).status == 204  # fmt: skip
    assert api.ask("DELETE", f"projects/{project['id']}").status == 204
    assert not api.works(token)
    assert api.get("role_assignments?scope.project.id=" + project["id"])["role_assignments"] == []


def test_a_disabled_project_lets_nobody_in_and_its_tokens_stay_worthless(api: IdentityApi) -> None:
    project = api.make("project", name="blue")
    api.a_member("bob", "blue")
    token = api.token_of("bob", "blue")
    assert api.change("project", project["id"], enabled=False).status == 200
    assert not api.works(token)
    assert api.log_in(password_login("bob", password_of("bob"), "blue")).status == 401
    assert api.change("project", project["id"], enabled=True).status == 200
    assert not api.works(token)
    assert api.works(api.token_of("bob", "blue"))


def test_a_user_is_made_shown_changed_and_deleted(api: IdentityApi) -> None:
    made = api.make(
        "user", name="bob", password="right", email="bob@example.org", description="who",
        default_project_id=api.id_of("project", "demo"), options={}, enabled=True,
    )  # fmt: skip
    assert {key: made[key] for key in made if key not in ("id", "links", "default_project_id")} == {
        "name": "bob", "email": "bob@example.org", "description": "who", "enabled": True,
        "domain_id": "default", "options": {}, "password_expires_at": None,
    }  # fmt: skip
    assert api.get(f"users/{made['id']}")["user"] == made
    assert api.names("users?name=bob") == ["bob"]
    changed = api.change(
        "user", made["id"], name="rob", email=None, description=None, default_project_id=None
    ).json()["user"]
    assert changed["name"] == "rob"
    assert not {"email", "description", "default_project_id"} & set(changed)
    assert api.log_in(password_login("rob", "right", None)).status == 201
    assert api.get(f"users/{made['id']}/groups")["groups"] == []
    assert api.ask("DELETE", f"users/{made['id']}").status == 204
    assert api.ask("GET", f"users/{made['id']}").status == 404
    assert api.ask("DELETE", f"users/{made['id']}").status == 404
    assert api.log_in(password_login("rob", "right", None)).status == 401


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({}, 400, "user.name: is required"),
        ({"name": ""}, 400, "user.name"),
        ({"name": "demo"}, 409, "user demo already exists"),
        ({"name": "x", "password": ""}, 400, "user.password"),
        ({"name": "x", "password": 7}, 400, "user.password: must be text"),
        ({"name": "x", "domain_id": "other"}, 404, "domain other"),
        ({"name": "x", "default_project_id": "nowhere"}, 404, "project nowhere"),
        ({"name": "x", "options": {"lock_password": True}}, 400, "options.lock_password"),
        ({"name": "x", "password_expires_at": "now"}, 400, "user.password_expires_at"),
    ],
)
def test_what_no_user_can_be_is_refused_by_name(
    api: IdentityApi, fields: dict[str, object], status: int, said: str
) -> None:
    reply = api.ask("POST", "users", {"user": fields})
    assert (reply.status, said in problem_of(reply)) == (status, True), reply


def test_a_user_without_a_password_has_none_that_fits(api: IdentityApi) -> None:
    user = api.make("user", name="robot")
    for guess in ("", " ", "None", "robot"):
        assert api.log_in(password_login("robot", guess, None)).status == 401
    assert api.change("user", user["id"], password="now").status == 200
    assert api.log_in(password_login("robot", "now", None)).status == 201
    assert api.change("user", user["id"], password=None).status == 200
    assert api.log_in(password_login("robot", "now", None)).status == 401


def test_who_is_disabled_or_gets_another_password_is_logged_out_for_good(api: IdentityApi) -> None:
    user = api.a_member("bob", "demo")
    for away, back in (
        ({"enabled": False}, {"enabled": True}),
        ({"password": "new"}, {"password": password_of("bob")}),
    ):
        token = api.token_of("bob", "demo")
        assert api.works(token)
        assert api.change("user", user["id"], **away).status == 200
        assert not api.works(token)
        assert api.log_in(password_login("bob", password_of("bob"), "demo")).status == 401
        assert api.change("user", user["id"], **back).status == 200
        assert not api.works(token)
        assert api.works(api.token_of("bob", "demo"))
    token = api.token_of("bob", "demo")
    assert api.change("user", user["id"], email="b@example.org").status == 200
    assert api.works(token), "nothing that matters has changed"


def change_password(
    api: IdentityApi, user_id: str, old: str, new: str, token: str | None = None
) -> int:
    body = {"user": {"original_password": old, "password": new}}
    return api.ask("POST", f"users/{user_id}/password", body, token=token).status


def test_users_change_their_own_password_by_the_old_one(api: IdentityApi) -> None:
    bob = api.a_member("bob", "demo")["id"]
    eve = api.a_member("eve", "demo")["id"]
    token = api.token_of("bob", "demo")
    assert change_password(api, bob, "wrong", "new", token) == 401
    assert change_password(api, bob, password_of("bob"), "", token) == 400
    assert change_password(api, eve, password_of("eve"), "new", token) == 404
    assert change_password(api, bob, "wrong", "new") == 401, "whoever asks needs it"
    assert api.works(token)
    assert change_password(api, bob, password_of("bob"), "new", token) == 204
    assert not api.works(token)
    assert api.log_in(password_login("bob", password_of("bob"), "demo")).status == 401
    assert api.log_in(password_login("bob", "new", "demo")).status == 201


def test_changing_a_password_is_no_way_to_guess_it(api: IdentityApi) -> None:
    bob = api.a_member("bob", "demo")["id"]
    token = api.token_of("bob", "demo")
    for _ in range(5):
        assert change_password(api, bob, "guess", "new", token) == 401
        assert api.log_in(password_login("bob", "guess", "demo")).status == 401
    assert change_password(api, bob, password_of("bob"), "new", token) == 429
    assert api.log_in(password_login("bob", password_of("bob"), "demo")).status == 429
    by_id = password_login("bob", password_of("bob"), "demo")
    by_id["auth"]["identity"]["password"]["user"] = {"id": bob, "password": password_of("bob")}
    assert api.log_in(by_id).status == 429, "who goes by ID has no more tries"


def test_nobody_is_left_without_an_admin(api: IdentityApi) -> None:
    admin = api.id_of("user", "admin")
    assert api.ask("DELETE", f"users/{admin}").status == 409
    refused = api.change("user", admin, enabled=False)
    assert refused.status == 409
    assert "nobody could log in as an admin" in problem_of(refused)
    assert api.change("user", admin, password=None).status == 409
    assert api.assign("admin", "admin", "system", "DELETE").status == 204
    demo = f"projects/{api.id_of('project', 'demo')}"
    assert api.assign("admin", "admin", demo, "DELETE").status == 204
    own = f"projects/{api.id_of('project', 'admin')}"
    assert api.assign("admin", "admin", own, "DELETE").status == 409
    assert api.ask("DELETE", own).status == 409
    assert api.change("project", api.id_of("project", "admin"), enabled=False).status == 409
    api.a_member("boss", "demo", "admin")
    assert api.ask("DELETE", f"users/{admin}").status == 204


def test_members_make_and_change_nothing_of_this(api: IdentityApi, site: Site) -> None:
    demo = site.token("demo")
    own, project = api.id_of("user", "demo"), api.id_of("project", "demo")
    for method, path, body in (
        ("POST", "projects", {"project": {"name": "x"}}),
        ("PATCH", f"projects/{project}", {"project": {"name": "x"}}),
        ("DELETE", f"projects/{project}", None),
        ("PUT", f"projects/{project}/tags/a", None),
        ("POST", "users", {"user": {"name": "x"}}),
        ("PATCH", f"users/{own}", {"user": {"enabled": True}}),
        ("DELETE", f"users/{own}", None),
        ("POST", "roles", {"role": {"name": "x"}}),
        ("GET", "role_assignments", None),
        ("GET", "services", None),
        ("GET", "endpoints", None),
    ):
        assert api.ask(method, path, body, token=demo).status == 403, (method, path)
    assert api.ask("GET", "projects", token=demo).status == 403
    assert api.names(f"users/{own}/projects", token=demo) == ["demo"]


def test_every_change_is_in_the_audit_trail_and_no_password(api: IdentityApi) -> None:
    project = api.make("project", name="blue")
    user = api.a_member("bob", "blue")
    role = api.make("role", name="painter")
    api.change("project", project["id"], name="navy")
    api.change("user", user["id"], password="SECRET", email="b@example.org")
    api.change("role", role["id"], description="paints")
    change_password(api, user["id"], "SECRET", "SECRETER", api_token(api))
    api.assign("bob", "member", f"projects/{project['id']}", "DELETE")
    for what, made in (("role", role), ("user", user), ("project", project)):
        assert api.ask("DELETE", f"{what}s/{made['id']}").status == 204
    events = [event for event in api.events() if event["actor"] != "system"]
    assert [event["action"] for event in events] == [
        "project.create", "user.create", "role.assign", "role.create", "project.update",
        "user.update", "role.update", "user.change_password", "role.unassign", "role.delete",
        "user.delete", "project.delete",
    ]  # fmt: skip
    assert {event["actor"] for event in events} == {"user admin", "user bob"}
    update = events[5]
    assert update["subject"] == "user bob"
    assert update["details"] == {"user_id": user["id"], "changed": ["password", "extra"]}
    assert events[2]["subject"] == "role member of user bob in project blue"
    assert "SECRET" not in str(events)
    assert "argon2" not in str(events)


def api_token(api: IdentityApi) -> str:
    reply = api.log_in(password_login("bob", "SECRET", "navy"))
    assert reply.status == 201
    return reply.headers["x-subject-token"]


def test_a_deleted_users_servers_stay_and_key_pairs_go(api: IdentityApi, site: Site) -> None:
    user = api.a_member("bob", "demo")
    token = api.token_of("bob", "demo")
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1Jd2l3b3Jkd29yZHdvcmR3b3Jkd29yZHdvcmR3b3Jk x"
    made = site.http.request(
        "POST", "/compute/v2.1/os-keypairs", token=token,
        body={"keypair": {"name": "k", "public_key": key}},
    )  # fmt: skip
    assert made.status in (200, 201), made
    network = site.http.request(
        "POST", "/network/v2.0/networks", token=token, body={"network": {"name": "n"}}
    ).json()["network"]
    assert api.ask("DELETE", f"users/{user['id']}").status == 204
    shown = site.http.request(
        "GET", f"/network/v2.0/networks/{network['id']}", token=site.token("demo")
    )
    assert shown.status == 200
    left = site.svc.store.read(lambda tx: tx._connection.exec_driver_sql(
        "SELECT count(*) FROM key_pairs").scalar())  # fmt: skip
    assert left == 0
    assert site.http.request("GET", TOKENS, token=token).status == 401
