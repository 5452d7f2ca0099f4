"""What one user does with images, over HTTP."""

from __future__ import annotations

from typing import Any

from tests.support.http_app import InProcess, Reply, Site

IMAGES = "/image/v2/images"
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
BYTES = {"Content-Type": "application/octet-stream"}


class ImageUser:
    """What one user does with images."""

    def __init__(self, site: Site, user: str) -> None:
        self.http: InProcess = site.http
        self.token = site.token(user)

    def create(self, **fields: Any) -> str:
        body = {"name": "i", "disk_format": "raw", "container_format": "bare", **fields}
        reply = self.http.request("POST", IMAGES, token=self.token, body=body)
        assert reply.status == 201, reply
        return str(reply.json()["id"])

    def upload(self, image_id: str, content: bytes, **headers: str) -> Reply:
        return self.http.request(
            "PUT",
            f"{IMAGES}/{image_id}/file",
            token=self.token,
            raw=content,
            headers={**BYTES, **{name.replace("_", "-"): value for name, value in headers.items()}},
        )

    def show(self, image_id: str) -> Any:
        reply = self.http.request("GET", f"{IMAGES}/{image_id}", token=self.token)
        return reply.json() if reply.status == 200 else reply.status

    def names(self, query: str = "") -> list[str]:
        reply = self.http.request("GET", f"{IMAGES}?{query}", token=self.token)
        assert reply.status == 200, reply
        return [image["name"] for image in reply.json()["images"]]

    def patch(self, image_id: str, *steps: dict[str, Any]) -> Reply:
        return self.http.request(
            "PATCH", f"{IMAGES}/{image_id}", token=self.token, body=list(steps), headers=PATCH
        )

    def delete(self, image_id: str) -> int:
        return self.http.request("DELETE", f"{IMAGES}/{image_id}", token=self.token).status
