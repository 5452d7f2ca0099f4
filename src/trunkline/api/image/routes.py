"""Every route of the image face."""

from __future__ import annotations

from typing import Final

from trunkline.api.image import data, images, members
from trunkline.api.routing import Route, delete, get, patch, post, put

ROUTES: Final[tuple[Route, ...]] = (
    get("/image/v2/images", images.list_images),
    post("/image/v2/images", images.create),
    get("/image/v2/images/{id}", images.show),
    patch("/image/v2/images/{id}", images.update),
    delete("/image/v2/images/{id}", images.delete),
    Route(method="PUT", path="/image/v2/images/{id}/file", handler=data.upload, streams=True),
    get("/image/v2/images/{id}/file", data.download),
    put("/image/v2/images/{id}/tags/{tag}", images.add_tag),
    delete("/image/v2/images/{id}/tags/{tag}", images.remove_tag),
    post("/image/v2/images/{id}/actions/deactivate", images.deactivate),
    post("/image/v2/images/{id}/actions/reactivate", images.reactivate),
    get("/image/v2/images/{id}/members", members.list_),
    post("/image/v2/images/{id}/members", members.add),
    get("/image/v2/images/{id}/members/{project}", members.show),
    put("/image/v2/images/{id}/members/{project}", members.update),
    delete("/image/v2/images/{id}/members/{project}", members.remove),
    get("/image/v2/schemas/member", members.member_schema),
    get("/image/v2/schemas/members", members.members_schema),
    get("/image/v2/schemas/image", images.image_schema),
    get("/image/v2/schemas/images", images.images_schema),
    get("/image/v2/info/import", images.import_methods),
)
