"""Who has a VF, as far as sysfs tells."""

from __future__ import annotations

import os
from typing import Final

from trunkline.host.linux import sysfs
from trunkline.host.linux.inventory import VFIO

# Base class and subclass. VFs of other classes may well have a driver and no netdev.
_ETHERNET: Final = 0x0200
_UPPER: Final = "upper_"


def vf_use(device: str) -> str | None:
    """Say who uses the VF in the directory `device`; None: nobody that can be seen.

    Source: Linux net/core/dev.c, netdev_adjacent_sysfs_add(): ``upper_NAME`` for each netdev that
    is on top of one. A netdev in another network namespace is not below its function in ours.

    Raises:
        OSError: sysfs can't be read.
        BadContent: A file in it is not as documented.
    """
    driver = sysfs.find_link_name(f"{device}/driver")
    if driver == VFIO:
        return "a guest has it"
    netdevs = sysfs.netdevs(device)
    for ifname in netdevs:
        uppers = sorted(
            name.removeprefix(_UPPER)
            for name in os.listdir(f"{device}/net/{ifname}")  # noqa: PTH208
            if name.startswith(_UPPER)
        )
        if uppers:
            return f"{ifname} is below {', '.join(uppers)}"
    if driver is not None and not netdevs and sysfs.read_class(f"{device}/class") >> 8 == _ETHERNET:
        return f"{driver} has it without a netdev here: another network namespace, or a program"
    return None
