"""Hosts, devices and what is held of them, as OpenStack Placement shows them. Admins only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from trunkline.control.access import require
from trunkline.control.provider_trees import tree_of_host
from trunkline.control.services import Services
from trunkline.domain.allocation import Allocation, AllocationState
from trunkline.domain.device import device_attributes
from trunkline.domain.errors import NotFound
from trunkline.domain.host import HostUse
from trunkline.domain.identity import Caller
from trunkline.domain.ids import DeviceId, HostId, PortId
from trunkline.domain.policy import placement_rules as rules
from trunkline.domain.policy.rule import Rule
from trunkline.domain.providers import (
    DISK_GB,
    EGRESS,
    INGRESS,
    MEMORY_MB,
    VCPU,
    ProviderTree,
    ResourceProvider,
    resource_class,
)
from trunkline.domain.server import Server
from trunkline.store.devices import DeviceRecord
from trunkline.store.transaction import Transaction

Amounts = dict[str, int]  # By class of resource.


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerAllocations:
    """What one consumer holds of one provider: a server, or a port that no server has yet."""

    consumer_id: str
    provider: ResourceProvider
    resources: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectUsages:
    """What the servers and ports of a project hold, and how many they are."""

    resources: Mapping[str, int]  # By class.
    consumers: int


def list_trees(
    svc: Services, caller: Caller, *, by: Rule = rules.LIST_PROVIDERS
) -> Sequence[ProviderTree]:
    """Return every host with its devices, hosts by name, if rule `by` allows it."""
    require(caller, by)
    return svc.provider_trees.all()


def list_providers(svc: Services, caller: Caller) -> list[ResourceProvider]:
    """Return the providers of all trees, one after the other."""
    return [provider for tree in list_trees(svc, caller) for provider in tree.providers]


def get_provider(
    svc: Services, caller: Caller, provider_id: str, *, by: Rule = rules.SHOW_PROVIDER
) -> ResourceProvider:
    """Return one provider, by the ID of the host or the device, if rule `by` allows it."""
    require(caller, by)
    return svc.store.read(lambda tx: _one_of(_tree_of(tx, provider_id), provider_id))


def list_tree(svc: Services, caller: Caller, provider_id: str) -> Sequence[ResourceProvider]:
    """Return the host of a provider, and all its devices; nothing if there is no such provider."""
    require(caller, rules.LIST_PROVIDERS)

    def read(tx: Transaction) -> Sequence[ResourceProvider]:
        tree = _tree_of(tx, provider_id)
        return tree if any(each.id == provider_id for each in tree) else ()

    return svc.store.read(read)


def allocations_of_provider(
    svc: Services, caller: Caller, provider_id: str
) -> tuple[ResourceProvider, list[ConsumerAllocations]]:
    """Return what of a provider is held, and by whom."""
    require(caller, rules.LIST_PROVIDER_ALLOCATIONS)

    def read(tx: Transaction) -> tuple[ResourceProvider, list[ConsumerAllocations]]:
        provider = _one_of(_tree_of(tx, provider_id), provider_id)
        held = _held(
            tx,
            tx.servers.of_hosts([provider.host_id]),
            tx.allocations.of_host(provider.host_id),
        )
        return provider, [each for each in held if each.provider.id == provider.id]

    return svc.store.read(read)


def allocations_of_consumer(
    svc: Services, caller: Caller, consumer_id: str
) -> tuple[Server | None, list[ConsumerAllocations]]:
    """Return what a server holds, or a port without one; of any other nothing, as Placement does.

    A server that was deleted holds its devices until they are observed clean.
    """
    require(caller, rules.LIST_ALLOCATIONS)

    def read(tx: Transaction) -> tuple[Server | None, list[ConsumerAllocations]]:
        server = tx.servers.find(consumer_id)
        if server is None:
            return None, list(_held(tx, [], _of_port(tx, PortId(consumer_id))))
        return server, list(_held(tx, [server], tx.allocations.of_server(server.id)))

    return svc.store.read(read)


def usages_of_project(
    svc: Services, caller: Caller, project_id: str, *, user_id: str | None = None
) -> ProjectUsages:
    """Return what a project, or the servers of one user in it, hold; nothing of one not known."""
    require(caller, rules.TOTAL_USAGES)

    def read(tx: Transaction) -> ProjectUsages:
        servers = tx.servers.placed_of_project(project_id, user_id=user_id)
        held = [
            each
            for each in tx.allocations.of_project(project_id)
            if each.state is not AllocationState.RESERVED
            and (user_id is None or each.server_id in servers)
        ]
        records = tx.devices.get_many([each.device_id for each in held])
        amounts: Amounts = {}
        for flavor in servers.values():
            for name, amount in _of_host(flavor.use_of(None)).items():
                amounts[name] = amounts.get(name, 0) + amount
        for each in held:
            _add(amounts, each, records[each.device_id])
        ports = {each.port_id for each in held if each.server_id is None}
        return ProjectUsages(resources=amounts, consumers=len(servers) + len(ports))

    return svc.store.read(read)


def _of_port(tx: Transaction, port_id: PortId) -> list[Allocation]:
    binding = tx.bindings.find(port_id)
    if binding is None or binding.host_id is None:
        return []
    of_host = tx.allocations.of_host(binding.host_id)
    return [each for each in of_host if each.server_id is None and each.port_id == port_id]


def _tree_of(tx: Transaction, provider_id: str) -> Sequence[ResourceProvider]:
    """Return the tree that a host or a device is in; empty: there is no such host or device."""
    host = tx.hosts.find(provider_id)
    if host is None:
        device = tx.devices.get_many([provider_id]).get(DeviceId(provider_id))
        host = None if device is None else tx.hosts.get(device.host_id)
    return () if host is None else tree_of_host(tx, host).providers


def _one_of(tree: Iterable[ResourceProvider], provider_id: str) -> ResourceProvider:
    for provider in tree:
        if provider.id == provider_id:
            return provider
    raise NotFound("resource provider", provider_id)


def _held(
    tx: Transaction, servers: Iterable[Server], allocations: Iterable[Allocation]
) -> Iterator[ConsumerAllocations]:
    """Yield what servers use of their hosts, and what devices are held, by provider."""
    held: dict[tuple[str, str], tuple[HostId, Amounts]] = {}
    for server in servers:
        if server.host_id is not None:
            held[server.id, server.host_id] = server.host_id, _of_host(server.use)
    allocations = [each for each in allocations if each.state is not AllocationState.RESERVED]
    records = tx.devices.get_many([each.device_id for each in allocations])
    for allocation in allocations:
        record = records[allocation.device_id]
        consumer = str(allocation.server_id or allocation.port_id or allocation.id)
        _, amounts = held.setdefault((consumer, record.ref.kin_id), (allocation.host_id, {}))
        _add(amounts, allocation, record)
    trees: dict[HostId, dict[str, ResourceProvider]] = {}
    for (consumer, provider_id), (host_id, amounts) in sorted(held.items()):
        if host_id not in trees:
            trees[host_id] = {
                each.id: each for each in tree_of_host(tx, tx.hosts.get(host_id)).providers
            }
        yield ConsumerAllocations(
            consumer_id=consumer, provider=trees[host_id][provider_id], resources=amounts
        )


def _of_host(use: HostUse) -> Amounts:
    amounts = {VCPU: use.vcpus, MEMORY_MB: use.memory_mib, DISK_GB: use.disk_gib}
    return {name: amount for name, amount in amounts.items() if amount}


def _add(amounts: Amounts, allocation: Allocation, record: DeviceRecord) -> None:
    name = resource_class(record.kind, device_attributes(record.device))
    guarantee = allocation.guarantee
    for each, amount in (
        (name, 1),
        (EGRESS, 1000 * guarantee.egress_mbps),
        (INGRESS, 1000 * guarantee.ingress_mbps),
    ):
        if amount:
            amounts[each] = amounts.get(each, 0) + amount
