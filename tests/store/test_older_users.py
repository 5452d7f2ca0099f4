"""Users and projects of an older schema, read by this version."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import text

from tests.store.test_schema import at_revision
from trunkline.domain.identity import DEFAULT_DOMAIN
from trunkline.store.schema import open_store


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
    user = store.read(lambda tx: tx.identity.find_user(name="ann"))
    project = store.read(lambda tx: tx.identity.find_project(name="old"))
    assert user is not None
    assert user.domain_id == DEFAULT_DOMAIN
    assert project is not None
    assert (project.domain_id, project.parent_id) == (DEFAULT_DOMAIN, None)
    assert store.read(lambda tx: tx.domains.names()) == {DEFAULT_DOMAIN: "Default"}
    assert store.read(lambda tx: tx.user_groups.of_user(user.id)) == []
    store.close()
