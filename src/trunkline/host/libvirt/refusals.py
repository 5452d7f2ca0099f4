"""libvirt's errors as `HostRefused`: what was tried, what libvirt says, what to do about it.

libvirt's numbers are given as numbers where this is read without its bindings (in tests, and by
whoever looks a code up); source: include/libvirt/virterror.h.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import Final

from trunkline.reconcile.interfaces import HostRefused

NO_CONNECT: Final = 5
INVALID_CONN: Final = 6
SYSTEM_ERROR: Final = 38
RPC: Final = 39
AUTH_FAILED: Final = 45
OPERATION_TIMEOUT: Final = 68
AUTH_CANCELLED: Final = 79
AUTH_UNAVAILABLE: Final = 80
ACCESS_DENIED: Final = 88

# What passes by itself: a lock that somebody else holds, a daemon that is being restarted.
_TRANSIENT: Final = frozenset({NO_CONNECT, INVALID_CONN, RPC, OPERATION_TIMEOUT})
_TRANSIENT_ERRNOS: Final = frozenset({"EAGAIN", "EBUSY", "EINTR", "ENOMEM", "ETIMEDOUT"})
_NOT_REACHED: Final = frozenset({"ECONNREFUSED", "ENOENT", "ECONNRESET", "EPIPE"})
_MESSAGE_MAX: Final = 2000  # libvirt quotes QEMU's whole output; the beginning says what is wrong.


@dataclass(frozen=True, slots=True, kw_only=True)
class LibvirtFault:
    """What a `libvirt.libvirtError` holds."""

    code: int
    message: str
    errno: int = 0  # Of SYSTEM_ERROR; 0: none.


def refusal(operation: str, fault: LibvirtFault, *, uri: str, lost: bool = False) -> HostRefused:
    """Return the refusal of `operation`, written as an operator would type it.

    Args:
        operation: What was tried.
        fault: What libvirt said.
        uri: The libvirt that said it.
        lost: The connection went with it: the same on a new one may work.
    """
    errno_name = _errno_name(fault)
    problem = " ".join(fault.message.split())[:_MESSAGE_MAX] or f"libvirt error {fault.code}"
    remedy = _remedy(fault, errno_name, uri, lost=lost)
    if remedy:
        problem = f"{problem}; {remedy}"
    transient = (
        lost
        or fault.code in _TRANSIENT
        or errno_name in _TRANSIENT_ERRNOS
        or _is_not_there(fault, errno_name)
    )
    return HostRefused(operation, problem, errno_name=errno_name, transient=transient)


def unanswered(operation: str, uri: str, seconds: float) -> HostRefused:
    """Return the refusal of what libvirt did not answer in time; it may still come to do it."""
    return HostRefused(
        operation,
        f"libvirt at {uri} did not answer within {seconds:g} s; see `journalctl -u libvirtd`, and "
        "restart it if it hangs (guests go on running)",
        errno_name="ETIMEDOUT",
        transient=True,
    )


def _errno_name(fault: LibvirtFault) -> str:
    """Name the error of the system call that failed.

    libvirt passes errnos as a number in some errors, and as text at the end of the message in
    others: "Cannot get interface MAC on 'eth7': No such device".
    """
    if fault.code == SYSTEM_ERROR and fault.errno in errno.errorcode:
        return errno.errorcode[fault.errno]
    return _BY_TEXT.get(fault.message.rpartition(": ")[2].strip(), "")


_BY_TEXT: Final = {
    os.strerror(number): name
    for number, name in errno.errorcode.items()
    if name in ("EBUSY", "EAGAIN", "ENODEV", "EEXIST", "EPERM", "EACCES", "EINVAL", "EOPNOTSUPP")
}


def _is_not_there(fault: LibvirtFault, errno_name: str) -> bool:
    """Say whether no libvirt answers at all: one that is being restarted will."""
    return fault.code == NO_CONNECT or (
        fault.code in (SYSTEM_ERROR, RPC) and errno_name in _NOT_REACHED
    )


def _remedy(fault: LibvirtFault, errno_name: str, uri: str, *, lost: bool) -> str:
    if lost:
        return f"the connection to libvirt at {uri} was lost"
    if fault.code in (AUTH_FAILED, AUTH_CANCELLED, AUTH_UNAVAILABLE, ACCESS_DENIED):
        return f"let the agent's user use {uri}: `usermod --append --groups libvirt USER`"
    if _is_not_there(fault, errno_name):
        return f"start libvirt (`systemctl start libvirtd`), or mend the URI {uri}"
    if "type=kvm" in fault.message or "/dev/kvm" in fault.message:
        return "load kvm_intel or kvm_amd and switch virtualization on in the firmware"
    return ""
