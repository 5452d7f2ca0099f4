"""Who uses a simulated world."""

from __future__ import annotations

from typing import Final

from trunkline.domain.identity import Caller, Role
from trunkline.domain.ids import ProjectId, UserId


def _a_caller(name: str, role: Role) -> Caller:
    return Caller(
        user_id=UserId(f"user-{name}"),
        user_name=name,
        project_id=ProjectId(f"project-{name}"),
        project_name=name,
        roles=frozenset({role}),
        request_id=f"req-{name}",
    )


ADMIN: Final = _a_caller("admin", Role.ADMIN)
TENANTS: Final = (_a_caller("blue", Role.MEMBER), _a_caller("green", Role.MEMBER))
