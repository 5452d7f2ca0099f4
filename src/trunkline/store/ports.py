"""Ports and the IP addresses they hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache, lru_cache
from ipaddress import ip_address
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    exists,
    false,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from trunkline.domain.errors import AlreadyExists, GenerationMoved, NotFound
from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import NetworkId, PortId, SubnetId
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import AddressPool, Subnet
from trunkline.domain.nic_rules import NumaPolicy
from trunkline.domain.port import FixedIp, Port, VnicType
from trunkline.store.listing import select_page_ids
from trunkline.store.locks import Lock
from trunkline.store.prepared import FetchedRow, Form, Prepared
from trunkline.store.security_group_tables import security_group_ports
from trunkline.store.statements import (
    among,
    by_lock,
    insert_row,
    row_values,
    select_where_in,
    update_row,
)
from trunkline.store.tables import bindings, hosts, ip_allocations, networks, ports

_GAP_BATCH = 64  # Addresses read at once when looking for a gap.
_PORTS_KEPT_MAX = 4096  # About 5 MB.
_PROFILE_KEPT_CHARS_MAX = 4096  # Of JSON: an admin may write a megabyte.
_IP_FILTERS = {"ip_address": ip_allocations.c.ip_address, "subnet_id": ip_allocations.c.subnet_id}

_BY_IDS = by_lock(select_where_in(ports).order_by(ports.c.id))
_ADDRESSES = Prepared(
    select(*(ip_allocations.c[name] for name in ("port_id", "subnet_id", "ip_address")))
    .where(ip_allocations.c.port_id.in_(bindparam("among", expanding=True)))
    .order_by(ip_allocations.c.port_id, ip_allocations.c.position)
)
_OF_MAC = Prepared(
    select(ports.c.id).where(
        ports.c.network_id == bindparam("this_network"), ports.c.mac == bindparam("this_mac")
    )
)
_HIGHEST_HELD = Prepared(
    select(func.max(ip_allocations.c.sort_key)).where(
        ip_allocations.c.subnet_id == bindparam("this_subnet"),
        ip_allocations.c.sort_key.between(bindparam("lowest"), bindparam("greatest")),
    )
)
_INSERT = Prepared(insert_row(ports))
_INSERT_ADDRESS = Prepared(insert_row(ip_allocations))
_DELETE = Prepared(delete(ports).where(ports.c.id == bindparam("this_port")))
_DELETE_ADDRESSES = Prepared(
    delete(ip_allocations).where(ip_allocations.c.port_id == bindparam("this_port"))
)


class Ports:
    """Rows of ports."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, port_id: str) -> Port | None:
        """Return the port with this ID, if there is one."""
        return next(iter(self.get_many([port_id])), None)

    def get(self, port_id: str, lock: Lock = Lock.NONE) -> Port:
        """Return the port with this ID; raise `NotFound` if there is none.

        Locking a port also keeps its binding as it is, unless a server has it.
        """
        port = next(iter(self.get_many([port_id], lock)), None)
        if port is None:
            raise NotFound("port", port_id)
        return port

    def get_many(self, port_ids: Collection[str], lock: Lock = Lock.NONE) -> list[Port]:
        """Return those of the ports that exist, by ID."""
        if not port_ids:
            return []
        form, fetched = _BY_IDS[lock].fetch(self._connection, among(port_ids))
        if not fetched:
            return []
        addresses: dict[str, list[FixedIp]] = defaultdict(list)
        for row in _ADDRESSES.all(self._connection, among(port_ids)):
            addresses[row["port_id"]].append(_fixed_ip(row["subnet_id"], row["ip_address"]))
        id_at, profile_at = form.columns.index("id"), form.columns.index("profile")
        return [
            (_port if len(row[profile_at]) <= _PROFILE_KEPT_CHARS_MAX else _port.__wrapped__)(
                form, row, tuple(addresses.get(row[id_at], ()))
            )
            for row in fetched
        ]

    def page(self, query: ListQuery) -> list[Port]:
        """Return one page.

        Filters may also be `ip_address`, `ip_address_part`, `subnet_id`, `host` (its name),
        `security_group`, and `status` as the view of a port tells it.
        """
        conditions = []
        if query.visible_to is not None:
            conditions.append(
                or_(
                    ports.c.project_id == query.visible_to,
                    exists().where(
                        networks.c.id == ports.c.network_id,
                        networks.c.project_id == query.visible_to,
                    ),
                )
            )
        own = {}
        for name, values in query.equals.items():
            if name in _IP_FILTERS:
                conditions.append(
                    exists().where(
                        ip_allocations.c.port_id == ports.c.id, _IP_FILTERS[name].in_(values)
                    )
                )
            elif name == "ip_address_part":
                address = ip_allocations.c.ip_address
                # Addresses are in small letters; whether LIKE minds case depends on the database.
                parts = [address.contains(str(each).lower(), autoescape=True) for each in values]
                conditions.append(
                    exists().where(ip_allocations.c.port_id == ports.c.id, or_(*parts))
                )
            elif name == "status":
                conditions.append(or_(*(_has_status(str(value)) for value in values)))
            elif name == "security_group":
                conditions.append(
                    exists().where(
                        security_group_ports.c.port_id == ports.c.id,
                        security_group_ports.c.group_id.in_(values),
                    )
                )
            elif name == "host":
                conditions.append(
                    exists().where(
                        bindings.c.port_id == ports.c.id,
                        hosts.c.id == bindings.c.host_id,
                        hosts.c.name.in_(values),
                    )
                )
            else:
                own[name] = values
        port_ids = select_page_ids(
            self._connection, ports, replace(query, equals=own), what="port", conditions=conditions
        )
        found = {port.id: port for port in self.get_many(port_ids)}
        return [found[PortId(port_id)] for port_id in port_ids if port_id in found]

    def insert(self, port: Port) -> None:
        """Store a new port with its addresses.

        Raises:
            AlreadyExists: The MAC is taken in the network, or an address in its subnet.
        """
        try:
            _INSERT.run(self._connection, _row(port))
        except IntegrityError as taken:
            raise AlreadyExists(
                f"MAC address on network {port.network_id}", str(port.mac)
            ) from taken
        self._insert_addresses(port)

    def update(self, port: Port, *, seen: Port) -> None:
        """Store a port that was read as `seen`; its addresses too if they are others.

        Raises:
            GenerationMoved: It is not at the revision of `seen` any more.
            AlreadyExists: The MAC or an address is taken.
        """
        before = _row(seen)
        new = {
            name: value
            for name, value in _row(port).items()
            if value != before[name] or name == "revision"
        }
        try:
            changed = _update_of(frozenset(new)).run(
                self._connection, row_values(new, id=port.id, revision=seen.revision)
            )
        except IntegrityError as taken:
            raise AlreadyExists(
                f"MAC address on network {port.network_id}", str(port.mac)
            ) from taken
        if changed != 1:
            raise GenerationMoved("port", port.id, seen_generation=seen.revision)
        if port.fixed_ips == seen.fixed_ips:
            return
        _DELETE_ADDRESSES.run(self._connection, {"this_port": port.id})
        self._insert_addresses(port)

    def delete(self, port_id: PortId) -> None:
        """Delete a port that is not bound; its addresses are free with it."""
        _DELETE_ADDRESSES.run(self._connection, {"this_port": port_id})
        _DELETE.run(self._connection, {"this_port": port_id})

    def count_in_network(self, network_id: str) -> int:
        """Return how many ports a network has."""
        count: int | None = self._connection.scalar(
            select(func.count()).select_from(ports).where(ports.c.network_id == network_id)
        )
        return count or 0

    def count_in_subnet(self, subnet_id: str) -> int:
        """Return how many addresses of a subnet are held."""
        count: int | None = self._connection.scalar(
            select(func.count())
            .select_from(ip_allocations)
            .where(ip_allocations.c.subnet_id == subnet_id)
        )
        return count or 0

    def macs_in_network(self, network_id: NetworkId) -> dict[PortId, MacAddress]:
        """Return the MAC of each port of a network."""
        rows = self._connection.execute(
            select(ports.c.id, ports.c.mac)
            .where(ports.c.network_id == network_id)
            .order_by(ports.c.id)
        )
        return {PortId(port_id): MacAddress(mac) for port_id, mac in rows}

    def add_addresses(
        self, subnet: Subnet, held: Mapping[PortId, FixedIp], *, now: datetime
    ) -> None:
        """Give ports of a new subnet's network one more address each, in that subnet."""
        if not held:
            return
        found = self._connection.execute(
            select(ip_allocations.c.port_id, func.max(ip_allocations.c.position).label("last"))
            .join(ports, ports.c.id == ip_allocations.c.port_id)
            .where(ports.c.network_id == subnet.network_id)
            .group_by(ip_allocations.c.port_id)
        )
        last = {row.port_id: row.last for row in found}
        rows = [
            _address_row(port_id, fixed_ip, last.get(port_id, -1) + 1)
            for port_id, fixed_ip in held.items()
        ]
        self._connection.execute(insert(ip_allocations), rows)
        self._touch_holders(subnet.id, now)

    def take_addresses(self, subnet_id: SubnetId, *, now: datetime) -> None:
        """Take the addresses in a subnet from all ports that have one."""
        self._touch_holders(subnet_id, now)
        self._connection.execute(
            delete(ip_allocations).where(ip_allocations.c.subnet_id == subnet_id)
        )

    def _touch_holders(self, subnet_id: SubnetId, now: datetime) -> None:
        holders = select(ip_allocations.c.port_id).where(ip_allocations.c.subnet_id == subnet_id)
        self._connection.execute(
            update(ports)
            .where(ports.c.id.in_(holders))
            .values(revision=ports.c.revision + 1, updated_at=now)
        )

    def is_mac_taken(self, network_id: NetworkId, mac: MacAddress) -> bool:
        """Say whether some port of the network has this MAC."""
        wanted = {"this_network": network_id, "this_mac": str(mac)}
        return bool(_OF_MAC.all(self._connection, wanted))

    def is_address_taken(self, subnet_id: str, address: str) -> bool:
        """Say whether some port holds `address` in the subnet."""
        return bool(
            self._connection.scalar(
                select(ip_allocations.c.port_id).where(
                    ip_allocations.c.subnet_id == subnet_id,
                    ip_allocations.c.sort_key == _sort_key(address),
                )
            )
        )

    def find_free_address(
        self, subnet_id: str, pool: AddressPool, *, start: int, besides: Collection[str] = ()
    ) -> str | None:
        """Return an address of `pool` that no port holds; None: all are taken.

        The one after the highest held, as long as there is one: so an address is not given again
        soon after it was returned, and one row is read. After that, the first gap from a place
        that `start` (any number) decides, so that the search is short unless the pool is full.

        Args:
            subnet_id: Whose addresses.
            pool: Where to look.
            start: Where in the pool to begin looking for gaps.
            besides: Addresses not to return, though no port holds them yet.
        """
        first, last = int(ip_address(pool.start)), int(ip_address(pool.end))
        as_address = type(ip_address(pool.start))
        avoided = {int(ip_address(address)) for address in besides}
        bounds = {"lowest": _sort_key(pool.start), "greatest": _sort_key(pool.end)}
        highest = _HIGHEST_HELD.scalar(self._connection, {"this_subnet": subnet_id, **bounds})
        following = first if highest is None else int(highest, 16) + 1
        while following in avoided:
            following += 1
        if following <= last:
            return str(as_address(following))
        middle = first + start % (last - first + 1)
        gap = self._find_gap(subnet_id, middle, last, avoided)
        if gap is None:
            gap = self._find_gap(subnet_id, first, middle - 1, avoided)
        return None if gap is None else str(as_address(gap))

    def _find_gap(
        self, subnet_id: str, first: int, last: int, avoided: Collection[int]
    ) -> int | None:
        expected = first
        while expected <= last:
            held = self._connection.scalars(
                select(ip_allocations.c.sort_key)
                .where(
                    ip_allocations.c.subnet_id == subnet_id,
                    ip_allocations.c.sort_key.between(f"{expected:032x}", f"{last:032x}"),
                )
                .order_by(ip_allocations.c.sort_key)
                .limit(_GAP_BATCH)
            ).all()
            for sort_key in held:
                while expected < int(sort_key, 16):
                    if expected not in avoided:
                        return expected
                    expected += 1
                expected += 1
            if len(held) < _GAP_BATCH:
                break
        while expected in avoided:
            expected += 1
        return expected if expected <= last else None

    def _insert_addresses(self, port: Port) -> None:
        for position, fixed_ip in enumerate(port.fixed_ips):
            try:
                _INSERT_ADDRESS.run(self._connection, _address_row(port.id, fixed_ip, position))
            except IntegrityError as taken:
                raise AlreadyExists(
                    f"IP address in subnet {fixed_ip.subnet_id}", fixed_ip.ip_address
                ) from taken


@cache
def _update_of(columns: frozenset[str]) -> Prepared:
    """Return the statement that sets these columns; indexes of the others need no work."""
    return Prepared(update_row(ports, "id", "revision", columns=columns))


def _has_status(status: str) -> ColumnElement[bool]:
    """The condition that a port has this status; the same rules as `PortView.status`."""
    mine = exists().where(bindings.c.port_id == ports.c.id)
    active = mine.where(bindings.c.state == "active")
    building = mine.where(bindings.c.state == "claimed", bindings.c.server_id.is_not(None))
    match status:
        case "ACTIVE":
            return and_(ports.c.admin_state_up, active)
        case "BUILD":
            return and_(ports.c.admin_state_up, building)
        case "DOWN":
            return or_(~ports.c.admin_state_up, ~or_(active, building))
        case _:
            return false()


def _sort_key(address: str) -> str:
    return f"{int(ip_address(address)):032x}"


def _address_row(port_id: PortId, fixed_ip: FixedIp, position: int) -> dict[str, Any]:
    return {
        "subnet_id": fixed_ip.subnet_id,
        "sort_key": _sort_key(fixed_ip.ip_address),
        "ip_address": fixed_ip.ip_address,
        "port_id": port_id,
        "position": position,
    }


def _row(port: Port) -> dict[str, Any]:
    return {
        "id": port.id,
        "network_id": port.network_id,
        "project_id": port.project_id,
        "name": port.name,
        "description": port.description,
        "admin_state_up": port.admin_state_up,
        "mac": str(port.mac),
        "vnic_type": port.vnic_type.value,
        "pci_flavor": port.pci_flavor,
        "pci_match": port.pci_match,
        "numa_policy": None if port.numa_policy is None else port.numa_policy.value,
        "device_id": port.device_id,
        "device_owner": port.device_owner,
        "port_security_enabled": port.port_security_enabled,
        "trusted": port.trusted,
        "vlan_qos": port.vlan_qos,
        "qos_policy_id": port.qos_policy_id,
        "profile": port.profile,
        "created_by_server": port.created_by_server,
        "allowed_address_pairs": port.allowed_address_pairs,
        "extra_dhcp_opts": port.extra_dhcp_opts,
        "tags": port.tags,
        "created_at": port.created_at,
        "updated_at": port.updated_at,
        "revision": port.revision,
    }


@lru_cache(maxsize=_PORTS_KEPT_MAX)
def _fixed_ip(subnet_id: SubnetId, ip_address: str) -> FixedIp:
    return FixedIp(subnet_id=subnet_id, ip_address=ip_address)


@lru_cache(maxsize=_PORTS_KEPT_MAX)
def _port(form: Form, fetched: FetchedRow, addresses: tuple[FixedIp, ...]) -> Port:
    """Make a port, for all who read it: most are read again and again as they are."""
    row = form.row(fetched)
    return Port(
        **row
        | {
            "mac": MacAddress(row["mac"]),
            "vnic_type": VnicType(row["vnic_type"]),
            "numa_policy": row["numa_policy"] and NumaPolicy(row["numa_policy"]),
            "fixed_ips": addresses,
        }
    )
