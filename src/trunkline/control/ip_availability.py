"""How many addresses networks have to give, and how many are held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from trunkline.control.access import require
from trunkline.control.services import Services
from trunkline.domain.identity import Caller
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import Network, Subnet
from trunkline.domain.policy import network_rules as rules
from trunkline.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class SubnetAvailability:
    """A subnet with its counts."""

    subnet: Subnet
    total: int  # In its allocation pools.
    used: int  # Held by ports, outside the pools too.


@dataclass(frozen=True, slots=True)
class NetworkAvailability:
    """A network with the counts of its subnets, oldest first."""

    network: Network
    subnets: tuple[SubnetAvailability, ...]


def list_availability(
    svc: Services, caller: Caller, query: ListQuery, *, ip_versions: Sequence[int] = ()
) -> list[NetworkAvailability]:
    """Return a page of networks with their counts; of these IP versions only, if any is named."""
    require(caller, rules.GET_NETWORK_IP_AVAILABILITY)
    return svc.store.read(lambda tx: _counted(tx, tx.networks.page(query), ip_versions))


def get_availability(svc: Services, caller: Caller, network_id: str) -> NetworkAvailability:
    """Return the counts of one network."""
    require(caller, rules.GET_NETWORK_IP_AVAILABILITY)
    return svc.store.read(lambda tx: _counted(tx, [tx.networks.get(network_id)], ()))[0]


def _counted(
    tx: Transaction, networks: Sequence[Network], ip_versions: Sequence[int]
) -> list[NetworkAvailability]:
    found: dict[str, list[SubnetAvailability]] = {network.id: [] for network in networks}
    held = tx.subnets.held_by_subnet(found)
    for subnet in tx.subnets.of_networks(found):
        if not ip_versions or subnet.ip_version in ip_versions:
            count = SubnetAvailability(subnet, _size(subnet), held.get(subnet.id, 0))
            found[subnet.network_id].append(count)
    return [NetworkAvailability(network, tuple(found[network.id])) for network in networks]


def _size(subnet: Subnet) -> int:
    return sum(
        int(ip_address(pool.end)) - int(ip_address(pool.start)) + 1
        for pool in subnet.allocation_pools
    )
