"""An identity service of its own, in whose hands users, projects and tokens are."""

from __future__ import annotations

import re
from typing import Final, Protocol

from trunkline.domain.errors import Invalid
from trunkline.domain.identity import Caller, Project
from trunkline.domain.ids import ProjectId

_PROJECT_ID: Final = re.compile(r"[0-9a-f]{32}")


class IdentityElsewhere(Protocol):
    """Says whom tokens speak for. Its methods can be called from any thread."""

    @property
    def url(self) -> str:
        """Where clients log in: the address of its versions, without a slash at the end."""
        ...

    def find_caller(self, token: str) -> Caller | None:
        """Return whom a token speaks for if that is known by now; never waits.

        Raises:
            Unauthenticated: It is known to speak for nobody.
            Forbidden: It is known to be of no use here.
        """
        ...

    def ask(self, token: str) -> Caller:
        """Find out whom a token speaks for; may wait for seconds.

        Raises:
            Unauthenticated: For nobody.
            Forbidden: It is of no use here.
            IdentityUnavailable: The service does not say.
        """
        ...


def project_elsewhere(caller: Caller, ref: str) -> Project:
    """Return a project that is not in the store: by its ID, or by name if it is the caller's own.

    Whether there is such a project is not asked: its ID gives nobody anything.

    Raises:
        Invalid: It is neither.
    """
    if caller.project_id is not None and ref in (caller.project_id, caller.project_name):
        return Project(id=caller.project_id, name=caller.project_name)
    if not _PROJECT_ID.fullmatch(ref):
        raise Invalid(
            "project", "must be the ID of a project, 32 hex digits: only Keystone knows the names"
        )
    return Project(id=ProjectId(ref), name=ref)
