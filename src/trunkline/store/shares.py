"""Shares: with which projects networks, QoS policies and security groups are shared."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    delete,
    exists,
    insert,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from trunkline.domain.errors import AlreadyExists, NotFound
from trunkline.domain.ids import ProjectId
from trunkline.domain.listing import ListQuery
from trunkline.domain.sharing import EVERYBODY, Share, SharedKind
from trunkline.store.listing import select_page
from trunkline.store.locks import Lock, locked
from trunkline.store.prepared import Row
from trunkline.store.security_group_tables import security_group_ports
from trunkline.store.share_tables import shares
from trunkline.store.tables import networks, ports


def is_shared_with(object_id: ColumnElement[Any], project_id: str) -> ColumnElement[bool]:
    """Say, in SQL, whether what has this ID is shared with a project, or with everybody."""
    return exists().where(
        shares.c.object_id == object_id, shares.c.target.in_((project_id, EVERYBODY))
    )


def is_seen_as_shared(
    table: Table, wanted: Collection[object], viewer: str | None
) -> ColumnElement[bool]:
    """Say, in SQL, whether a thing that a project sees is shown to it as shared, or as not.

    What is another project's and seen at all is. Admins (None) see what is so with everybody.
    """
    shown: ColumnElement[bool] = table.c.shared.is_(True)
    if viewer is not None:
        shown = or_(shown, table.c.project_id != viewer)
    return or_(*(shown if value else not_(shown) for value in wanted))


class Shares:
    """Rows of shares."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, share_id: str, lock: Lock = Lock.NONE) -> Share:
        """Return the share with this ID; raise `NotFound` if there is none."""
        statement = locked(select(shares).where(shares.c.id == share_id), lock)
        row = self._connection.execute(statement).mappings().one_or_none()
        if row is None:
            raise NotFound("RBAC policy", share_id)
        return _share(row)

    def page(self, query: ListQuery) -> list[Share]:
        """Return one page of shares: to a project those of what is its own."""
        conditions = []
        if query.visible_to is not None:
            conditions.append(shares.c.project_id == query.visible_to)
        rows = select_page(
            self._connection, shares, query, what="RBAC policy", conditions=conditions
        )
        return [_share(row) for row in rows]

    def targets_of(self, object_id: str) -> set[str]:
        """Return with whom a thing is shared."""
        statement = select(shares.c.target).where(shares.c.object_id == object_id)
        return set(self._connection.scalars(statement))

    def is_shared_with(self, object_id: str, project_id: str) -> bool:
        """Say whether a thing is shared with a project, or with everybody."""
        statement = select(shares.c.id).where(
            shares.c.object_id == object_id, shares.c.target.in_((project_id, EVERYBODY))
        )
        return self._connection.scalar(statement.limit(1)) is not None

    def projects_using(self, kind: SharedKind, object_id: str) -> set[ProjectId]:
        """Return whose ports or networks use a thing."""
        match kind:
            case SharedKind.NETWORK:
                used = [select(ports.c.project_id).where(ports.c.network_id == object_id)]
            case SharedKind.QOS_POLICY:
                used = [
                    select(table.c.project_id).where(table.c.qos_policy_id == object_id)
                    for table in (networks, ports)
                ]
            case SharedKind.SECURITY_GROUP:
                used = [
                    select(ports.c.project_id)
                    .join(security_group_ports, security_group_ports.c.port_id == ports.c.id)
                    .where(security_group_ports.c.group_id == object_id)
                ]
        return {
            ProjectId(project_id)
            for statement in used
            for project_id in self._connection.scalars(statement.distinct())
        }

    def insert(self, share: Share) -> None:
        """Store a new share; raise `AlreadyExists` if there is one of the thing for the target."""
        row = {
            "id": share.id, "kind": share.kind.value, "object_id": share.object_id,
            "target": share.target, "project_id": share.project_id,
        }  # fmt: skip
        try:
            self._connection.execute(insert(shares).values(row))
        except IntegrityError as taken:
            raise AlreadyExists("RBAC policy", f"{share.object_id} for {share.target}") from taken

    def update(self, share: Share) -> None:
        """Store a share's other target; raise `AlreadyExists` if there is one for it."""
        statement = update(shares).where(shares.c.id == share.id).values(target=share.target)
        try:
            self._connection.execute(statement)
        except IntegrityError as taken:
            raise AlreadyExists("RBAC policy", f"{share.object_id} for {share.target}") from taken

    def delete(self, share: Share) -> None:
        """Share a thing no more in this way."""
        self._connection.execute(delete(shares).where(shares.c.id == share.id))

    def delete_with(self, object_id: str, target: str) -> None:
        """Share a thing no more with this target."""
        self._connection.execute(
            delete(shares).where(shares.c.object_id == object_id, shares.c.target == target)
        )

    def forget(self, object_id: str) -> None:
        """Delete the shares of a thing that is gone."""
        self._connection.execute(delete(shares).where(shares.c.object_id == object_id))


def _share(row: Row) -> Share:
    return Share(**dict(row) | {"kind": SharedKind(row["kind"])})
