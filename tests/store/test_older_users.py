"""Users and projects of an older schema, read by this version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import text

from tests.store.test_schema import at_revision
from trunkline.domain.errors import AlreadyExists
from trunkline.domain.identity import DEFAULT_DOMAIN
from trunkline.domain.ids import DomainId, RoleTarget, UserId
from trunkline.store.schema import open_store

# Of everything that refers to users and projects, and is gone when they are.
ROWS = """
INSERT INTO domains (id, name, description, enabled, extra) VALUES ('d', 'shop', '', true, '{}');
INSERT INTO projects (id, name, domain_id, parent_id, description, enabled, tags, extra)
  VALUES ('p', 'dev', 'default', NULL, 'd', true, '["a"]', '{}'),
         ('below', 'sub', 'default', 'p', '', false, '[]', '{}');
INSERT INTO users (id, name, password_hash, domain_id, enabled, default_project_id, extra)
  VALUES ('u', 'ann', 'hash', 'default', true, 'p', '{"c": 2}');
INSERT INTO role_assignments (user_id, target, role_id, project_id)
  SELECT 'u', 'p', id, 'p' FROM roles WHERE name = 'member';
INSERT INTO application_credentials (id, user_id, project_id, name, description, secret_hash,
                                     unrestricted, expires_at, created_at)
  VALUES ('c', 'u', 'p', 'deploy', '', 'h', false, NULL, '2026-01-01T00:00:00.000000Z')
"""


def test_users_and_projects_made_before_are_of_the_default_domain(
    new_url: Callable[[], str],
) -> None:
    url = new_url()
    with at_revision(url, "0030") as connection:
        connection.execute(
            text("INSERT INTO projects (id, name, description, enabled, tags, extra)"
                 " VALUES ('p', 'old', '', true, '[]', '{}')")
        )  # fmt: skip
        connection.execute(
            text("INSERT INTO users (id, name, password_hash, enabled, extra)"
                 " VALUES ('u', 'ann', '', true, '{}')")
        )  # fmt: skip
    store = open_store(url)
    [user] = store.read(lambda tx: tx.identity.users_named("ann"))
    [project] = store.read(lambda tx: tx.identity.projects_named("old"))
    assert user.domain_id == DEFAULT_DOMAIN
    assert (project.domain_id, project.parent_id) == (DEFAULT_DOMAIN, None)
    assert store.read(lambda tx: tx.domains.names()) == {DEFAULT_DOMAIN: "Default"}
    assert store.read(lambda tx: tx.user_groups.of_user(user.id)) == []
    store.close()


def test_names_of_before_can_be_had_in_other_domains_and_nothing_is_lost_with_the_change(
    new_url: Callable[[], str],
) -> None:
    url = new_url()
    with at_revision(url, "0036") as connection:
        for statement in ROWS.split(";"):
            connection.execute(text(statement))
    store = open_store(url)
    [user] = store.read(lambda tx: tx.identity.users_named("ann"))
    project = store.read(lambda tx: tx.identity.find_project(project_id="p"))
    below = store.read(lambda tx: tx.identity.find_project(project_id="below"))
    assert project is not None
    assert below is not None
    assert (user.password_hash, user.default_project_id, user.extra) == ("hash", "p", {"c": 2})
    assert (project.description, project.tags) == ("d", ("a",))
    assert (below.parent_id, below.enabled) == ("p", False)
    given = store.read(lambda tx: tx.roles.given(user.id, RoleTarget("p")))
    assert [role.name for role in given] == ["member"]
    assert store.read(lambda tx: tx.application_credentials.find("c")) is not None
    shop = DomainId("d")
    namesake = replace(user, id=UserId("u2"), domain_id=shop)
    store.write(lambda tx: tx.identity.insert_user(namesake))
    with pytest.raises(AlreadyExists):
        store.write(lambda tx: tx.identity.insert_user(replace(namesake, id=UserId("u3"))))
    store.write(lambda tx: tx.identity.delete_user(user.id))  # What refers to it goes with it, …
    assert store.read(lambda tx: tx.application_credentials.find("c")) is None  # … as it did.
    store.close()
