"""What the store acknowledged survives the loss of power, and a full disk; SQLite, file and WAL.

The programs below run under the storage shim, which forgets whatever was not synced.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.durability.events import Operation
from tests.support.durability.fixtures import RunUnderShim
from tests.support.durability.recording import Recording
from trunkline.store.schema import open_store

pytestmark = pytest.mark.slow

WRITERS, WRITES = 4, 6

# Each key is printed once the write that stored it has returned: that is the acknowledgement.
WRITE_FROM_MANY_THREADS = f"""
import os, sys, threading
from trunkline.store.schema import open_store

store = open_store(f"sqlite:///{{sys.argv[1]}}/trunkline.db")
os.write(1, b"open\\n")

def put_all(writer):
    for number in range({WRITES}):
        key = f"{{writer}}.{{number}}"
        store.write(lambda tx: tx.settings.put(key, "x" * 500))
        os.write(1, f"{{key}}\\n".encode())

threads = [threading.Thread(target=put_all, args=(writer,)) for writer in range({WRITERS})]
for thread in threads: thread.start()
for thread in threads: thread.join()
os._exit(0)
"""

OPEN_A_NEW_STORE = """
import os, sys
from trunkline.store.schema import open_store

open_store(f"sqlite:///{sys.argv[1]}/trunkline.db")
os._exit(0)
"""

WRITE_UNTIL_THE_DISK_IS_FULL = """
import os, sys
from trunkline.domain.errors import StoreUnavailable
from trunkline.store.schema import open_store

store = open_store(f"sqlite:///{sys.argv[1]}/trunkline.db")
for number in range(1000):
    try:
        store.write(lambda tx: tx.settings.put(str(number), "x" * 3000))
    except StoreUnavailable as refusal:
        print("refused", number, refusal)
        break
    print(number)
os._exit(0)
"""


def stored_keys(image: Path) -> set[str]:
    """Read the settings as SQLite finds them after the crash, without any code of the store."""
    database = sqlite3.connect(image / "trunkline.db")
    try:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name='settings'").fetchone():
            return set()
        return {key for (key,) in database.execute("SELECT key FROM settings")}
    finally:
        database.close()


def moments_of_acknowledgement(recording: Recording) -> Iterator[int]:
    """Right after something was printed: acknowledged, and nothing synced since."""
    for index, event in enumerate(recording.events):
        if event.operation is Operation.OUTPUT:
            yield index + 1


def record(run: RunUnderShim, program: str, home: Path, disk_bytes: int | None = None) -> Recording:
    home.mkdir()
    recording = run([sys.executable, "-c", program, home], home, disk_bytes=disk_bytes)
    assert recording.returncode == 0, recording.stderr
    return recording


@pytest.fixture
def many_writes(run_under_shim: RunUnderShim, tmp_path: Path) -> Recording:
    return record(run_under_shim, WRITE_FROM_MANY_THREADS, tmp_path / "data")


def test_what_was_acknowledged_survives_power_loss(many_writes: Recording) -> None:
    seen = 0
    for point in moments_of_acknowledgement(many_writes):
        acknowledged = set(many_writes.acknowledged(point)) - {"open"}
        for image in many_writes.crash_images(point):
            assert acknowledged <= stored_keys(image), f"{image.parent.name}/{image.name}"
            seen += 1
    assert seen > WRITERS * WRITES


def test_power_loss_at_any_moment_leaves_a_database_that_opens(many_writes: Recording) -> None:
    points = many_writes.points()
    for point in points[:: max(1, len(points) // 25)]:
        for image in many_writes.crash_images(point, prefixes_max=2, random_count=1):
            stored_keys(image)
            store = open_store(f"sqlite:///{image / 'trunkline.db'}")
            try:
                store.write(lambda tx: tx.settings.put("after", "the crash"))
                assert store.read(lambda tx: tx.settings.find("after")) == "the crash"
            finally:
                store.close()


@pytest.mark.parametrize("bytes_left", [1_000, 20_001, 41_234])
def test_a_full_disk_refuses_the_write_and_keeps_all_before_it(
    run_under_shim: RunUnderShim, tmp_path: Path, bytes_left: int
) -> None:
    home = tmp_path / "data"
    opened = record(run_under_shim, OPEN_A_NEW_STORE, tmp_path / "new")
    takes = sum(len(each.data) for each in opened.events if each.operation is Operation.WRITE)
    recording = record(run_under_shim, WRITE_UNTIL_THE_DISK_IS_FULL, home, takes + bytes_left)
    *acknowledged, refusal = recording.stdout.splitlines()
    assert bool(acknowledged) == (bytes_left > 10_000), "the disk is full while it is written to"
    assert refusal.startswith(f"refused {len(acknowledged)} "), "written on a full disk"
    assert "full" in refusal
    assert stored_keys(home) == set(acknowledged)
