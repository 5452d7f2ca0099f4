"""The first start of `trunkline agent`: with a controller that is late, or that says no."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.patience import HANGS_SECONDS
from tests.support.processes import trunkline
from trunkline.cli.exit_codes import ExitCode

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples/two-networks"
AGENT = ("agent", "--config", "compute.toml", "--simulate", "scenario", "--host", "h1")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The shipped files of both sides, with a key."""
    for name in ("controller.toml", "compute.toml"):
        shutil.copyfile(EXAMPLE / name, tmp_path / name)
    write_key(tmp_path, secrets.token_urlsafe(32))
    return tmp_path


def write_key(home: Path, key: str) -> None:
    (home / "enrolment.key").touch(mode=0o600)
    (home / "enrolment.key").write_text(key + "\n")


def point_agent_at(home: Path, url: str) -> None:
    shipped = (EXAMPLE / "compute.toml").read_text()
    assert "http://127.0.0.1:8774" in shipped
    (home / "compute.toml").write_text(shipped.replace("http://127.0.0.1:8774", url))


@contextmanager
def starting_agent(home: Path) -> Iterator[subprocess.Popen[str]]:
    """An agent that has not said `ready` yet."""
    process = subprocess.Popen(
        [sys.executable, "-m", "trunkline", *AGENT],
        cwd=home, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


class LateController:
    """Takes connections and breaks them off; `tries` counts them."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.tries = 0
        self._tried = threading.Condition()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def wait_for_tries(self, count: int) -> None:
        with self._tried:
            assert self._tried.wait_for(lambda: self.tries >= count, timeout=HANGS_SECONDS), (
                self.tries
            )

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                self._listener.accept()[0].close()
            except OSError:
                return
            with self._tried:
                self.tries += 1
                self._tried.notify()


def test_it_waits_for_a_controller_that_is_late_and_says_so_once(home: Path) -> None:
    late = LateController()
    point_agent_at(home, f"http://127.0.0.1:{late.port}")
    with starting_agent(home) as agent:
        late.wait_for_tries(3)
        late.close()
        assert agent.stdout is not None
        with trunkline(home, "server", "--config", "controller.toml", "--port", str(late.port)):
            said = [agent.stdout.readline(), agent.stdout.readline()]
            assert said[1] == "ready\n", said
            agent.terminate()
            _, log = agent.communicate(timeout=HANGS_SECONDS)
        assert agent.returncode == ExitCode.OK
    assert log.count("the controller does not answer yet") == 1
    assert len(log.splitlines()) == 1


def test_ctrl_c_ends_the_waiting(home: Path) -> None:
    late = LateController()
    try:
        point_agent_at(home, f"http://127.0.0.1:{late.port}")
        with starting_agent(home) as agent:
            late.wait_for_tries(1)
            agent.send_signal(signal.SIGINT)
            _, log = agent.communicate(timeout=HANGS_SECONDS)
            assert agent.returncode == ExitCode.INTERRUPTED
            assert "Traceback" not in log
    finally:
        late.close()


def test_a_wrong_enrolment_key_is_refused_at_once_with_the_remedy(home: Path) -> None:
    with trunkline(home, "server", "--config", "controller.toml", "--port", "0") as server:
        point_agent_at(home, server.url)
        write_key(home, secrets.token_urlsafe(32))
        said = refused_agent(home)
    assert "`trunkline host enrol-token create --host h1` makes a token: put it" in said
    assert len(said.splitlines()) == 1


def test_a_host_enrols_by_a_token_once_and_needs_it_no_more(home: Path) -> None:
    """On a controller without a key that all hosts share."""
    controller = (home / "controller.toml").read_text()
    key_line = 'enrolment_key_file = "enrolment.key"\n'
    assert key_line in controller
    (home / "controller.toml").write_text(controller.replace(key_line, ""))
    with trunkline(home, "server", "--config", "controller.toml", "--port", "0") as server:
        point_agent_at(home, server.url)
        assert "neither the enrolment key nor an enrolment token" in refused_agent(home)
        data = next(home.glob("**/clouds.yaml"))
        made = subprocess.run(
            [sys.executable, "-m", "trunkline", "host", "enrol-token", "create", "--host", "h1",
             "--json"],
            cwd=home, text=True, capture_output=True, timeout=HANGS_SECONDS, check=True,
            env={**os.environ, "OS_CLIENT_CONFIG_FILE": str(data), "OS_CLOUD": "trunkline"},
        )  # fmt: skip
        write_key(home, json.loads(made.stdout)["token"])
        with trunkline(home, *AGENT):
            pass
        (home / "enrolment.key").unlink()
        with trunkline(home, *AGENT):
            pass


def refused_agent(home: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "trunkline", *AGENT],
        cwd=home, text=True, capture_output=True, timeout=HANGS_SECONDS,
    )  # fmt: skip
    assert done.returncode == ExitCode.REFUSED
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_second_agent_in_one_state_directory_is_refused(home: Path) -> None:
    with trunkline(home, "server", "--config", "controller.toml", "--port", "0") as server:
        point_agent_at(home, server.url)
        with trunkline(home, *AGENT):
            assert "an agent of this host is running already" in refused_agent(home)


def test_an_agent_is_shut_out_by_another_that_enrols_elsewhere_and_says_so(home: Path) -> None:
    with trunkline(home, "server", "--config", "controller.toml", "--port", "0") as server:
        point_agent_at(home, server.url)
        with starting_agent(home) as first:
            assert first.stdout is not None
            assert first.stderr is not None
            assert [first.stdout.readline() for _ in range(2)][1] == "ready\n"
            elsewhere = home / "elsewhere"
            elsewhere.mkdir()
            for name in ("compute.toml", "enrolment.key"):
                shutil.copy(home / name, elsewhere / name)
            with trunkline(elsewhere, *AGENT):
                log = first.stderr.readline()
    assert "does not listen to this agent, which rests" in log
    assert "enrolled again" in log
