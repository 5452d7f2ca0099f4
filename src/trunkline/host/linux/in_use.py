"""What a function's netdevs are for, as far as the host itself tells.

Of a function that is bound to vfio-pci nothing is said: a guest has it, or nobody yet.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Final

from trunkline.domain.device import VFIO_DRIVER
from trunkline.host.linux import sysfs

_UPPER: Final = "upper_"


def use_of(
    device: str,
    *,
    driver: str | None,
    netdevs: Sequence[str],
    is_ethernet: bool,
    addresses: Mapping[str, str],
) -> str:
    """Say what the function in the directory `device` is used for; empty: nothing that is seen.

    Source: Linux net/core/dev.c, netdev_adjacent_sysfs_add(): ``upper_NAME`` for each netdev that
    is on top of one. A netdev in another network namespace is not below its function in ours.

    Args:
        device: Its directory in sysfs.
        driver: What it is bound to.
        netdevs: Its netdevs in this network namespace.
        is_ethernet: Functions of other classes may well have a driver and no netdev.
        addresses: Of netdevs that have an IP address, that address.

    Raises:
        OSError: sysfs can't be read.
    """
    for ifname in netdevs:
        uppers = _uppers(f"{device}/net/{ifname}")
        if uppers:
            return f"{ifname} is below {', '.join(uppers)}"
        if ifname in addresses:
            return f"{ifname} has the address {addresses[ifname]}"
    if driver not in (None, VFIO_DRIVER) and not netdevs and is_ethernet:
        return f"{driver} has it without a netdev here: another network namespace, or a program"
    return ""


def _uppers(netdev: str) -> list[str]:
    try:
        names = os.listdir(netdev)  # noqa: PTH208  # as elsewhere in sysfs
    except OSError as problem:
        if problem.errno in sysfs.GONE:
            return []
        raise
    return sorted(name.removeprefix(_UPPER) for name in names if name.startswith(_UPPER))
