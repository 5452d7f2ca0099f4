"""Whether udev has done its work: it names netdevs some time after the kernel has made them."""

from __future__ import annotations

import os
from typing import Final

from trunkline.host.linux import sysfs

RUN: Final = "/run/udev"
# How often to look: the kernel tells nothing of what udev has not changed.
LOOK_SECONDS: Final = 0.05


def is_done_with(netdev: str, *, run: str = RUN) -> bool:
    """Say whether the netdev in the directory `netdev` has the name that udev gives it.

    Always so where no udev runs. Source: systemd src/udev/udev-ctrl.c (``control`` is udevd's
    socket); src/libsystemd/sd-device/device-private.c, device_update_db(): ``data/nIFINDEX`` is
    written once the rules have been gone through.
    """
    if not os.path.exists(f"{run}/control"):  # noqa: PTH110
        return True
    index = sysfs.find_text(f"{netdev}/ifindex")
    return index is not None and os.path.exists(f"{run}/data/n{index}")  # noqa: PTH110
