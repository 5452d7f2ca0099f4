"""Roles given behind the API's back, for tests about something else."""

from __future__ import annotations

from trunkline.domain.identity import HolderKind, Role, RoleAssignment, RoleHolder
from trunkline.domain.ids import ProjectId, RoleId, RoleTarget, UserId
from trunkline.store.transaction import Transaction


def give_role(tx: Transaction, user_id: UserId, project_id: ProjectId, name: str) -> None:
    """Give a user a role in a project; the role is made if there is none of that name."""
    found = tx.roles.named([name])
    if not found:
        found = [Role(id=RoleId(f"id of {name}"), name=name)]
        tx.roles.insert(found[0])
    holder = RoleHolder(HolderKind.USER, user_id)
    tx.roles.grant(
        RoleAssignment(holder=holder, role_id=found[0].id, target=RoleTarget(project_id))
    )
