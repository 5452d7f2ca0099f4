"""Images, without their bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Text,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.exc import IntegrityError

from trunkline.domain.errors import AlreadyExists, NotFound
from trunkline.domain.ids import ImageId
from trunkline.domain.image import Image, ImageState, MemberStatus
from trunkline.domain.listing import ListQuery
from trunkline.store.identity_tables import image_members
from trunkline.store.listing import select_page
from trunkline.store.locks import Lock, locked
from trunkline.store.tables import images
from trunkline.wire.json import encode


class Images:
    """Rows of images."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, image_id: str, lock: Lock = Lock.NONE) -> Image | None:
        """Return the image with this ID, if there is one."""
        row = self._connection.execute(
            locked(select(images).where(images.c.id == image_id), lock)
        ).mappings()
        found = row.one_or_none()
        return None if found is None else _image(found)

    def get(self, image_id: str, lock: Lock = Lock.NONE) -> Image:
        """Return the image with this ID; raise `NotFound` if there is none."""
        image = self.find(image_id, lock)
        if image is None:
            raise NotFound("image", image_id)
        return image

    def page(self, query: ListQuery) -> list[Image]:
        """Return one page of images.

        Beside the columns there are the filters `tag` (an image must have all of those given) and
        ``property:NAME``. Community images of others come only when that visibility is asked for,
        and images shared with a project when its `member_status` is one of those asked for:
        unless that is said, those that it accepted.
        """
        conditions: list[ColumnElement[bool]] = []
        if query.visible_to is not None:
            asked = query.equals.get("visibility", ())
            open_to_all = ["public", "community"] if "community" in asked else ["public"]
            shared = select(image_members.c.image_id).where(
                image_members.c.project_id == query.visible_to,
                image_members.c.status.in_(
                    query.equals.get("member_status", (MemberStatus.ACCEPTED.value,))
                ),
            )
            conditions.append(
                or_(
                    images.c.project_id == query.visible_to,
                    images.c.visibility.in_(open_to_all),
                    and_(images.c.visibility == "shared", images.c.id.in_(shared)),
                )
            )
        equals = dict(query.equals)
        equals.pop("member_status", None)
        conditions.extend(_has(images.c.tags, _json(tag)) for tag in equals.pop("tag", ()))
        for name in [name for name in equals if name.startswith("property:")]:
            key = _json(name.removeprefix("property:"))
            wanted = [f"{key}:{_json(value)}" for value in equals.pop(name)]
            conditions.append(or_(*(_has(images.c.properties, pair) for pair in wanted)))
        query = replace(query, equals=equals)
        rows = select_page(self._connection, images, query, what="image", conditions=conditions)
        return [_image(row) for row in rows]

    def insert(self, image: Image) -> None:
        """Store a new image; raise `AlreadyExists` if its ID is taken."""
        try:
            self._connection.execute(insert(images).values(_row(image)))
        except IntegrityError as taken:
            raise AlreadyExists("image", image.id) from taken

    def update(self, image: Image) -> None:
        """Store a changed image, which was read under `Lock.EXCLUSIVE`."""
        self._connection.execute(update(images).where(images.c.id == image.id).values(_row(image)))

    def delete(self, image_id: ImageId) -> None:
        """Delete an image's row."""
        self._connection.execute(delete(images).where(images.c.id == image_id))

    def count_with_bytes(self, sha512: str) -> int:
        """Return how many images share these bytes."""
        count: int | None = self._connection.scalar(
            select(func.count()).select_from(images).where(images.c.sha512 == sha512)
        )
        return count or 0


def _json(value: object) -> str:
    """Render text as it stands in a JSON column: its quotes end it, so no part of it matches."""
    return encode(value).decode()


def _has(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Say whether a JSON column's text has `text` in it. Unlike LIKE, it minds upper case."""
    stored = type_coerce(column, Text)
    return func.replace(stored, text, "") != stored


def _row(image: Image) -> dict[str, Any]:
    return {
        "id": image.id,
        "project_id": image.project_id,
        "name": image.name,
        "state": image.state.value,
        "disk_format": image.disk_format,
        "container_format": image.container_format,
        "visibility": image.visibility,
        "protected": image.protected,
        "hidden": image.hidden,
        "min_disk_gib": image.min_disk_gib,
        "min_ram_mib": image.min_ram_mib,
        "size_bytes": image.size_bytes,
        "md5": image.md5,
        "sha512": image.sha512,
        "tags": image.tags,
        "properties": image.properties,
        "created_at": image.created_at,
        "updated_at": image.updated_at,
    }


def _image(row: RowMapping) -> Image:
    return Image(**dict(row) | {"state": ImageState(row["state"]), "tags": tuple(row["tags"])})
