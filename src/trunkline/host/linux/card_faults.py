"""What is wrong with PFs by the kernel's own events: recoveries from PCI Express errors, and what
drivers say by devlink's health reporters.

Of a recovery nothing can be read afterwards: the kernel tells of it by events alone, so an agent
that starts anew knows of none. The errors themselves are counted in sysfs.
Source: Linux drivers/pci/pcie/err.c, pcie_do_recovery(); drivers/pci/pci-driver.c,
pci_uevent_ers(); Documentation/ABI/testing/sysfs-bus-pci-devices-aer_stats.
"""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path
from typing import Final

from trunkline.domain.device import NOT_RECOVERED, RECOVERING
from trunkline.domain.pci import PciAddress
from trunkline.host.linux import sysfs
from trunkline.host.linux.devlink_messages import DeviceChange, DevlinkDevice, ReporterState
from trunkline.host.linux.uevents import Uevent

_TOTAL: Final = re.compile(r"TOTAL_ERR_[A-Z]+ ([0-9]{1,20})")
_PCI: Final = "pci"


class CardFaults:
    """What has been heard. Told of by one thread, asked by others."""

    def __init__(self, sysfs_root: Path = Path("/sys")) -> None:
        """Begin with nothing; `sysfs_root` is where sysfs is mounted."""
        self._devices = str(sysfs_root / sysfs.DEVICES)
        self._lock = threading.Lock()
        self._recoveries: dict[str, str] = {}  # By function: that, or that it failed.
        self._reporters: dict[DevlinkDevice, set[tuple[int | None, str]]] = {}  # Those in error.

    def of(self, pf: PciAddress) -> str:
        """Say what is wrong with a PF, and after a colon what to do; empty: nothing is known."""
        with self._lock:
            recovery = self._recoveries.get(str(pf), "")
            reporters = sorted({name for _, name in self._reporters.get(_named(pf), ())})
        if recovery or not reporters:
            return recovery
        words = f"devlink's health reporter {reporters[0]}"
        if len(reporters) > 1:
            words = f"devlink's health reporters {' and '.join(reporters)}"
        return (
            f"{words} told of an error: `devlink health show pci/{pf} reporter {reporters[0]}`, and"
            f" `devlink health recover pci/{pf} reporter {reporters[0]}`"
        )

    def note_uevent(self, event: Uevent) -> None:
        """Take in an event of a PCI function."""
        function = event.function
        if function is None or event.subsystem != "pci":
            return
        if event.recovery == "FAILED_RECOVERY":
            # Earlier kernels tell it of the bridge above alone.
            concerned, state = self._at_and_below(function), NOT_RECOVERED
        elif event.recovery == "BEGIN_RECOVERY":
            concerned, state = {function}, RECOVERING
        elif event.recovery or event.action in ("add", "bind", "remove"):
            concerned, state = {function}, ""
        else:
            return
        with self._lock:
            for each in concerned:
                if state:
                    self._recoveries[each] = state
                else:
                    self._recoveries.pop(each, None)

    def note_health(self, event: ReporterState | DeviceChange) -> bool:
        """Take in what devlink tells; say whether it is news of a PCI function."""
        with self._lock:
            before = self._reporters.get(event.device, set())
            if isinstance(event, DeviceChange):
                now = set()
            else:
                this = {(event.port, event.reporter)}
                now = before - this if event.is_healthy else before | this
            if now:
                self._reporters[event.device] = now
            else:
                self._reporters.pop(event.device, None)
        return event.device.bus == _PCI and now != before

    def forget_reporters(self) -> None:
        """Note that devlink will tell of all that there are, since some of its news was lost."""
        with self._lock:
            self._reporters.clear()

    def forget_recovering(self) -> None:
        """Note that events of functions were lost: of what recovered, the end among them."""
        with self._lock:
            self._recoveries = {
                function: state
                for function, state in self._recoveries.items()
                if state != RECOVERING
            }

    def _at_and_below(self, function: str) -> set[str]:
        below = {function}
        for name in os.listdir(self._devices):  # noqa: PTH208  # as elsewhere in sysfs
            try:
                way = os.readlink(f"{self._devices}/{name}")  # noqa: PTH115
            except OSError:
                continue  # It has just gone.
            if function in way.split("/"):
                below.add(name)
        return below


def uncorrectable_errors(device: str) -> int | None:
    """Return how many uncorrectable errors the kernel has counted for a function since it came.

    None: it counts none: the function does not report them (AER), or the firmware keeps them.
    """
    totals = [
        _TOTAL.search(sysfs.find_text(f"{device}/aer_dev_{kind}") or "")
        for kind in ("fatal", "nonfatal")
    ]
    found = [int(total.group(1)) for total in totals if total is not None]
    return sum(found) if found else None


def _named(pf: PciAddress) -> DevlinkDevice:
    return DevlinkDevice(_PCI, str(pf))
