"""What other services of a cloud tell Nova of servers: heard, answered, and without effect."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site
from tests.support.http_app import Reply
from tests.support.roles import give_role

PATH = "/os-server-external-events"
NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path) as scene:
        yield scene


def tell(
    scene: ComputeSite, *events: object, user: str = "admin", version: str | None = None
) -> Reply:
    return scene.call("POST", PATH, user=user, version=version, body={"events": list(events)})


def an_event(server_id: str, name: str = "network-changed", **more: object) -> dict[str, Any]:
    return {"name": name, "server_uuid": server_id, **more}


def test_each_event_is_answered_by_itself_and_all_of_them_by_207_unless_all_were_taken(
    scene: ComputeSite,
) -> None:
    server_id: str = scene.a_server()["id"]
    scene.settle()
    before = scene.call("GET", f"/servers/{server_id}").json()
    taken = tell(scene, an_event(server_id), an_event(server_id, tag="x", status="failed"))
    assert taken.status == 200, taken
    assert taken.json()["events"] == [
        an_event(server_id, status="completed", code=200),
        an_event(server_id, tag="x", status="completed", code=200),
    ]
    nowhere = scene.a_server("nowhere", flavorRef=too_large(scene))["id"]
    mixed = tell(
        scene, an_event(NOWHERE), an_event(server_id), an_event(nowhere),
        an_event(server_id, "volume-extended"), an_event(NOWHERE, "volume-extended"),
        version="2.51",
    )  # fmt: skip
    assert mixed.status == 207
    told = [(each["code"], each["status"]) for each in mixed.json()["events"]]
    failed = [(code, "failed") for code in (404, 422, 400, 404)]
    assert told == [failed[0], (200, "completed"), *failed[1:]]
    assert scene.call("GET", f"/servers/{server_id}").json() == before


def too_large(scene: ComputeSite) -> str:
    """A flavor that fits nowhere: its servers are on no host."""
    body = {"flavor": {"name": "huge", "vcpus": 4000, "ram": 64, "disk": 0}}
    flavor_id: str = scene.call("POST", "/flavors", user="admin", body=body).json()["flavor"]["id"]
    return flavor_id


@pytest.mark.parametrize(
    ("name", "since"),
    [("volume-extended", 51), ("power-update", 76), ("accelerator-request-bound", 82),
     ("volume-reimaged", 93)],
)  # fmt: skip
def test_names_of_events_are_known_since_they_came(
    scene: ComputeSite, name: str, since: int
) -> None:
    event = an_event(NOWHERE, name, tag="x")
    before = tell(scene, event, version=f"2.{since - 1}")
    assert (before.status, "events[0].name" in before.json()["badRequest"]["message"]) == (
        400, True,
    )  # fmt: skip
    assert tell(scene, event, version=f"2.{since}").status == 207


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({"name": "network-changed"}, "server_uuid"),
        ({"server_uuid": NOWHERE}, "name"),
        (an_event("web"), "server_uuid"),
        (an_event(NOWHERE, status="done"), "status"),
        (an_event(NOWHERE, colour="blue"), "colour"),
        (an_event(NOWHERE, tag="x" * 256), "tag"),
        (5, "events[0]"),
    ],
)
def test_what_is_no_event_is_refused_by_name(scene: ComputeSite, event: object, field: str) -> None:
    reply = tell(scene, event)
    assert (reply.status, field in reply.json()["badRequest"]["message"]) == (400, True), reply


def test_no_events_are_a_fault(scene: ComputeSite) -> None:
    assert tell(scene).status == 400


def test_services_and_admins_may_send_events_and_nobody_else(scene: ComputeSite) -> None:
    server_id: str = scene.a_server()["id"]
    assert tell(scene, an_event(server_id), user="demo").status == 403
    demo = scene.caller()
    scene.site.svc.store.write(lambda tx: give_role(tx, demo.user_id, demo.own_project, "service"))
    scene.tokens.clear()
    assert tell(scene, an_event(server_id), user="demo").status == 200


def test_network_info_is_injected_by_admins(scene: ComputeSite) -> None:
    server_id = scene.a_server()["id"]
    scene.settle()
    path, body = f"/servers/{server_id}/action", {"injectNetworkInfo": None}
    assert scene.call("POST", path, body=body).status == 403
    assert scene.call("POST", path, user="admin", body=body).status == 202
    assert scene.status_of(server_id) == "ACTIVE"
