"""The steps by which a guest that runs is given a NIC, or loses one."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.domain.ids import PortId, ServerId
from trunkline.domain.pci import PciAddress


@dataclass(frozen=True, slots=True)
class Suspend:
    """Halt a running guest: as its owner wants it, or so that it sends nothing while a NIC of it
    is not as it should be.
    """

    server_id: ServerId

    def __str__(self) -> str:
        return f"virsh suspend {self.server_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlugNic:
    """Begin to give a guest one NIC more, now and from its next start on."""

    server_id: ServerId
    port_id: PortId
    xml: str
    device: PciAddress | None = None  # Of the host; None: a tap.
    ifname: str = ""  # The netdev under its macvtap, or its tap; empty: the device is handed over.

    def __str__(self) -> str:
        what = self.ifname or self.device
        return f"virsh attach-device {self.server_id} NIC.xml --live --config  # {what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnplugNic:
    """Begin to take a NIC from a guest, which has to let go of it."""

    server_id: ServerId
    port_id: PortId
    device: PciAddress | None = None  # As of `PlugNic`.
    ifname: str = ""

    def __str__(self) -> str:
        what = self.ifname or self.device
        return f"virsh detach-device {self.server_id} NIC.xml --live --config  # {what}"


NicStep = Suspend | PlugNic | UnplugNic
