"""The VIF types that come with Trunkline. Registered by entry point, as anyone's are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lxml import etree
from lxml.etree import _Element

from trunkline.domain.device import DeviceKind
from trunkline.domain.port import VnicType
from trunkline.vif.base import VifRequest
from trunkline.vif.elements import (
    add_pci_address,
    add_vlan,
    from_network,
    hostdev,
    interface,
    l2_details,
    macvtap_on,
)

BRIDGE: Final = "bridge"  # The VIF type whose taps the agent gives their VLANs.
TAP_MTU_MIN: Final = 68  # Of any Ethernet netdev of Linux: ETH_MIN_MTU, linux/if_ether.h.


class DirectVf:
    """A VF handed to the guest, its MAC and VLAN switched by the card."""

    name = "hw_veb"
    vnic_types = frozenset({VnicType.DIRECT})
    device_kind = DeviceKind.VF

    def netdev_name(self, _request: VifRequest) -> str | None:
        """The VF's netdev disappears when vfio takes the VF; it needs no name."""
        return None

    def details(self, request: VifRequest) -> Mapping[str, object]:
        """Return `binding:vif_details`."""
        return l2_details(request)

    def interface(self, request: VifRequest) -> _Element:
        """Return ``<interface type='hostdev'>``: libvirt sets MAC and VLAN on the PF at start."""
        if request.network_pool is not None:
            return from_network(request)
        assert request.device_address is not None
        element = interface("hostdev", request)
        element.set("managed", "yes" if request.managed else "no")
        etree.SubElement(element, "driver", name="vfio")
        source = etree.SubElement(element, "source")
        add_pci_address(source, request.device_address).set("type", "pci")
        add_vlan(element, request)
        return element


class MacvtapVf:
    """A VF that the host keeps, with a macvtap on it for the guest.

    The XML names the VF's netdev by the port's logical name, which is the same on every host.
    """

    name = "hw_veb"
    vnic_types = frozenset({VnicType.MACVTAP})
    device_kind = DeviceKind.VF

    def netdev_name(self, request: VifRequest) -> str | None:
        """Return the port's logical name. In a network pool netdevs keep the names it lists."""
        return None if request.network_pool is not None else request.logical_name

    def details(self, request: VifRequest) -> Mapping[str, object]:
        """Return `binding:vif_details`, with the device's name, known before any host is."""
        name = self.netdev_name(request)
        return l2_details(request) | ({} if name is None else {"device_name": name})

    def interface(self, request: VifRequest) -> _Element:
        """Return ``<interface type='direct'>`` in passthrough mode."""
        return macvtap_on(request.logical_name, request)


class WholePf:
    """A PF handed to the guest whole. The guest does its own tagging; no MAC can be set."""

    name = "hostdev_physical"
    vnic_types = frozenset({VnicType.DIRECT_PHYSICAL})
    device_kind = DeviceKind.PF

    def netdev_name(self, _request: VifRequest) -> str | None:
        """The PF's netdev disappears when vfio takes the PF."""
        return None

    def details(self, request: VifRequest) -> Mapping[str, object]:
        """Return `binding:vif_details`; `vlan` tells the guest which tag to use."""
        return l2_details(request)

    def interface(self, request: VifRequest) -> _Element:
        """Return a plain ``<hostdev>``: libvirt takes ``<interface type='hostdev'>`` for VFs only.

        Source: https://libvirt.org/formatdomain.html#pci-passthrough
        """
        assert request.device_address is not None
        return hostdev(request.device_address, managed=request.managed)


class BridgePort:
    """A virtual NIC on one of the host's bridges: no device of the card's is taken."""

    name = BRIDGE
    vnic_types = frozenset({VnicType.NORMAL})
    device_kind = None

    def netdev_name(self, _request: VifRequest) -> str | None:
        """The tap is made by libvirt, and named as ``<target>`` says."""
        return None

    def details(self, request: VifRequest) -> Mapping[str, object]:
        """Return `binding:vif_details`. The bridge is known once a host is."""
        details: dict[str, object] = {"connectivity": "l2", "port_filter": False}
        return details if request.bridge is None else details | {"bridge_name": request.bridge}

    def interface(self, request: VifRequest) -> _Element:
        """Return ``<interface type='bridge'>``, without ``<vlan>``.

        The agent gives the tap its VLAN, before the guest runs: libvirt does since 11.0 only, and
        refuses ``<vlan>`` on a Linux bridge before.
        """
        assert request.bridge is not None
        element = interface("bridge", request)
        etree.SubElement(element, "source", bridge=request.bridge)
        etree.SubElement(element, "target", dev=request.logical_name)
        etree.SubElement(element, "model", type="virtio")
        etree.SubElement(element, "mtu", size=str(max(request.mtu, TAP_MTU_MIN)))
        return element
