"""Version documents: what each face is, for clients that have no token yet."""

from __future__ import annotations

from trunkline.api.compute.versions import HIGHEST, LOWEST
from trunkline.api.faces import Face
from trunkline.api.http import Request, Response
from trunkline.api.placement import versions as placement
from trunkline.api.problems import HttpProblem
from trunkline.control.services import Services


def root(svc: Services, request: Request) -> Response:
    """Answer ``GET /``: where the faces are."""
    faces = {f.value: f"{request.base_url}/{f.value}" for f in Face}
    faces[Face.IDENTITY.value] = identity_url(svc, request.base_url)
    return Response(body={"name": "trunkline", "faces": faces})


def health(_svc: Services, request: Request) -> Response:
    """Answer ``GET /healthz``: requests are being answered; 503 once the service is to stop."""
    if request.is_draining:
        return Response(status=503, body={"status": "draining"})
    return Response(body={"status": "ok"})


def identity_versions(svc: Services, request: Request) -> Response:
    """Answer ``GET /identity`` as Keystone does: 300, all versions, wherever they are served."""
    return Response(status=300, body={"versions": {"values": [_identity_v3(svc, request)]}})


def identity_v3(svc: Services, request: Request) -> Response:
    """Answer ``GET /identity/v3``."""
    return Response(body={"version": _identity_v3(svc, request)})


def identity_url(svc: Services, base_url: str) -> str:
    """Return where a client that reaches us at `base_url` is to log in."""
    elsewhere = svc.identity_elsewhere
    return f"{base_url}/identity" if elsewhere is None else elsewhere.url


def require_identity_here(svc: Services) -> None:
    """Raise a `HttpProblem` that says where to ask, unless users are in our own hands."""
    if svc.identity_elsewhere is not None:
        where = svc.identity_elsewhere.url
        raise HttpProblem(404, f"identity is not served here, but by Keystone at {where}")


def _identity_v3(svc: Services, request: Request) -> dict[str, object]:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": identity_url(svc, request.base_url) + "/v3/"}],
        "media-types": [
            {"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}
        ],
    }


def compute_versions(_svc: Services, request: Request) -> Response:
    """Answer ``GET /compute``. Tempest wants v2.0 first; it has no microversions."""
    return Response(body={"versions": [_compute_v2_0(request), _compute_v2_1(request)]})


def compute_v2_0(_svc: Services, request: Request) -> Response:
    """Answer ``GET /compute/v2``: that it is there is all there is of it."""
    return Response(body={"version": _compute_v2_0(request)})


def compute_v2_1(_svc: Services, request: Request) -> Response:
    """Answer ``GET /compute/v2.1``."""
    described = {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"}
    media_type = "application/vnd.openstack.compute+json;version=2.1"
    version = _compute_v2_1(request)
    return Response(
        body={
            "version": version
            | {
                "links": [_self_link(request, "compute/v2.1/"), described],
                "media-types": [{"base": "application/json", "type": media_type}],
            }
        }
    )


def _compute_v2_0(request: Request) -> dict[str, object]:
    return {
        "id": "v2.0",
        "status": "SUPPORTED",
        "version": "",
        "min_version": "",
        "updated": "2011-01-21T11:33:21Z",
        "links": [_self_link(request, "compute/v2/")],
    }


def _compute_v2_1(request: Request) -> dict[str, object]:
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": str(HIGHEST),
        "min_version": str(LOWEST),
        "updated": "2013-07-23T11:33:21Z",
        "links": [_self_link(request, "compute/v2.1/")],
    }


def network_versions(_svc: Services, request: Request) -> Response:
    """Answer ``GET /network``."""
    links = [_self_link(request, "network/v2.0/")]
    return Response(body={"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]})


def image_versions(_svc: Services, request: Request) -> Response:
    """Answer ``GET /image`` as Glance does: 300, newest first. All are the same documents."""
    links = [_self_link(request, "image/v2/")]
    return Response(
        status=300,
        body={
            "versions": [
                {
                    "id": f"v2.{minor}",
                    "status": "CURRENT" if minor == 9 else "SUPPORTED",
                    "links": links,
                }
                for minor in (9, 7, 6, 5, 4, 3, 2, 1, 0)
            ]
        },
    )


def placement_versions(_svc: Services, _request: Request) -> Response:
    """Answer ``GET /placement``. The link is empty as Placement's is: it is where it was asked."""
    version = {
        "id": "v1.0",
        "status": "CURRENT",
        "min_version": str(placement.LOWEST),
        "max_version": str(placement.HIGHEST),
        "links": [{"rel": "self", "href": ""}],
    }
    return Response(body={"versions": [version]})


def _self_link(request: Request, path: str) -> dict[str, str]:
    return {"rel": "self", "href": f"{request.base_url}/{path}"}
