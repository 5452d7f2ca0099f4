"""What the use cases of ports, servers and devices answer: rows joined, ready to be rendered."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.domain.aggregate import DEFAULT_ZONE
from trunkline.domain.allocation import Allocation
from trunkline.domain.binding import Binding, BindingState
from trunkline.domain.device import OfferedDevice
from trunkline.domain.host import Host, HostUse
from trunkline.domain.ids import DeviceId, HostName, QosPolicyId, SecurityGroupId, ZoneName
from trunkline.domain.network import Network, Segment
from trunkline.domain.port import Port
from trunkline.domain.resource_request import ResourceRequest
from trunkline.domain.server import Server
from trunkline.store.bandwidth import BandwidthUse


@dataclass(frozen=True, slots=True, kw_only=True)
class PortView:
    """A port with what it is bound to. One binding row is the truth for every face."""

    port: Port
    binding: Binding | None
    host_name: HostName | None
    device: OfferedDevice | None  # The PF or VF it is bound to.
    segment: Segment | None
    qos_network_policy_id: QosPolicyId | None = None  # Its network's, whatever its own.
    security_group_ids: tuple[SecurityGroupId, ...] = ()
    # None: it asks for nothing, or that was not asked; see `views_with_requests`.
    resource_request: ResourceRequest | None = None

    @property
    def qos_policy_id(self) -> QosPolicyId | None:
        """The policy that it has: its own, or its network's."""
        return self.port.qos_policy_id or self.qos_network_policy_id

    @property
    def status(self) -> str:
        """Neutron's port status: ACTIVE while the host has shown the NIC under a running guest.

        A port that is administratively down is DOWN, whatever its guest does.
        """
        if self.binding is None or not self.port.admin_state_up:
            return "DOWN"
        return {
            BindingState.ACTIVE: "ACTIVE",
            BindingState.DETACHING: "ACTIVE",
            BindingState.CLAIMED: "DOWN" if self.binding.server_id is None else "BUILD",
            BindingState.DOWN: "DOWN",
            BindingState.UNBOUND: "DOWN",
        }[self.binding.state]


@dataclass(frozen=True, slots=True, kw_only=True)
class NicView:
    """One NIC of a server: the path from it to the VLAN on the wire."""

    port: PortView
    network: Network
    security_groups: tuple[str, ...] = ()  # Names of those that are the port's project's.


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerView:
    """A server with its host and its NICs, in the order in which the guest sees them."""

    server: Server
    host: Host | None
    host_up: bool  # Its agent has been heard within the limit; False without a host.
    nics: tuple[NicView, ...]
    devices: tuple[OfferedDevice, ...] = ()  # Besides the NICs' own; by address.
    zone: ZoneName | None = None  # Of its host; without one, that it was asked for in.


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """A host with what its servers use."""

    host: Host
    use: HostUse
    up: bool  # Its agent has been heard within the limit.
    server_count: int
    out_of_service: tuple[str, ...] = ()  # Why PFs of it are.
    zone: ZoneName = DEFAULT_ZONE


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    """A device with its holder."""

    id: DeviceId
    host_name: HostName
    device: OfferedDevice
    offered: bool
    epoch: int
    allocation: Allocation | None
    pf_given_away: bool  # A VF whose PF is given away whole.
    vfs_held: int  # PF only.
    bandwidth: BandwidthUse | None = None  # PF only; None: it accounts nothing.
    problem: str = ""  # Why its PF is out of service, or it is itself.

    @property
    def state(self) -> str:
        """One of the states that `store.devices.Devices.page` takes."""
        if self.allocation is not None:
            return self.allocation.state.value
        if not self.offered:
            return "in_use" if self.device.function.used_by else "withdrawn"
        if self.pf_given_away or self.vfs_held:
            return "blocked"
        return "out_of_service" if self.problem else "free"
