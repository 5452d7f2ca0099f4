"""Ports: where a server joins a network."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import NetworkId, PortId, ProjectId, QosPolicyId, SubnetId
from trunkline.domain.nic_rules import NumaPolicy
from trunkline.domain.pci_flavor import Alternative

_LOGICAL_NAME: Final = re.compile(r"tl[0-9a-f]{12}", re.ASCII)


class VnicType(enum.Enum):
    """What a port asks for. The values are Neutron's."""

    NORMAL = "normal"  # A virtual NIC on the host's bridge.
    DIRECT = "direct"  # A VF, handed to the guest.
    MACVTAP = "macvtap"  # A VF, kept by the host, with a macvtap on it for the guest.
    DIRECT_PHYSICAL = "direct-physical"  # A whole PF, handed to the guest.


# Known to Neutron's clients and refused here, each with the reason the caller is told. They must
# never be served as if they asked for a plain VF.
REFUSED_VNIC_TYPES: Final[Mapping[str, str]] = {
    "vdpa": "vDPA devices are not supported",
    "remote-managed": "DPU-managed devices are not supported",
    "smart-nic": "smart NICs of bare-metal servers are not supported",
    "baremetal": "bare-metal servers are not supported",
    "virtio-forwarder": "virtio forwarders are not supported",
    "accelerator-direct": "Cyborg accelerators are not supported",
    "accelerator-direct-physical": "Cyborg accelerators are not supported",
}


def parse_vnic_type(text: str) -> VnicType:
    """Read a VNIC type; raise `ValueError` with the reason for one that is not served.

    A type that is not served is never taken for a similar one: it would get a plain VF.
    """
    if text in REFUSED_VNIC_TYPES:
        raise ValueError(f"{text} is not served: {REFUSED_VNIC_TYPES[text]}")
    try:
        return VnicType(text)
    except ValueError:
        known = ", ".join(kind.value for kind in VnicType)
        raise ValueError(f"must be one of {known}, not {text[:60]!r}") from None


@dataclass(frozen=True, slots=True)
class FixedIp:
    """An address that a port holds in a subnet."""

    subnet_id: SubnetId
    ip_address: str


@dataclass(frozen=True, slots=True)
class AddressPair:
    """An address that a server sends from besides those of its port."""

    ip_address: str  # Or a CIDR: as it was said.
    mac: MacAddress | None = None  # None: the port's own.


@dataclass(frozen=True, slots=True)
class DhcpOption:
    """What a DHCP server would tell the port's guest."""

    name: str
    value: str
    ip_version: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A place to plug one NIC of a server into a network.

    What the port is bound to is in `domain.binding.Binding`, never here.
    """

    id: PortId
    network_id: NetworkId
    project_id: ProjectId
    name: str
    mac: MacAddress
    created_at: datetime
    updated_at: datetime
    vnic_type: VnicType = VnicType.NORMAL
    pci_flavor: str | None = None  # Which devices will do, besides what the network demands.
    pci_match: Alternative = ()  # Conditions of its own that its device must meet besides.
    numa_policy: NumaPolicy | None = None  # None: as its server's flavor or image says.
    description: str = ""
    admin_state_up: bool = True
    fixed_ips: tuple[FixedIp, ...] = ()
    device_id: str = ""  # The server's ID, or whatever the port's creator wrote.
    device_owner: str = ""
    port_security_enabled: bool = True
    trusted: bool = (
        False  # binding:profile {"trusted": true}: the VF may change MAC and promiscuity.
    )
    vlan_qos: int = 0  # 802.1p priority of the frames, 0-7.
    qos_policy_id: QosPolicyId | None = None  # None: its network's, if that has one.
    profile: Mapping[str, object] = field(default_factory=dict)  # Keys that we don't interpret.
    created_by_server: bool = False  # Made for `--network`; deleted with its server.
    allowed_address_pairs: tuple[AddressPair, ...] = ()
    extra_dhcp_opts: tuple[DhcpOption, ...] = ()
    tags: tuple[str, ...] = ()
    revision: int = 0

    @property
    def said(self) -> str:
        """What people are told that it is."""
        return said(self.name, self.id)


def said(name: str, id_: str) -> str:
    """What people are told that a port is: its ID, after its name if it has one."""
    return f"{name} ({id_})" if name else id_


def logical_device_name(port_id: PortId) -> str:
    """The name of the port's network device, the same on every host: ``tl`` and 12 hex digits.

    A netdev name has at most 15 bytes (IFNAMSIZ less the final NUL, linux/if.h). It is part of the
    port from its creation, so the network side can tell it before any host is chosen.
    """
    return "tl" + port_id.replace("-", "")[:12]


def is_logical_device_name(ifname: str) -> bool:
    """Whether a netdev has a name such as `logical_device_name` makes."""
    return _LOGICAL_NAME.fullmatch(ifname) is not None
