"""Projects, users, roles, credentials by the unmodified `openstack` command and SDK, over TCP."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import OpenStack
from tests.support.clock import a_clock_for_clients
from tests.support.http_app import Site, a_site, served, write_clouds


@dataclass(frozen=True)
class Office:
    """An admin at the command line."""

    site: Site
    home: Path
    openstack: OpenStack
    run_with_sdk: Callable[..., subprocess.CompletedProcess[str]]

    def run(self, *args: str, cloud: str = "trunkline") -> str:
        return self.openstack(self.home, *args, cloud=cloud, check=True).stdout

    def show(self, *args: str, cloud: str = "trunkline") -> Any:
        return json.loads(self.run(*args, "-f", "json", cloud=cloud))

    def fail(self, *args: str, cloud: str = "trunkline") -> str:
        done = self.openstack(self.home, *args, cloud=cloud)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def add_cloud(self, name: str, auth: dict[str, str], **more: str) -> None:
        """Add an entry to clouds.yaml, at the same service."""
        file = self.home / "clouds.yaml"
        clouds = json.loads(file.read_text())
        known = clouds["clouds"]["trunkline"]
        entry = {**known, "auth": {"auth_url": known["auth"]["auth_url"], **auth}, **more}
        clouds["clouds"][name] = entry
        file.write_text(json.dumps(clouds))

    def add_user_cloud(self, user: str, password: str, project: str) -> None:
        auth = {
            "username": user, "password": password, "project_name": project,
            "user_domain_id": "default", "project_domain_id": "default",
        }  # fmt: skip
        self.add_cloud(user, auth)


@pytest.fixture(scope="module")
def office(
    tmp_path_factory: pytest.TempPathFactory,
    openstack: OpenStack,
    run_with_sdk: Callable[..., subprocess.CompletedProcess[str]],
) -> Iterator[Office]:
    home = tmp_path_factory.mktemp("office")
    with a_site(home, clock=a_clock_for_clients()) as site, served(site.app) as url:
        write_clouds(home, url, site.passwords)
        yield Office(site, home, openstack, run_with_sdk)


def test_a_project_from_its_creation_to_its_end(office: Office) -> None:
    made = office.show(
        "project", "create", "blue", "--description", "theirs", "--tag", "a", "--tag", "b",
        "--property", "cost=7",
    )  # fmt: skip
    assert (made["name"], made["description"], made["enabled"]) == ("blue", "theirs", True)
    assert sorted(made["tags"]) == ["a", "b"]
    assert office.show("project", "create", "blue", "--or-show")["id"] == made["id"]
    assert "blue" in office.fail("project", "create", "blue")
    office.run("project", "set", "blue", "--name", "navy", "--disable", "--tag", "c")
    office.run("project", "set", "navy", "--remove-tag", "a")
    shown = office.show("project", "show", "navy")
    assert (shown["enabled"], sorted(shown["tags"])) == (False, ["b", "c"])
    assert [each["Name"] for each in office.show("project", "list", "--disabled")] == ["navy"]
    listed = office.show("project", "list", "--long", "--tags", "b")
    assert [each["Name"] for each in listed] == ["navy"]
    assert [each["Name"] for each in office.show("project", "list", "--my-projects")] == [
        "admin", "demo",
    ]  # fmt: skip
    office.run("project", "delete", "navy")
    assert "navy" in office.fail("project", "show", "navy")
    below = office.show("project", "create", "x", "--parent", "demo")
    assert below["parent_id"] == office.show("project", "show", "demo")["id"]


def test_a_project_that_is_in_use_says_by_what(office: Office) -> None:
    office.run("project", "create", "busy")
    office.run("role", "add", "--project", "busy", "--user", "admin", "member")
    office.run("--os-project-name", "busy", "network", "create", "theirs")
    refused = office.fail("project", "delete", "busy")
    assert "still owns 1 networks" in refused or "still owns" in refused
    office.run("--os-project-name", "busy", "network", "delete", "theirs")


def test_a_user_from_its_creation_to_its_end(office: Office) -> None:
    made = office.show(
        "user", "create", "bob", "--password", "right", "--email", "b@example.org",
        "--description", "who", "--project", "demo",
    )  # fmt: skip
    assert (made["name"], made["email"], made["enabled"]) == ("bob", "b@example.org", True)
    assert made["description"] == "who"
    office.run("role", "add", "--project", "demo", "--user", "bob", "member")
    office.add_user_cloud("bob", "right", "demo")
    assert office.show("token", "issue", cloud="bob")["user_id"] == made["id"]
    office.run(
        "user", "password", "set", "--original-password", "right", "--password", "better",
        cloud="bob",
    )  # fmt: skip
    assert "authentication" in office.fail("token", "issue", cloud="bob")
    office.add_user_cloud("bob", "better", "demo")
    assert office.show("token", "issue", cloud="bob")["user_id"] == made["id"]
    assert "authentication" in office.fail(
        "user", "password", "set", "--original-password", "wrong", "--password", "x", cloud="bob"
    )
    office.run("user", "set", "bob", "--name", "rob", "--email", "r@example.org")
    office.run("user", "set", "rob", "--disable")
    shown = office.show("user", "show", "rob")
    assert (shown["email"], shown["enabled"]) == ("r@example.org", False)
    assert "rob" in {each["Name"] for each in office.show("user", "list", "--long")}
    assert {each["Name"] for each in office.show("user", "list", "--project", "demo")} == {
        "admin", "demo", "reader", "rob",
    }  # fmt: skip
    office.run("user", "delete", "rob")
    assert "rob" in office.fail("user", "show", "rob")
    assert "admin" in office.fail("user", "delete", "admin")


def test_roles_are_made_given_listed_and_taken(office: Office) -> None:
    made = office.show("role", "create", "painter", "--description", "paints")
    assert (made["name"], made["description"]) == ("painter", "paints")
    office.run("user", "create", "ann")
    office.run("role", "add", "--project", "demo", "--user", "ann", "painter")
    office.run("role", "add", "--system", "all", "--user", "ann", "reader")
    office.run("role", "add", "--domain", "default", "--user", "ann", "reader")
    listed = office.show("role", "assignment", "list", "--user", "ann", "--names")
    assert {(each["Role"], each["Project"], each["Domain"], each["System"]) for each in listed} == {
        ("painter", "demo@Default", "", ""), ("reader", "", "", "all"),
        ("reader", "", "Default", ""),
    }  # fmt: skip
    by_role = office.show("role", "assignment", "list", "--role", "painter", "--names")
    assert [each["User"] for each in by_role] == ["ann@Default"]
    of_system = office.show("role", "assignment", "list", "--system", "all", "--names")
    assert {each["User"] for each in of_system} == {"admin@Default", "ann@Default"}
    effective = office.show(
        "role", "assignment", "list", "--user", "demo", "--project", "demo", "--effective",
        "--names",
    )  # fmt: skip
    assert {each["Role"] for each in effective} == {"member", "reader"}
    office.run("role", "remove", "--project", "demo", "--user", "ann", "painter")
    office.run("role", "remove", "--system", "all", "--user", "ann", "reader")
    office.run("role", "set", "painter", "--name", "drawer")
    assert office.show("role", "show", "drawer")["id"] == made["id"]
    office.run("role", "delete", "drawer")
    assert "drawer" in office.fail("role", "show", "drawer")
    assert "member" in office.fail("role", "delete", "member")
    implied = office.show("implied", "role", "list")
    assert {(each["Prior Role Name"], each["Implied Role Name"]) for each in implied} == {
        ("admin", "manager"), ("manager", "member"), ("member", "reader"),
    }  # fmt: skip
    office.run("user", "delete", "ann")


def test_an_application_credential_is_made_used_and_deleted(office: Office) -> None:
    made = office.show(
        "application", "credential", "create", "deploy", "--role", "reader", "--description", "CI",
        "--expiration", "2100-01-01T00:00:00", cloud="trunkline-demo",
    )  # fmt: skip
    values = {key.lower().replace(" ", "_"): value for key, value in made.items()}
    assert [role["name"] for role in values["roles"]] == ["reader"]
    listed = office.show("application", "credential", "list", cloud="trunkline-demo")
    assert [each["Name"] for each in listed] == ["deploy"]
    shown = office.run("application", "credential", "show", "deploy", cloud="trunkline-demo")
    assert values["secret"] not in shown
    auth = {
        "application_credential_id": values["id"],
        "application_credential_secret": values["secret"],
    }
    office.add_cloud("ci", auth, auth_type="v3applicationcredential")
    assert office.show("network", "list", cloud="ci") == []
    assert "network" in office.fail("network", "create", "x", cloud="ci")
    assert "application credentials" in office.fail(
        "application", "credential", "create", "more", cloud="ci"
    )
    by_name = {
        "application_credential_name": "deploy",
        "application_credential_secret": values["secret"],
        "username": "demo",
        "user_domain_id": "default",
    }
    office.add_cloud("ci-by-name", by_name, auth_type="v3applicationcredential")
    assert office.show("network", "list", cloud="ci-by-name") == []
    office.run("application", "credential", "delete", "deploy", cloud="trunkline-demo")
    assert "authentication" in office.fail("network", "list", cloud="ci")


def test_an_application_credential_with_access_rules_does_what_they_allow(office: Office) -> None:
    rules = json.dumps([
        {"service": "network", "method": "GET", "path": "/v2.0/networks"},
        {"service": "network", "method": "GET", "path": "/network/v2.0/networks/{network}"},
        {"service": "network", "method": "POST", "path": "/v2.0/networks"},
    ])  # fmt: skip
    demo = {"cloud": "trunkline-demo"}
    made = office.show(
        "application", "credential", "create", "narrow", "--access-rules", rules, **demo
    )
    auth = {
        "application_credential_id": made["ID"],
        "application_credential_secret": made["Secret"],
    }
    office.add_cloud("narrow", auth, auth_type="v3applicationcredential")
    office.run("network", "create", "thin", cloud="narrow")
    assert office.show("network", "show", "thin", cloud="narrow")["name"] == "thin"
    assert "access rule" in office.fail("network", "delete", "thin", cloud="narrow")
    assert "access rule" in office.fail("port", "list", cloud="narrow")
    assert "access rule" in office.fail("server", "list", cloud="narrow")
    office.run("network", "delete", "thin", **demo)

    listed = office.show("access", "rule", "list", **demo)
    assert {(each["Service"], each["Method"]) for each in listed} == {
        ("network", "GET"), ("network", "POST"),
    }  # fmt: skip
    rule = listed[0]
    assert office.show("access", "rule", "show", rule["ID"], **demo)["Path"] == rule["Path"]
    office.fail("access", "rule", "delete", rule["ID"], **demo)
    office.run("application", "credential", "delete", "narrow", **demo)
    for each in listed:
        office.run("access", "rule", "delete", each["ID"], **demo)
    assert office.show("access", "rule", "list", **demo) == []


def test_the_catalog_and_what_there_is_one_of(office: Office) -> None:
    assert [each["Name"] for each in office.show("domain", "list")] == ["Default"]
    assert office.show("domain", "show", "default")["name"] == "Default"
    assert [each["Region"] for each in office.show("region", "list")] == ["RegionOne"]
    services = office.show("service", "list", "--long")
    assert {each["Type"] for each in services} == {
        "identity", "compute", "network", "image", "placement",
    }  # fmt: skip
    endpoints = office.show("endpoint", "list", "--service", "compute", "--interface", "public")
    assert [each["URL"].rpartition("/compute")[2] for each in endpoints] == ["/v2.1"]
    assert office.show("endpoint", "show", endpoints[0]["ID"])["service_type"] == "compute"
    assert office.show("service", "show", "network")["name"] == "neutron"
    assert "endpoints" in office.show("catalog", "show", "compute")
    assert office.show("group", "list") == []


def test_a_token_of_the_system_works_with_the_client(office: Office) -> None:
    password = office.site.passwords.admin
    auth = {"username": "admin", "password": password, "user_domain_id": "default",
            "system_scope": "all"}  # fmt: skip
    office.add_cloud("system", auth)
    assert {each["Name"] for each in office.show("role", "list", cloud="system")} >= {"admin"}
    assert "project_id" not in office.show("token", "issue", cloud="system")


def test_the_sdk_and_what_terraform_asks(office: Office) -> None:
    script = """
import openstack
cloud = openstack.connect()
identity = cloud.identity
project = identity.create_project(name="sdk", description="d", is_enabled=True, tags=["t"])
user = identity.create_user(name="sdk", password="p", default_project_id=project.id, email="e@x")
assert user.email == "e@x", user
role = identity.find_role("member", ignore_missing=False)
identity.assign_project_role_to_user(project, user, role)
assert identity.validate_user_has_project_role(project, user, role)
(given,) = identity.role_assignments(user_id=user.id)
assert given.scope["project"]["id"] == project.id and given.role["id"] == role.id
(given,) = identity.role_assignments_filter(user=user, project=project)
assert given.id == role.id
identity.update_project(project, description="other", is_enabled=True)
identity.update_user(user, description="other")
assert identity.get_user(user).description == "other"
assert [p.name for p in identity.projects(tags="t")] == ["sdk"]
assert {p.name for p in identity.projects(limit=1)} >= {"admin", "demo", "sdk"}
assert cloud.get_user("sdk").id == user.id
assert cloud.list_role_assignments(filters={"user": user.id})
identity.unassign_project_role_from_user(project, user, role)
assert not identity.validate_user_has_project_role(project, user, role)
me = cloud.current_user_id
made = identity.create_application_credential(me, "tf", roles=[{"name": "reader"}])
assert made.secret and made.project_id == cloud.current_project_id
assert identity.get_application_credential(me, made.id).name == "tf"
identity.delete_application_credential(me, made)
identity.delete_user(user)
identity.delete_project(project)
assert identity.find_project("sdk") is None
print("done")
"""
    done = office.run_with_sdk(office.home, script)
    assert done.stdout.strip() == "done", done.stderr
