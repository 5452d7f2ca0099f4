"""Handlers of what clients ask for and there is none of: said as empty lists, never as lies."""

from __future__ import annotations

from trunkline.api.http import Request, Response
from trunkline.api.problems import HttpProblem
from trunkline.control.access import require_admin
from trunkline.control.services import Services
from trunkline.domain.errors import NotFound


def list_aggregates(_: Services, request: Request) -> Response:
    """Answer ``GET /os-aggregates``."""
    require_admin(request.caller, "listing host aggregates")
    return Response(body={"aggregates": []})


def list_migrations(_: Services, request: Request) -> Response:
    """Answer ``GET /os-migrations``."""
    require_admin(request.caller, "listing migrations")
    return Response(body={"migrations": []})


def list_key_pairs(_: Services, __: Request) -> Response:
    """Answer ``GET /os-keypairs``."""
    return Response(body={"keypairs": []})


def show_key_pair(_: Services, request: Request) -> Response:
    """Answer ``GET /os-keypairs/{name}``."""
    raise NotFound("key pair", request.params["name"])


def create_key_pair(_: Services, __: Request) -> Response:
    """Answer ``POST /os-keypairs``."""
    raise HttpProblem(501, "key pairs are not served: put keys into user_data")
