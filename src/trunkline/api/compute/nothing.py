"""Handlers of what clients ask for and there is none of: said as empty lists, never as lies."""

from __future__ import annotations

from trunkline.api.http import Request, Response
from trunkline.control.access import require
from trunkline.control.services import Services
from trunkline.domain.policy import compute_rules as rules


def list_migrations(_: Services, request: Request) -> Response:
    """Answer ``GET /os-migrations``."""
    require(request.caller, rules.LIST_MIGRATIONS)
    return Response(body={"migrations": []})
