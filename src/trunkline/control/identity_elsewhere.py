"""An identity service of its own, in whose hands users, projects and tokens are."""

from __future__ import annotations

from typing import Protocol

from trunkline.domain.identity import Caller


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
