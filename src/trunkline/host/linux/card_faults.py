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

import structlog

from trunkline.domain.device import NOT_RECOVERED, RECOVERING
from trunkline.domain.pci import PciAddress
from trunkline.host.linux import sysfs
from trunkline.host.linux.devlink_messages import (
    AllReporters,
    DeviceChange,
    DevlinkDevice,
    ReporterState,
)
from trunkline.host.linux.uevents import Uevent

_log = structlog.get_logger(__name__)

_TOTAL: Final = re.compile(r"TOTAL_ERR_[A-Z]+ ([0-9]{1,20})")
_PCI: Final = "pci"


class CardFaults:
    """What has been heard. Told of by one thread, asked by others."""

    def __init__(self, sysfs_root: Path = Path("/sys")) -> None:
        """Begin with nothing; `sysfs_root` is where sysfs is mounted."""
        self._devices = str(sysfs_root / sysfs.DEVICES)
        self._lock = threading.Lock()
        self._recoveries: dict[str, str] = {}  # By function: that, or that it failed.
        self._in_error: frozenset[ReporterState] = frozenset()

    def of(self, pf: PciAddress) -> str:
        """Say what is wrong with a PF, and after a colon what to do; empty: nothing is known."""
        with self._lock:
            recovery = self._recoveries.get(str(pf), "")
            in_error = self._in_error
        reporters = sorted(
            (each.reporter.name, "" if each.reporter.port is None else f"/{each.reporter.port}")
            for each in in_error
            if each.can_recover and each.reporter.device == _named(pf)
        )
        if recovery or not reporters:
            return recovery
        names = sorted({name for name, _ in reporters})
        words = "devlink's health reporter" + ("s " if len(names) > 1 else " ")
        first, port = reporters[0]
        which = f"pci/{pf}{port} reporter {first}"
        return (
            f"{words}{' and '.join(names)} told of an error: `devlink health show {which}`, and"
            f" `devlink health recover {which}`"
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

    def note_health(self, event: ReporterState | DeviceChange | AllReporters) -> frozenset[str]:
        """Take in what devlink tells; return the PCI functions of which it is news.

        A reporter that can't recover is a log: its driver sets it to error for a cable module that
        was pulled, or for what a guest did with its VF, and for good. It is no fault.
        """
        with self._lock:
            before = self._in_error
            self._in_error = now = _after(event, before)
        for each in now - before:
            if not each.can_recover:
                _log.warning(
                    "health reporter told of an error, which puts nothing out of service",
                    device=f"{each.reporter.device.bus}/{each.reporter.device.name}",
                    reporter=each.reporter.name,
                )
        return frozenset(
            each.reporter.device.name
            for each in before ^ now
            if each.can_recover and each.reporter.device.bus == _PCI
        )

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


def _after(
    event: ReporterState | DeviceChange | AllReporters, in_error: frozenset[ReporterState]
) -> frozenset[ReporterState]:
    """Return the reporters in error after `event`, of those that were before."""
    match event:
        case AllReporters():
            return frozenset(each for each in in_error if each.reporter in event.reporters)
        case DeviceChange():
            return frozenset(
                each
                for each in in_error
                if each.reporter.device != event.device
                or event.port not in (None, each.reporter.port)
            )
        case ReporterState():
            others = frozenset(each for each in in_error if each.reporter != event.reporter)
            return others if event.is_healthy else others | {event}


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
