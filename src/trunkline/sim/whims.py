"""What owners do with servers in some worlds, besides what they do in all. It never judges."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, Final

from trunkline.control.rebuilding import rebuild_server
from trunkline.control.requests import ServerRebuild
from trunkline.control.servers import pause_server, unpause_server
from trunkline.control.services import Services
from trunkline.domain.identity import Caller

_WHIMS_OF: Final = 5  # In one world of so many.
_CHANCE: Final = 0.4  # That there is one more request.

Ask = Callable[..., Any]  # As `Workload._ask`.
UseCase = Callable[[Services, Caller, str], object]


class Whims:
    """Pauses and rebuilds; none until `begin`. Its dice are its own."""

    def __init__(self, ask: Ask, servers: Mapping[str, tuple[Caller, list[str]]]) -> None:
        self._ask = ask
        self._servers = servers  # The workload's, by ID.
        self._dice: random.Random | None = None  # None: this is not such a world.

    def begin(self, seed: int) -> None:
        """Begin, if the world of this seed is one that has them."""
        if seed % _WHIMS_OF == _WHIMS_OF - 3:
            self._dice = random.Random(f"whims {seed}")  # noqa: S311 - repeatable, not secret

    def act(self) -> None:
        """At times ask for something."""
        if self._dice is None or not self._servers or self._dice.random() >= _CHANCE:
            return
        verb, use_case = self._dice.choice(_VERBS)
        server_id = self._dice.choice(sorted(self._servers))
        caller, _ = self._servers[server_id]
        said = {"id": server_id}
        self._ask(caller, f"server.{verb}", said, lambda svc: use_case(svc, caller, server_id))


def _rebuild(svc: Services, caller: Caller, server_id: str) -> dict[str, Any]:
    view = rebuild_server(svc, caller, server_id, ServerRebuild(image_id=None))
    return {"id": view.server.id, "status": view.server.state.value}


_VERBS: Final[tuple[tuple[str, UseCase], ...]] = (
    ("pause", pause_server),
    ("pause", pause_server),
    ("unpause", unpause_server),
    ("rebuild", _rebuild),
)
