"""Who may see and change what.

What a caller may not see does not exist for them: `NotFound`, so that IDs can't be probed.
"""

from __future__ import annotations

from typing import Protocol

from trunkline.domain.errors import Forbidden, NotFound
from trunkline.domain.identity import Caller


class Owned(Protocol):
    """Something that belongs to a project."""

    @property
    def project_id(self) -> str:
        """The project it belongs to."""
        ...


def require_admin(caller: Caller, action: str) -> None:
    """Raise `Forbidden` unless the caller is an admin."""
    if not caller.is_admin:
        raise Forbidden(f"{action} needs the admin role")


def require_writer(caller: Caller, action: str) -> None:
    """Raise `Forbidden` if the caller may only read."""
    if not caller.can_write:
        raise Forbidden(f"{action} needs the member role")


def owns(caller: Caller, thing: Owned) -> bool:
    """Say whether the caller's project is the thing's, or the caller an admin."""
    return caller.is_admin or thing.project_id == caller.project_id


def require_visible(
    caller: Caller, thing: Owned, what: str, ref: str, *, shared: bool = False
) -> None:
    """Raise `NotFound` unless the caller may see `thing`."""
    if not (shared or owns(caller, thing)):
        raise NotFound(what, ref)


def require_owner(
    caller: Caller, thing: Owned, what: str, ref: str, *, shared: bool = False
) -> None:
    """Raise `NotFound` for what the caller can't see, `Forbidden` for what can only be seen."""
    require_visible(caller, thing, what, ref, shared=shared)
    if not owns(caller, thing):
        raise Forbidden(f"changing {what} {ref} of another project")
    require_writer(caller, f"changing {what} {ref}")


def visible_to(caller: Caller) -> str | None:
    """Return what `ListQuery.visible_to` should be: None lets an admin see everything."""
    return None if caller.is_admin else caller.own_project
