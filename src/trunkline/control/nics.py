"""The NICs that are asked for, looked up.

The network side is asked once: the look-up that shows that the networks exist also yields what
each of them demands of a device.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from trunkline.control.access import of_project, on_network, require_seen
from trunkline.control.addresses import (
    require_free_address,
    segments_for_address,
    segments_of_addresses,
)
from trunkline.control.networking import QINQ_VNIC_TYPE
from trunkline.control.pci_flavors import matches_of
from trunkline.control.port_devices import joined_match
from trunkline.control.qos import check_supported, guarantee_of
from trunkline.control.requests import NicPolicy, NicRequest
from trunkline.control.services import Services
from trunkline.control.sharing import is_shared
from trunkline.domain.bandwidth import Guarantee
from trunkline.domain.binding import Binding
from trunkline.domain.device import DeviceKind
from trunkline.domain.errors import InUse, Invalid, NotFound, StateConflict
from trunkline.domain.identity import Caller
from trunkline.domain.ids import (
    NetworkId,
    PortId,
    ProjectId,
    QosPolicyId,
    SecurityGroupId,
    SegmentId,
)
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import Network, Segment
from trunkline.domain.nic_rules import NumaPolicy
from trunkline.domain.pci_flavor import DeviceMatch
from trunkline.domain.policy import network_rules as rules
from trunkline.domain.port import Port, VnicType
from trunkline.domain.qos import QosPolicy
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction

DEVICE_KINDS = {
    VnicType.NORMAL: None,
    VnicType.DIRECT: DeviceKind.VF,
    VnicType.MACVTAP: DeviceKind.VF,
    VnicType.DIRECT_PHYSICAL: DeviceKind.PF,
}

# What will do as well, if libvirt hands it out so.
POOLED_KINDS = {
    VnicType.DIRECT: frozenset({DeviceKind.HOSTDEV_VF}),
    VnicType.MACVTAP: frozenset({DeviceKind.PASSTHROUGH_VF}),
}
_NONE: frozenset[DeviceKind] = frozenset()


def pooled_kinds(svc: Services, vnic_type: VnicType) -> frozenset[DeviceKind]:
    """Return which VFs of network pools are for NICs of this type, by the VIF type they get."""
    kinds = POOLED_KINDS.get(vnic_type, _NONE)
    return _NONE if kinds and problem_in_pools(svc, vnic_type) else kinds


def problem_in_pools(svc: Services, vnic_type: VnicType) -> str:
    """Say why no port of this type can be in a network pool; empty: it can."""
    return svc.vif_types.problem_in_pools(vnic_type, svc.networking.preferred_vif_types)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """One NIC, with what was looked up for it."""

    name: str  # The port's ID, or `nic N` while there is no port.
    network: Network
    vnic_type: VnicType
    port: Port | None  # None: one is to be made.
    claim: Binding | None  # An admin has claimed a device for the port already.
    fixed_ip: str | None
    pci_flavor: str | None  # By name.
    numa_policy: NumaPolicy | None  # Its own.
    match: DeviceMatch = ()  # What that stands for now, and the port's own conditions.
    tag: str | None = None  # Its owner's name for it.
    segment_ids: frozenset[SegmentId] | None = None  # Where its addresses can be; None: anywhere.
    qos: QosPolicy | None = None  # The port's, or the network's.
    security_groups: tuple[SecurityGroupId, ...] | None = None  # Of a port to be made.
    by_address: bool = False  # Its very device is to be named: no network pool will do.

    @property
    def said(self) -> str:
        """What people are told that it is."""
        return self.name if self.port is None else self.port.said

    @property
    def qos_policy_id(self) -> QosPolicyId | None:
        """Of which policy `qos` is."""
        own = None if self.port is None else self.port.qos_policy_id
        return own or self.network.qos_policy_id

    @property
    def guarantee(self) -> Guarantee:
        """What the PF of its device is to owe it."""
        return guarantee_of(self.qos)


def resolve_nics(
    tx: Transaction,
    svc: Services,
    caller: Caller,
    wanted: Sequence[NicRequest] | NicPolicy,
    *,
    project_id: ProjectId | None = None,
) -> tuple[Nic, ...]:
    """Look up the ports and networks of a server, that project's, or the caller's own.

    Raises:
        NotFound: A port or network that the caller can't see.
        InUse: A port that another server has.
        Invalid: The same port twice, or a VNIC type that the network can't carry.
        QosNotSupported: A NIC that can't have its QoS policy.
    """
    if isinstance(wanted, NicPolicy):
        wanted = _by_policy(tx, project_id or caller.own_project, wanted)
    seen: set[str] = set()
    for request in wanted:
        if request.port_id is not None:
            if request.port_id in seen:
                raise Invalid("networks", f"port {request.port_id} is named twice")
            seen.add(request.port_id)
    # All locked at once, by ID: see `store.locks`.
    ports = {port.id: port for port in tx.ports.get_many(seen, tx.lock(Lock.EXCLUSIVE))}
    bindings = tx.bindings.of_ports(ports)
    networks = _networks(
        tx,
        {port.network_id for port in ports.values()}
        | {each.network_id for each in wanted if each.port_id is None and each.network_id},
    )
    nics = [
        _of_port(tx, svc, caller, request, request.port_id, ports, bindings, networks)
        if request.port_id is not None
        else _of_network(tx, svc, caller, request, f"nic {number}", networks)
        for number, request in enumerate(wanted)
    ]
    return _looked_up(tx, nics)


def nics_of_bound_ports(tx: Transaction, ports: Sequence[Port]) -> tuple[Nic, ...]:
    """Return the NICs that existing servers' ports are, to be placed anew."""
    networks = _networks(tx, {port.network_id for port in ports})
    return _looked_up(tx, [_of_bound_port(tx, port, networks[port.network_id]) for port in ports])


def _networks(tx: Transaction, wanted: Collection[NetworkId]) -> Mapping[NetworkId, Network]:
    """Return those of the networks that exist, to stay as they are."""
    found = tx.networks.get_many(sorted(wanted), tx.lock(Lock.SHARED))
    return {network.id: network for network in found}


def _of_bound_port(tx: Transaction, port: Port, network: Network) -> Nic:
    return Nic(
        name=port.id,
        network=network,
        vnic_type=port.vnic_type,
        port=port,
        claim=None,
        fixed_ip=None,
        pci_flavor=port.pci_flavor,
        numa_policy=port.numa_policy,
        segment_ids=segments_of_addresses(tx, network, port.fixed_ips),
    )


def check_has_device(
    field: str, asked: object, vnic_type: VnicType, *, who: str = "the port"
) -> None:
    """Raise `Invalid` if something is asked of a device and a NIC of this type has none."""
    if asked and DEVICE_KINDS[vnic_type] is None:
        raise Invalid(
            field,
            f"{who} is of type {vnic_type.value} and has no PCI device; "
            f"choose direct, macvtap or direct-physical, or leave {field} out",
        )


def check_vnic_type(svc: Services, network: Network, vnic_type: VnicType) -> None:
    """Raise `Invalid` if no segment of `network` can carry ports of this VNIC type."""
    if network.qinq and vnic_type is not QINQ_VNIC_TYPE:
        raise Invalid(
            "binding:vnic_type",
            f"a port of type {vnic_type.value} cannot be on network {network.name or network.id}, "
            "which is QinQ: only a card's VFs, handed to guests whole, get outer tags of 802.1ad; "
            "use a port of type direct",
        )
    if not segments_for(svc, network, vnic_type):
        kinds = sorted({segment.network_type.value for segment in network.segments})
        raise Invalid(
            "binding:vnic_type",
            f"a port of type {vnic_type.value} cannot be on network {network.name or network.id}, "
            f"which is {' and '.join(kinds)}: use a flat or vlan network, or a port of type normal",
        )


def segments_for(svc: Services, network: Network, vnic_type: VnicType) -> list[Segment]:
    """Return the segments of `network` that can carry ports of this VNIC type."""
    return [
        segment
        for segment in network.segments
        if vnic_type in svc.networking.driver_for(segment.network_type).vnic_types
    ]


def _by_policy(tx: Transaction, project_id: ProjectId, policy: NicPolicy) -> tuple[NicRequest, ...]:
    if policy is NicPolicy.NONE:
        return ()
    # What the project can use, whoever asks: others' networks are no default.
    query = ListQuery(visible_to=project_id, limit=2)
    found = tx.networks.page(query)
    if len(found) > 1:
        raise StateConflict(
            "network", "auto", "several networks are possible: name one, or ports on them"
        )
    return tuple(NicRequest(network_id=network.id) for network in found)


def _looked_up(tx: Transaction, nics: Sequence[Nic]) -> tuple[Nic, ...]:
    """Look up what the NICs name: PCI flavors and QoS policies, each kind at once."""
    nics = _with_matches(tx, nics)
    wanted = {policy_id for nic in nics if (policy_id := nic.qos_policy_id) is not None}
    policies = tx.qos.get_many(wanted, tx.lock(Lock.SHARED))
    found = []
    for nic in nics:
        policy = None if nic.qos_policy_id is None else policies[nic.qos_policy_id]
        check_supported(policy, nic.vnic_type, nic.said)
        found.append(nic if policy is None else replace(nic, qos=policy))
    return tuple(found)


def _with_matches(tx: Transaction, nics: Sequence[Nic]) -> tuple[Nic, ...]:
    """Look up what the PCI flavors of all NICs stand for, at once."""
    names = {nic.pci_flavor for nic in nics if nic.pci_flavor is not None}
    matches = matches_of(tx, names, "pci_flavor")
    return tuple(_with_match(nic, matches) for nic in nics)


def _with_match(nic: Nic, matches: Mapping[str, DeviceMatch]) -> Nic:
    of_flavor = () if nic.pci_flavor is None else matches[nic.pci_flavor]
    own = () if nic.port is None else nic.port.pci_match
    return replace(nic, match=joined_match(of_flavor, own)) if of_flavor or own else nic


def _of_port(
    tx: Transaction,
    svc: Services,
    caller: Caller,
    request: NicRequest,
    port_id: PortId,
    ports: Mapping[PortId, Port],
    bindings: Mapping[PortId, Binding],
    networks: Mapping[NetworkId, Network],
) -> Nic:
    if port_id not in ports:
        raise NotFound("port", port_id)
    port = ports[port_id]
    # A network's owner sees all ports on it, but takes none that is another project's.
    target = on_network(port.project_id, port)
    require_seen(caller, rules.GET_PORT, target, "port", port_id)
    binding = bindings.get(port.id)
    if port.device_id or (binding is not None and binding.server_id is not None):
        raise InUse("port", port_id, f"it belongs to {port.device_id or 'a server'}")
    network = networks[port.network_id]
    check_vnic_type(svc, network, port.vnic_type)
    if request.vnic_type not in (None, port.vnic_type):
        raise Invalid("vnic_type", f"port {port.said} is of type {port.vnic_type.value}")
    wanted = request.pci_flavor
    if wanted is not None and port.pci_flavor not in (None, wanted):
        problem = f"port {port.said} has PCI flavor {port.pci_flavor}, not {wanted}"
        raise Invalid("pci_flavor", problem)
    check_has_device("pci_flavor", wanted, port.vnic_type, who=f"port {port.said}")
    return Nic(
        name=port.id,
        network=network,
        vnic_type=port.vnic_type,
        port=port,
        claim=binding,
        fixed_ip=None,
        pci_flavor=wanted or port.pci_flavor,
        numa_policy=port.numa_policy,
        segment_ids=segments_of_addresses(tx, network, port.fixed_ips),
        tag=request.tag,
    )


def _of_network(
    tx: Transaction,
    svc: Services,
    caller: Caller,
    request: NicRequest,
    name: str,
    networks: Mapping[NetworkId, Network],
) -> Nic:
    assert request.network_id is not None, "a NIC names a port or a network"
    network = networks.get(request.network_id)
    if network is None:
        raise NotFound("network", request.network_id)
    target = of_project(network.project_id)
    shared = is_shared(tx, caller, network)
    require_seen(caller, rules.GET_NETWORK, target, "network", network.id, shared=shared)
    vnic_type = request.vnic_type or svc.networking.default_vnic_type(network)
    check_vnic_type(svc, network, vnic_type)
    check_has_device("pci_flavor", request.pci_flavor, vnic_type, who=name)
    if request.fixed_ip is not None:
        require_free_address(tx, network, request.fixed_ip)
    return Nic(
        name=name,
        network=network,
        vnic_type=vnic_type,
        port=None,
        claim=None,
        fixed_ip=request.fixed_ip,
        pci_flavor=request.pci_flavor,
        numa_policy=request.numa_policy,
        segment_ids=segments_for_address(tx, network, request.fixed_ip),
        tag=request.tag,
    )
