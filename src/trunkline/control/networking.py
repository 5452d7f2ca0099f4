"""The network side's configuration: ranges for tenant networks, and the network drivers."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from trunkline.domain.device import OfferedDevice
from trunkline.domain.errors import Invalid
from trunkline.domain.ids import PhysicalNetwork
from trunkline.domain.network import Network, NetworkType, Segment
from trunkline.domain.port import VnicType
from trunkline.netdrivers.base import NetworkDriver
from trunkline.vif.registry import DEFAULT_VIF_TYPES

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class ConnectivityCheck(enum.Enum):
    """When a device is checked to reach its NIC's network. The values are configuration."""

    PLACEMENT = "placement"  # Only hosts with devices that reach it are chosen.
    BINDING = (
        "binding"  # Any device is chosen; the network side refuses, and another host is tried.
    )


# Nothing but a card puts an 802.1ad tag around the frames of a guest that may tag them itself: a
# bridge goes by 802.1Q; to a guest that has the whole PF nobody's tag is added; and a netdev of the
# host between VF and guest, as under a macvtap, lets no tags through that it was not told of.
QINQ_VNIC_TYPE: Final = VnicType.DIRECT


@dataclass(frozen=True, slots=True)
class IdRange:
    """Segmentation IDs from `low` to `high`, both included."""

    low: int
    high: int

    def __contains__(self, segmentation_id: int) -> bool:
        return self.low <= segmentation_id <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Networking:
    """Which networks there can be."""

    vlan_ranges: Mapping[PhysicalNetwork, tuple[IdRange, ...]]  # A physical network without
    # ranges may still carry flat networks, and VLANs that an admin names.
    drivers: Sequence[NetworkDriver]
    tenant_network_types: tuple[NetworkType, ...] = (NetworkType.VLAN,)  # Tried in this order.
    vxlan_range: IdRange = field(default_factory=lambda: IdRange(1, 16_777_215))
    mtu: int = 1500
    default_vnic_types: Mapping[PhysicalNetwork, VnicType] = field(default_factory=dict)
    connectivity_check: ConnectivityCheck = ConnectivityCheck.PLACEMENT
    preferred_vif_types: Mapping[VnicType, str] = field(
        default_factory=lambda: DEFAULT_VIF_TYPES
    )  # Which VIF type ports of each VNIC type get.

    def driver_for(self, network_type: NetworkType) -> NetworkDriver:
        """Return the driver of this network type; raise `Invalid` if none is configured."""
        for driver in self.drivers:
            if network_type in driver.network_types:
                return driver
        known = sorted({kind.value for driver in self.drivers for kind in driver.network_types})
        raise Invalid(
            "provider:network_type",
            f"no network driver serves {network_type.value}; there are {known}",
        )

    def default_vnic_type(self, network: Network) -> VnicType:
        """Return the type of NICs on `network` that say none: on a QinQ network, the only one.

        Of several segments the first decides whose physical network has one.
        """
        if network.qinq:
            return QINQ_VNIC_TYPE
        names = [s.physical_network for s in network.segments if s.physical_network is not None]
        found = (self.default_vnic_types[name] for name in names if name in self.default_vnic_types)
        return next(found, VnicType.NORMAL)

    def requirements(self, network: Network) -> Mapping[str, Mapping[str, str]]:
        """Return what each segment of `network` demands of a device, by segment ID."""
        return {segment.id: self.requirements_of(network, segment) for segment in network.segments}

    def requirements_of(self, network: Network, segment: Segment) -> Mapping[str, str]:
        """Return what `segment` demands of a device."""
        return self.driver_for(segment.network_type).requirements(network, segment).attributes

    def demanded_by(self, network: Network, segment: Segment) -> Mapping[str, str]:
        """Return what placement is to demand of a device on `segment`."""
        if self.connectivity_check is ConnectivityCheck.BINDING:
            return _NOTHING
        return self.requirements_of(network, segment)

    def segment_for(
        self, network: Network, device: OfferedDevice, among: Iterable[Segment]
    ) -> Segment | str:
        """Return the first of these segments that the network side lets `device` be on.

        If there is none: why not, for each.
        """
        refusals: list[str] = []
        for segment in among:
            refusal = self.driver_for(segment.network_type).refusal(network, segment, device)
            if refusal is None:
                return segment
            refusals.append(refusal)
        return "; ".join(dict.fromkeys(refusals))
