"""The network drivers that come with Trunkline. Registered by entry point, as anyone's are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trunkline.domain.device import PHYSICAL_NETWORK_TAG, OfferedDevice, device_attributes
from trunkline.domain.network import Network, NetworkType, Segment
from trunkline.domain.port import VnicType
from trunkline.netdrivers.base import BadDriverOption, Requirements

DEFAULT_ATTRIBUTE: Final = f"e.{PHYSICAL_NETWORK_TAG}"
_OUTER_TAGS: Final = "can.vlan_8021ad"


class PhysicalNetworkDriver:
    """Flat and VLAN networks: a device must be cabled to the segment's physical network.

    For a QinQ network its PF must be able to put 802.1ad tags around the frames of its VFs as well.

    Options: `provider_attribute` and `tenant_attribute` name the device attribute that must equal
    the physical network's name, for networks that an admin made and for tenants' own. Both are
    ``e.physical_network`` by default. Two attributes let an operator keep cards for one of the two.
    """

    name = "physical_network"
    network_types = frozenset({NetworkType.FLAT, NetworkType.VLAN})
    vnic_types = frozenset(VnicType)

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        given = dict(options or {})
        self._provider_attribute = given.pop("provider_attribute", DEFAULT_ATTRIBUTE)
        self._tenant_attribute = given.pop("tenant_attribute", DEFAULT_ATTRIBUTE)
        for option in given:
            raise BadDriverOption(
                self.name, option, "unknown; there are provider_attribute and tenant_attribute"
            )
        for option, attribute in (
            ("provider_attribute", self._provider_attribute),
            ("tenant_attribute", self._tenant_attribute),
        ):
            if not attribute:
                raise BadDriverOption(self.name, option, "must name an attribute")

    def attributes_used(self) -> frozenset[str]:
        """Return the one or two attributes of the options, and what QinQ networks need."""
        return frozenset({self._provider_attribute, self._tenant_attribute, _OUTER_TAGS})

    def requirements(self, network: Network, segment: Segment) -> Requirements:
        """Demand that the device is cabled to the segment's physical network, and can tag."""
        assert segment.physical_network is not None, "flat and VLAN segments have one"
        attribute = self._provider_attribute if network.provider else self._tenant_attribute
        outer_tags = {_OUTER_TAGS: "true"} if network.qinq else {}
        return Requirements({attribute: segment.physical_network, **outer_tags})

    def refusal(self, network: Network, segment: Segment, device: OfferedDevice) -> str | None:
        """Refuse a device that lacks a required attribute."""
        has = device_attributes(device)
        for attribute, wanted in self.requirements(network, segment).attributes.items():
            found = has.get(attribute)
            if found != wanted:
                is_what = "has none" if found is None else f"has {found!r}"
                return (
                    f"network {network.id} needs {attribute} = {wanted!r} and the device {is_what}"
                )
        return None


class TunnelDriver:
    """VXLAN networks: hosts encapsulate the frames, so only NICs on a host's bridge reach them."""

    name = "tunnel"
    network_types = frozenset({NetworkType.VXLAN})
    vnic_types = frozenset({VnicType.NORMAL})

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        for option in options or {}:
            raise BadDriverOption(self.name, option, "unknown; this driver has no options")

    def attributes_used(self) -> frozenset[str]:
        """No device reaches a tunnel, so none is described."""
        return frozenset()

    def requirements(self, network: Network, segment: Segment) -> Requirements:  # noqa: ARG002
        """Demand nothing of devices: ports here have none."""
        return Requirements({})

    def refusal(
        self,
        network: Network,
        segment: Segment,
        device: OfferedDevice,  # noqa: ARG002
    ) -> str | None:
        """Refuse every device: the card would put the frames on the wire without their tunnel."""
        kind = segment.network_type.value
        return f"network {network.id} is a tunnel ({kind}), which no SR-IOV device can reach"
