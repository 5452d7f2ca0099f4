"""Reading consoles from the files that libvirt's virtlogd keeps, in a directory of the agent's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trunkline.domain.console import CONSOLE_BYTES_MAX
from trunkline.domain.ids import ServerId
from trunkline.host.linux.kernel import SYSFS
from trunkline.host.privileged.console_files import read_console
from trunkline.host.privileged.direct import DirectWrites
from trunkline.reconcile.interfaces import HostRefused

SERVER = ServerId("00000000-0000-4000-8000-00000000000a")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / f"{SERVER}.log"


def rotated(log: Path, number: int) -> Path:
    return log.with_name(f"{log.name}.{number}")


def test_a_guest_that_never_spoke_has_said_nothing(tmp_path: Path) -> None:
    assert read_console(tmp_path, SERVER) == b""
    assert read_console(tmp_path / "none", SERVER) == b""


def test_the_end_is_read_in_order_across_rotated_files_and_no_more_than_the_limit(
    tmp_path: Path, log: Path
) -> None:
    said = os.urandom(3 * CONSOLE_BYTES_MAX)
    for size in (0, 10, CONSOLE_BYTES_MAX - 1, CONSOLE_BYTES_MAX, CONSOLE_BYTES_MAX + 1):
        ends = [len(said) - size, len(said) - size - 100]
        log.write_bytes(said[ends[0] :])
        rotated(log, 0).write_bytes(said[ends[1] : ends[0]])
        rotated(log, 1).write_bytes(said[: ends[1]])
        assert read_console(tmp_path, SERVER) == said[-CONSOLE_BYTES_MAX:]


def test_a_log_that_is_being_moved_on_is_read_once(tmp_path: Path, log: Path) -> None:
    rotated(log, 0).write_bytes(b"before")
    assert read_console(tmp_path, SERVER) == b"before", "the next one is not there yet"


def test_another_servers_files_are_not_read(tmp_path: Path, log: Path) -> None:
    log.with_name(f"{SERVER[:-1]}b.log").write_bytes(b"secret")
    assert read_console(tmp_path, SERVER) == b""


def a_link(log: Path, secret: Path) -> None:
    log.symlink_to(secret)


def a_second_name(log: Path, secret: Path) -> None:
    log.hardlink_to(secret)


def a_rotated_link(log: Path, secret: Path) -> None:
    log.write_bytes(b"")
    rotated(log, 0).symlink_to(secret)


def a_pipe(log: Path, _: Path) -> None:
    os.mkfifo(log)


def a_directory(log: Path, _: Path) -> None:
    log.mkdir()


@pytest.mark.parametrize("plant", [a_link, a_second_name, a_rotated_link, a_pipe, a_directory])
def test_what_the_agent_could_have_put_there_is_not_read(tmp_path: Path, plant: object) -> None:
    assert callable(plant)
    secret = tmp_path / "secret"
    secret.write_bytes(b"root's own")
    folder = tmp_path / "consoles"
    folder.mkdir()
    plant(folder / f"{SERVER}.log", secret)
    with pytest.raises(HostRefused, match=SERVER):
        DirectWrites(sysfs_root=SYSFS, consoles=folder).read_console(SERVER)


def test_the_directory_itself_may_be_no_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "consoles").symlink_to(tmp_path / "real")
    with pytest.raises(HostRefused, match=r"ENOTDIR|ELOOP"):
        DirectWrites(consoles=tmp_path / "consoles").read_console(SERVER)
