"""Sharing an image with single projects: its owner names them, and each accepts it or not."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from trunkline.control import audit
from trunkline.control.access import require, require_seen
from trunkline.control.images import changeable_image, visible_image
from trunkline.control.services import Services
from trunkline.domain.errors import Forbidden, LimitReached, NotFound
from trunkline.domain.identity import Caller
from trunkline.domain.ids import ProjectId
from trunkline.domain.image import Image, ImageMember, MemberStatus
from trunkline.domain.policy import image_rules as rules
from trunkline.domain.policy.language import Target
from trunkline.store.transaction import Transaction

MEMBERS_MAX: Final = 128  # Glance's default image_member_quota.


def list_members(svc: Services, caller: Caller, image_id: str) -> list[ImageMember]:
    """Return the members of an image that the caller may see: all of one's own, else oneself."""

    def read(tx: Transaction) -> list[ImageMember]:
        image = _shared(visible_image(tx, caller, image_id))
        members = tx.image_members.of_image(image.id)
        return [
            one for one in members if caller.may(rules.SHOW_MEMBER, _target(image, one.project_id))
        ]

    return svc.store.read(read)


def get_member(svc: Services, caller: Caller, image_id: str, project: str) -> ImageMember:
    """Return one member, to the image's owner or to itself."""

    def read(tx: Transaction) -> ImageMember:
        image = visible_image(tx, caller, image_id)
        return _member(tx, caller, image, project)

    return svc.store.read(read)


def add_member(svc: Services, caller: Caller, image_id: str, project: str) -> ImageMember:
    """Share an image with a project, which is to accept it: until then it is in none of its lists.

    Raises:
        Forbidden: The image is not the caller's, or its visibility is not `shared`.
        AlreadyExists: It is shared with the project.
        LimitReached: It is shared with as many as it may be.
    """
    now = svc.clock.now()

    def write(tx: Transaction) -> ImageMember:
        image = _shared(changeable_image(tx, caller, image_id, rules.ADD_MEMBER))
        if len(tx.image_members.of_image(image.id)) >= MEMBERS_MAX:
            raise LimitReached("members of an image", MEMBERS_MAX)
        member = ImageMember(
            image_id=image.id,
            project_id=ProjectId(project),
            status=MemberStatus.PENDING,
            created_at=now,
            updated_at=now,
        )
        tx.image_members.insert(member)
        _record(svc, tx, caller, "image.share", image, project)
        return member

    return svc.store.write(write)


def set_status(
    svc: Services, caller: Caller, image_id: str, project: str, status: MemberStatus
) -> ImageMember:
    """Accept an image or reject it: for the project that it is shared with, and admins.

    Raises:
        Forbidden: The caller is the owner, who can't decide for another project.
        NotFound: There is no such member that the caller may see.
    """
    now = svc.clock.now()

    def write(tx: Transaction) -> ImageMember:
        image = visible_image(tx, caller, image_id)
        member = replace(_member(tx, caller, image, project), status=status, updated_at=now)
        require(caller, rules.DECIDE_AS_MEMBER, _target(image, project))
        if not tx.image_members.update(member):
            raise NotFound("member", project)
        _record(svc, tx, caller, f"image.{status.value}", image, project)
        return member

    return svc.store.write(write)


def remove_member(svc: Services, caller: Caller, image_id: str, project: str) -> None:
    """Share an image with a project no longer; servers made from it stay."""

    def write(tx: Transaction) -> None:
        image = changeable_image(tx, caller, image_id, rules.REMOVE_MEMBER)
        if not tx.image_members.delete(image.id, ProjectId(project)):
            raise NotFound("member", project)
        _record(svc, tx, caller, "image.unshare", image, project)

    svc.store.write(write)


def _shared(image: Image) -> Image:
    if image.visibility != "shared":
        raise Forbidden(f"image {image.id} is {image.visibility}; only shared ones have members")
    return image


def _target(image: Image, project: str) -> Target:
    return {"project_id": image.project_id, "member_id": project}


def _member(tx: Transaction, caller: Caller, image: Image, project: str) -> ImageMember:
    require_seen(caller, rules.SHOW_MEMBER, _target(image, project), "member", project)
    member = tx.image_members.find(image.id, project)
    if member is None:
        raise NotFound("member", project)
    return member


def _record(
    svc: Services, tx: Transaction, caller: Caller, action: str, image: Image, project: str
) -> None:
    audit.record(
        tx, audit.actor_of(caller), svc.clock.now(), action, f"image {image.id}",
        project_id=image.project_id, details={"project": project},
    )  # fmt: skip
