"""A disk that is full in the middle of a commit: over HTTP the request is refused in clear words,
all before it is kept, and the same process goes on once there is room.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.control import holdings
from tests.durability.disk_full_story import PORTS, SAID
from tests.support.durability.fixtures import RunUnderShim
from tests.support.durability.recording import Recording
from tests.support.environments import REPOSITORY
from trunkline.store.schema import open_store

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str

    @property
    def server_id(self) -> str:
        return str(json.loads(self.body)["server"]["id"])


def run_story(run: RunUnderShim, home: Path, disk_bytes: int) -> Recording:
    home.mkdir()
    freed = home.parent / "freed"
    environment = {
        **os.environ,
        "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'src'}",
        "SHIM_DISK_FREED": str(freed),
    }
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "tests.durability.disk_full_story",
        home,
        freed,
    ]
    recording = run(command, home, disk_bytes=disk_bytes, env=environment)
    assert recording.returncode == 0, recording.stderr
    return recording


def answers_in(output: str) -> dict[str, list[Answer]]:
    """What was answered, by what was asked; the log stands between."""
    told: dict[str, list[Answer]] = {}
    for line in output.splitlines():
        if line.startswith(SAID):
            what, status, headers, body = json.loads(line.removeprefix(SAID))
            told.setdefault(what, []).append(Answer(status, headers, body))
    return told


def stored_servers(home: Path) -> set[str]:
    """Read the rows past the store; whatever there is must hold together."""
    engine = create_engine(f"sqlite:///{home / 'trunkline.db'}")
    try:
        with engine.connect() as connection:
            holdings.check_rows(connection)
            return {server for (server,) in connection.execute(text("SELECT id FROM servers"))}
    finally:
        engine.dispose()


def empty_bytes(tmp_path: Path) -> int:
    """What a store without anything in it writes: its pages into the log, and from there."""
    path = tmp_path / "empty.db"
    open_store(f"sqlite:///{path}").close()
    return 2 * path.stat().st_size


@pytest.mark.parametrize("room_bytes", [634_000, 717_000, 800_000])
def test_a_full_disk_is_told_keeps_all_before_and_is_got_over(
    run_under_shim: RunUnderShim, tmp_path: Path, room_bytes: int
) -> None:
    disk_bytes = empty_bytes(tmp_path) + room_bytes
    recording = run_story(run_under_shim, tmp_path / "data", disk_bytes)
    told = answers_in(recording.stdout)
    *made, refused = told["server"]
    assert 1 < len(made) < PORTS - 1, "the disk filled up at another moment"
    for answer in (refused, *told["network"], *told["upload"]):
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert "nothing was kept: database or disk is full" in answer.body
        assert "Traceback" not in answer.body
    kept = {answer.server_id for answer in made}
    [listed] = told["listed"]
    assert {server["id"] for server in json.loads(listed.body)["servers"]} == kept
    [again], [upload] = told["server again"], told["upload again"]
    assert (again.status, upload.status) == (202, 204)
    assert stored_servers(tmp_path / "data") == kept | {again.server_id}
    for crashed in recording.crash_images(len(recording.events)):
        assert stored_servers(crashed) == kept | {again.server_id}
