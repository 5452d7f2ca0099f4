"""Handlers of what clients ask for and there is none of: said as empty lists, never as lies."""

from __future__ import annotations

from trunkline.api.http import Request, Response
from trunkline.control.access import require_admin
from trunkline.control.services import Services


def list_migrations(_: Services, request: Request) -> Response:
    """Answer ``GET /os-migrations``."""
    require_admin(request.caller, "listing migrations")
    return Response(body={"migrations": []})
