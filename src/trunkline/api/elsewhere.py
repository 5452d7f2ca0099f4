"""Waiting for an identity service elsewhere, with threads of its own and no more than it may have.

However slow that service is, requests whose tokens it has vouched for go on.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from anyio import CapacityLimiter, to_thread

from trunkline.control.identity_elsewhere import IdentityElsewhere
from trunkline.domain.errors import IdentityUnavailable
from trunkline.domain.identity import Caller

ASKING_THREADS: Final = 8  # And as many connections to the identity service.
ASKED_MAX: Final = 256  # Tokens that are being asked about, or wait for a thread.


class Elsewhere:
    """Finds out whom tokens speak for; of one event loop."""

    def __init__(self, identity: IdentityElsewhere) -> None:
        """Set up; nothing is asked yet."""
        self._identity = identity
        self._limiter = CapacityLimiter(ASKING_THREADS)
        self._asked: dict[str, asyncio.Future[Caller]] = {}

    async def caller(self, token: str) -> Caller:
        """Return whom a token speaks for.

        All requests that come with a token while it is being asked about share the answer.

        Raises:
            Unauthenticated: It speaks for nobody.
            Forbidden: It is of no use here.
            IdentityUnavailable: The identity service does not say, or is asked too much.
        """
        known = self._identity.find_caller(token)
        if known is not None:
            return known
        answer = self._asked.get(token)
        if answer is None:
            if len(self._asked) >= ASKED_MAX:
                raise IdentityUnavailable(
                    self._identity.url, f"{ASKED_MAX} other tokens are being checked"
                )
            asking = to_thread.run_sync(partial(self._identity.ask, token), limiter=self._limiter)
            answer = asyncio.ensure_future(asking)
            self._asked[token] = answer
            answer.add_done_callback(partial(self._answered, token))
        # A client that goes away takes the answer from nobody else.
        return await asyncio.shield(answer)

    def _answered(self, token: str, answer: asyncio.Future[Caller]) -> None:
        del self._asked[token]
        if not answer.cancelled():
            answer.exception()  # Nobody may be left to look at it.
