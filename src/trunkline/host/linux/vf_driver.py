"""Loading the driver of a VF anew."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from trunkline.host.linux import sysfs, udev
from trunkline.host.linux.uevents import News
from trunkline.host.refusals import host_refused
from trunkline.reconcile.interfaces import HostRefused

WAIT_SECONDS: Final = 15.0


def reload_vf_driver(
    device: str,
    *,
    drivers_probe: str,
    listen: Callable[[], AbstractContextManager[News]],
    is_named: Callable[[str], bool],
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Unbind the VF in the directory `device` from its driver, if it has one, and have it bound.

    Returns when its netdev is there, with the name that it is to have. `drivers_probe` is the file
    of that name in sysfs.

    Raises:
        HostRefused: The kernel refused, or no netdev came.
    """
    address = device.rpartition("/")[2]
    operation = f"echo {address} > {drivers_probe}"
    with listen() as news:
        try:
            # Source: Linux drivers/pci/pci-driver.c, pci_device_can_probe().
            if sysfs.find_text(f"{device}/physfn/sriov_drivers_autoprobe") == "0":
                raise HostRefused(
                    operation, "VFs get no driver while sriov_drivers_autoprobe of their PF is 0"
                )
            if sysfs.find_link_name(f"{device}/driver") is not None:
                operation = f"echo {address} > {device}/driver/unbind"
                sysfs.write_text(f"{device}/driver/unbind", address)
            operation = f"echo {address} > {drivers_probe}"
            sysfs.write_text(drivers_probe, address)
            _wait(device, operation, news, is_named, monotonic)
        except OSError as refusal:
            raise host_refused(operation, refusal) from refusal


def _wait(
    device: str,
    operation: str,
    news: News,
    is_named: Callable[[str], bool],
    monotonic: Callable[[], float],
) -> None:
    address = device.rpartition("/")[2]
    end = monotonic() + WAIT_SECONDS
    while True:
        found = sysfs.netdevs(device)
        if found and is_named(f"{device}/net/{found[0]}"):
            return
        left = end - monotonic()
        if left <= 0:
            driver = sysfs.find_link_name(f"{device}/driver")
            lacks = "udev has not named its netdev" if found else "it has no netdev"
            raise HostRefused(
                operation,
                f"{lacks} {WAIT_SECONDS:g} s later; its driver is {driver or 'none'}",
                errno_name="ETIMEDOUT",
                transient=True,
            )
        news.wait(min(left, udev.LOOK_SECONDS), lambda function: function == address)
