"""A network driver that tells fabrics apart by a tag of its own."""

from __future__ import annotations

from collections.abc import Mapping

from trunkline.domain.device import OfferedDevice, device_attributes
from trunkline.domain.network import Network, NetworkType, Segment
from trunkline.domain.port import VnicType
from trunkline.netdrivers.base import Requirements

_FABRIC = "e.acme_fabric"


class AcmeFabric:
    """VLAN networks on fabrics that device specs name by the tag `acme_fabric`."""

    name = "acme_fabric"
    network_types = frozenset({NetworkType.VLAN})
    vnic_types = frozenset({VnicType.DIRECT, VnicType.MACVTAP})

    def __init__(self, options: Mapping[str, str]) -> None:
        """Take the option `prefix`: what a fabric's name begins with, before the network's."""
        self._prefix = options.get("prefix", "")

    def attributes_used(self) -> frozenset[str]:
        """Return the one attribute that is demanded."""
        return frozenset({_FABRIC})

    def requirements(self, network: Network, segment: Segment) -> Requirements:
        """Demand the segment's fabric."""
        return Requirements({_FABRIC: self._fabric(network, segment)})

    def refusal(self, network: Network, segment: Segment, device: OfferedDevice) -> str | None:
        """Refuse a device of another fabric."""
        fabric = device_attributes(device).get(_FABRIC)
        if fabric == self._fabric(network, segment):
            return None
        return f"it is on fabric {fabric}, not on {self._fabric(network, segment)}"

    def _fabric(self, network: Network, segment: Segment) -> str:
        """Tenants' own networks share one fabric; an admin's are on that of the segment."""
        return self._prefix + (str(segment.physical_network) if network.provider else "tenants")
