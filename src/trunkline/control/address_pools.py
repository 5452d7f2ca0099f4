"""The arithmetic of subnets: which gateway and which pools a CIDR can have. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import pairwise
from typing import Final

from trunkline.control.addresses import parse_address, unusable_reason
from trunkline.domain.errors import Invalid, StateConflict
from trunkline.domain.network import AddressPool, Subnet

EUI64_PREFIX_LENGTH: Final = 64  # RFC 4291, 2.5.1: interface identifiers have the other 64 bits.
POOLS_MAX: Final = 100  # Of one subnet: each is looked through when addresses get scarce.

Address = IPv4Address | IPv6Address
Cidr = IPv4Network | IPv6Network


def check_cidr(cidr: Cidr) -> None:
    """Refuse networks that no subnet can be.

    Raises:
        Invalid: It is everything there is, or not for unicast between hosts.
    """
    if cidr.prefixlen == 0:
        raise Invalid("cidr", f"{cidr} is the whole of IPv{cidr.version}")
    for is_odd, kind in (
        (cidr.is_multicast, "multicast"),
        (cidr.is_loopback, "loopback"),
        (cidr.is_unspecified, "unspecified"),
    ):
        if is_odd:
            raise Invalid("cidr", f"{cidr} is {kind}: no host can have an address in it")


def check_ipv6_modes(subnet: Subnet) -> None:
    """Check that guests of a subnet can come by addresses as its modes say.

    Raises:
        Invalid: The modes contradict each other, or the rest of the subnet.
    """
    said = {
        name: mode
        for name, mode in (
            ("ipv6_ra_mode", subnet.ipv6_ra_mode),
            ("ipv6_address_mode", subnet.ipv6_address_mode),
        )
        if mode is not None
    }
    for name in said:
        if subnet.ip_version == 4:
            raise Invalid(name, "is for subnets of IPv6")
        if not subnet.enable_dhcp:
            raise Invalid(name, "cannot be set where enable_dhcp is false")
    if len(set(said.values())) > 1:
        raise Invalid("ipv6_address_mode", "must be the same as ipv6_ra_mode, where both are set")
    if subnet.addresses_follow_macs and subnet.cidr.prefixlen != EUI64_PREFIX_LENGTH:
        raise Invalid(
            "cidr",
            f"{subnet.cidr}: addresses that follow MACs need a prefix of /{EUI64_PREFIX_LENGTH}",
        )


def default_gateway(cidr: Cidr) -> Address | None:
    """Return the first address that a host can have; None if only one can."""
    if cidr.num_addresses == 1:
        return None
    first, _ = _usable(cidr)
    return ip_address(first)


def default_pools(cidr: Cidr, gateway: Address | None) -> tuple[AddressPool, ...]:
    """Return all addresses that hosts can have, less the gateway's."""
    first, last = _usable(cidr)
    if gateway is None or not first <= int(gateway) <= last:
        spans = [(first, last)]
    else:
        spans = [(first, int(gateway) - 1), (int(gateway) + 1, last)]
    as_address = type(cidr.network_address)
    return tuple(
        AddressPool(str(as_address(low)), str(as_address(high)))
        for low, high in spans
        if low <= high
    )


def check_gateway(cidr: Cidr, gateway: Address | None) -> None:
    """Refuse a gateway that hosts in `cidr` can't reach.

    An IPv6 gateway may be link-local: routers announce themselves with such an address (RFC 4861,
    4.2).
    """
    if gateway is None or (gateway.version == 6 and cidr.version == 6 and gateway.is_link_local):
        return
    problem = unusable_reason(cidr, gateway)
    if problem is not None:
        raise Invalid("gateway_ip", problem)


def check_pools(cidr: Cidr, pools: Sequence[AddressPool], gateway: Address | None) -> None:
    """Check that ports can have every address of `pools`.

    Raises:
        Invalid: A pool has no order, or reaches out of what hosts in `cidr` can have.
        StateConflict: Two pools overlap, or one holds the gateway's address.
    """
    if len(pools) > POOLS_MAX:
        raise Invalid("allocation_pools", f"a subnet has at most {POOLS_MAX}")
    spans: list[tuple[int, int]] = []
    for pool in pools:
        start = parse_address("allocation_pools", pool.start)
        end = parse_address("allocation_pools", pool.end)
        for address in (start, end):
            problem = unusable_reason(cidr, address)
            if problem is not None:
                raise Invalid("allocation_pools", problem)
        if int(start) > int(end):
            raise Invalid("allocation_pools", f"{start}-{end} ends before it starts")
        spans.append((int(start), int(end)))
        if gateway is not None and _holds(start, gateway, end):
            raise StateConflict(
                "subnet", str(cidr), f"the gateway {gateway} is in the pool {start}-{end}"
            )
    spans.sort()
    for (_, end_of_one), (start_of_next, _) in pairwise(spans):
        if start_of_next <= end_of_one:
            raise StateConflict("subnet", str(cidr), "its allocation pools overlap")


def _holds(start: Address, address: Address, end: Address) -> bool:
    return start.version == address.version and int(start) <= int(address) <= int(end)


def _usable(cidr: Cidr) -> tuple[int, int]:
    """Return the first and the last address that a host can have."""
    first, last = int(cidr.network_address), int(cidr.broadcast_address)
    if cidr.num_addresses <= 2:
        return first, last
    return first + 1, last - 1 if cidr.version == 4 else last
