"""The projects that images are shared with."""

from __future__ import annotations

from sqlalchemy import (
    Connection,
    RowMapping,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from trunkline.domain.errors import AlreadyExists
from trunkline.domain.ids import ImageId, ProjectId
from trunkline.domain.image import ImageMember, MemberStatus
from trunkline.store.identity_tables import image_members

_C = image_members.c


class ImageMembers:
    """Rows of members."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of_image(self, image_id: ImageId) -> list[ImageMember]:
        """Return all members, the oldest first."""
        rows = self._connection.execute(
            select(image_members)
            .where(_C.image_id == image_id)
            .order_by(_C.created_at, _C.project_id)
        )
        return [_member(row) for row in rows.mappings()]

    def find(self, image_id: ImageId, project_id: str) -> ImageMember | None:
        """Return one, if the image is shared with the project."""
        row = self._connection.execute(
            select(image_members).where(_C.image_id == image_id, _C.project_id == project_id)
        ).mappings()
        found = row.one_or_none()
        return None if found is None else _member(found)

    def insert(self, member: ImageMember) -> None:
        """Store a new one; raise `AlreadyExists` if the project is a member."""
        try:
            self._connection.execute(
                insert(image_members).values(
                    image_id=member.image_id,
                    project_id=member.project_id,
                    status=member.status.value,
                    created_at=member.created_at,
                    updated_at=member.updated_at,
                )
            )
        except IntegrityError as taken:
            raise AlreadyExists("member", f"{member.project_id} of {member.image_id}") from taken

    def update(self, member: ImageMember) -> bool:
        """Store a member's status; return False if it is none any more."""
        changed = self._connection.execute(
            update(image_members)
            .where(_C.image_id == member.image_id, _C.project_id == member.project_id)
            .values(status=member.status.value, updated_at=member.updated_at)
        )
        return changed.rowcount == 1

    def delete(self, image_id: ImageId, project_id: ProjectId) -> bool:
        """Delete one; return False if there was none."""
        gone = self._connection.execute(
            delete(image_members).where(_C.image_id == image_id, _C.project_id == project_id)
        )
        return gone.rowcount == 1


def _member(row: RowMapping) -> ImageMember:
    return ImageMember(**dict(row) | {"status": MemberStatus(row["status"])})
