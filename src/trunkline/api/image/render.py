"""Images in Glance's words, and the schemas that tell programs what those are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from trunkline.api.image.parse import CONTAINER_FORMATS, DISK_FORMATS, VISIBILITIES
from trunkline.domain.image import Image, ImageState, MemberStatus


def image(item: Image) -> Mapping[str, object]:
    """Render an image; its properties stand beside the fields, which go before them."""
    return {
        **item.properties,
        "id": item.id,
        "name": item.name,
        "status": item.state.value,
        "visibility": item.visibility,
        "protected": item.protected,
        "os_hidden": item.hidden,
        "owner": item.project_id,
        "disk_format": item.disk_format,
        "container_format": item.container_format,
        "min_disk": item.min_disk_gib,
        "min_ram": item.min_ram_mib,
        "size": item.size_bytes,
        "virtual_size": None,
        "checksum": item.md5,
        "os_hash_algo": None if item.sha512 is None else "sha512",
        "os_hash_value": item.sha512,
        "tags": sorted(item.tags),
        "created_at": time_text(item.created_at),
        "updated_at": time_text(item.updated_at),
        "self": f"/v2/images/{item.id}",
        "file": f"/v2/images/{item.id}/file",
        "schema": "/v2/schemas/image",
    }


def image_schema() -> Mapping[str, object]:
    """Render the JSON schema of an image."""
    text: Mapping[str, object] = {"type": ["null", "string"], "maxLength": 255}
    read_only = {"readOnly": True}
    count = {"type": "integer", "minimum": 0}
    return {
        "name": "image",
        "properties": {
            "id": {"type": "string", "description": "An identifier for the image"},
            "name": text,
            "status": {"type": "string", "enum": [s.value for s in ImageState], **read_only},
            "visibility": {"type": "string", "enum": list(VISIBILITIES)},
            "protected": {"type": "boolean"},
            "os_hidden": {"type": "boolean"},
            "owner": text,
            "disk_format": {"type": ["null", "string"], "enum": [None, *DISK_FORMATS]},
            "container_format": {"type": ["null", "string"], "enum": [None, *CONTAINER_FORMATS]},
            "min_disk": {**count, "description": "GiB of disk that it needs"},
            "min_ram": {**count, "description": "MiB of memory that it needs"},
            "size": {"type": ["null", "integer"], **read_only},
            "virtual_size": {"type": ["null", "integer"], **read_only},
            "checksum": {**text, **read_only, "description": "md5 of its bytes"},
            "os_hash_algo": {**text, **read_only},
            "os_hash_value": {**text, **read_only},
            "tags": {"type": "array", "items": {"type": "string", "maxLength": 255}},
            "created_at": {"type": "string", **read_only},
            "updated_at": {"type": "string", **read_only},
            "self": {"type": "string", **read_only},
            "file": {"type": "string", **read_only},
            "schema": {"type": "string", **read_only},
        },
        "additionalProperties": {"type": "string"},
        "links": [
            {"rel": "self", "href": "{self}"},
            {"rel": "enclosure", "href": "{file}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    }


def images_schema() -> Mapping[str, object]:
    """Render the JSON schema of a list of images."""
    return {
        "name": "images",
        "properties": {
            "images": {"type": "array", "items": image_schema()},
            "first": {"type": "string"},
            "next": {"type": "string"},
            "schema": {"type": "string"},
        },
        "links": [
            {"rel": "first", "href": "{first}"},
            {"rel": "next", "href": "{next}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    }


def member_schema() -> Mapping[str, object]:
    """Render the JSON schema of a member."""
    text: Mapping[str, object] = {"type": "string"}
    return {
        "name": "member",
        "properties": {
            "image_id": text,
            "member_id": text,
            "status": {**text, "enum": [status.value for status in MemberStatus]},
            "created_at": text,
            "updated_at": text,
            "schema": {**text, "readOnly": True},
        },
    }


def members_schema() -> Mapping[str, object]:
    """Render the JSON schema of a list of members."""
    return {
        "name": "members",
        "properties": {
            "members": {"type": "array", "items": member_schema()},
            "schema": {"type": "string"},
        },
        "links": [{"rel": "describedby", "href": "{schema}"}],
    }


def time_text(at: datetime) -> str:
    """Render a time as Glance does."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
