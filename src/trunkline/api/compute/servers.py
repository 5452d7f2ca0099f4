"""Handlers of ``/servers``."""

from __future__ import annotations

from typing import Any, Final

from trunkline.api.compute.links import self_links
from trunkline.api.compute.owner_fields import (
    DISK_CONFIG,
    PASSWORD_CHARS,
    access_ipv4,
    access_ipv6,
    disk_config,
)
from trunkline.api.compute.paging import marker_checked, page_links
from trunkline.api.compute.server_create import (
    BatchCreate,
    parse_server_create,
    server_description,
    server_name,
)
from trunkline.api.compute.server_list import ServerList, read_server_list
from trunkline.api.compute.server_view import (
    Subject,
    addresses_body,
    brief_body,
    listed_body,
    server_body,
    updated_body,
)
from trunkline.api.http import Request, Response
from trunkline.api.parsing import body_fields
from trunkline.control import servers
from trunkline.control.access import of_server
from trunkline.control.requests import UNSET, ServerUpdate
from trunkline.control.services import Services
from trunkline.control.views import ServerView
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.server import Server


def list_briefly(svc: Services, request: Request) -> Response:
    """Answer ``GET /servers``."""
    asked = read_server_list(svc, request)
    found = _fetch(svc, request, asked)
    bodies = [brief_body(view, request.base_url) for view in found]
    return _list_response(request, asked, bodies)


def list_detailed(svc: Services, request: Request) -> Response:
    """Answer ``GET /servers/detail``."""
    asked = read_server_list(svc, request)
    found = _fetch(svc, request, asked)
    return _list_response(request, asked, [listed_body(_subject(request, v)) for v in found])


def _fetch(svc: Services, request: Request, asked: ServerList) -> list[ServerView]:
    if asked.matches_nothing:
        return []
    with marker_checked():
        found = servers.list_servers(
            svc,
            request.caller,
            asked.query,
            asked.chosen,
            all_projects=asked.all_projects,
        )
    if asked.problems and not found:
        raise Invalid(*asked.problems[0])
    return found


def _list_response(request: Request, asked: ServerList, bodies: list[dict[str, Any]]) -> Response:
    links = page_links(request, "servers", asked.query, [body["id"] for body in bodies])
    return Response(body={"servers": bodies, **links})


def create(svc: Services, request: Request) -> Response:
    """Answer ``POST /servers``: 202 once the server is recorded, wherever it may be placed.

    Of several servers the first is told, as Nova does; the others have its reservation ID.
    """
    asked = parse_server_create(body_fields(request), request.version)
    first = _create(svc, request, asked)
    if asked.by_reservation:
        return Response(status=202, body={"reservation_id": first.reservation_id})
    server_id = first.id
    links = self_links(request.base_url, "servers", server_id)
    server = {
        "id": server_id,
        "links": links,
        # Clients print it. One that was not asked for is told to nobody: keys come by user_data.
        "adminPass": asked.server.admin_password or svc.ids.new_secret()[:PASSWORD_CHARS],
        DISK_CONFIG: asked.server.disk_config.value,
        "security_groups": [{"name": name} for name in asked.server.security_groups or ["default"]],
    }
    return Response(status=202, body={"server": server}, headers={"Location": links[0]["href"]})


def _create(svc: Services, request: Request, asked: BatchCreate) -> Server:
    """Create the servers and return the first."""
    try:
        return servers.create_servers(
            svc, request.caller, asked.server, least=asked.least, most=asked.most
        )[0]
    except NotFound as missing:
        # The path was right; what the body names is not there. Nova answers 400 as well.
        field = _FIELDS_NAMING.get(missing.what, missing.what)
        raise Invalid(field, missing.message) from missing


_FIELDS_NAMING: Final = {
    "flavor": "flavorRef",
    "image": "imageRef",
    "port": "networks",
    "network": "networks",
    "security group": "security_groups",
}


def show(svc: Services, request: Request) -> Response:
    """Answer ``GET /servers/{id}``."""
    view = servers.get_server(svc, request.caller, request.params["id"])
    return Response(body={"server": server_body(_subject(request, view))})


def update(svc: Services, request: Request) -> Response:
    """Answer ``PUT /servers/{id}``: a new name or description, or what else its owner says."""
    version = request.version
    asked = body_fields(request, "server")
    since = {"description": 19, "hostname": 90}
    later = {name for name, minor in since.items() if version.minor >= minor}
    asked.require_only({"name", "accessIPv4", "accessIPv6", DISK_CONFIG, *later})
    if "hostname" in asked:
        raise asked.invalid("hostname", "is given to the guest when it is made, and stays")
    view = servers.update_server(
        svc,
        request.caller,
        request.params["id"],
        ServerUpdate(
            name=server_name(asked) if "name" in asked else UNSET,
            description=server_description(asked) if "description" in asked else UNSET,
            access_ipv4=access_ipv4(asked),
            access_ipv6=access_ipv6(asked),
            disk_config=disk_config(asked),
        ),
    )
    if version.minor < 75:
        return Response(body={"server": updated_body(view, version, request.base_url)})
    return Response(body={"server": server_body(_subject(request, view))})


def delete(svc: Services, request: Request) -> Response:
    """Answer ``DELETE /servers/{id}``."""
    servers.delete_server(svc, request.caller, request.params["id"])
    return Response(status=204)


def list_addresses(svc: Services, request: Request) -> Response:
    """Answer ``GET /servers/{id}/ips``."""
    view = servers.get_server(svc, request.caller, request.params["id"])
    return Response(body={"addresses": addresses_body(view.nics, extended=False)})


def list_addresses_of_network(svc: Services, request: Request) -> Response:
    """Answer ``GET /servers/{id}/ips/{network}``."""
    view = servers.get_server(svc, request.caller, request.params["id"])
    addresses = addresses_body(view.nics, extended=False)
    name = request.params["network"]
    if name not in addresses:
        raise NotFound("network of the server", name)
    return Response(body={name: addresses[name]})


def _subject(request: Request, view: ServerView) -> Subject:
    whole = request.caller.may(rules.SHOW_SERVER_HOST, of_server(view.server))
    return Subject(view, request.version, request.base_url, for_admin=whole)
