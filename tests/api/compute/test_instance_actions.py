"""What was done with a server, as Nova's clients read it; it is read off the audit trail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path_factory.mktemp("site")) as scene:
        yield scene


@pytest.fixture(scope="module")
def server(scene: ComputeSite) -> str:
    """A server that was created, renamed, stopped, started and locked."""
    made = scene.a_server("web", scene.a_port(scene.blue))["id"]
    path = f"/servers/{made}"
    scene.settle()
    scene.call("PUT", path, body={"server": {"name": "renamed"}})
    for body in ({"os-stop": None}, {"os-start": None}, {"lock": None}):
        assert scene.call("POST", f"{path}/action", body=body).status == 202
        scene.settle()
    return f"{path}/os-instance-actions"


def actions(
    scene: ComputeSite, path: str, *, user: str = "demo", version: str = "2.100"
) -> list[dict[str, Any]]:
    reply = scene.call("GET", path, version=version, user=user)
    assert reply.status == 200, reply
    found: list[dict[str, Any]] = reply.json()["instanceActions"]
    return found


def names(found: list[dict[str, Any]]) -> list[str]:
    return [action["action"] for action in found]


def shown(scene: ComputeSite, path: str, name: str, **kwargs: Any) -> dict[str, Any]:
    """The action of this name, with its events."""
    request_id = next(a["request_id"] for a in actions(scene, path) if a["action"] == name)
    reply = scene.call("GET", f"{path}/{request_id}", **{"version": "2.100", **kwargs})
    found: dict[str, Any] = reply.json()["instanceAction"]
    return found


def test_what_was_asked_is_listed_newest_first(scene: ComputeSite, server: str) -> None:
    found = actions(scene, server)
    assert names(found) == ["lock", "start", "stop", "create"]
    caller = scene.caller()
    assert {action["user_id"] for action in found} == {caller.user_id}
    assert {action["project_id"] for action in found} == {caller.project_id}
    assert {action["message"] for action in found} == {None}
    assert all(action["updated_at"] >= action["start_time"] for action in found)


def test_an_action_tells_what_came_of_it(scene: ComputeSite, server: str) -> None:
    assert [e["event"] for e in shown(scene, server, "stop")["events"]] == [
        "server.stop",
        "server.shutoff",
    ]
    create = shown(scene, server, "create", user="admin")["events"]
    assert [e["event"] for e in create] == ["server.place", "server.create", "server.active"]
    assert {e["result"] for e in create} == {"Success"}
    assert create[0]["host"] in ("h1", "h2")


def test_tenants_are_not_told_where(scene: ComputeSite, server: str) -> None:
    events = shown(scene, server, "create")["events"]
    assert {frozenset(e) for e in events} == {
        frozenset({"event", "start_time", "finish_time", "result", "hostId"})
    }
    host_id = scene.call("GET", server.rpartition("/")[0]).json()["server"]["hostId"]
    assert events[0]["hostId"] == host_id
    assert not {"h1", "h2"} & set(str(events).split("'"))


@pytest.mark.parametrize(
    ("version", "user", "has_events", "fields"),
    [
        ("2.50", "demo", False, set()),
        ("2.51", "demo", True, {"event", "start_time", "finish_time", "result"}),
        ("2.50", "admin", True, {"event", "start_time", "finish_time", "result", "traceback"}),
        ("2.84", "admin", True, {"event", "start_time", "finish_time", "result", "traceback",
                                 "host", "hostId", "details"}),
    ],
)  # fmt: skip
def test_each_version_has_its_fields(
    scene: ComputeSite, server: str, version: str, user: str, has_events: bool, fields: set[str]
) -> None:
    found = shown(scene, server, "create", version=version, user=user)
    assert ("events" in found) is has_events
    if has_events:
        assert set(found["events"][0]) == fields


def test_pages_since_2_58(scene: ComputeSite, server: str) -> None:
    path, seen = f"{server}?limit=3", []
    for _ in range(2):
        body = scene.call("GET", path, version="2.58").json()
        seen += names(body["instanceActions"])
        if "links" in body:
            path = body["links"][0]["href"].partition("/compute/v2.1")[2]
    assert seen == ["lock", "start", "stop", "create"]
    assert names(actions(scene, f"{server}?limit=1", version="2.57")) == seen
    assert scene.call("GET", f"{server}?marker=nothing", version="2.58").status == 400
    assert scene.call("GET", f"{server}?colour=red", version="2.58").status == 400


def test_filters_by_time(scene: ComputeSite, server: str) -> None:
    found = actions(scene, server)
    since = found[1]["updated_at"] + "Z"
    assert set(names(actions(scene, f"{server}?changes-since={since}"))) >= {"lock", "start"}
    assert actions(scene, f"{server}?changes-since=2999-01-01T00:00:00Z") == []
    assert actions(scene, f"{server}?changes-before=2001-01-01T00:00:00Z") == []
    assert len(actions(scene, f"{server}?changes-before=2999-01-01T00:00:00Z")) == 4
    query = "changes-before=2001-01-01&changes-since=2002-01-01"
    assert scene.call("GET", f"{server}?{query}", version="2.66").status == 400
    assert scene.call("GET", f"{server}?changes-before=2001-01-01", version="2.65").status == 400


def test_a_server_that_fits_nowhere_was_created_with_an_error(scene: ComputeSite) -> None:
    ports = [scene.a_port(scene.blue) for _ in range(5)]
    failed = scene.a_server("failed", *ports)["id"]
    (action,) = actions(scene, f"/servers/{failed}/os-instance-actions")
    assert (action["action"], action["message"]) == ("create", "Error")


def test_what_was_done_with_a_deleted_server_is_told_since_2_21(scene: ComputeSite) -> None:
    made = scene.a_server("gone", "", networks="none")["id"]
    path = f"/servers/{made}/os-instance-actions"
    scene.call("DELETE", f"/servers/{made}")
    assert names(actions(scene, path, version="2.21")) == ["delete", "create"]
    assert scene.call("GET", path, version="2.20").status == 404


def test_other_projects_actions_do_not_exist(scene: ComputeSite, server: str) -> None:
    foreign = scene.a_server("foreign", "", user="admin", networks="none")["id"]
    path = f"/servers/{foreign}/os-instance-actions"
    assert scene.call("GET", path).status == 404
    request_id = actions(scene, path, user="admin")[0]["request_id"]
    assert scene.call("GET", f"{path}/{request_id}").status == 404
    assert scene.call("GET", f"{server}/{request_id}").status == 404
