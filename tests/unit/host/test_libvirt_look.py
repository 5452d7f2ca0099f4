"""A reading that may take long: whoever asks is answered, or told when it comes."""

from __future__ import annotations

import threading

import pytest

from tests.support.waiting import wait_until
from trunkline.host.libvirt import look
from trunkline.host.libvirt.link import Call
from trunkline.host.libvirt.look import Look
from trunkline.reconcile.interfaces import NotYet


def test_what_comes_late_is_news_and_then_the_answer() -> None:
    go, told = threading.Event(), threading.Event()
    looking = Look(lambda: go.wait(30), seconds=0.01, on_news=told.set)
    with pytest.raises(NotYet):
        looking.result()
    assert not looking.take_news()
    go.set()
    assert told.wait(30)
    assert looking.take_news()
    wait_until(lambda: looking._late is None or looking._late.came_back.is_set(), "it is there")
    assert looking.result() is True
    assert looking.take_news(), "something may have changed since it was asked for"
    assert looking.result() is True
    assert not looking.take_news(), "in time"


def test_what_comes_as_the_waiting_ends_is_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()

    class Between(threading.Event):
        """Waiting for it ends without it, and then it comes."""

        def wait(self, timeout: float | None = None) -> bool:
            go.set()
            came = super().wait(30)
            return came and timeout is None

    class LastMoment(Call[bool]):
        def __init__(self, *given: object, **named: object) -> None:
            super().__init__(*given, **named)  # type: ignore[arg-type]  # as it was called
            self.came_back = Between()

    monkeypatch.setattr(look, "Call", LastMoment)
    assert Look(lambda: go.wait(30), seconds=0.01, on_news=lambda: None).result() is True
