"""What a function is used for, as far as the host itself tells.

One that is bound to vfio-pci may be nobody's yet. vfio enables it when it is opened, and disables
it when it is closed; how often it is enabled anybody may read.
Source: Linux drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_enable(); drivers/pci/pci-sysfs.c,
enable_show().
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trunkline.domain.device import OPENED, is_vfio_driver
from trunkline.host.linux import sysfs


def use_of(
    device: str,
    *,
    driver: str | None,
    netdevs: Sequence[str],
    has_netdevs: bool,
    addresses: Mapping[str, str],
) -> str:
    """Say what the function in the directory `device` is used for; empty: nothing that is seen.

    A netdev in another network namespace is not below its function in ours.

    Args:
        device: Its directory in sysfs.
        driver: What it is bound to.
        netdevs: Its netdevs in this network namespace.
        has_netdevs: Its driver should make it one: it is Ethernet.
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
    if is_vfio_driver(driver):
        return OPENED if sysfs.find_int(f"{device}/enable") else ""
    if driver is not None and not netdevs and has_netdevs:
        return f"{driver} has it without a netdev here: another network namespace, or a program"
    return ""
