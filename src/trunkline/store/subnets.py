"""Subnets."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from trunkline.domain.errors import GenerationMoved, InUse, NotFound
from trunkline.domain.ids import SubnetId
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import AddressPool, HostRoute, Ipv6Mode, Subnet
from trunkline.store.listing import select_page
from trunkline.store.prepared import Prepared, Row
from trunkline.store.shares import is_seen_as_shared, is_shared_with
from trunkline.store.statements import among, select_where_in
from trunkline.store.tables import ip_allocations, networks, subnets
from trunkline.wire.json import convert

_BY_IDS = Prepared(select_where_in(subnets))
_OF_NETWORK = Prepared(
    select(subnets)
    .where(subnets.c.network_id == bindparam("this_network"))
    .order_by(subnets.c.created_at, subnets.c.id)
)
_LOCK = Prepared(
    select(subnets.c.id)
    .where(subnets.c.network_id == bindparam("this_network"))
    .order_by(subnets.c.id)
    # FOR NO KEY UPDATE: addresses that were chosen already may still be stored.
    .with_for_update(key_share=True)
)


class Subnets:
    """Rows of subnets."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, subnet_id: str) -> Subnet:
        """Return the subnet with this ID; raise `NotFound` if there is none."""
        found = self.get_many([subnet_id])
        if not found:
            raise NotFound("subnet", subnet_id)
        return found[SubnetId(subnet_id)]

    def get_many(self, subnet_ids: Collection[str]) -> dict[SubnetId, Subnet]:
        """Return subnets by ID; those that are not there are left out."""
        if not subnet_ids:
            return {}
        rows = _BY_IDS.all(self._connection, among(subnet_ids))
        return {subnet.id: subnet for subnet in map(_subnet, rows)}

    def of_network(self, network_id: str) -> list[Subnet]:
        """Return a network's subnets, oldest first."""
        rows = _OF_NETWORK.all(self._connection, {"this_network": network_id})
        return [_subnet(row) for row in rows]

    def of_networks(self, network_ids: Collection[str]) -> list[Subnet]:
        """Return the subnets of several networks, oldest first."""
        rows = self._connection.execute(
            select(subnets)
            .where(subnets.c.network_id.in_(network_ids))
            .order_by(subnets.c.created_at, subnets.c.id)
        )
        return [_subnet(row) for row in rows.mappings()]

    def held_by_subnet(self, network_ids: Collection[str]) -> dict[SubnetId, int]:
        """Return how many addresses are held of each subnet of these networks, if any is."""
        rows = self._connection.execute(
            select(ip_allocations.c.subnet_id, func.count())
            .join(subnets, subnets.c.id == ip_allocations.c.subnet_id)
            .where(subnets.c.network_id.in_(network_ids))
            .group_by(ip_allocations.c.subnet_id)
        )
        return {SubnetId(subnet_id): count for subnet_id, count in rows}

    def lock(self, network_id: str) -> None:
        """Let no other transaction choose addresses in the network's subnets until this one ends.

        On SQLite nothing is needed: writes take turns.
        """
        if self._connection.dialect.name == "postgresql":
            _LOCK.all(self._connection, {"this_network": network_id})

    def ids_by_network(self, network_ids: list[str]) -> dict[str, list[str]]:
        """Return the IDs of the subnets of several networks."""
        found: dict[str, list[str]] = {network_id: [] for network_id in network_ids}
        for network_id, subnet_id in self._connection.execute(
            select(subnets.c.network_id, subnets.c.id)
            .where(subnets.c.network_id.in_(network_ids))
            .order_by(subnets.c.created_at, subnets.c.id)
        ):
            found[network_id].append(subnet_id)
        return found

    def page(self, query: ListQuery) -> list[Subnet]:
        """Return one page of subnets; `shared` filters by what their networks are."""
        conditions: list[ColumnElement[bool]] = []
        equals = dict(query.equals)
        if "shared" in equals:
            on = exists().where(
                networks.c.id == subnets.c.network_id,
                is_seen_as_shared(networks, equals.pop("shared"), query.visible_to),
            )
            conditions.append(on)
        if query.visible_to is not None:
            conditions.append(
                or_(
                    subnets.c.project_id == query.visible_to,
                    exists().where(
                        networks.c.id == subnets.c.network_id, networks.c.shared.is_(True)
                    ),
                    is_shared_with(subnets.c.network_id, query.visible_to),
                )
            )
        query = replace(query, equals=equals)
        rows = select_page(self._connection, subnets, query, what="subnet", conditions=conditions)
        return [_subnet(row) for row in rows]

    def insert(self, subnet: Subnet) -> None:
        """Store a new subnet."""
        self._connection.execute(insert(subnets).values(_row(subnet)))

    def update(self, subnet: Subnet, *, seen_revision: int) -> None:
        """Store a changed subnet; raise `GenerationMoved` if it is past `seen_revision`."""
        changed = self._connection.execute(
            update(subnets)
            .where(subnets.c.id == subnet.id, subnets.c.revision == seen_revision)
            .values(_row(subnet))
        )
        if changed.rowcount != 1:
            raise GenerationMoved("subnet", subnet.id, seen_generation=seen_revision)

    def delete(self, subnet_id: SubnetId) -> None:
        """Delete a subnet; raise `InUse` if a port has an address in it."""
        try:
            self._connection.execute(delete(subnets).where(subnets.c.id == subnet_id))
        except IntegrityError as used:
            raise InUse("subnet", subnet_id, "a port has an address in it") from used


def _row(subnet: Subnet) -> dict[str, Any]:
    return {
        "id": subnet.id,
        "network_id": subnet.network_id,
        "project_id": subnet.project_id,
        "name": subnet.name,
        "description": subnet.description,
        "ip_version": subnet.ip_version,
        "cidr": str(subnet.cidr),
        "gateway_ip": None if subnet.gateway_ip is None else str(subnet.gateway_ip),
        "allocation_pools": subnet.allocation_pools,
        "enable_dhcp": subnet.enable_dhcp,
        "dns_nameservers": subnet.dns_nameservers,
        "host_routes": subnet.host_routes,
        "segment_id": subnet.segment_id,
        "ipv6_ra_mode": None if subnet.ipv6_ra_mode is None else subnet.ipv6_ra_mode.value,
        "ipv6_address_mode": (
            None if subnet.ipv6_address_mode is None else subnet.ipv6_address_mode.value
        ),
        "service_types": subnet.service_types,
        "tags": subnet.tags,
        "created_at": subnet.created_at,
        "updated_at": subnet.updated_at,
        "revision": subnet.revision,
    }


def _subnet(row: Row) -> Subnet:
    fields = dict(row)
    del fields["ip_version"]
    return Subnet(
        **fields
        | {
            "cidr": ip_network(row["cidr"]),
            "gateway_ip": None if row["gateway_ip"] is None else ip_address(row["gateway_ip"]),
            "allocation_pools": convert(row["allocation_pools"], tuple[AddressPool, ...]),
            "dns_nameservers": tuple(row["dns_nameservers"]),
            "host_routes": convert(row["host_routes"], tuple[HostRoute, ...]),
            "ipv6_ra_mode": row["ipv6_ra_mode"] and Ipv6Mode(row["ipv6_ra_mode"]),
            "ipv6_address_mode": row["ipv6_address_mode"] and Ipv6Mode(row["ipv6_address_mode"]),
        }
    )
