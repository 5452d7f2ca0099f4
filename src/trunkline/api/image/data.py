"""The bytes of images, in and out."""

from __future__ import annotations

from trunkline.api.http import Receive, Request, Response, SendFile
from trunkline.api.problems import HttpProblem
from trunkline.control import image_transfer
from trunkline.control.image_transfer import ImageUpload
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid


def upload(svc: Services, request: Request) -> Receive:
    """``PUT /v2/images/{id}/file``: streamed to the disk."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/octet-stream":
        raise HttpProblem(415, "an image's bytes are sent as application/octet-stream")
    size_bytes = _size(request, "content-length", _size(request, "x-openstack-image-size", None))
    taken = image_transfer.begin_upload(
        svc, request.caller, request.params["id"], size_bytes=size_bytes
    )
    return Receive(UploadSink(taken))


def download(svc: Services, request: Request) -> SendFile | Response:
    """``GET /v2/images/{id}/file``: streamed from the disk."""
    found = image_transfer.open_image(svc, request.caller, request.params["id"])
    if found is None:
        return Response(status=204)
    assert found.image.size_bytes is not None
    return SendFile(
        file=found.file,
        size_bytes=found.image.size_bytes,
        headers={"Content-MD5": found.image.md5 or ""},
    )


class UploadSink:
    """An upload, as the shell feeds it."""

    def __init__(self, upload: ImageUpload) -> None:
        self._upload = upload

    def write(self, chunk: bytes) -> None:
        """Take the next piece."""
        self._upload.write(chunk)

    def complete(self) -> Response:
        """All has arrived."""
        self._upload.complete()
        return Response(status=204)

    def abandon(self) -> None:
        """It broke off."""
        self._upload.abandon()


def _size(request: Request, header: str, default: int | None) -> int | None:
    value = request.headers.get(header)
    if value is None:
        return default
    if not value.isdecimal() or len(value) > 18:
        raise Invalid(header, "must be a number of bytes")
    if default is not None and int(value) != default:
        raise Invalid(header, f"{value} bytes, but {default} elsewhere in the headers")
    return int(value)
