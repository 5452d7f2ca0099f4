"""The storage shim tells what a power cut leaves; these tests try it on programs that are known."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.durability.fixtures import RunUnderShim
from tests.support.durability.recording import Recording, ShimBlindError


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    return made


@pytest.fixture
def record(run_under_shim: RunUnderShim, directory: Path) -> Recorder:
    return Recorder(run_under_shim, directory)


class Recorder:
    """Runs a piece of Python in the directory, under the shim."""

    def __init__(self, run: RunUnderShim, directory: Path) -> None:
        self._run = run
        self._directory = directory

    def __call__(self, script: str, *, disk_bytes: int | None = None) -> Recording:
        prelude = f"import os, sqlite3, sys\nos.chdir({str(self._directory)!r})\n"
        done = self._run(
            [sys.executable, "-S", "-c", prelude + script], self._directory, disk_bytes=disk_bytes
        )
        assert done.returncode == 0, done.stderr
        return done


def contents_left(recording: Recording, name: str, point: int | None = None) -> set[bytes | None]:
    """What the file may hold after a power cut (at the end); None: it is not there."""
    at = len(recording.events) if point is None else point
    left: set[bytes | None] = set()
    for image in recording.crash_images(at):
        left.add((image / name).read_bytes() if (image / name).exists() else None)
    return left


WRITE = "f = os.open('f', os.O_WRONLY | os.O_CREAT)\nos.write(f, b'hello')\n"
SYNC_FOLDER = "os.fsync(os.open('.', os.O_RDONLY))\n"


def test_what_was_never_synced_may_be_lost(record: Recorder) -> None:
    assert contents_left(record(WRITE), "f") >= {None, b"", b"hello"}


def test_a_synced_file_in_a_synced_directory_is_kept(record: Recorder) -> None:
    assert contents_left(record(WRITE + "os.fsync(f)\n" + SYNC_FOLDER), "f") == {b"hello"}


def test_syncing_a_new_file_does_not_keep_its_name(record: Recorder) -> None:
    assert contents_left(record(WRITE + "os.fsync(f)\n"), "f") == {None, b"hello"}


def test_syncing_the_directory_does_not_keep_the_bytes(record: Recorder) -> None:
    left = contents_left(record(WRITE + SYNC_FOLDER), "f")
    assert None not in left
    assert left >= {b"", b"\0\0\0\0\0", b"hello"}


def test_what_is_written_after_the_sync_may_be_lost(record: Recorder) -> None:
    script = WRITE + "os.fdatasync(f)\n" + SYNC_FOLDER + "os.write(f, b' world')\n"
    assert contents_left(record(script), "f") >= {b"hello", b"hello world"}


def test_a_write_through_o_dsync_is_kept(record: Recorder) -> None:
    script = WRITE.replace("os.O_CREAT", "os.O_CREAT | os.O_DSYNC") + SYNC_FOLDER
    assert contents_left(record(script), "f") == {b"hello"}


def test_a_long_write_may_be_torn_at_a_sector(record: Recorder, directory: Path) -> None:
    (directory / "f").write_bytes(b"a" * 2048)
    recording = record("os.pwrite(os.open('f', os.O_WRONLY), b'b' * 2048, 0)\n")
    last = len(recording.events)
    torn = [(image / "f").read_bytes() for image in recording.crash_images(last, random_count=32)]
    mixed = [content for content in torn if b"a" in content and b"b" in content]
    assert mixed
    for content in mixed:
        sectors = [content[start : start + 512] for start in range(0, 2048, 512)]
        assert all(sector in (b"a" * 512, b"b" * 512) for sector in sectors)


REPLACE = """
f = os.open('f.new', os.O_WRONLY | os.O_CREAT)
os.write(f, b'new')
{sync_file}
os.rename('f.new', 'f')
{sync_folder}
"""


@pytest.mark.parametrize(
    ("sync_file", "sync_folder", "left"),
    [
        pytest.param("os.fsync(f)", SYNC_FOLDER, {b"new"}, id="done right"),
        pytest.param("os.fsync(f)", "", {b"old", b"new"}, id="the directory is not synced"),
        pytest.param("", SYNC_FOLDER, {b"", b"\0\0\0", b"new"}, id="the file is not synced"),
    ],
)
def test_an_atomic_rename_lasts_only_when_file_and_directory_are_synced(
    record: Recorder, directory: Path, sync_file: str, sync_folder: str, left: set[bytes]
) -> None:
    (directory / "f").write_bytes(b"old")
    script = REPLACE.format(sync_file=sync_file, sync_folder=sync_folder)
    assert contents_left(record(script), "f") == left


def test_a_rename_between_directories_is_never_seen_halfway(
    record: Recorder, directory: Path
) -> None:
    for folder in ("here", "there"):
        (directory / folder).mkdir()
    (directory / "here/f").write_bytes(b"x")
    recording = record("os.rename('here/f', 'there/f')\n")
    seen = {
        ((image / "here/f").exists(), (image / "there/f").exists())
        for image in recording.crash_images(len(recording.events))
    }
    assert seen == {(True, False), (False, True)}


def test_an_unlink_may_be_undone_until_the_directory_is_synced(
    record: Recorder, directory: Path
) -> None:
    (directory / "f").write_bytes(b"x")
    assert contents_left(record("os.unlink('f')\n"), "f") == {b"x", None}


def test_a_name_given_again_after_a_sync_does_not_bring_back_the_old_file(
    record: Recorder, directory: Path
) -> None:
    script = (
        "os.mkdir('d')\n" + WRITE.replace("'f'", "'d/f'") + "os.fsync(f)\n"
        "os.rename('d/f', 'f')\n"  # Both names change; then only the upper folder is synced.
         + SYNC_FOLDER
    )
    recording = record(script)
    assert contents_left(recording, "f") == {b"hello"}
    assert contents_left(recording, "d/f") == {None}


def test_a_process_that_is_forked_is_recorded_too(record: Recorder) -> None:
    script = (
        "if os.fork() == 0:\n    os.execv(sys.executable, [sys.executable, '-S', '-c', {!r}])\n"
    )
    child = "import os\n" + WRITE + "os.fsync(f)\n" + SYNC_FOLDER
    assert contents_left(record(script.format(child) + "os.wait()\n"), "f") == {b"hello"}


def test_writes_of_many_threads_are_recorded_in_the_order_they_happened(record: Recorder) -> None:
    recording = record(
        "import threading\n"
        "f = os.open('f', os.O_WRONLY | os.O_CREAT | os.O_APPEND)\n"
        "def work(n):\n"
        "    for _ in range(50): os.write(f, b'%d\\n' % n)\n"
        "threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]\n"
        "for t in threads: t.start()\n"
        "for t in threads: t.join()\n"
    )  # Running it has compared the record with the real file.
    assert sum(len(event.data) for event in recording.events) == 400


def test_a_write_that_the_shim_cannot_see_is_found_out(record: Recorder, directory: Path) -> None:
    (directory / "f").write_bytes(b"x" * 4096)
    with pytest.raises(ShimBlindError, match=r"\bf\b"):
        record(
            "import mmap\n"
            "m = mmap.mmap(os.open('f', os.O_RDWR), 4096)\n"
            "m[0:5] = b'hello'\n"
            "m.flush()\n"
        )


def test_a_full_disk_refuses_writes_and_keeps_what_fitted(
    record: Recorder, directory: Path
) -> None:
    attempt = "try: os.write(f, b'!' * 9)\nexcept OSError as e: print(e.errno == 28)\n"
    assert record(WRITE + attempt, disk_bytes=5).stdout == "True\n"
    assert (directory / "f").read_bytes() == b"hello"


COMMITS = 12
SQLITE = f"""
db = sqlite3.connect('t.db', isolation_level=None)
db.execute('PRAGMA journal_mode=WAL')
db.execute('PRAGMA synchronous={{synchronous}}')
db.execute('PRAGMA wal_autocheckpoint=4')
db.execute('CREATE TABLE t (n INTEGER PRIMARY KEY, filler BLOB)')
print('created')
for n in range({COMMITS}):
    db.execute('INSERT INTO t VALUES (?, zeroblob(3000))', (n,))
    print(n)
os._exit(0)
"""


def committed_in(image: Path) -> Sequence[int]:
    """Open what the power cut left as SQLite does, and read it."""
    db = sqlite3.connect(image / "t.db")
    try:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 't'").fetchone():
            return [-1]
        return [n for (n,) in db.execute("SELECT n FROM t ORDER BY n")]
    finally:
        db.close()


def lost_commits(recording: Recording) -> int:
    """In how many crash images is a commit missing that had been acknowledged?"""
    lost = 0
    for point in recording.points():
        acknowledged = recording.acknowledged(point)
        for image in recording.crash_images(point):
            there = committed_in(image)
            assert there in ([-1], list(range(len(there)))), "a later commit without an earlier one"
            expected = len(acknowledged) - 1  # The first line says that the table is there.
            if acknowledged and (there == [-1] or len(there) < expected):
                lost += 1
    return lost


@pytest.mark.slow
def test_sqlite_keeps_every_commit_with_synchronous_full(record: Recorder) -> None:
    recording = record(SQLITE.format(synchronous="FULL"))
    assert recording.acknowledged(len(recording.events))[-1] == str(COMMITS - 1)
    assert lost_commits(recording) == 0


@pytest.mark.slow
def test_sqlite_loses_commits_with_synchronous_normal(record: Recorder) -> None:
    assert lost_commits(record(SQLITE.format(synchronous="NORMAL"))) > 0
