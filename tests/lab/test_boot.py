"""A lab host that does not come up is started once more, and that is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.boot import CONSOLE, TIMERS_LOST, LabHostFailed, booted
from lab.needs import missing
from lab.qemu import QEMU

pytestmark = pytest.mark.lab

SECTOR_BYTES = 512
# For a BIOS to boot: writes the text behind it to the first serial port, and stops.
WRITER = bytes.fromhex(
    "fc 31c0 8ed8"  # cld; xor ax,ax; mov ds,ax
    "be 167c ba f803"  # mov si,text; mov dx,0x3f8
    "ac 84c0 7403 ee ebf8"  # next: lodsb; test al,al; jz stop; out dx,al; jmp next
    "f4 ebfd"  # stop: hlt; jmp stop
)


class Starts:
    """A machine of which each start may be another one."""

    def __init__(self, directory: Path, *starts: list[str]) -> None:
        if lacking := missing():
            pytest.fail(lacking)
        self.left = list(starts)
        self.told: list[str] = []
        self._directory = directory

    def command(self, monitor_fd: int, tcp_port: int) -> list[str]:
        arguments = self.left.pop(0)
        return [
            *(QEMU, "-nodefaults", "-display", "none", "-m", "16"),
            *("-chardev", f"socket,id=monitor,fd={monitor_fd}"),
            *("-mon", "chardev=monitor,mode=control"),
            *(word.format(tcp_port=tcp_port) for word in arguments),
        ]

    def boot(self, seconds_max: float) -> None:
        with booted(
            self.command, self._directory, tell=self.told.append, seconds_max=seconds_max
        ) as (_, monitor):
            assert monitor.execute("query-status")["running"]


SILENT: list[str] = []
# One that is up as soon as it is switched on.
CALLING = ["-chardev", "socket,id=call,host=127.0.0.1,port={tcp_port}", "-serial", "chardev:call"]


def saying(directory: Path, text: str) -> list[str]:
    """A machine that says something on its console, and no more."""
    sector = WRITER + text.encode() + b"\0"
    disk = directory / "disk"
    disk.write_bytes(sector.ljust(SECTOR_BYTES - 2, b"\0") + b"\x55\xaa")
    return [
        *("-drive", f"file={disk},format=raw,if=ide"),
        *("-serial", f"file:{directory / CONSOLE}"),
    ]


def test_a_machine_that_never_comes_up_is_given_up_after_two_starts(tmp_path: Path) -> None:
    starts = Starts(tmp_path, SILENT, SILENT)
    with pytest.raises(LabHostFailed, match=r"not up after 0\.2 s"):
        starts.boot(0.2)
    assert starts.left == []
    [told] = starts.told
    assert "not up after 0.2 s" in told


def test_a_machine_whose_timers_are_lost_is_started_again_at_once_and_that_is_told(
    tmp_path: Path,
) -> None:
    starts = Starts(tmp_path, saying(tmp_path, f"rcu: {TIMERS_LOST} for 5251"), CALLING)
    starts.boot(60)
    [told] = starts.told
    assert "gets no timer interrupts" in told
    assert f"{TIMERS_LOST} for 5251" in told, "with what its console said"


def test_a_qemu_that_ends_is_told_with_what_it_said(tmp_path: Path) -> None:
    starts = Starts(tmp_path, ["-machine", "none-such"], CALLING)
    starts.boot(60)
    [told] = starts.told
    assert "none-such" in told


def test_a_machine_that_comes_up_is_started_once(tmp_path: Path) -> None:
    starts = Starts(tmp_path, CALLING)
    starts.boot(60)
    assert starts.told == []
