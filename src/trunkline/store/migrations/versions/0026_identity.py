"""Identity: roles by any name, for projects and the system; application credentials.

Revision ID: 0026
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"

# As the IDs of roles have been since they were first shown; they are the same everywhere.
ROLE_IDS: Final = {
    "admin": "fd78fa906ab4f4487236e4ae4a70362b",
    "manager": "4263d0a8019df999073d019d06d6e112",
    "member": "de935701c2aed208ca4949579a84f2fb",
    "reader": "c1726fce85fd598420946dda1f57ee47",
}


def upgrade() -> None:
    """Make roles rows, and let them be had in more than projects."""
    op.add_column("projects", sa.Column("tags", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("projects", sa.Column("extra", sa.Text(), nullable=False, server_default="{}"))
    op.add_column("users", sa.Column("extra", sa.Text(), nullable=False, server_default="{}"))
    roles = op.create_table(
        "roles",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_roles"),
        sa.UniqueConstraint("name", name="uq_roles_name"),
    )
    op.bulk_insert(
        roles,
        [{"id": id_, "name": name, "description": ""} for name, id_ in ROLE_IDS.items()],
    )
    given = _taken_out("role_assignments")
    issued = _taken_out("tokens")
    _make_credentials()
    _make_assignments(given)
    _make_tokens(issued)


def _taken_out(table: str) -> list[dict[str, Any]]:
    """Return a table's rows and drop it: SQLite can't change what a key is of."""
    rows = op.get_bind().execute(sa.select(sa.text("*")).select_from(sa.table(table))).mappings()
    found = [dict(row) for row in rows]
    op.drop_table(table)
    return found


def _make_assignments(given: list[dict[str, Any]]) -> None:
    table = op.create_table(
        "role_assignments",
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("target", sa.String(36), nullable=False),
        sa.Column("role_id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(36), nullable=True),
        sa.PrimaryKeyConstraint("user_id", "target", "role_id", name="pk_role_assignments"),
        _key("role_assignments", "user_id", "users"),
        _key("role_assignments", "role_id", "roles"),
        _key("role_assignments", "project_id", "projects"),
    )
    op.create_index("ix_role_assignments_target", "role_assignments", ["target"])
    op.create_index("ix_role_assignments_role_id", "role_assignments", ["role_id"])
    if given:
        op.bulk_insert(
            table,
            [
                {
                    "user_id": row["user_id"],
                    "target": row["project_id"],
                    "role_id": ROLE_IDS[row["role"]],
                    "project_id": row["project_id"],
                }
                for row in given
            ],
        )


def _make_credentials() -> None:
    op.create_table(
        "application_credentials",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("unrestricted", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.String(27), nullable=True),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_application_credentials"),
        sa.UniqueConstraint("user_id", "name", name="uq_application_credentials_user_id_name"),
        _key("application_credentials", "user_id", "users"),
        _key("application_credentials", "project_id", "projects"),
    )
    op.create_index(
        "ix_application_credentials_project_id", "application_credentials", ["project_id"]
    )
    op.create_table(
        "application_credential_roles",
        sa.Column("credential_id", sa.String(36), nullable=False),
        sa.Column("role_id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("credential_id", "role_id", name="pk_application_credential_roles"),
        _key("application_credential_roles", "credential_id", "application_credentials"),
        _key("application_credential_roles", "role_id", "roles"),
    )
    op.create_index(
        "ix_application_credential_roles_role_id", "application_credential_roles", ["role_id"]
    )


def _make_tokens(issued: list[dict[str, Any]]) -> None:
    table = op.create_table(
        "tokens",
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("target", sa.String(36), nullable=True),
        sa.Column("application_credential_id", sa.String(36), nullable=True),
        sa.Column("issued_at", sa.String(27), nullable=False),
        sa.Column("expires_at", sa.String(27), nullable=False),
        sa.Column("methods", sa.Text(), nullable=False),
        sa.Column("audit_id", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name="pk_tokens"),
        _key("tokens", "user_id", "users"),
        _key("tokens", "application_credential_id", "application_credentials"),
    )
    for column in ("user_id", "target", "application_credential_id", "expires_at"):
        op.create_index(f"ix_tokens_{column}", "tokens", [column])
    if issued:
        op.bulk_insert(
            table,
            [
                {name: value for name, value in row.items() if name != "project_id"}
                | {"target": row["project_id"], "application_credential_id": None}
                for row in issued
            ],
        )


def _key(table: str, column: str, of: str) -> sa.ForeignKeyConstraint:
    """Return the reference that goes with the row it names."""
    return sa.ForeignKeyConstraint(
        [column], [f"{of}.id"], name=f"fk_{table}_{column}", ondelete="CASCADE"
    )
