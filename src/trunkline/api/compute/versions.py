"""The version documents, which clients read before anything else; no token is needed."""

from __future__ import annotations

from typing import Any, Final

from trunkline.api.compute.links import ROOT
from trunkline.api.compute.microversions import HIGHEST, LOWEST
from trunkline.api.http import Request, Response
from trunkline.control.services import Services

# When Nova's v2.1 became what it is; clients show it and do nothing else with it.
UPDATED: Final = "2013-07-23T11:33:21Z"


def list_versions(_: Services, request: Request) -> Response:
    """Answer ``GET /compute``."""
    return Response(body={"versions": [_version(request.base_url)]})


def show_version(_: Services, request: Request) -> Response:
    """Answer ``GET /compute/v2.1``."""
    media_types = [
        {
            "base": "application/json",
            "type": "application/vnd.openstack.compute+json;version=2.1",
        }
    ]
    return Response(body={"version": _version(request.base_url) | {"media-types": media_types}})


def _version(base_url: str) -> dict[str, Any]:
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": str(HIGHEST),
        "min_version": str(LOWEST),
        "updated": UPDATED,
        "links": [{"rel": "self", "href": f"{base_url}{ROOT}/"}],
    }
