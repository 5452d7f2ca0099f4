"""Consoles that a browser shows: refused as Nova refuses a type that is not switched on."""

from __future__ import annotations

from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.parsing import Fields, body_fields
from trunkline.api.problems import HttpProblem
from trunkline.control import servers
from trunkline.control.own_servers import require_changeable
from trunkline.control.services import Services
from trunkline.domain.policy import compute_rules as rules

# The minor version that brought each pair of protocol and type.
_SINCE: Final = {
    ("vnc", "novnc"): 6, ("vnc", "xvpvnc"): 6, ("spice", "spice-html5"): 6,
    ("serial", "serial"): 6, ("mks", "webmks"): 8, ("spice", "spice-direct"): 99,
}  # fmt: skip


def create(svc: Services, request: Request) -> Response:
    """Answer ``POST /servers/{id}/remote-consoles``: 400, since no type is to be had."""
    version = request.version
    if version.minor < 6:
        raise HttpProblem(404, "remote consoles are asked for by actions before 2.6")
    asked = body_fields(request, "remote_console")
    asked.require_only(("protocol", "type"))
    protocol, kind = asked.text("protocol"), asked.text("type")
    known = {pair for pair, since in _SINCE.items() if since <= version.minor}
    if (protocol, kind) not in known:
        raise asked.invalid("type", f"{protocol[:20]} has no console of the type {kind[:20]}")
    server = servers.get_server(svc, request.caller, request.params["id"]).server
    require_changeable(request.caller, server, rules.READ_CONSOLE)
    raise unavailable_console(asked)


def unavailable_console(asked: Fields) -> HttpProblem:
    """Return the refusal of the console of this `type`."""
    kind = asked.text("type", length_min=1, length_max=20)
    return HttpProblem(400, f"Unavailable console type {kind}; `openstack console log show` reads")
