"""What Glance's clients send, as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from trunkline.api.http import Request
from trunkline.api.parsing import Fields, body_fields, parse_json
from trunkline.control.images import ImageCreate
from trunkline.domain.errors import Forbidden, Invalid
from trunkline.domain.ids import ImageId, ProjectId, is_uuid
from trunkline.domain.image import Image

DISK_FORMATS: Final = (
    "raw",
    "qcow2",
    "iso",
    "vmdk",
    "vdi",
    "vhd",
    "vhdx",
    "ami",
    "aki",
    "ari",
    "ploop",
)
CONTAINER_FORMATS: Final = ("bare", "ovf", "ova", "docker", "ami", "aki", "ari", "compressed")
VISIBILITIES: Final = ("public", "community", "shared", "private")
OPERATIONS: Final = ("add", "replace", "remove")
# Source: glance/api/v2/images.py, _check_reserved and the reserved namespaces of properties.
RESERVED_PREFIX: Final = "os_glance"
PROPERTY_LENGTH_MAX: Final = 65_535
INTEGER_MAX: Final = 2**31 - 1

READ_ONLY: Final = frozenset({
    "id", "status", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value",
    "created_at", "updated_at", "self", "file", "schema", "direct_url", "locations", "stores",
})  # fmt: skip
# Our own name for each of Glance's fields that can be set.
FIELDS: Final[Mapping[str, str]] = MappingProxyType({
    "name": "name",
    "disk_format": "disk_format",
    "container_format": "container_format",
    "visibility": "visibility",
    "protected": "protected",
    "os_hidden": "hidden",
    "min_disk": "min_disk_gib",
    "min_ram": "min_ram_mib",
    "tags": "tags",
    "owner": "project_id",
})  # fmt: skip
# What a field is when it has been removed; the others can't be.
_REMOVED: Final[Mapping[str, object]] = MappingProxyType({
    "name": None, "disk_format": None, "container_format": None, "min_disk": 0, "min_ram": 0,
    "tags": (),
})  # fmt: skip


def image_create(request: Request) -> ImageCreate:
    """Read the body of ``POST /v2/images``: any name that is no field is a property."""
    body = body_fields(request)
    values: dict[str, Any] = {}
    properties: dict[str, str] = {}
    for name in body.names():
        if name == "id":
            image_id = body.text("id")
            if not is_uuid(image_id) or len(image_id) != 36:
                raise body.invalid("id", "must be a UUID")
            values["id"] = ImageId(image_id.lower())
        elif name in READ_ONLY:
            raise Forbidden(f"setting {name}, which is read-only")
        elif name in FIELDS:
            values[FIELDS[name]] = _field(body, name)
        else:
            properties[_property_name(name)] = _property(body, name)
    return ImageCreate(**values, properties=properties)


def image_change(request: Request, *, old: bool = False) -> Callable[[Image], Image]:
    """Read the body of ``PATCH /v2/images/{id}``: JSON Patch, one level deep.

    The old form, of the fourth draft of JSON Patch, names the path by the operation:
    ``{"replace": "/name", "value": "web"}``.
    """
    steps = parse_json(request.body)
    if not isinstance(steps, list):
        raise Invalid("body", "must be a list of operations")
    form = _of_today if old else Fields
    parsed = [_operation(form(step, f"[{at}]")) for at, step in enumerate(steps)]

    def change(image: Image) -> Image:
        for step in parsed:
            image = step(image)
        return image

    return change


def _of_today(value: object, path: str) -> Fields:
    fields = Fields(value, path)
    named = [name for name in OPERATIONS if name in fields]
    if len(named) != 1:
        raise Invalid(path, f"must have one of {', '.join(OPERATIONS)}")
    step: dict[str, Any] = {"op": named[0], "path": fields.text(named[0], length_max=1024)}
    if "value" in fields:
        step["value"] = fields.raw("value")
    return Fields(step, path)


def _operation(fields: Fields) -> Callable[[Image], Image]:
    operation, path = fields.text("op"), fields.text("path", length_max=1024)
    if operation not in OPERATIONS:
        raise fields.invalid(
            "op", f"must be one of {', '.join(OPERATIONS)}, not {operation[:20]!r}"
        )
    if not path.startswith("/"):
        raise fields.invalid("path", "must begin with a slash")
    name, *rest = [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]
    if operation != "remove" and "value" not in fields:
        raise fields.invalid("value", "is required")
    if name in READ_ONLY:
        raise Forbidden(f"changing {name}, which is read-only")
    if name == "tags" and len(rest) == 1:
        return _tag_operation(fields, operation, rest[0])
    if rest:
        raise fields.invalid("path", f"{path} is deeper than an image is")
    # The value is read as the field `name` of an object, so that a fault is told by that name.
    value = Fields({name: fields.raw("value")}, "")
    if name in FIELDS:
        return _field_operation(value, operation, name)
    return _property_operation(value, operation, _property_name(name))


def _field_operation(value: Fields, operation: str, name: str) -> Callable[[Image], Image]:
    wanted: Any
    if operation != "remove":
        wanted = _field(value, name)
    elif name in _REMOVED:
        wanted = _REMOVED[name]
    else:
        raise Forbidden(f"removing {name}")
    changed: dict[str, Any] = {FIELDS[name]: wanted}
    return lambda image: replace(image, **changed)


def _property_operation(value: Fields, operation: str, name: str) -> Callable[[Image], Image]:
    wanted = None if operation == "remove" else _property(value, name)

    def change(image: Image) -> Image:
        properties = dict(image.properties)
        if operation != "add" and name not in properties:
            raise Invalid(name, f"can't {operation} it: the image has no such property")
        properties.pop(name, None)
        return replace(
            image, properties=properties if wanted is None else properties | {name: wanted}
        )

    return change


def _tag_operation(fields: Fields, operation: str, position: str) -> Callable[[Image], Image]:
    if position != "-" and not (position.isdecimal() and len(position) < 6):
        raise fields.invalid("path", "a tag is named by its position")
    wanted = () if operation == "remove" else (fields.text("value"),)

    def change(image: Image) -> Image:
        tags = list(image.tags)
        at = len(tags) if position == "-" else int(position)
        if at > len(tags) or (at == len(tags) and operation != "add"):
            raise fields.invalid("path", f"there is no tag at {position}")
        tags[at : at if operation == "add" else at + 1] = wanted
        return replace(image, tags=tuple(dict.fromkeys(tags)))

    return change


def _field(body: Fields, name: str) -> object:
    match name:
        case "name":
            return body.text(name, None)
        case "disk_format":
            return _one_of(body, name, DISK_FORMATS)
        case "container_format":
            return _one_of(body, name, CONTAINER_FORMATS)
        case "visibility":
            return body.parsed(name, _visibility)
        case "protected" | "os_hidden":
            return body.boolean(name)
        case "min_disk" | "min_ram":
            return body.integer(name, high=INTEGER_MAX)
        case "tags":
            return _tags(body)
        case _:
            return ProjectId(body.text(name, length_min=1, length_max=64))


def _one_of(body: Fields, name: str, known: tuple[str, ...]) -> str | None:
    value = body.text(name, None)
    if value is not None and value not in known:
        raise body.invalid(name, f"must be one of {', '.join(known)}, not {value[:40]!r}")
    return value


def _visibility(value: str) -> str:
    if value not in VISIBILITIES:
        raise ValueError(f"must be one of {', '.join(VISIBILITIES)}, not {value[:40]!r}")
    return value


def _tags(body: Fields) -> tuple[str, ...]:
    tags = body.texts("tags")
    for tag in tags:
        tag_text(tag)
    return tuple(dict.fromkeys(tags))


def tag_text(tag: str) -> str:
    """Return `tag`; raise `Invalid` if it can't be one."""
    if not 1 <= len(tag) <= 255:
        raise Invalid("tags", "a tag has 1 to 255 characters")
    return tag


def _property_name(name: str) -> str:
    if not 1 <= len(name) <= 255:
        raise Invalid("properties", "a property's name has 1 to 255 characters")
    if name.startswith(RESERVED_PREFIX):
        raise Forbidden(
            f"setting {name[:60]}: names that begin with {RESERVED_PREFIX} are reserved"
        )
    return name


def _property(body: Fields, name: str) -> str:
    return body.text(name, length_max=PROPERTY_LENGTH_MAX)
