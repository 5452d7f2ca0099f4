"""Creating and destroying the VFs of a PF, and waiting for them to be there."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from trunkline.host.linux import sysfs, udev
from trunkline.host.linux.uevents import News
from trunkline.host.refusals import errno_name, host_refused
from trunkline.reconcile.interfaces import HostRefused

# For all that is waited for, whatever happens meanwhile: others wait for the helper. The links of
# VFs are there when the write returns; this is for kernels that may do it otherwise.
WAIT_SECONDS: Final = 30.0
# Drivers of VFs may be bound in the background, or not at all (not installed, or kept away).
DRIVERS_QUIET_SECONDS: Final = 2.0
# A netdev comes some milliseconds after its driver.
NETDEVS_QUIET_SECONDS: Final = 0.3

_WHY: Final = {
    errno.EBUSY: "it has VFs, whose number changes only through 0, or a guest has one of them",
    errno.ERANGE: "that is more than sriov_totalvfs",
    errno.ENOENT: "its driver is not bound, or can't make VFs",
    errno.ENOMEM: "firmware has left no room for them; turn SR-IOV on in the BIOS setup, or boot "
    "with pci=realloc",
    errno.EOPNOTSUPP: "the function has no SR-IOV",
}


def set_vf_count(
    device: str,
    count: int,
    *,
    listen: Callable[[], AbstractContextManager[News]],
    is_named: Callable[[str], bool],
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Write ``sriov_numvfs`` of the PF in the directory `device`, and wait for what comes of it.

    Returns when as many VFs are there as the kernel says, each with its driver and netdev as far
    as these come. `sriov_drivers_autoprobe` says whether they do; it stays as it is. A driver may
    enable fewer VFs than `count` and the write succeeds: count afterwards.

    Raises:
        HostRefused: The kernel refused, VFs that it speaks of did not come, or the PF went away.
    """
    operation = f"echo {count} > {device}/sriov_numvfs"
    with listen() as news:
        try:
            _write(device, count)
        except OSError as refusal:
            number = refusal.errno or errno.EIO
            why = f": {_WHY[number]}" if number in _WHY else ""
            raise HostRefused(
                operation,
                f"{os.strerror(number)}{why}",
                errno_name=errno_name(number),
                transient=number == errno.EAGAIN,
            ) from refusal
        try:
            _wait(device, operation, news, is_named, monotonic)
        except sysfs.BadContent as problem:
            raise HostRefused(operation, f"can't be read back: {problem}") from problem
        except OSError as problem:
            if problem.errno in sysfs.GONE:
                raise HostRefused(
                    operation, "the PF went away meanwhile", errno_name="ENODEV"
                ) from problem
            raise host_refused(operation, problem) from problem


def _write(device: str, count: int) -> None:
    if not os.path.isdir(device):  # noqa: PTH112
        raise OSError(errno.ENODEV, "")
    try:
        sysfs.write_text(f"{device}/sriov_numvfs", str(count))
    except FileNotFoundError as missing:
        # The driver's ENOENT comes from the write, and names no file.
        if missing.filename is not None:
            raise OSError(errno.EOPNOTSUPP, "") from missing
        raise


def _wait(
    device: str,
    operation: str,
    news: News,
    is_named: Callable[[str], bool],
    monotonic: Callable[[], float],
) -> None:
    end = monotonic() + WAIT_SECONDS
    devices, _, pf = device.rpartition("/")

    def concerns(function: str) -> bool:
        return pf in (function, sysfs.find_link_name(f"{devices}/{function}/physfn"))

    def happens(within: float) -> bool:
        left = end - monotonic()
        return left > 0 and news.wait(min(within, left), concerns)

    while True:
        expected = sysfs.find_int(f"{device}/sriov_numvfs") or 0
        there = sysfs.vf_names(device)
        if len(there) == expected:
            break
        if not happens(WAIT_SECONDS):
            raise HostRefused(
                operation,
                f"the kernel says {expected} VFs, and {len(there)} came within {WAIT_SECONDS:g} s",
                errno_name="ETIMEDOUT",
                transient=True,
            )
    drivers_come = sysfs.find_text(f"{device}/sriov_drivers_autoprobe") != "0"
    while expected and drivers_come and happens(_quiet_seconds(device)):
        pass
    while not _have_names(device, is_named) and monotonic() < end:
        happens(udev.LOOK_SECONDS)


def _have_names(device: str, is_named: Callable[[str], bool]) -> bool:
    """Whether all netdevs of the PF's VFs have the names that they are to have."""
    vfs = [f"{device.rpartition('/')[0]}/{vf}" for vf in sysfs.vf_names(device).values()]
    return all(is_named(f"{vf}/net/{ifname}") for vf in vfs for ifname in sysfs.netdevs(vf))


def _quiet_seconds(device: str) -> float:
    """How long nothing must have happened until nothing is expected any more."""
    vfs = [f"{device}/{name}" for name in os.listdir(device) if name.startswith("virtfn")]  # noqa: PTH208
    bound = all(sysfs.find_link_name(f"{vf}/driver") is not None for vf in vfs)
    return NETDEVS_QUIET_SECONDS if bound else DRIVERS_QUIET_SECONDS
