"""Telling at once of PFs that go out of service, and of those that come back once they stay.

A cable with a bad plug goes up and down many times a minute. Told as it is, each time would change
what placement may choose, and servers would be put on a PF that is gone a second later. A PF that
met an uncorrectable error is held as one that was out, though it may have recovered unseen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from trunkline.domain.device import DeviceKind, OfferedDevice, PciFunction, service_problem
from trunkline.domain.pci import PciAddress

_Inventory = tuple[OfferedDevice, ...]
MET_ERROR: Final = "it met an uncorrectable error of PCI Express a moment ago"


class LinkHold:
    """What has been told of PFs out of service. A new run of the agent knows of none."""

    def __init__(self, settle: timedelta) -> None:
        """Begin.

        Args:
            settle: How long a PF has to be well before it is told that it is.
        """
        self._settle = settle
        self._out: dict[PciAddress, PciFunction] = {}  # As last told.
        self._well_since: dict[PciAddress, datetime] = {}  # Of these, those that look well.
        self._errors: dict[PciAddress, int] = {}  # Of each PF, counted when it was last looked at.

    def dues(self) -> Iterator[datetime]:
        """Yield when PFs are to be looked at again, since they may have held by then."""
        return (since + self._settle for since in self._well_since.values())

    def told(self, inventory: _Inventory, now: datetime) -> _Inventory:
        """Return what is to be told of the inventory that was read at `now`."""
        there = {device.function.address for device in inventory}
        for gone in self._out.keys() - there:
            del self._out[gone]
            self._well_since.pop(gone, None)
        for gone in self._errors.keys() - there:
            del self._errors[gone]
        held = {
            device.function.address: told
            for device in inventory
            if device.function.kind is DeviceKind.PF
            and (told := self._told(device.function, now)) is not device.function
        }
        if not held:
            return inventory
        return tuple(
            replace(device, function=held[device.function.address])
            if device.function.address in held
            else device
            for device in inventory
        )

    def _told(self, pf: PciFunction, now: datetime) -> PciFunction:
        address = pf.address
        out = self._out.get(address)
        met_error = self._has_met_error(pf)
        if service_problem(pf):
            self._well_since.pop(address, None)
            # However many errors there are meanwhile, they are told once it is over.
            errors = pf.uncorrectable_errors if out is None else out.uncorrectable_errors
            self._out[address] = replace(pf, uncorrectable_errors=errors)
            return self._out[address]
        if met_error:
            self._well_since[address] = now
            out = self._out.setdefault(address, replace(pf, fault=MET_ERROR))
        elif out is None:
            return pf
        since = self._well_since.setdefault(address, now)
        if now - since >= self._settle:
            del self._out[address], self._well_since[address]
            return pf
        return replace(
            pf,
            link_up=out.link_up,
            speed_mbps=out.speed_mbps,
            fault=out.fault,
            driver=out.driver,
            uncorrectable_errors=out.uncorrectable_errors,
        )

    def _has_met_error(self, pf: PciFunction) -> bool:
        """Whether more errors of a PF are counted than when it was looked at last."""
        if pf.uncorrectable_errors is None:
            self._errors.pop(pf.address, None)
            return False
        before = self._errors.get(pf.address)
        self._errors[pf.address] = pf.uncorrectable_errors
        return before is not None and pf.uncorrectable_errors > before
