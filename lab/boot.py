"""Booting an emulated machine that calls us when it is up: waited for, and tried twice.

That a machine comes up is nobody's test. What runs on it once it is up is never tried twice.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lab.channel import Channel
from lab.monitor import Monitor, MonitorRefused
from lab.processes import ending_with_us

BOOT_SECONDS_MAX = 450.0  # 45 on two idle cores, twice that where nothing was read before.
LOOK_SECONDS = 1.0
END_SECONDS_MAX = 10
CONSOLE, QEMU_LOG = "console.log", "qemu.log"
TOLD_CHARS_MAX = 2000  # Of each of them.
# Said by a kernel one of whose CPUs gets no timer interrupts: it will never be up.
# Source: Linux kernel/rcu/tree_stall.h, rcu_check_gp_kthread_expired_fqs_timer().
TIMERS_LOST = "timer wakeup didn't happen"

# QEMU's command, of the file descriptor that its monitor is to have and the TCP port to call.
Command = Callable[[int, int], list[str]]


class LabHostFailed(Exception):
    """The lab host did not come up; the text has what it and QEMU said."""


@contextmanager
def booted(
    command: Command,
    directory: Path,
    *,
    tell: Callable[[str], object],
    seconds_max: float = BOOT_SECONDS_MAX,
) -> Iterator[tuple[Channel, Monitor]]:
    """Start a machine, and switch it off in the end.

    Args:
        command: Its console is to go to `directory`.
        directory: For what it and QEMU say; of the last start.
        tell: Is told of a first start that failed.
        seconds_max: For each of two starts.

    Raises:
        LabHostFailed: It was not up after either.
    """
    with ExitStack() as running:
        try:
            up = running.enter_context(_started(command, directory, seconds_max))
        except LabHostFailed as failed:
            tell(f"The lab host did not come up, and is started once more: {failed}")
            up = running.enter_context(_started(command, directory, seconds_max))
        yield up


@contextmanager
def _started(
    command: Command, directory: Path, seconds_max: float
) -> Iterator[tuple[Channel, Monitor]]:
    channel = Channel()
    ours, qemus = socket.socketpair()
    with qemus, (directory / QEMU_LOG).open("wb") as log:
        qemu = subprocess.Popen(
            ending_with_us(command(qemus.fileno(), channel.tcp_port)), pass_fds=[qemus.fileno()],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    monitor = Monitor(ours)
    try:
        if why := _why_not_up(channel, monitor, qemu, directory / CONSOLE, seconds_max):
            raise LabHostFailed("\n".join([why, *_said(directory)]))
        yield channel, monitor
    finally:
        channel.close()
        monitor.close()
        qemu.send_signal(signal.SIGKILL)
        qemu.wait(END_SECONDS_MAX)


def _why_not_up(
    channel: Channel,
    monitor: Monitor,
    qemu: subprocess.Popen[bytes],
    console: Path,
    seconds_max: float,
) -> str | None:
    """Wait until it has called; say why it does not, if so."""
    deadline = time.monotonic() + seconds_max
    try:
        monitor.greet()
    except (MonitorRefused, TimeoutError) as error:
        return str(error)
    while not channel.has_been_called(LOOK_SECONDS):
        if (status := qemu.poll()) is not None:
            return f"QEMU ended with status {status}"
        if console.exists() and TIMERS_LOST in console.read_text(errors="replace"):
            return "one of its CPUs gets no timer interrupts"
        if time.monotonic() > deadline:
            return f"it was not up after {seconds_max:g} s"
    return None


def _said(directory: Path) -> Iterator[str]:
    for path in (directory / QEMU_LOG, directory / CONSOLE):
        if path.exists():
            yield f"{path.name}:\n{path.read_text(errors='replace')[-TOLD_CHARS_MAX:]}"
