"""libvirt's event loop: a turn that fails is told, and does not end it."""

from __future__ import annotations

import threading

from structlog.testing import capture_logs

from tests.support.waiting import wait_until
from trunkline.host.libvirt.event_loop import EventLoop


def test_a_turn_that_fails_is_told_and_others_follow() -> None:
    mended, enough = threading.Event(), threading.Event()

    def turn() -> None:
        if enough.wait(0.001):
            threading.Event().wait()  # As one that has nothing to do any more.
        if not mended.is_set():
            raise LookupError("a mistake of ours")

    loop = EventLoop(turn, pause_seconds=0.01)
    with capture_logs() as logs:
        loop.start()
        wait_until(lambda: loop.failures > 2, "it goes on")
    assert [entry["event"] for entry in logs] == ["libvirt's events are not heard"]
    assert "a mistake of ours" in loop.problem
    mended.set()
    wait_until(lambda: loop.problem == "", "it goes well again")
    enough.set()
