"""Giving ports their fixed IP addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from trunkline.control.requests import AddressRequest
from trunkline.domain.errors import AlreadyExists, Invalid, NoAddressFree
from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import PortId, SegmentId, SubnetId
from trunkline.domain.network import SERVER_OWNER, Network, Subnet
from trunkline.domain.port import FixedIp, Port
from trunkline.store.transaction import Transaction


def allocate_fixed_ips(
    tx: Transaction,
    network: Network,
    wanted: tuple[AddressRequest, ...] | None,
    port_id: PortId,
    *,
    mac: MacAddress,
    device_owner: str,
    held: tuple[FixedIp, ...] = (),
    segment_id: SegmentId | None = None,
) -> tuple[FixedIp, ...]:
    """Choose the addresses of a port, new or changed. Storing the port stores them.

    What the port holds already and still fits is kept: an update that names a subnet does not
    change the address in it.

    Args:
        tx: The transaction that the port is stored in.
        network: The port's.
        wanted: None: one for each IP version that the network has subnets of. Empty: none. Else
            those in subnets where addresses follow MACs come with them.
        port_id: The port's; it need not be stored yet.
        mac: The port's.
        device_owner: The port's: there are subnets for ports of some owners alone.
        held: What the port holds already.
        segment_id: Where the port is; its subnets, and those of no segment, will do. None: not
            known; then all addresses are of one segment.

    Raises:
        Invalid: A subnet is not the network's, or an address can't be a port's.
        AlreadyExists: Another port holds an address that is asked for.
        NoAddressFree: A subnet's pools are used up, or none of those where the port is serves it.
    """
    # Whoever chooses after the same reading would choose the same address.
    tx.subnets.lock(network.id)
    held_in = {fixed_ip.subnet_id for fixed_ip in held}
    of_network = tx.subnets.of_network(network.id)
    eligible = [
        subnet for subnet in of_network if subnet.id in held_in or subnet.serves(device_owner)
    ]
    subnets = [
        subnet
        # Those that are for its owner go before those that are for all.
        for subnet in sorted(eligible, key=lambda each: not each.service_types)
        if segment_id is None or subnet.segment_id in (None, segment_id)
    ]
    if of_network and not subnets and wanted is None:
        where = "network" if segment_id is None else "network's segment"
        raise NoAddressFree(f"any subnet of the {where} for {device_owner or 'no device owner'}")
    chooser = _Chooser(tx, port_id, mac, held=held)
    if wanted is None:
        return _one_for_each_version(network, subnets, chooser)
    asked = [(request, _subnet_asked_for(network, subnets, request)) for request in wanted]
    # Named addresses first, so that none of them is handed out for a request without one.
    _require_one_segment([subnet for _, subnet in asked])
    named = {
        position: chooser.exactly(subnet, request.ip_address)
        for position, (request, subnet) in enumerate(asked)
        if request.ip_address is not None
    }
    chosen = [
        named.get(position) or chooser.any_in([subnet])
        for position, (_, subnet) in enumerate(asked)
    ]
    named_subnets = {subnet.id for _, subnet in asked}
    segment_ids = {None, *(subnet.segment_id for _, subnet in asked)}
    more = [
        subnet
        for subnet in subnets
        if subnet.addresses_follow_macs
        and subnet.id not in named_subnets
        and subnet.segment_id in segment_ids
    ]
    return (*chosen, *(chooser.any_in([subnet]) for subnet in more if wanted))


def with_mac(tx: Transaction, port: Port, mac: MacAddress) -> Port:
    """Give a port another MAC, and those of its addresses that follow it."""
    subnets = tx.subnets.get_many({fixed_ip.subnet_id for fixed_ip in port.fixed_ips})
    fixed_ips = tuple(
        following_address(subnets[fixed_ip.subnet_id], mac)
        if subnets[fixed_ip.subnet_id].addresses_follow_macs
        else fixed_ip
        for fixed_ip in port.fixed_ips
    )
    return replace(port, mac=mac, fixed_ips=fixed_ips)


def following_address(subnet: Subnet, mac: MacAddress) -> FixedIp:
    """Return a port's address where addresses follow MACs: the prefix, and the MAC as EUI-64.

    Source: RFC 4291, 2.5.1 and appendix A.
    """
    octets = bytes.fromhex(str(mac).replace(":", ""))
    interface = bytes([octets[0] ^ 0b10]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    address = IPv6Address(int(subnet.cidr.network_address) | int.from_bytes(interface))
    return FixedIp(subnet_id=subnet.id, ip_address=str(address))


def segments_of_addresses(
    tx: Transaction, network: Network, fixed_ips: Sequence[FixedIp]
) -> frozenset[SegmentId] | None:
    """Return the segment that a port with these addresses must be on; None: any."""
    if len(network.segments) < 2 or not fixed_ips:
        return None
    subnets = {subnet.id: subnet for subnet in tx.subnets.of_network(network.id)}
    tied = {subnets[fixed_ip.subnet_id].segment_id for fixed_ip in fixed_ips}
    return frozenset(each for each in tied if each is not None) or None


def segments_for_address(
    tx: Transaction, network: Network, wanted: str | None
) -> frozenset[SegmentId] | None:
    """Return the segments that a server's new port can be on and have this address, or any.

    None: all. Where every subnet for servers is tied to a segment, a port elsewhere would have no
    address.
    """
    if len(network.segments) < 2:
        return None
    subnets = _for_servers(tx, network)
    if wanted is not None:
        address = parse_address("fixed_ip", wanted)
        subnets = [subnet for subnet in subnets if address in subnet.cidr]
    tied = {subnet.segment_id for subnet in subnets}
    found = frozenset(each for each in tied if each is not None)
    return None if None in tied or not found else found


def require_free_address(tx: Transaction, network: Network, text: str) -> None:
    """Raise unless a server's new port on `network` could have this address now.

    Raises:
        Invalid: It is none, in no subnet of the network for servers, or none that ports can have.
        AlreadyExists: Another port has it.
    """
    asked = AddressRequest(ip_address=text)
    subnet = _subnet_asked_for(network, _for_servers(tx, network), asked)
    if subnet.addresses_follow_macs:
        raise Invalid("fixed_ip", f"addresses in subnet {subnet.id} follow MACs: none can be named")
    address = _usable_address(subnet, text)
    if tx.ports.is_address_taken(subnet.id, address):
        raise AlreadyExists(f"IP address in subnet {subnet.id}", address)


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


def _for_servers(tx: Transaction, network: Network) -> list[Subnet]:
    return [each for each in tx.subnets.of_network(network.id) if each.serves(SERVER_OWNER)]


def _one_for_each_version(
    network: Network, subnets: Sequence[Subnet], chooser: _Chooser
) -> tuple[FixedIp, ...]:
    """Choose addresses of one segment: of the first that has all, and of subnets of none."""
    tied = {subnet.segment_id for subnet in subnets if subnet.segment_id is not None}
    segment_ids = [segment.id for segment in network.segments if segment.id in tied]
    full: NoAddressFree | None = None
    for segment_id in segment_ids or (None,):
        usable = [subnet for subnet in subnets if subnet.segment_id in (None, segment_id)]
        following = [subnet for subnet in usable if subnet.addresses_follow_macs]
        pooled = [subnet for subnet in usable if not subnet.addresses_follow_macs]
        versions = sorted({subnet.ip_version for subnet in pooled})
        try:
            return tuple(
                chooser.any_in(candidates)
                for candidates in (
                    *([each for each in pooled if each.ip_version == version]
                      for version in versions),
                    *([each] for each in following),
                )
            )  # fmt: skip
        except NoAddressFree as none_free:
            full = full or none_free
            chooser.chosen = ()
    assert full is not None, "there is a segment, or none is needed"
    raise full


def _require_one_segment(subnets: Sequence[Subnet]) -> None:
    """Raise `Invalid` if addresses in these subnets would have to be on two segments at once."""
    tied = {subnet.segment_id: subnet for subnet in subnets if subnet.segment_id is not None}
    if len(tied) > 1:
        first, second, *_ = tied.values()
        raise Invalid(
            "fixed_ips",
            f"subnets {first.id} and {second.id} are on two segments, and a port is on one",
        )


@dataclass(slots=True)
class _Chooser:
    """Chooses addresses that neither other ports hold nor this port was given just now."""

    tx: Transaction
    port_id: PortId
    mac: MacAddress
    held: tuple[FixedIp, ...]  # By this port, until the transaction stores the new ones.
    chosen: tuple[FixedIp, ...] = ()

    def exactly(self, subnet: Subnet, text: str) -> FixedIp:
        address = _usable_address(subnet, text)
        wanted = FixedIp(subnet_id=subnet.id, ip_address=address)
        if subnet.addresses_follow_macs and wanted != following_address(subnet, self.mac):
            raise Invalid(
                "fixed_ips",
                f"{address} can't be had: in subnet {subnet.id} the address follows the MAC",
            )
        if wanted in self.chosen:
            raise Invalid("fixed_ips", f"{address} is asked for twice")
        if wanted not in self.held and self.tx.ports.is_address_taken(subnet.id, address):
            raise AlreadyExists(f"IP address in subnet {subnet.id}", address)
        return self._take(wanted)

    def any_in(self, subnets: Sequence[Subnet]) -> FixedIp:
        """Take an address from the first of `subnets` that has one."""
        if subnets[0].addresses_follow_macs:
            wanted = following_address(subnets[0], self.mac)
            if wanted in self.chosen:
                raise Invalid("fixed_ips", f"{wanted.ip_address} is asked for twice")
            return self._take(wanted)
        for subnet in subnets:
            for fixed_ip in self.held:
                if fixed_ip.subnet_id == subnet.id and fixed_ip not in self.chosen:
                    return self._take(fixed_ip)
        for subnet in subnets:
            found = self._free_address(subnet)
            if found is not None:
                return self._take(FixedIp(subnet_id=subnet.id, ip_address=found))
        raise NoAddressFree("subnet " + ", ".join(subnet.id for subnet in subnets))

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


def _usable_address(subnet: Subnet, text: str) -> str:
    """Return the address as it is stored; raise `Invalid` if ports can't have it."""
    address = parse_address("fixed_ips", text)
    problem = unusable_reason(subnet.cidr, address)
    if problem is not None:
        raise Invalid("fixed_ips", problem)
    return str(address)


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
