"""Which QoS policy ports have, and how bound ports follow it when it changes.

What a port is guaranteed is in its allocation, owed by the PF of its device; what limits it is
read from its policy whenever its host asks what should be true.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from trunkline.control.access import of_project, require_seen, sees
from trunkline.control.quotas import require_quota
from trunkline.control.services import Services
from trunkline.control.sharing import is_shared
from trunkline.domain.allocation import Allocation
from trunkline.domain.bandwidth import NO_GUARANTEE, Guarantee
from trunkline.domain.binding import Binding
from trunkline.domain.device import device_attributes
from trunkline.domain.errors import Forbidden, QosNotSupported
from trunkline.domain.identity import Caller
from trunkline.domain.ids import NetworkId, PhysicalNetwork, PortId, ProjectId, QosPolicyId
from trunkline.domain.network import Network
from trunkline.domain.policy import network_rules as rules
from trunkline.domain.port import Port, VnicType
from trunkline.domain.qos import QosPolicy, demanded_abilities, not_supported
from trunkline.domain.quota import Resource
from trunkline.store.devices import DeviceRecord
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction


def usable_policy(tx: Transaction, caller: Caller, policy_id: QosPolicyId) -> QosPolicy:
    """Return a policy that the caller may give to ports; raise `NotFound` if there is none."""
    policy = tx.qos.get(policy_id, tx.lock(Lock.SHARED))
    target = of_project(policy.project_id)
    shared = is_shared(tx, caller, policy)
    require_seen(caller, rules.GET_POLICY, target, "QoS policy", policy_id, shared=shared)
    return policy


def check_change(
    tx: Transaction, caller: Caller, has: QosPolicyId | None, wanted: QosPolicyId | None
) -> None:
    """Check that the caller may give one policy in another's stead.

    Raises:
        NotFound: The new one is not for the caller to use.
        Forbidden: The old one is not: an admin has given it.
    """
    if wanted == has:
        return
    if wanted is not None:
        usable_policy(tx, caller, wanted)
    if has is not None:
        policy = tx.qos.get(has)
        target = of_project(policy.project_id)
        if not sees(caller, rules.GET_POLICY, target, shared=is_shared(tx, caller, policy)):
            raise Forbidden(f"taking away QoS policy {has}, which an administrator has given")


def policy_of(tx: Transaction, port: Port, network: Network) -> QosPolicy | None:
    """Return the policy that a port has: its own, or its network's."""
    return policies_of(tx, [port], {network.id: network}).get(port.id)


def policies_of(
    tx: Transaction, ports: Iterable[Port], networks: Mapping[NetworkId, Network]
) -> dict[PortId, QosPolicy]:
    """Return the policies that ports have, of those that have one."""
    wanted = {
        port.id: policy_id
        for port in ports
        if (policy_id := port.qos_policy_id or networks[port.network_id].qos_policy_id)
    }
    found = tx.qos.get_many({*wanted.values()}, tx.lock(Lock.SHARED))
    return {port_id: found[policy_id] for port_id, policy_id in wanted.items()}


def check_supported(policy: QosPolicy | None, vnic_type: VnicType, port: str) -> None:
    """Raise `QosNotSupported` if a port of this type can't be bound with the policy anywhere.

    As in Neutron, a port that is bound to nothing may have any policy.
    """
    problem = None if policy is None else not_supported(policy, vnic_type)
    if policy is not None and problem is not None:
        raise QosNotSupported(policy.name or policy.id, port, problem)


def check_able(policy: QosPolicy | None, port: Port, record: DeviceRecord) -> None:
    """Raise `QosNotSupported` if the port's device can't be programmed as the policy says."""
    if policy is None:
        return
    has = device_attributes(record.device)
    lacking = [name for name in demanded_abilities(policy, port.vnic_type) if name not in has]
    if lacking:
        raise QosNotSupported(
            policy.name or policy.id,
            port.id,
            f"its card can't set that for a VF ({', '.join(lacking)}); a server made anew is placed"
            " on a card that can",
        )


def guarantee_of(policy: QosPolicy | None) -> Guarantee:
    """Return what a policy guarantees; none guarantees nothing."""
    return NO_GUARANTEE if policy is None else policy.guarantee


def follow(tx: Transaction, svc: Services, ports: Sequence[Port]) -> list[Binding]:
    """Let ports have what their policies say now; return one of the bindings of each host.

    These hosts are to be told by the caller. The ports and their hosts are locked.

    Raises:
        QosNotSupported: A port can't have what its policy says.
        NotEnoughBandwidth: A PF has not as much left.
        QuotaExceeded: A project may not be guaranteed as much. Each time, nothing is to be kept.
    """
    wanted = {port.network_id for port in ports}
    networks = {network.id: network for network in tx.networks.get_many(wanted)}
    policies = policies_of(tx, ports, networks)
    bindings = tx.bindings.of_ports([port.id for port in ports]) if ports else {}
    for port in ports:
        if port.id in bindings:
            check_supported(policies.get(port.id), port.vnic_type, port.id)
    with_devices = {b.device_id for b in bindings.values() if b.device_id is not None}
    records = tx.devices.get_many(with_devices)
    allocations = tx.allocations.of_devices(with_devices)
    changes = []
    for port in ports:
        binding, policy = bindings.get(port.id), policies.get(port.id)
        if binding is None or binding.device_id is None:
            continue
        record = records[binding.device_id]
        check_able(policy, port, record)
        allocation, owed = allocations[binding.device_id], guarantee_of(policy)
        changes.append(_Change(port.project_id, record, allocation, owed))
    _settle(tx, svc, [change for change in changes if change.owed != change.allocation.guarantee])
    return list({b.host_id: b for b in bindings.values() if b.server_id is not None}.values())


@dataclass(frozen=True, slots=True)
class _Change:
    project_id: ProjectId
    record: DeviceRecord
    allocation: Allocation
    owed: Guarantee

    @property
    def parts(self) -> tuple[Guarantee, Guarantee]:
        """What is owed less, and what is owed more."""
        old, new = self.allocation.guarantee, self.owed
        egress, ingress = (
            new.egress_mbps - old.egress_mbps,
            new.ingress_mbps - old.ingress_mbps,
        )
        less = Guarantee(egress_mbps=min(egress, 0), ingress_mbps=min(ingress, 0))
        return less, Guarantee(egress_mbps=max(egress, 0), ingress_mbps=max(ingress, 0))


def _settle(tx: Transaction, svc: Services, changes: Sequence[_Change]) -> None:
    """Change what PFs owe; first what is less, which may make room for what is more."""
    for part in (0, 1):
        for change in changes:
            if change.parts[part]:
                host_id, kin_id = change.allocation.host_id, change.record.ref.kin_id
                tx.bandwidths.owe(kin_id, change.parts[part], host_id=host_id)
                svc.fleet.note_owed(tx, host_id, kin_id, change.parts[part])
    given: dict[ProjectId, Counter[tuple[Resource, PhysicalNetwork | None]]] = {}
    for change in changes:
        tx.allocations.set_guarantee(change.allocation, change.owed)
        more, name = change.parts[1], change.record.device.physical_network
        amounts = given.setdefault(change.project_id, Counter())
        amounts[Resource.EGRESS_MBPS, name] += more.egress_mbps
        amounts[Resource.INGRESS_MBPS, name] += more.ingress_mbps
    for project_id in sorted(given):
        require_quota(tx, project_id, given[project_id])
