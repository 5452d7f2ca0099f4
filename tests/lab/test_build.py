"""A build of the lab's image that is killed leaves no mount; nothing is deleted through one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import recipe
from lab.needs import missing

pytestmark = pytest.mark.lab

BUILD = """
import sys
from pathlib import Path
from lab import build, recipe
recipe.CACHE = Path(sys.argv[1])
build.ensure_root()
"""
# In place of mmdebstrap, whose last arguments are the tree and "-": it mounts as that does.
BOOTSTRAP = """#!/bin/sh
while [ $# -gt 2 ]; do shift; done
mkdir -p "$1/proc" && mount -t tmpfs tmpfs "$1/proc" || exit
exec > "$FIFO"
echo "$1/proc"
exec sleep 600
"""


@pytest.fixture(autouse=True)
def _a_machine_for_the_lab() -> None:
    if lacking := missing():
        pytest.fail(lacking)


def a_build(cache: Path, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILD, str(cache)], cwd=recipe.REPOSITORY, text=True,
        stderr=subprocess.PIPE, env={**os.environ, **env},
    )  # fmt: skip


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A directory of an unfinished build in which something is mounted."""
    point = tmp_path / f"root-{recipe.root_digest()}.unfinished/tree/dev shm"
    point.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", point], check=True)
    yield point
    subprocess.run(["umount", point], check=True)


def test_a_killed_build_leaves_no_process_and_no_mount(tmp_path: Path) -> None:
    programs, fifo = tmp_path / "bin", tmp_path / "fifo"
    programs.mkdir()
    (programs / "mmdebstrap").write_text(BOOTSTRAP)
    (programs / "mmdebstrap").chmod(0o755)
    os.mkfifo(fifo)
    build = a_build(tmp_path, PATH=f"{programs}:{os.environ['PATH']}", FIFO=str(fifo))
    with fifo.open() as said:
        point = said.readline().strip()
        build.send_signal(signal.SIGKILL)
        build.communicate()
        assert said.read() == "", "ends when the last process has ended that has the pipe open"
    assert point.endswith("/proc")
    assert point not in Path("/proc/self/mountinfo").read_text()


def test_what_is_mounted_in_an_unfinished_build_is_not_deleted(
    tmp_path: Path, mounted: Path
) -> None:
    (mounted / "kept").touch()
    build = a_build(tmp_path)
    _, complaint = build.communicate()
    assert build.returncode != 0
    assert f"umount {mounted}" in complaint
    assert (mounted / "kept").exists()
