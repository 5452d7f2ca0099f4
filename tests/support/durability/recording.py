"""Run a program under the storage shim; then ask what a power cut at any moment would have left.

recording = run_under_shim([sys.executable, "-c", script], directory)
for point in recording.points():
    for image in recording.crash_images(point):
        ...  # open what is in `image`; recording.acknowledged(point) says what must be there
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.durability.disk import DataLoss, Disk
from tests.support.durability.events import Event, Operation, parse_log
from tests.support.environments import CACHE, digest_of, only_one_process

SOURCE = Path(__file__).parent / "shim.c"

# Written through a memory mapping, and rebuilt by SQLite after a crash whatever is in it.
# Source: https://sqlite.org/walformat.html, "The WAL-Index File".
MAPPED_SUFFIX = "-shm"


class ShimBlindError(AssertionError):
    """The program wrote in a way that the shim can't see: nothing it recorded would be true."""


@dataclass(frozen=True)
class Recording:
    """What one run did to `directory`, from what was there before."""

    directory: Path
    before: Path  # A copy of the directory from before the run, inodes recorded in `inodes`.
    inodes: Mapping[str, int]
    events: tuple[Event, ...]
    returncode: int
    stdout: str
    stderr: str
    scratch: Path

    def points(self) -> range:
        """Every moment between two events: 0 is before the first, the last is the end."""
        return range(len(self.events) + 1)

    def acknowledged(self, point: int) -> list[str]:
        """Return the lines that the program had written to standard output before `point`."""
        output = b"".join(
            event.data for event in self.events[:point] if event.operation is Operation.OUTPUT
        )
        return output.decode().split("\n")[:-1]

    def crash_images(
        self, point: int, *, prefixes_max: int = 6, random_count: int = 4, seed: int = 0
    ) -> Iterator[Path]:
        """Yield directories that a power cut at `point` may leave; each goes when the next comes.

        Always among them: only what was synced; everything; all data but no names, and the
        reverse; new sizes with empty bytes. Then prefixes of what was pending, in order, and
        random parts of it, torn at sectors. The folder's name says which it is.
        """
        disk = self.disk_at(point)
        home = Path(tempfile.mkdtemp(prefix=f"point-{point}-", dir=self.scratch))
        pending = disk.pending_sequences()
        step = max(1, -(-len(pending) // prefixes_max))
        try:
            for name, data, names in (
                ("only-synced", DataLoss.LOST, False),
                ("everything", DataLoss.KEPT, True),
                ("data-without-names", DataLoss.KEPT, False),
                ("names-without-data", DataLoss.LOST, True),
                ("empty-bytes", DataLoss.ZEROED, True),
            ):
                disk.image(data=data, names=names, target=home / name)
                yield home / name
                shutil.rmtree(home / name)
            for sequence in pending[:-1:step]:
                target = home / f"up-to-event-{sequence}"
                disk.image_up_to(sequence, target)
                yield target
                shutil.rmtree(target)
            for number in range(random_count if pending else 0):
                target = home / f"random-{seed}-{number}"
                disk.random_image(random.Random(f"{seed} {point} {number}"), target)
                yield target
                shutil.rmtree(target)
        finally:
            shutil.rmtree(home, ignore_errors=True)

    def disk_at(self, point: int) -> Disk:
        """Replay history up to `point`."""
        disk = Disk.of(self.before, inodes=self.inodes)
        for event in self.events[:point]:
            disk.apply(event)
        return disk

    def check_that_all_was_seen(self) -> None:
        """Fail if the log adds up to other files than are really there."""
        home = Path(tempfile.mkdtemp(prefix="final-", dir=self.scratch))
        self.disk_at(len(self.events)).image(
            data=DataLoss.KEPT, names=True, target=home / "everything"
        )
        recorded, real = _contents(home / "everything"), _contents(self.directory)
        shutil.rmtree(home)
        wrong = sorted(
            name for name in recorded.keys() | real.keys() if recorded.get(name) != real.get(name)
        )
        if wrong:
            raise ShimBlindError(f"written in ways that the shim does not see: {', '.join(wrong)}")


def run_under_shim(
    argv: Sequence[str | Path],
    directory: Path,
    *,
    disk_bytes: int | None = None,
    env: Mapping[str, str] | None = None,
    timeout_seconds: float = 60,
) -> Recording:
    """Run `argv` and record what it does below `directory`.

    Args:
        directory: Exists; what is in it counts as durable.
        disk_bytes: Room on the disk for each process: further writes meet ENOSPC.
        env: The whole environment; None: this process's.

    Raises:
        ShimBlindError: The program ended by itself, and its files are not what was recorded.
    """
    directory = directory.resolve()
    scratch = Path(tempfile.mkdtemp(prefix=f"{directory.name}-shim-", dir=directory.parent))
    inodes = {
        str(path.relative_to(directory)): path.stat().st_ino
        for path in [directory, *directory.rglob("*")]
    }
    before, log = scratch / "before", scratch / "log"
    shutil.copytree(directory, before)
    shim = {
        "LD_PRELOAD": str(ensure_shim_library()),
        "SHIM_DIRECTORY": str(directory),
        "SHIM_LOG": str(log),
        "PYTHONUNBUFFERED": "1",  # What is printed counts as said at that moment.
    }
    if disk_bytes is not None:
        shim["SHIM_DISK_BYTES"] = str(disk_bytes)
    done = subprocess.run(
        [str(word) for word in argv],
        env={**(os.environ if env is None else env), **shim},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
    )
    events = tuple(parse_log(log.read_bytes())) if log.exists() else ()
    recording = Recording(
        directory, before, inodes, events, done.returncode, done.stdout, done.stderr, scratch
    )
    if done.returncode >= 0:  # One that was killed may have been between a write and its record.
        recording.check_that_all_was_seen()
    return recording


def ensure_shim_library() -> Path:
    """Return the compiled shim, compiling it where it is missing or old."""
    library = CACHE / f"storage-shim-{digest_of(SOURCE)[:16]}.so"
    with only_one_process("storage-shim"):
        if not library.exists():
            compiler = shutil.which("cc") or shutil.which("gcc")
            assert compiler, "no C compiler. Run as root: apt-get install gcc libc6-dev"
            command = [compiler, "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
            made = library.with_suffix(".new")
            done = subprocess.run(
                [*command, "-o", str(made), str(SOURCE), "-ldl", "-lpthread"],
                text=True,
                capture_output=True,
            )
            assert done.returncode == 0, f"the storage shim does not compile:\n{done.stderr}"
            made.rename(library)
    return library


def _contents(directory: Path) -> dict[str, bytes | None]:
    """Every file's bytes, and None for a folder, by relative name."""
    return {
        str(path.relative_to(directory)): None if path.is_dir() else path.read_bytes()
        for path in directory.rglob("*")
        if not path.name.endswith(MAPPED_SUFFIX)
    }
