"""``os-getConsoleOutput``: as Nova answers it, waiting for the server's host and no longer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stories.desk import agents_at_work
from tests.support.compute_site import SAID, ComputeSite, a_compute_site
from tests.support.http_app import Reply
from tests.support.response_schemas import ResponseSchemas
from trunkline.api.compute import console


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path) as opened:
        yield opened


def get_console(scene: ComputeSite, server_id: str, *, user: str = "demo", **asked: Any) -> Reply:
    body = {"os-getConsoleOutput": asked}
    return scene.call("POST", f"/servers/{server_id}/action", user=user, body=body)


def test_the_answer_comes_once_the_host_has_told(
    scene: ComputeSite, response_schemas: ResponseSchemas
) -> None:
    server_id = scene.a_server()["id"]
    with agents_at_work(scene):
        reply = get_console(scene, server_id)
        ends = [get_console(scene, server_id, length=each) for each in (2, "2", -1, None, 0)]
    assert reply.status == 200, reply
    assert reply.json() == {"output": SAID}
    response_schemas.check(
        "servers", "get_console_output", microversion="2.96", status=200, body=reply.json()
    )
    last_two = "\n".join(SAID.split("\n")[-2:])
    assert [end.json()["output"] for end in ends] == [last_two, last_two, SAID, SAID, ""]


@pytest.mark.parametrize(
    "asked", [{"length": "many"}, {"length": -2}, {"length": 1.5}, {"length": True}, {"lines": 3}]
)
def test_what_means_nothing_is_refused_and_nobody_is_asked(
    scene: ComputeSite, asked: dict[str, Any]
) -> None:
    reply = get_console(scene, scene.a_server()["id"], **asked)
    assert reply.status == 400, reply


def test_a_host_that_does_not_answer_in_time_is_a_conflict_and_holds_no_worker(
    scene: ComputeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "ANSWER_SECONDS_MAX", 0.2)
    reply = get_console(scene, scene.a_server()["id"])
    assert reply.status == 409
    assert "did not answer in time" in reply.json()["conflictingRequest"]["message"]


def test_consoles_are_for_members_of_the_servers_project(scene: ComputeSite) -> None:
    server_id = scene.a_server()["id"]
    assert get_console(scene, server_id, user="reader").status == 403
    other = scene.a_server(user="admin")["id"]
    assert get_console(scene, other).status == 404
    with agents_at_work(scene):
        assert get_console(scene, server_id, user="admin").status == 200
