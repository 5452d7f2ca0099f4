"""Handler of ``POST /servers/{id}/action``: one action a request, named by the body's only key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from trunkline.api.compute.console import get_console_output
from trunkline.api.http import LongPoll, Request, Response
from trunkline.api.parsing import Fields, body_fields
from trunkline.api.problems import HttpProblem
from trunkline.control import servers
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid, StateConflict
from trunkline.domain.server import ServerState

Action = Callable[[Services, Request, Fields], LongPoll | None]  # None: 202.


def act(svc: Services, request: Request) -> Response | LongPoll:
    """Do one action, or say that it is not served."""
    body = body_fields(request)
    names = body.names()
    if len(names) != 1:
        raise Invalid("body", f"must name one action, not {len(names)}")
    name = names[0]
    action = _SERVED.get(name)
    if action is None and name not in _NOVAS:
        raise Invalid("body", f"there is no such action: {name[:60]}")
    servers.get_server(svc, request.caller, request.params["id"])
    if action is None:
        raise HttpProblem(501, f"the action {name} is not served")
    return action(svc, request, body) or Response(status=202)


def _stop(svc: Services, request: Request, _: Fields) -> None:
    servers.stop_server(svc, request.caller, request.params["id"])


def _start(svc: Services, request: Request, _: Fields) -> None:
    servers.start_server(svc, request.caller, request.params["id"])


def _reboot(svc: Services, request: Request, body: Fields) -> None:
    """Reboot. Both types start the guest afresh; a soft one only where there is a guest to ask."""
    asked = body.fields("reboot")
    asked.require_only(("type",))
    kind = asked.text("type").upper()
    if kind not in ("SOFT", "HARD"):
        raise asked.invalid("type", "must be SOFT or HARD")
    server_id = request.params["id"]
    if kind == "SOFT":
        state = servers.get_server(svc, request.caller, server_id).server.state
        if state is not ServerState.ACTIVE:
            raise StateConflict(
                "server", server_id, f"it is {state.value}: only a hard reboot can start it"
            )
    servers.reboot_server(svc, request.caller, server_id)


_SERVED: Final[Mapping[str, Action]] = MappingProxyType({
    "os-stop": _stop,
    "os-start": _start,
    "os-getConsoleOutput": get_console_output,
    "reboot": _reboot,
})  # fmt: skip

# Nova's other actions. Source: nova/api/openstack/compute, the @wsgi.action decorators.
_NOVAS: Final = frozenset({
    "addFixedIp", "addFloatingIp", "addSecurityGroup", "changePassword", "confirmResize",
    "createBackup", "createImage", "evacuate", "forceDelete", "injectNetworkInfo", "lock",
    "migrate", "os-getMKSConsole", "os-getRDPConsole", "os-getSPICEConsole",
    "os-getSerialConsole", "os-getVNCConsole", "os-migrateLive",
    "os-resetState", "pause", "rebuild", "removeFixedIp", "removeFloatingIp",
    "removeSecurityGroup", "rescue", "resetNetwork", "resize", "restore", "resume",
    "revertResize", "shelve", "shelveOffload", "suspend", "trigger_crash_dump", "unlock",
    "unpause", "unrescue", "unshelve",
})  # fmt: skip
