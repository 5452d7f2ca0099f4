"""The action `rebuild`: a new disk for a server, and what its owner changes of it by the way."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from trunkline.api.compute.links import self_links
from trunkline.api.compute.owner_fields import (
    DISK_CONFIG,
    PASSWORD_CHARS,
    access_ipv4,
    access_ipv6,
    admin_password,
    disk_config,
)
from trunkline.api.compute.server_create import (
    hostname,
    image_ref,
    key_name,
    server_description,
    server_name,
    user_data,
)
from trunkline.api.compute.server_metadata import parse_metadata
from trunkline.api.compute.server_view import Subject, server_body, updated_body
from trunkline.api.http import Request, Response
from trunkline.api.parsing import Fields
from trunkline.api.versions import Microversion
from trunkline.control.access import of_server
from trunkline.control.rebuilding import rebuild_server
from trunkline.control.requests import UNSET, ServerRebuild
from trunkline.control.services import Services
from trunkline.control.views import ServerView
from trunkline.domain.policy import compute_rules as rules

# The minor version that brought each field, and the one that took one away.
_SINCE: Final[Mapping[str, int]] = MappingProxyType({
    "imageRef": 1, "name": 1, "adminPass": 1, "metadata": 1, "accessIPv4": 1, "accessIPv6": 1,
    DISK_CONFIG: 1, "preserve_ephemeral": 1, "personality": 1, "description": 19, "key_name": 54,
    "user_data": 57, "trusted_image_certificates": 63, "hostname": 90,
})  # fmt: skip
_GONE: Final[Mapping[str, int]] = MappingProxyType({"personality": 57})

# What does nothing here: the values that ask for nothing, and why others fail.
_WITHOUT_EFFECT: Final[Mapping[str, tuple[tuple[object, ...], str]]] = MappingProxyType({
    "preserve_ephemeral": ((False,), "a server has one disk, which is made anew"),
    "personality": (([],), "files are not put into guests; use user_data"),
    "trusted_image_certificates": ((None, []), "image signatures are not checked"),
})  # fmt: skip


def rebuild(svc: Services, request: Request, body: Fields) -> Response:
    """Do the action; the answer is the server as it is to be."""
    asked = parse_rebuild(body.fields("rebuild"), request.version)
    view = rebuild_server(svc, request.caller, request.params["id"], asked)
    server = _body(request, view)
    server["adminPass"] = asked.admin_password or svc.ids.new_secret()[:PASSWORD_CHARS]
    links = self_links(request.base_url, "servers", view.server.id)
    return Response(status=202, body={"server": server}, headers={"Location": links[0]["href"]})


def parse_rebuild(server: Fields, version: Microversion) -> ServerRebuild:
    """Return what is asked for; raise `Invalid` for what is malformed, unknown, or not served."""
    server.require_only([
        name
        for name, since in _SINCE.items()
        if since <= version.minor < _GONE.get(name, version.minor + 1)
    ])  # fmt: skip
    for name, (meaningless, why) in _WITHOUT_EFFECT.items():
        if name in server and server.raw(name) not in meaningless:
            raise server.invalid(name, why)
    image_id = image_ref(server)
    if image_id is None:
        raise server.invalid("imageRef", "is required: the image that the disk is made from")
    return ServerRebuild(
        image_id=image_id,
        name=server_name(server) if "name" in server else UNSET,
        description=server_description(server) if "description" in server else UNSET,
        metadata=parse_metadata(server) if "metadata" in server else UNSET,
        key_name=key_name(server) if "key_name" in server else UNSET,
        user_data=user_data(server) if "user_data" in server else UNSET,
        hostname=(hostname(server) or UNSET) if "hostname" in server else UNSET,
        admin_password=admin_password(server),
        access_ipv4=access_ipv4(server),
        access_ipv6=access_ipv6(server),
        disk_config=disk_config(server),
    )


def _body(request: Request, view: ServerView) -> dict[str, Any]:
    version, server = request.version, view.server
    if version.minor >= 75:
        whole = request.caller.may(rules.SHOW_SERVER_HOST, of_server(server))
        body = server_body(Subject(view, version, request.base_url, for_admin=whole))
        body.pop("OS-EXT-SRV-ATTR:user_data", None)  # Everybody is shown it by its other name.
    else:
        body = updated_body(view, version, request.base_url)
        if version.minor >= 54:
            body["key_name"] = server.key_name
    if version.minor >= 57:
        body["user_data"] = server.user_data
    return body
