"""Slow work in threads: begun once, bounded, and its failure told once to whoever asks again."""

from __future__ import annotations

import threading

import pytest

from tests.support.patience import HANGS_SECONDS
from tests.support.waiting import wait_until
from trunkline.domain.ids import ServerId
from trunkline.host.libvirt.under_way import UnderWay
from trunkline.reconcile.interfaces import HostRefused

A, B, C = (ServerId(each) for each in "abc")


class Site:
    """Work that goes on when the test says so."""

    def __init__(self, *, at_once: int = 1) -> None:
        self.news = threading.Semaphore(0)
        self.work = UnderWay("test", at_once=at_once, on_news=self.news.release)
        self.go_on = threading.Event()
        self.begun: list[ServerId] = []

    def begin(
        self, server_id: ServerId, operation: str = "start", failure: Exception | None = None
    ) -> None:
        def act() -> None:
            self.begun.append(server_id)
            assert self.go_on.wait(30)
            if failure is not None:
                raise failure

        self.work.begin(server_id, operation, act, doing="starting")

    def finish(self, count: int = 1) -> None:
        self.go_on.set()
        for _ in range(count):
            assert self.news.acquire(timeout=HANGS_SECONDS)


def test_nobody_waits_and_the_same_is_begun_once() -> None:
    site = Site()
    site.begin(A)
    site.begin(A)
    assert site.work.doing() == {A: "starting"}
    assert not site.work.take_news()
    site.finish()
    assert site.work.doing() == {}
    assert site.work.take_news()
    assert not site.work.take_news()
    assert site.begun == [A]


def test_only_so_much_is_worked_on_at_once_and_the_rest_in_order() -> None:
    site = Site(at_once=2)
    for each in (A, B, C):
        site.begin(each)
    wait_until(lambda: len(site.begun) == 2, "two are begun")
    assert set(site.work.doing()) == {A, B, C}
    site.finish(3)
    assert sorted(site.begun) == [A, B, C]
    assert site.begun[2] == C


def test_a_failure_is_told_once_and_then_it_is_begun_anew() -> None:
    site = Site()
    site.begin(A, failure=HostRefused("start", "no"))
    site.finish()
    with pytest.raises(HostRefused, match="start: no"):
        site.begin(A)
    assert site.begun == [A]
    site.begin(A)
    site.finish()
    assert site.begun == [A, A]


@pytest.mark.parametrize("forgotten", [True, False])
def test_a_failure_is_of_no_concern_to_anything_else(forgotten: bool) -> None:
    site = Site()
    site.begin(A, failure=HostRefused("start", "no"))
    site.finish()
    site.work.forget(A) if forgotten else site.begin(A, "destroy")
    site.begin(A)


@pytest.mark.parametrize(
    ("failure", "said"),
    [(OSError(28, "No space left on device"), "No space left"), (ZeroDivisionError("bug"), "bug")],
)
def test_whatever_goes_wrong_is_told_as_a_refusal(failure: Exception, said: str) -> None:
    site = Site()
    site.begin(A, failure=failure)
    site.finish()
    with pytest.raises(HostRefused, match=f"start: .*{said}"):
        site.begin(A)
