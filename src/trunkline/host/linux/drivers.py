"""Binding PCI functions to drivers.

Source: Linux Documentation/ABI/testing/sysfs-bus-pci, driver_override; drivers/base/bus.c.
"""

from __future__ import annotations

import errno
import os
import re
from typing import Final

from trunkline.domain.pci import PciAddress
from trunkline.host.linux import sysfs
from trunkline.host.refusals import host_refused
from trunkline.reconcile.interfaces import HostRefused

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")


def is_driver_name(name: str) -> bool:
    """Whether a driver of PCI functions may be called so."""
    return _NAME.fullmatch(name) is not None


def bind_driver(root: str, address: PciAddress, driver: str | None) -> None:
    """Take a function from its driver, and give it to `driver` alone (None: to none).

    The override that sees to it is taken away again, so that the function is bound as ever when
    it next comes.

    Raises:
        HostRefused: There is no such function or driver, or the driver did not take it.
    """
    operation = f"driverctl --nosave set-override {address} {driver or 'none'}"
    device = f"{root}/{sysfs.DEVICES}/{address}"
    try:
        if not os.path.isdir(device):  # noqa: PTH112
            raise OSError(errno.ENODEV, "there is no such PCI function")
        if sysfs.find_link_name(f"{device}/driver") == driver:
            return
        if driver is not None and not os.path.isdir(f"{root}/{sysfs.DRIVERS}/{driver}"):  # noqa: PTH112
            raise OSError(errno.ENOENT, f"the driver {driver} is not loaded; modprobe {driver}")
        if sysfs.find_link_name(f"{device}/driver") is not None:
            sysfs.write_text(f"{device}/driver/unbind", str(address))
        if driver is None:
            return
        sysfs.write_text(f"{device}/driver_override", driver)
        try:
            sysfs.write_text(f"{root}/bus/pci/drivers_probe", str(address))
        finally:
            sysfs.write_text(f"{device}/driver_override", "\n")
    except OSError as refusal:
        raise host_refused(operation, refusal) from refusal
    bound = sysfs.find_link_name(f"{device}/driver")
    if bound != driver:
        raise HostRefused(
            operation, f"it is bound to {bound or 'no driver'}; the kernel's log says why"
        )
