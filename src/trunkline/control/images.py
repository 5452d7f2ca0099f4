"""Images: everything but their bytes, which are in `control.image_files`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from trunkline.control import audit
from trunkline.control.access import of_project, require, require_change, require_seen, visible_by
from trunkline.control.image_files import ImageFiles
from trunkline.control.services import Services
from trunkline.domain.errors import Forbidden, InUse, LimitReached
from trunkline.domain.identity import Caller
from trunkline.domain.ids import ImageId, ProjectId
from trunkline.domain.image import IMAGE, Image
from trunkline.domain.listing import ListQuery
from trunkline.domain.policy import image_rules as rules
from trunkline.domain.policy.rule import Rule
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction

PROPERTIES_MAX: Final = 128  # Glance's default image_property_quota.
TAGS_MAX: Final = 128  # Glance's default image_tag_quota.
SEEN_BY_ALL: Final = frozenset({"public", "community"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCreate:
    """A new image, as yet without bytes."""

    id: ImageId | None = None  # None: a new one.
    project_id: ProjectId | None = None  # None: the caller's. Another: admins only.
    name: str | None = None
    disk_format: str | None = None
    container_format: str | None = None
    visibility: str = "shared"
    protected: bool = False
    hidden: bool = False
    min_disk_gib: int = 0
    min_ram_mib: int = 0
    tags: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)


def create_image(svc: Services, caller: Caller, wanted: ImageCreate) -> Image:
    """Make an image known; its bytes are uploaded next."""
    project_id = wanted.project_id or caller.own_project
    require(caller, rules.CREATE_IMAGE, of_project(project_id))
    now = svc.clock.now()
    image = Image(
        id=wanted.id or ImageId(svc.ids.new_id()),
        project_id=project_id,
        name=wanted.name,
        state=IMAGE.initial,
        created_at=now,
        updated_at=now,
        disk_format=wanted.disk_format,
        container_format=wanted.container_format,
        visibility=wanted.visibility,
        protected=wanted.protected,
        hidden=wanted.hidden,
        min_disk_gib=wanted.min_disk_gib,
        min_ram_mib=wanted.min_ram_mib,
        tags=wanted.tags,
        properties=wanted.properties,
    )
    _require_allowed(caller, None, image)

    def write(tx: Transaction) -> Image:
        tx.images.insert(image)
        audit.record(
            tx,
            audit.actor_of(caller),
            now,
            "image.create",
            f"image {image.id}",
            project_id=image.project_id,
            details={"name": image.name},
        )
        return image

    return svc.store.write(write)


def get_image(svc: Services, caller: Caller, image_id: str) -> Image:
    """Return an image that the caller may see."""
    return svc.store.read(lambda tx: _visible(tx, caller, image_id))


def list_images(svc: Services, caller: Caller, query: ListQuery) -> list[Image]:
    """Return one page of the images that the caller may see.

    Community images are listed only for those who ask for them by visibility, as in Glance.
    """
    query = replace(query, visible_to=visible_by(caller, rules.LIST_IMAGES))
    return svc.store.read(lambda tx: tx.images.page(query))


def update_image(
    svc: Services, caller: Caller, image_id: str, change: Callable[[Image], Image]
) -> Image:
    """Store what `change` makes of an image; it may be called more than once."""

    def write(tx: Transaction) -> Image:
        before = _owned(tx, caller, image_id, rules.UPDATE_IMAGE)
        after = replace(change(before), updated_at=svc.clock.now())
        _require_allowed(caller, before, after)
        tx.images.update(after)
        audit.record(
            tx,
            audit.actor_of(caller),
            after.updated_at,
            "image.update",
            f"image {image_id}",
            project_id=after.project_id,
        )
        return after

    return svc.store.write(write)


def delete_image(svc: Services, caller: Caller, image_id: str) -> None:
    """Delete an image, and its bytes if no other image shares them."""

    def write(tx: Transaction) -> str | None:
        image = _owned(tx, caller, image_id, rules.DELETE_IMAGE)
        if image.protected:
            raise Forbidden(f"deleting image {image_id}, which is protected")
        count = tx.servers.count_using_image(image.id)
        if count:
            raise InUse("image", image_id, f"{count} servers were made from it")
        tx.images.delete(image.id)
        audit.record(
            tx,
            audit.actor_of(caller),
            svc.clock.now(),
            "image.delete",
            f"image {image_id}",
            project_id=image.project_id,
            details={"name": image.name},
        )
        shared = image.sha512 is None or tx.images.count_with_bytes(image.sha512)
        return None if shared else image.sha512

    files = ImageFiles(svc.images_dir)
    with files.exclusive():  # An upload of the same bytes must not count on a file that goes now.
        unused = svc.store.write(write)
        if unused is not None:
            files.delete(unused)


def _visible(tx: Transaction, caller: Caller, image_id: str) -> Image:
    image = tx.images.get(image_id)
    shared, target = image.visibility in SEEN_BY_ALL, of_project(image.project_id)
    require_seen(caller, rules.SHOW_IMAGE, target, "image", image_id, shared=shared)
    return image


def _owned(tx: Transaction, caller: Caller, image_id: str, rule: Rule) -> Image:
    """Return an image that `rule` lets the caller change, locked."""
    image = tx.images.get(image_id, Lock.EXCLUSIVE)
    shared, target = image.visibility in SEEN_BY_ALL, of_project(image.project_id)
    require_change(caller, rule, target, "image", image_id, see=rules.SHOW_IMAGE, shared=shared)
    return image


def _require_allowed(caller: Caller, before: Image | None, after: Image) -> None:
    """Refuse what only admins may do, and more than the limits allow."""
    if after.visibility == "public" and (before is None or before.visibility != "public"):
        require(caller, rules.PUBLICIZE_IMAGE, of_project(after.project_id))
    # Servers were made from its bytes as what they were said to be.
    has_bytes = before is not None and before.state is not IMAGE.initial
    if before is not None and has_bytes and _formats(before) != _formats(after):
        raise Forbidden("changing the format of an image that has its bytes")
    if before is not None and after.project_id != before.project_id:
        require(caller, rules.CREATE_IMAGE, of_project(after.project_id))
    if len(after.properties) > PROPERTIES_MAX:
        raise LimitReached("properties of an image", PROPERTIES_MAX)
    if len(after.tags) > TAGS_MAX:
        raise LimitReached("tags of an image", TAGS_MAX)


def _formats(image: Image) -> tuple[str | None, str | None]:
    return image.disk_format, image.container_format
