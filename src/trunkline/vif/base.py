"""What a VIF type is: how one kind of NIC is shown by the network API and built in libvirt XML.

VIF types are found by the entry point group `trunkline.vif_types`: an instance or a class without
arguments that satisfies `VifType`. The compute side knows no vendor: it asks the VIF type that the
binding names (the `mlnx_direct` of 2013 is one, in `vif.mlnx_direct`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from lxml.etree import _Element

from trunkline.domain.device import DeviceKind
from trunkline.domain.ether import MacAddress
from trunkline.domain.pci import PciAddress
from trunkline.domain.port import VnicType

VIF_TYPE_GROUP = "trunkline.vif_types"


@dataclass(frozen=True, slots=True, kw_only=True)
class VifRequest:
    """What a VIF type may look at: the port, its segment and the device chosen for it."""

    vnic_type: VnicType
    mac: MacAddress
    logical_name: str  # The device name that is the same on every host.
    vlan_id: int  # 1-4094; 0: untagged.
    device_kind: DeviceKind | None  # None: no device (`normal`).
    device_address: PciAddress | None
    bridge: str | None  # `normal` only.
    mtu: int
    # The libvirt network that hands the device out; None: the device is named.
    network_pool: str | None = None
    managed: bool = True  # Whether libvirt binds the device to vfio-pci, and back.


@runtime_checkable
class VifType(Protocol):
    """One way to realise a NIC. All methods are pure; the properties may be plain attributes."""

    @property
    def name(self) -> str:
        """What `binding:vif_type` shows; may be shared with others if `vnic_types` differ."""
        ...

    @property
    def vnic_types(self) -> frozenset[VnicType]:
        """The VNIC types that it can serve."""
        ...

    @property
    def device_kind(self) -> DeviceKind | None:
        """What it needs: a VF, a PF, or no device."""
        ...

    def netdev_name(self, request: VifRequest, /) -> str | None:
        """Return the name that the VF's netdev must have before the guest starts.

        None: the guest is not attached by a netdev's name, and the netdev is left alone.
        """
        ...

    def details(self, request: VifRequest, /) -> Mapping[str, object]:
        """Return `binding:vif_details`, known before the server boots."""
        ...

    def interface(self, request: VifRequest, /) -> _Element:
        """Return the libvirt device element (`<interface>` or `<hostdev>`) of the NIC."""
        ...
