"""Actions on servers: each of Nova's is done, or refused as Nova refuses it; and locks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site
from trunkline.api.compute.server_actions import ACTIONS
from trunkline.control.events import list_events
from trunkline.domain.listing import ListQuery
from trunkline.domain.policy import compute_rules as rules


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path_factory.mktemp("site")) as scene:
        yield scene


@pytest.fixture
def server_id(scene: ComputeSite) -> str:
    """An ACTIVE server without NICs."""
    made = str(scene.a_server("web", scene.a_port(scene.blue), networks="none")["id"])
    scene.settle()
    return made


def act(
    scene: ComputeSite,
    server_id: str,
    name: str,
    value: object = None,
    *,
    user: str = "demo",
    version: str = "2.1",
) -> tuple[int, str]:
    reply = scene.call(
        "POST", f"/servers/{server_id}/action", user=user, version=version, body={name: value}
    )
    if not reply.body:
        return reply.status, ""
    (fault,) = reply.json().values()
    return reply.status, fault["message"]


def shown(scene: ComputeSite, server_id: str, *, user: str = "demo") -> dict[str, Any]:
    reply = scene.call("GET", f"/servers/{server_id}", version="2.100", user=user)
    body: dict[str, Any] = reply.json()["server"]
    return body


VALUES = {
    "os-getVNCConsole": {"type": "novnc"}, "os-getSPICEConsole": {"type": "spice-html5"},
    "os-getSerialConsole": {"type": "serial"}, "addFloatingIp": {"address": "192.0.2.1"},
    "removeFloatingIp": {"address": "192.0.2.1"},
    "addSecurityGroup": {"name": "default"}, "removeSecurityGroup": {"name": "default"},
}  # fmt: skip
STATUSES = {
    "confirmResize": 409, "revertResize": 409, "resume": 409, "unshelve": 409,
    "shelveOffload": 409, "unrescue": 409, "restore": 409, "addFloatingIp": 404,
    "removeFloatingIp": 404, "os-getVNCConsole": 400, "os-getSPICEConsole": 400,
    "os-getSerialConsole": 400, "os-getRDPConsole": 410, "resetNetwork": 410,
}  # fmt: skip
REFUSED = sorted(name for name, action in ACTIONS.items() if action.refuse is not None)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_done_is_refused_by_name_and_changes_nothing(
    scene: ComputeSite, server_id: str, name: str
) -> None:
    before, action = shown(scene, server_id), ACTIONS[name]
    version, value = f"2.{action.since}", VALUES.get(name)
    status, message = act(scene, server_id, name, value, user="admin", version=version)
    assert status == STATUSES.get(name, 501)
    assert (name if status in (409, 410, 501) else str(value).split("'")[3]) in message
    if action.rule is not rules.UPDATE_SERVER:
        assert act(scene, server_id, name, value, version=version)[0] == 403
    assert act(scene, server_id, name, value, user="reader", version=version)[0] == 403
    assert shown(scene, server_id) == before


@pytest.mark.parametrize("name", [name for name in sorted(ACTIONS) if ACTIONS[name].before])
def test_actions_that_a_version_took_away_are_not_there(
    scene: ComputeSite, server_id: str, name: str
) -> None:
    version = f"2.{ACTIONS[name].before}"
    assert act(scene, server_id, name, VALUES.get(name), version=version)[0] == 404


def test_an_action_is_not_there_before_the_version_that_brought_it(
    scene: ComputeSite, server_id: str
) -> None:
    assert act(scene, server_id, "trigger_crash_dump", version="2.16")[0] == 404
    assert act(scene, server_id, "trigger_crash_dump", version="2.17")[0] == 501


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_of_other_projects_servers_no_action_tells_anything(scene: ComputeSite, name: str) -> None:
    path = scene.a_port(scene.red)
    foreign = scene.a_server("foreign", path, user="admin", networks="none")["id"]
    version = f"2.{ACTIONS[name].since}"
    assert act(scene, foreign, name, VALUES.get(name), version=version)[0] == 404


LOCKED_OUT: Final[tuple[tuple[str, str, Any], ...]] = (
    ("POST", "/action", {"os-stop": None}), ("POST", "/action", {"os-start": None}),
    ("POST", "/action", {"reboot": {"type": "HARD"}}), ("POST", "/action", {"pause": None}),
    ("POST", "/action", {"reboot": {"type": "SOFT"}}), ("POST", "/action", {"forceDelete": None}),
    ("POST", "/metadata", {"metadata": {"a": "1"}}), ("PUT", "/metadata/a", {"meta": {"a": "1"}}),
    ("PUT", "/metadata", {"metadata": {}}), ("DELETE", "", None),
)  # fmt: skip


def test_a_locked_server_is_changed_by_admins_alone(scene: ComputeSite, server_id: str) -> None:
    reason = {"locked_reason": "in use"}
    assert act(scene, server_id, "lock", reason, version="2.73")[0] == 202
    body = shown(scene, server_id)
    assert (body["locked"], body["locked_reason"]) == (True, "in use")
    for method, tail, asked in LOCKED_OUT:
        reply = scene.call(method, f"/servers/{server_id}{tail}", body=asked)
        assert (reply.status, list(reply.json())) == (409, ["conflictingRequest"]), (method, tail)
        assert "is locked" in reply.json()["conflictingRequest"]["message"]
    assert act(scene, server_id, "os-stop", user="admin")[0] == 202
    assert act(scene, server_id, "unlock")[0] == 202
    assert act(scene, server_id, "unlock")[0] == 202
    body = shown(scene, server_id)
    assert (body["locked"], body["locked_reason"]) == (False, None)
    assert scene.call("DELETE", f"/servers/{server_id}").status == 204


def test_an_admins_lock_is_lifted_by_admins_alone(scene: ComputeSite, server_id: str) -> None:
    assert act(scene, server_id, "lock")[0] == 202
    assert act(scene, server_id, "lock", user="admin")[0] == 202  # Takes it over.
    assert act(scene, server_id, "lock")[0] == 202  # Stays the admin's.
    assert act(scene, server_id, "unlock")[0] == 403
    assert shown(scene, server_id)["locked"] is True
    assert act(scene, server_id, "unlock", user="admin")[0] == 202
    assert shown(scene, server_id)["locked"] is False


@pytest.mark.parametrize("value", ["x", {"reason": "x"}, {"locked_reason": ""}, {}])
def test_a_malformed_lock_is_refused(scene: ComputeSite, server_id: str, value: object) -> None:
    assert act(scene, server_id, "lock", value, version="2.73")[0] == 400
    assert shown(scene, server_id)["locked"] is False


def test_before_2_73_a_lock_has_no_reason(scene: ComputeSite, server_id: str) -> None:
    assert act(scene, server_id, "lock", {"locked_reason": "x"}, version="2.72")[0] == 202
    assert shown(scene, server_id)["locked_reason"] is None


def test_force_delete_deletes(scene: ComputeSite, server_id: str) -> None:
    assert act(scene, server_id, "forceDelete")[0] == 202
    assert act(scene, server_id, "forceDelete")[0] == 404


def test_an_admin_marks_a_server_as_in_error_and_takes_it_back(
    scene: ComputeSite, server_id: str
) -> None:
    def reset(state: str, user: str = "admin") -> int:
        return act(scene, server_id, "os-resetState", {"state": state}, user=user)[0]

    assert reset("error", "demo") == 403
    assert reset("sideways") == 400
    assert reset("active") == 202
    assert reset("error") == 202
    assert reset("error") == 202
    assert shown(scene, server_id)["status"] == "ERROR"
    scene.settle()
    assert shown(scene, server_id)["status"] == "ERROR"
    assert reset("active") == 202
    assert shown(scene, server_id)["status"] == "ACTIVE"


def test_active_is_never_said_of_a_guest_that_does_not_run(
    scene: ComputeSite, server_id: str
) -> None:
    def reset(state: str) -> int:
        return act(scene, server_id, "os-resetState", {"state": state}, user="admin")[0]

    act(scene, server_id, "os-stop")
    scene.settle()
    assert reset("active") == 409
    assert reset("error") == 202
    assert reset("active") == 409
    building = scene.a_server("building", scene.a_port(scene.blue), networks="none")["id"]
    body = {"state": "active"}
    assert act(scene, building, "os-resetState", body, user="admin")[0] == 409


def test_who_did_what_is_in_the_audit_trail(scene: ComputeSite, server_id: str) -> None:
    act(scene, server_id, "lock", {"locked_reason": "why"}, version="2.73")
    act(scene, server_id, "unlock")
    caller = scene.caller("demo")
    found = list_events(scene.site.svc, caller, ListQuery(equals={"server_id": (server_id,)}))
    assert [event.action for event in found[:2]] == ["server.unlock", "server.lock"]
    assert found[0].user_id == caller.user_id
    assert found[1].details == {"reason": "why"}


@pytest.mark.parametrize(
    ("version", "body", "status"),
    [
        ("2.6", {"protocol": "vnc", "type": "novnc"}, 400),
        ("2.99", {"protocol": "spice", "type": "spice-direct"}, 400),
        ("2.98", {"protocol": "spice", "type": "spice-direct"}, 400),
        ("2.6", {"protocol": "vnc", "type": "serial"}, 400),
        ("2.5", {"protocol": "vnc", "type": "novnc"}, 404),
    ],
)
def test_consoles_for_browsers_are_refused(
    scene: ComputeSite, server_id: str, version: str, body: dict[str, str], status: int
) -> None:
    path = f"/servers/{server_id}/remote-consoles"
    reply = scene.call("POST", path, version=version, body={"remote_console": body})
    assert reply.status == status
