"""What a function's netdevs are for, as far as the host itself tells.

Of a function that is bound to vfio-pci nothing is said: a guest has it, or nobody yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trunkline.domain.device import VFIO_DRIVER
from trunkline.host.linux import sysfs


def use_of(
    device: str,
    *,
    driver: str | None,
    netdevs: Sequence[str],
    is_ethernet: bool,
    addresses: Mapping[str, str],
) -> str:
    """Say what the function in the directory `device` is used for; empty: nothing that is seen.

    A netdev in another network namespace is not below its function in ours.

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
        uppers = sysfs.neighbours(f"{device}/net/{ifname}", "upper_")
        if uppers:
            return f"{ifname} is below {', '.join(uppers)}"
        if ifname in addresses:
            return f"{ifname} has the address {addresses[ifname]}"
    if driver not in (None, VFIO_DRIVER) and not netdevs and is_ethernet:
        return f"{driver} has it without a netdev here: another network namespace, or a program"
    return ""
