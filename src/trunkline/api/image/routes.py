"""Every route of the image face."""

from __future__ import annotations

from typing import Final

from trunkline.api.image import data, images
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
    get("/image/v2/schemas/image", images.image_schema),
    get("/image/v2/schemas/images", images.images_schema),
    get("/image/v2/info/import", images.import_methods),
)
