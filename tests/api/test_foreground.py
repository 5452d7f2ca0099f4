"""Work in the background gives way to requests, and only to them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.patience import HANGS_SECONDS
from trunkline.api.foreground import Foreground


def test_nobody_waits_where_no_request_is_under_way() -> None:
    assert Foreground().wait_until_quiet(HANGS_SECONDS)


def test_the_wait_is_bounded_while_requests_go_on() -> None:
    foreground = Foreground()
    with foreground.request():
        assert not foreground.wait_until_quiet(0.0)


def test_the_wait_ends_with_the_last_request() -> None:
    foreground = Foreground()
    with ThreadPoolExecutor(1) as threads:
        with foreground.request():
            with foreground.request():
                waiting = threads.submit(foreground.wait_until_quiet, HANGS_SECONDS)
            assert not foreground.wait_until_quiet(0.0)  # The other one is under way still.
        assert waiting.result(HANGS_SECONDS)


def test_a_request_that_fails_is_over() -> None:
    foreground = Foreground()
    with pytest.raises(ValueError, match="bad"), foreground.request():
        raise ValueError("bad")
    assert foreground.wait_until_quiet(0.0)
