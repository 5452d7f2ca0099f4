"""What befalls guests unasked, as the service takes it in."""

from __future__ import annotations

import pytest

from tests.control.scene import Scene, on
from tests.support.world import DEMO, OTHER
from trunkline.control.events import list_events
from trunkline.control.servers import get_server, reboot_server
from trunkline.control.views import ServerView
from trunkline.domain.audit import AuditEvent
from trunkline.domain.identity import Caller
from trunkline.domain.listing import ListQuery
from trunkline.domain.server import ServerState
from trunkline.reconcile.report import GuestEvent, GuestFact, ServerCondition, ServerFact


@pytest.fixture
def view(scene: Scene) -> ServerView:
    """A server that runs."""
    booted = scene.boot(on(scene.blue))
    scene.settle(booted.server.id)
    view = get_server(scene.svc, DEMO, booted.server.id)
    assert view.server.state is ServerState.ACTIVE
    return view


def a_fact(view: ServerView, event: GuestEvent, *, boot_number: int = 1) -> GuestFact:
    return GuestFact(
        server_id=view.server.id, boot_number=boot_number, event=event,
        found="its guest crashed", done="it is started again",
    )  # fmt: skip


def report(
    scene: Scene, view: ServerView, event: GuestEvent, *conditions: ServerCondition
) -> ServerState:
    assert view.host is not None
    facts = [
        ServerFact(id=view.server.id, boot_number=1, condition=each, reason="crashed 4 times")
        for each in conditions
    ]
    scene.agents[view.host.name].report(guests=[a_fact(view, event)], servers=facts)
    return state_of(scene, view)


def state_of(scene: Scene, view: ServerView) -> ServerState:
    return get_server(scene.svc, DEMO, view.server.id).server.state


def events(scene: Scene, caller: Caller = DEMO) -> list[AuditEvent]:
    found = list_events(scene.svc, caller, ListQuery())
    return [event for event in found if event.action.startswith("server.guest_")]


def test_a_crash_is_in_the_audit_trail_and_the_server_does_not_pass_for_running(
    scene: Scene, view: ServerView
) -> None:
    assert report(scene, view, GuestEvent.CRASHED) is ServerState.REBOOTING
    (event,) = events(scene)
    assert (event.action, event.server_id) == ("server.guest_crashed", view.server.id)
    assert event.details == {"found": "its guest crashed", "done": "it is started again"}
    assert events(scene, OTHER) == []
    scene.settle(view.server.id)
    assert state_of(scene, view) is ServerState.ACTIVE


def test_a_guest_that_runs_again_by_the_time_of_the_report_is_active(
    scene: Scene, view: ServerView
) -> None:
    state = report(scene, view, GuestEvent.CRASHED, ServerCondition.RUNNING)
    assert state is ServerState.ACTIVE
    assert len(events(scene)) == 1


def test_a_suspended_guest_is_told_of_and_its_server_stays_active(
    scene: Scene, view: ServerView
) -> None:
    assert report(scene, view, GuestEvent.SUSPENDED) is ServerState.ACTIVE
    assert [event.action for event in events(scene)] == ["server.guest_suspended"]


def test_a_guest_that_is_not_started_again_is_an_error_that_keeps_its_device(
    scene: Scene, view: ServerView
) -> None:
    held = scene.devices("active")
    assert report(scene, view, GuestEvent.CRASHED, ServerCondition.FAILED) is ServerState.ERROR
    server = get_server(scene.svc, DEMO, view.server.id).server
    assert server.fault is not None
    assert server.fault.message == "crashed 4 times"
    assert scene.devices("active") == held
    reboot_server(scene.svc, DEMO, server.id)
    assert state_of(scene, view) is ServerState.REBOOTING


def test_what_is_told_of_another_start_or_by_another_host_does_not_count(
    scene: Scene, view: ServerView
) -> None:
    assert view.host is not None
    other = next(name for name in scene.agents if name != view.host.name)
    scene.agents[view.host.name].report(guests=[a_fact(view, GuestEvent.CRASHED, boot_number=7)])
    scene.agents[other].report(guests=[a_fact(view, GuestEvent.CRASHED)])
    assert state_of(scene, view) is ServerState.ACTIVE
    assert events(scene) == []
