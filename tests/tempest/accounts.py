"""Accounts for tempest to take: projects, each with a user of each role."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trunkline.bootstrap.directory import DATABASE
from trunkline.bootstrap.real import RandomIds
from trunkline.control.passwords import Passwords
from trunkline.domain.identity import DEFAULT_ROLES, Project, User
from trunkline.domain.ids import ProjectId, UserId
from trunkline.store.schema import open_store
from trunkline.store.transaction import Transaction

PASSWORD = "tempest-tries"


def make_accounts(data: Path, projects: int) -> list[dict[str, Any]]:
    """Make projects with their users; return these as tempest's accounts file has them."""
    ids = RandomIds()
    password_hash = Passwords().hash(PASSWORD)
    project_ids = {f"tempest-{number}": ids.new_id() for number in range(projects)}
    users = [
        (f"{name}-{role}", role, name, ids.new_id())
        for name in project_ids
        for role in DEFAULT_ROLES
    ]

    def write(tx: Transaction) -> None:
        for name, project_id in project_ids.items():
            tx.identity.insert_project(Project(id=ProjectId(project_id), name=name))
        for name, role, project, user_id in users:
            user = User(id=UserId(user_id), name=name, password_hash=password_hash)
            tx.identity.insert_user(user)
            tx.identity.grant(user.id, ProjectId(project_ids[project]), {role})

    store = open_store(f"sqlite:///{data.absolute() / DATABASE}")
    try:
        store.write(write)
    finally:
        store.close()
    return [
        {
            "username": name,
            "password": PASSWORD,
            "project_name": project,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
            "domain_name": "Default",
            "roles": [role],
            "types": ["admin"] if role == "admin" else [],
        }
        for name, role, project, _ in users
    ]
