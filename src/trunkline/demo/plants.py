"""Faults that are planted in a simulated card, to show that the demonstration notices them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from trunkline.demo.stage import Stage
from trunkline.domain.pci import PciAddress
from trunkline.host.faults import Fault, IgnoreVlan, SwapVfs
from trunkline.host.simulated_host import open_host
from trunkline.wire.v1 import DeviceItem, ExplainBody, ExplainNic


def _vlan_ignored(device: DeviceItem) -> Fault:
    return IgnoreVlan(pf=_pf(device))


def _vfs_swapped(device: DeviceItem) -> Fault:
    # Reads are swapped as well: the agent reads back what it wrote, and can't notice.
    mine = device.vf_index or 0
    return SwapVfs(pf=_pf(device), a=mine, b=mine + 1, reads_too=True)


_FAULTS: Final[Mapping[str, tuple[Callable[[DeviceItem], Fault], str]]] = MappingProxyType({
    "vlan-ignored": (_vlan_ignored, "a VLAN write is acknowledged, and ignored"),
    "vfs-swapped": (_vfs_swapped, "two VFs are swapped, for writing and for reading"),
})  # fmt: skip
NAMES: Final = tuple(_FAULTS)


def plant(stage: Stage, name: str) -> None:
    """Plant a fault in the card that the first server will use; nothing but the card knows it."""
    nic = ExplainNic(network="blue", vnic_type="direct")
    answer = stage.cloud.v1.explain(ExplainBody(nics=(nic,), flavor="small"))
    assert answer.host is not None
    devices = stage.cloud.v1.devices({"host": answer.host})
    device = next(d for d in devices if d.address == answer.nics[0].device)
    make, meaning = _FAULTS[name]
    open_host(stage.hosts, answer.host).kernel.plant(make(device))
    stage.story.say(
        f"PLANTED FAULT {name}: on the card {device.pf_address} of {answer.host}, {meaning}."
    )


def _pf(device: DeviceItem) -> PciAddress:
    assert device.pf_address is not None
    return PciAddress.parse(device.pf_address)
