"""Handlers of ``/servers/{id}/os-interface``: the NICs of a server."""

from __future__ import annotations

from typing import Any, Final

from trunkline.api.http import Request, Response
from trunkline.api.parsing import Fields, body_fields
from trunkline.control import interfaces
from trunkline.control.requests import NicRequest
from trunkline.control.services import Services
from trunkline.control.views import NicView, ServerView
from trunkline.domain.ids import NetworkId, PortId
from trunkline.domain.server_labels import tag_problem

_TAG_SINCE: Final = 49  # In requests;
_TAG_SHOWN_SINCE: Final = 70  # in answers.


def list_(svc: Services, request: Request) -> Response:
    """Answer ``GET /servers/{id}/os-interface``."""
    view = interfaces.list_interfaces(svc, request.caller, request.params["id"])
    bodies = [_body(request, view, nic) for nic in view.nics]
    return Response(body={"interfaceAttachments": bodies})


def show(svc: Services, request: Request) -> Response:
    """Answer ``GET /servers/{id}/os-interface/{port_id}``."""
    server_id, port_id = request.params["id"], request.params["port_id"]
    view, nic = interfaces.show_interface(svc, request.caller, server_id, port_id)
    return Response(body={"interfaceAttachment": _body(request, view, nic)})


def attach(svc: Services, request: Request) -> Response:
    """Answer ``POST /servers/{id}/os-interface``: 200 once it is held, as Nova once it is there."""
    body = body_fields(request, "interfaceAttachment")
    server_id, asked = request.params["id"], _asked(request, body)
    view, nic = interfaces.attach_interface(svc, request.caller, server_id, asked)
    return Response(body={"interfaceAttachment": _body(request, view, nic)})


def detach(svc: Services, request: Request) -> Response:
    """Answer ``DELETE /servers/{id}/os-interface/{port_id}``: 202, as guests take their time."""
    server_id, port_id = request.params["id"], request.params["port_id"]
    interfaces.detach_interface(svc, request.caller, server_id, port_id)
    return Response(status=202)


def _asked(request: Request, body: Fields) -> NicRequest | None:
    """Read what is to be attached; None: the network is left to the service."""
    has_tag = request.version.minor >= _TAG_SINCE
    body.require_only(("port_id", "net_id", "fixed_ips", *(("tag",) if has_tag else ())))
    tag = body.text("tag") if "tag" in body else None
    if tag is not None and (problem := tag_problem(tag)) is not None:
        raise body.invalid("tag", problem)
    port_id, network_id = body.uuid("port_id", None), body.uuid("net_id", None)
    if port_id is not None and network_id is not None:
        raise body.invalid("port_id", "name a port or a network (net_id), not both")
    fixed_ip = _fixed_ip(body)
    if fixed_ip is not None and network_id is None:
        raise body.invalid("fixed_ips", "an address is of a network: name that by net_id")
    if port_id is not None:
        return NicRequest(port_id=PortId(port_id), tag=tag)
    if network_id is not None:
        return NicRequest(network_id=NetworkId(network_id), fixed_ip=fixed_ip, tag=tag)
    if tag is not None:
        raise body.invalid("tag", "name a port (port_id) or a network (net_id) with it")
    return None


def _fixed_ip(body: Fields) -> str | None:
    if "fixed_ips" not in body:
        return None
    given = body.objects("fixed_ips")
    if len(given) != 1:
        raise body.invalid("fixed_ips", "must have one address")
    given[0].require_only(("ip_address",))
    return given[0].text("ip_address")


def _body(request: Request, view: ServerView, nic: NicView) -> dict[str, Any]:
    port = nic.port.port
    body: dict[str, Any] = {
        "port_id": port.id,
        "port_state": nic.port.status,
        "net_id": port.network_id,
        "mac_addr": str(port.mac),
        "fixed_ips": [
            {"subnet_id": ip.subnet_id, "ip_address": ip.ip_address} for ip in port.fixed_ips
        ],
    }
    tag = view.server.nic_tags.get(port.id)
    return body | ({"tag": tag} if request.version.minor >= _TAG_SHOWN_SINCE else {})
