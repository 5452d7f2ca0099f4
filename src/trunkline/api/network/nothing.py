"""Lists of what there is none of; clients ask for them, whatever extensions are served."""

from __future__ import annotations

from trunkline.api.http import Request, Response
from trunkline.control.services import Services


def list_floating_ips(_svc: Services, _request: Request) -> Response:
    """Answer an empty list: addresses are those of ports."""
    return Response(body={"floatingips": []})


def list_routers(_svc: Services, _request: Request) -> Response:
    """Answer an empty list: networks are routed by what they are cabled to."""
    return Response(body={"routers": []})


def list_service_providers(_svc: Services, _request: Request) -> Response:
    """Answer an empty list: nobody routes, filters or tunnels."""
    return Response(body={"service_providers": []})
