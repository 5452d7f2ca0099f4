"""Giving ports their fixed IP addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from trunkline.control.requests import AddressRequest
from trunkline.domain.errors import AlreadyExists, Invalid, NoAddressFree
from trunkline.domain.ids import PortId, SubnetId
from trunkline.domain.network import Network, Subnet
from trunkline.domain.port import FixedIp
from trunkline.store.transaction import Transaction


def allocate_fixed_ips(
    tx: Transaction,
    network: Network,
    wanted: tuple[AddressRequest, ...] | None,
    port_id: PortId,
    *,
    held: tuple[FixedIp, ...] = (),
) -> tuple[FixedIp, ...]:
    """Choose the addresses of a port, new or changed. Storing the port stores them.

    What the port holds already and still fits is kept: an update that names a subnet does not
    change the address in it.

    Args:
        tx: The transaction that the port is stored in.
        network: The port's.
        wanted: None: one for each IP version that the network has subnets of. Empty: none.
        port_id: The port's; it need not be stored yet.
        held: What the port holds already.

    Raises:
        Invalid: A subnet is not the network's, or an address can't be a port's.
        AlreadyExists: Another port holds an address that is asked for.
        NoAddressFree: A subnet's pools are used up.
    """
    # Whoever chooses after the same reading would choose the same address.
    tx.subnets.lock(network.id)
    subnets = tx.subnets.of_network(network.id)
    chooser = _Chooser(tx, port_id, held=held)
    if wanted is None:
        versions = sorted({subnet.ip_version for subnet in subnets})
        candidates = [[s for s in subnets if s.ip_version == version] for version in versions]
        return tuple(chooser.any_in(of_version) for of_version in candidates)
    asked = [(request, _subnet_asked_for(network, subnets, request)) for request in wanted]
    # Named addresses first, so that none of them is handed out for a request without one.
    named = {
        position: chooser.exactly(subnet, request.ip_address)
        for position, (request, subnet) in enumerate(asked)
        if request.ip_address is not None
    }
    return tuple(
        named.get(position) or chooser.any_in([subnet])
        for position, (_, subnet) in enumerate(asked)
    )


def parse_address(field: str, text: str) -> IPv4Address | IPv6Address:
    """Read an IP address; `field` is named if it is none."""
    try:
        address = ip_address(text)
    except ValueError:
        raise Invalid(field, f"not an IP address: {text!r}") from None
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise Invalid(field, f"an address with a scope can't be used here: {text!r}")
    return address


def unusable_reason(
    cidr: IPv4Network | IPv6Network, address: IPv4Address | IPv6Address
) -> str | None:
    """Say why no interface in `cidr` can have `address`; None: it can.

    An IPv4 network of one or two addresses has no network or broadcast address (RFC 3021). In
    IPv6 the lowest address is the routers' anycast address (RFC 4291, 2.6.1).
    """
    if address not in cidr:
        return f"{address} is not in {cidr}"
    if cidr.num_addresses <= 2:
        return None
    if address == cidr.network_address:
        return f"{address} is the network's own address in {cidr}"
    if isinstance(cidr, IPv4Network) and address == cidr.broadcast_address:
        return f"{address} is the broadcast address of {cidr}"
    return None


@dataclass(slots=True)
class _Chooser:
    """Chooses addresses that neither other ports hold nor this port was given just now."""

    tx: Transaction
    port_id: PortId
    held: tuple[FixedIp, ...]  # By this port, until the transaction stores the new ones.
    chosen: tuple[FixedIp, ...] = ()

    def exactly(self, subnet: Subnet, text: str) -> FixedIp:
        address = parse_address("fixed_ips", text)
        problem = unusable_reason(subnet.cidr, address)
        if problem is not None:
            raise Invalid("fixed_ips", problem)
        wanted = FixedIp(subnet_id=subnet.id, ip_address=str(address))
        if wanted in self.chosen:
            raise Invalid("fixed_ips", f"{address} is asked for twice")
        if wanted not in self.held and self.tx.ports.is_address_taken(subnet.id, str(address)):
            raise AlreadyExists(f"IP address in subnet {subnet.id}", str(address))
        return self._take(wanted)

    def any_in(self, subnets: Sequence[Subnet]) -> FixedIp:
        """Take an address from the first of `subnets` that has one."""
        for subnet in subnets:
            for fixed_ip in self.held:
                if fixed_ip.subnet_id == subnet.id and fixed_ip not in self.chosen:
                    return self._take(fixed_ip)
        for subnet in subnets:
            found = self._free_address(subnet)
            if found is not None:
                return self._take(FixedIp(subnet_id=subnet.id, ip_address=found))
        raise NoAddressFree(", ".join(subnet.id for subnet in subnets))

    def _free_address(self, subnet: Subnet) -> str | None:
        taken_now = [ip.ip_address for ip in self.chosen if ip.subnet_id == subnet.id]
        start = int(self.port_id.replace("-", ""), 16)
        for pool in subnet.allocation_pools:
            found = self.tx.ports.find_free_address(subnet.id, pool, start=start, besides=taken_now)
            if found is not None:
                return found
        return None

    def _take(self, fixed_ip: FixedIp) -> FixedIp:
        self.chosen += (fixed_ip,)
        return fixed_ip


def _subnet_asked_for(
    network: Network, subnets: Sequence[Subnet], request: AddressRequest
) -> Subnet:
    if request.subnet_id is not None:
        return _subnet_by_id(network, subnets, request.subnet_id)
    if request.ip_address is None:
        raise Invalid("fixed_ips", "each needs a subnet_id or an ip_address")
    address = parse_address("fixed_ips", request.ip_address)
    for subnet in subnets:
        if address in subnet.cidr:
            return subnet
    raise Invalid("fixed_ips", f"{address} is in none of the subnets of network {network.id}")


def _subnet_by_id(network: Network, subnets: Sequence[Subnet], subnet_id: SubnetId) -> Subnet:
    for subnet in subnets:
        if subnet.id == subnet_id:
            return subnet
    # The same for a subnet of another network as for none at all: IDs can't be probed.
    raise Invalid("fixed_ips", f"network {network.id} has no subnet {subnet_id}")
