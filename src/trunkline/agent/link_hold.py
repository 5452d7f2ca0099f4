"""Telling at once of PFs that go out of service, and of those that come back once they stay.

A cable with a bad plug goes up and down many times a minute. Told as it is, each time would change
what placement may choose, and servers would be put on a PF that is gone a second later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from trunkline.domain.device import DeviceKind, OfferedDevice, PciFunction, service_problem
from trunkline.domain.pci import PciAddress

_Inventory = tuple[OfferedDevice, ...]


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

    def dues(self) -> Iterator[datetime]:
        """Yield when PFs are to be looked at again, since they may have held by then."""
        return (since + self._settle for since in self._well_since.values())

    def told(self, inventory: _Inventory, now: datetime) -> _Inventory:
        """Return what is to be told of the inventory that was read at `now`."""
        for gone in self._out.keys() - {device.function.address for device in inventory}:
            del self._out[gone]
            self._well_since.pop(gone, None)
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
        if service_problem(pf):
            self._out[address] = pf
            self._well_since.pop(address, None)
            return pf
        out = self._out.get(address)
        if out is None:
            return pf
        since = self._well_since.setdefault(address, now)
        if now - since >= self._settle:
            del self._out[address], self._well_since[address]
            return pf
        return replace(
            pf, link_up=out.link_up, speed_mbps=out.speed_mbps, fault=out.fault, driver=out.driver
        )
