"""Who uses a simulated world."""

from __future__ import annotations

from typing import Final

from trunkline.domain.identity import ADMIN as ADMIN_ROLE
from trunkline.domain.identity import MEMBER, Caller, with_implied
from trunkline.domain.ids import ProjectId, UserId


def _a_caller(name: str, role: str) -> Caller:
    return Caller(
        user_id=UserId(f"user-{name}"),
        user_name=name,
        project_id=ProjectId(f"project-{name}"),
        project_name=name,
        roles=with_implied({role}),
        request_id=f"req-{name}",
    )


ADMIN: Final = _a_caller("admin", ADMIN_ROLE)
TENANTS: Final = (_a_caller("blue", MEMBER), _a_caller("green", MEMBER))
