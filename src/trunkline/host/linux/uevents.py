"""The kernel's own events of devices (uevents): PCI functions and netdevs that come and go.

Source: Linux lib/kobject_uevent.c, kobject_uevent_env(); Documentation/ABI/stable/sysfs-devices.
"""

from __future__ import annotations

import errno
import re
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, Self

_NETLINK_KOBJECT_UEVENT: Final = 15  # Linux include/uapi/linux/netlink.h.
_KERNEL_GROUP: Final = 1  # Group 2 is what udev passes on.
_UEVENT_BYTES_MAX: Final = 8192  # The kernel's own buffer has 2,048 (UEVENT_BUFFER_SIZE).
# The innermost PCI function on the way to a device.
_FUNCTION: Final = re.compile(r"/([0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7])(?=/|$)")


@dataclass(frozen=True, slots=True)
class Uevent:
    """One event. `device` is its directory below /sys: ``/devices/pci0000:00/0000:00:01.0``.

    `recovery` is how far a function's recovery from an error of PCI Express is: BEGIN_RECOVERY,
    SUCCESSFUL_RECOVERY, FAILED_RECOVERY; empty: it is about none. Source: Linux
    drivers/pci/pci-driver.c, pci_uevent_ers(), since 4.16.
    """

    action: str
    subsystem: str
    device: str
    recovery: str = ""

    @property
    def function(self) -> str | None:
        """The PCI function that it is about: itself, or a netdev of it; None: about none."""
        found = _FUNCTION.findall(self.device)
        return found[-1] if found and self.subsystem in ("pci", "net") else None


def parse_uevent(datagram: bytes) -> Uevent | None:
    """Read an event; None for what is none (udev's own messages begin with ``libudev``)."""
    head, *lines = datagram.split(b"\0")
    if b"@" not in head:
        return None
    values = dict(line.decode("utf-8", "replace").split("=", 1) for line in lines if b"=" in line)
    try:
        return Uevent(
            values["ACTION"],
            values["SUBSYSTEM"],
            values["DEVPATH"],
            values.get("ERROR_EVENT", ""),
        )
    except KeyError:
        return None


class News(Protocol):
    """Waits until something happens to PCI functions or their netdevs."""

    def wait(self, seconds: float, concerns: Callable[[str], bool]) -> bool:
        """Wait for an event of a function that `concerns`; False if there was none in time."""
        ...


def open_uevents() -> socket.socket:
    """Open a socket that gets the kernel's events from now on. Needs no privilege."""
    channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_KOBJECT_UEVENT)
    try:
        channel.bind((0, _KERNEL_GROUP))
        channel.setblocking(False)  # noqa: FBT003
    except BaseException:
        channel.close()
        raise
    return channel


def receive(channel: socket.socket) -> bytes | None:
    """Take one datagram that the kernel itself has sent; None: another process has.

    Raises:
        BlockingIOError: There is none.
        OSError: ENOBUFS: events were lost.
    """
    datagram, sender = channel.recvfrom(_UEVENT_BYTES_MAX)
    return datagram if sender[0] == 0 else None


class Uevents:
    """Events since it was opened. Satisfies `News`."""

    def __init__(self) -> None:
        self._channel = open_uevents()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._channel.close()

    def wait(self, seconds: float, concerns: Callable[[str], bool]) -> bool:
        """See `News.wait`. Lost events count as one."""
        poller = select.poll()
        poller.register(self._channel, select.POLLIN)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and poller.poll(left * 1000):
            if self._take(concerns, end):
                return True
        return False

    def _take(self, concerns: Callable[[str], bool], end: float) -> bool:
        """Take what has come, until `end` at most: others may make events as fast as we take."""
        told = False
        while time.monotonic() < end:
            try:
                datagram = receive(self._channel)
            except BlockingIOError:
                break
            except OSError as problem:
                if problem.errno != errno.ENOBUFS:
                    raise
                told = True
                continue
            event = None if datagram is None else parse_uevent(datagram)
            function = None if event is None else event.function
            told = told or (function is not None and concerns(function))
        return told
