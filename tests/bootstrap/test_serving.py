"""How serving ends."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.world import a_world
from trunkline.api.wakeups import Wakeups
from trunkline.bootstrap.control_plane import listen, serve


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_ends_it_without_a_traceback_pressed_twice_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, times: int
) -> None:
    def press() -> None:
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)

    with a_world(tmp_path) as svc, pytest.raises(KeyboardInterrupt):
        serve(svc, Wakeups(), listen("127.0.0.1", 0), on_ready=press)
    assert "Traceback" not in caplog.text
