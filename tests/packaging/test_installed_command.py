"""The command that the wheel installs, with nothing of the development environment around it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.packaging.conftest import run_outside
from tests.support.patience import HANGS_SECONDS

pytestmark = pytest.mark.slow


def free_tcp_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def status_of(tcp_port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", tcp_port, timeout=HANGS_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_help_names_the_commands(environment: Path) -> None:
    said = run_outside(environment / "bin/trunkline", "--help")
    for command in ("up", "server", "agent", "host", "device", "explain"):
        assert command in said


def test_up_answers_once_it_says_ready_and_ends_with_ctrl_c(
    environment: Path, tmp_path: Path
) -> None:
    data, tcp_port = tmp_path / "data", free_tcp_port()
    process = subprocess.Popen(
        [environment / "bin/trunkline", "up", "--data", data, "--port", str(tcp_port)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if "ready" in line:
                break
        assert process.poll() is None, "".join(said)
        assert status_of(tcp_port, "/identity/v3") == 200
        assert (data / "clouds.yaml").exists()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=HANGS_SECONDS)
    finally:
        process.kill()
        process.wait()
    assert process.returncode in {0, 130}
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", tcp_port)) != 0, "somebody still answers"
