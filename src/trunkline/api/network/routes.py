"""Every route of this face."""

from __future__ import annotations

from typing import Final

from trunkline.api.routing import Route

ROUTES: Final[tuple[Route, ...]] = ()
