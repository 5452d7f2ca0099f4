"""Handler of ``POST /servers/{id}/action``: one action a request, named by the body's only key.

`ACTIONS` has every action of Nova's: what each does here, or how it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from trunkline.api.compute import server_security_groups
from trunkline.api.compute.console import get_console_output
from trunkline.api.compute.remote_consoles import unavailable_console
from trunkline.api.compute.server_rebuild import rebuild
from trunkline.api.compute.server_view import STATUSES
from trunkline.api.http import LongPoll, Request, Response
from trunkline.api.parsing import Fields, body_fields
from trunkline.api.problems import HttpProblem
from trunkline.control import server_locks, server_marks, servers
from trunkline.control.own_servers import require_changeable, require_unlocked
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid, NotFound, StateConflict
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.policy.rule import Rule
from trunkline.domain.server import Server, ServerState
from trunkline.domain.server_lock import REASON_CHARS_MAX

Run = Callable[[Services, Request, Fields], LongPoll | Response | None]  # None: 202.
Refuse = Callable[[str, Server, Fields], Exception]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """An action: done by `run`, or refused by `refuse` once the caller could have had it."""

    run: Run | None = None
    refuse: Refuse | None = None
    since: int = 1  # The minor version that brought it,
    before: int | None = None  # and the one that took it away.
    rule: Rule = rules.UPDATE_SERVER  # By which it is refused to others; `run` has its own.


def act(svc: Services, request: Request) -> Response | LongPoll:
    """Do one action, or say why it is not done."""
    body = body_fields(request)
    names = body.names()
    if len(names) != 1:
        raise Invalid("body", f"must name one action, not {len(names)}")
    name = names[0]
    action = ACTIONS.get(name)
    if action is None:
        raise Invalid("body", f"There is no such action: {name[:60]}")
    minor = request.version.minor
    if minor < action.since or (action.before is not None and minor >= action.before):
        raise HttpProblem(404, f"API version {request.version} is not supported on {name}")
    server = servers.get_server(svc, request.caller, request.params["id"]).server
    if action.run is not None:
        return action.run(svc, request, body) or Response(status=202)
    require_changeable(request.caller, server, action.rule)
    require_unlocked(request.caller, server)
    assert action.refuse is not None
    raise action.refuse(name, server, body)


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
        server = servers.get_server(svc, request.caller, server_id).server
        if server.state is not ServerState.ACTIVE:
            require_unlocked(request.caller, server)
            raise StateConflict(
                "server", server_id, f"it is {server.state.value}: only a hard reboot can start it"
            )
    servers.reboot_server(svc, request.caller, server_id)


def _pause(svc: Services, request: Request, _: Fields) -> None:
    servers.pause_server(svc, request.caller, request.params["id"])


def _unpause(svc: Services, request: Request, _: Fields) -> None:
    servers.unpause_server(svc, request.caller, request.params["id"])


def _lock(svc: Services, request: Request, body: Fields) -> None:
    asked = body.fields("lock", None) if request.version.minor >= 73 else None
    reason = None
    if asked is not None:
        asked.require_only(("locked_reason",))
        reason = asked.text("locked_reason", length_min=1, length_max=REASON_CHARS_MAX)
    server_locks.lock(svc, request.caller, request.params["id"], reason=reason)


def _unlock(svc: Services, request: Request, _: Fields) -> None:
    server_locks.unlock(svc, request.caller, request.params["id"])


def _force_delete(svc: Services, request: Request, _: Fields) -> None:
    """Delete: what is deleted is gone at once, so there is nothing to be forced."""
    servers.delete_server(svc, request.caller, request.params["id"], by=rules.FORCE_DELETE)


def _reset_state(svc: Services, request: Request, body: Fields) -> None:
    asked = body.fields("os-resetState")
    asked.require_only(("state",))
    state = asked.text("state")
    if state not in ("active", "error"):
        raise asked.invalid("state", "must be active or error")
    server_marks.reset_state(svc, request.caller, request.params["id"], is_error=state == "error")


def _inject_network_info(svc: Services, request: Request, _: Fields) -> None:
    """Nothing is to be done: what guests are told of their NICs is on their config drives.

    With libvirt, Nova does as little.
    """
    server = servers.get_server(svc, request.caller, request.params["id"]).server
    require_changeable(request.caller, server, rules.INJECT_NETWORK_INFO)
    require_unlocked(request.caller, server)


def _unserved(why: str) -> Refuse:
    """As Nova refuses what its driver can't do."""

    def refuse(name: str, _: Server, __: Fields) -> Exception:
        return HttpProblem(501, f"{name}: The requested functionality is not supported. {why}")

    return refuse


def _removed(name: str, _: Server, __: Fields) -> Exception:
    return HttpProblem(410, f"{name} has been removed, from Nova too")


def _never_so(name: str, server: Server, _: Fields) -> Exception:
    """As Nova refuses to end what has not been begun: no server is ever resized, shelved…"""
    state = STATUSES[server.state].vm_state
    return StateConflict(
        "server", server.id, f"Cannot '{name}' instance {server.id} while it is in vm_state {state}"
    )


def _no_console(name: str, _: Server, body: Fields) -> Exception:
    return unavailable_console(body.fields(name))


def _no_floating_ip(name: str, _: Server, body: Fields) -> Exception:
    asked = body.fields(name)
    return NotFound("floating IP", asked.text("address", length_min=1))


_IMAGES: Final = _unserved("Disks are local to hosts and are not copied into images.")
_MOVES: Final = _unserved("Servers stay on the host on which they were placed.")
_ADDRESSES: Final = _unserved("A port has the addresses that it was given; change the port.")

ACTIONS: Final[Mapping[str, Action]] = MappingProxyType({
    "os-stop": Action(run=_stop),
    "os-start": Action(run=_start),
    "reboot": Action(run=_reboot),
    "rebuild": Action(run=rebuild),
    "pause": Action(run=_pause),
    "unpause": Action(run=_unpause),
    "os-getConsoleOutput": Action(run=get_console_output),
    "lock": Action(run=_lock),
    "unlock": Action(run=_unlock),
    "forceDelete": Action(run=_force_delete),
    "os-resetState": Action(run=_reset_state),
    # Ends of what can't begin here.
    "confirmResize": Action(refuse=_never_so),
    "revertResize": Action(refuse=_never_so),
    "resume": Action(refuse=_never_so),
    "unshelve": Action(refuse=_never_so),
    "shelveOffload": Action(refuse=_never_so, rule=rules.MIGRATE_SERVER),
    "unrescue": Action(refuse=_never_so),
    "restore": Action(refuse=_never_so),
    #
    "suspend": Action(refuse=_unserved("A guest with devices of its host is not saved; pause it.")),
    "shelve": Action(refuse=_IMAGES),
    "createImage": Action(refuse=_IMAGES),
    "createBackup": Action(refuse=_IMAGES),
    "rescue": Action(refuse=_unserved("A server has the one disk that it was made with.")),
    "resize": Action(refuse=_unserved("A server keeps the size that it was made with.")),
    "migrate": Action(refuse=_MOVES, rule=rules.MIGRATE_SERVER),
    "os-migrateLive": Action(refuse=_MOVES, rule=rules.MIGRATE_SERVER),
    "evacuate": Action(refuse=_MOVES, rule=rules.MIGRATE_SERVER),
    "changePassword": Action(refuse=_unserved("Passwords are not set inside guests.")),
    "trigger_crash_dump": Action(refuse=_unserved("Guests are not crashed."), since=17),
    "addFixedIp": Action(refuse=_ADDRESSES, before=44),
    "removeFixedIp": Action(refuse=_ADDRESSES, before=44),
    "addFloatingIp": Action(refuse=_no_floating_ip, before=44),
    "removeFloatingIp": Action(refuse=_no_floating_ip, before=44),
    "addSecurityGroup": Action(run=server_security_groups.add),
    "removeSecurityGroup": Action(run=server_security_groups.remove),
    "injectNetworkInfo": Action(run=_inject_network_info),
    "resetNetwork": Action(refuse=_removed, rule=rules.MIGRATE_SERVER),
    "os-getVNCConsole": Action(refuse=_no_console, before=6),
    "os-getSPICEConsole": Action(refuse=_no_console, before=6),
    "os-getSerialConsole": Action(refuse=_no_console, before=6),
    "os-getRDPConsole": Action(refuse=_removed, before=6),
})  # fmt: skip
