"""Images, without their bytes."""

from __future__ import annotations

from dataclasses import replace

from trunkline.api.http import Request, Response
from trunkline.api.image import parse, render
from trunkline.api.image.listing import image_list_query, page_links
from trunkline.api.problems import HttpProblem
from trunkline.control import images
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.image import Image, ImageEvent

PATCH_TYPE = "application/openstack-images-v2.1-json-patch"
OLD_PATCH_TYPE = "application/openstack-images-v2.0-json-patch"  # From before RFC 6902.


def list_images(svc: Services, request: Request) -> Response:
    """``GET /v2/images``."""
    query = image_list_query(request)
    try:
        found = images.list_images(svc, request.caller, query)
    except NotFound as problem:
        raise Invalid("marker", problem.message) from problem
    links = page_links(request, query, [image.id for image in found])
    shown = [render.image(image) for image in found]
    return Response(body={"images": shown, "schema": "/v2/schemas/images", **links})


def create(svc: Services, request: Request) -> Response:
    """``POST /v2/images``."""
    image = images.create_image(svc, request.caller, parse.image_create(request))
    location = f"{request.base_url}/image/v2/images/{image.id}"
    return Response(status=201, body=render.image(image), headers={"Location": location})


def show(svc: Services, request: Request) -> Response:
    """``GET /v2/images/{id}``."""
    return Response(body=render.image(images.get_image(svc, request.caller, request.params["id"])))


def update(svc: Services, request: Request) -> Response:
    """``PATCH /v2/images/{id}``."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    if media_type not in (PATCH_TYPE, OLD_PATCH_TYPE):
        raise HttpProblem(415, f"an image is changed by {PATCH_TYPE}")
    change = parse.image_change(request, old=media_type == OLD_PATCH_TYPE)
    image = images.update_image(svc, request.caller, request.params["id"], change)
    return Response(body=render.image(image))


def delete(svc: Services, request: Request) -> Response:
    """``DELETE /v2/images/{id}``."""
    images.delete_image(svc, request.caller, request.params["id"])
    return Response(status=204)


def deactivate(svc: Services, request: Request) -> Response:
    """``POST /v2/images/{id}/actions/deactivate``: only admins read its bytes, no server starts."""
    images.set_active(svc, request.caller, request.params["id"], ImageEvent.DEACTIVATE)
    return Response(status=204)


def reactivate(svc: Services, request: Request) -> Response:
    """``POST /v2/images/{id}/actions/reactivate``."""
    images.set_active(svc, request.caller, request.params["id"], ImageEvent.REACTIVATE)
    return Response(status=204)


def add_tag(svc: Services, request: Request) -> Response:
    """``PUT /v2/images/{id}/tags/{tag}``."""
    tag = parse.tag_text(request.params["tag"])

    def change(image: Image) -> Image:
        return replace(image, tags=tuple(dict.fromkeys((*image.tags, tag))))

    images.update_image(svc, request.caller, request.params["id"], change)
    return Response(status=204)


def remove_tag(svc: Services, request: Request) -> Response:
    """``DELETE /v2/images/{id}/tags/{tag}``."""
    tag = request.params["tag"]

    def change(image: Image) -> Image:
        if tag not in image.tags:
            raise NotFound("tag", tag)
        return replace(image, tags=tuple(one for one in image.tags if one != tag))

    images.update_image(svc, request.caller, request.params["id"], change)
    return Response(status=204)


def image_schema(_svc: Services, _request: Request) -> Response:
    """``GET /v2/schemas/image``."""
    return Response(body=render.image_schema())


def images_schema(_svc: Services, _request: Request) -> Response:
    """``GET /v2/schemas/images``."""
    return Response(body=render.images_schema())


def import_methods(_svc: Services, _request: Request) -> Response:
    """``GET /v2/info/import``: bytes are uploaded, never imported."""
    methods = {"description": "Import methods available.", "type": "array", "value": []}
    return Response(body={"import-methods": methods})
