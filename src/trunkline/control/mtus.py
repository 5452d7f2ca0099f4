"""How large the frames of a network may be: what its segments carry, and what IP asks for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from trunkline.domain.errors import Invalid, StateConflict
from trunkline.domain.network import Network

# Every module of an IP version must take datagrams of so many bytes whole: RFC 791; RFC 8200, 5.
_LEAST_BY_IP_VERSION: Final = {4: 68, 6: 1280}


def check_mtu(wanted: int | None, largest: int) -> int:
    """Return the MTU that a network has; raise `Invalid` if its segments don't carry as much."""
    # Neutron's clients send 0 for "as large as it can be".
    if wanted is None or wanted == 0:
        return largest
    if not 1 <= wanted <= largest:
        raise Invalid("mtu", f"{wanted} is outside 1-{largest}, what this network carries")
    return wanted


def require_mtu_for_ip(network: Network, ip_versions: Iterable[int]) -> None:
    """Raise `StateConflict` if the network's MTU is too small for subnets of these versions."""
    for version in sorted(ip_versions):
        least = _LEAST_BY_IP_VERSION[version]
        if network.mtu < least:
            problem = f"its MTU is {network.mtu}, and IPv{version} needs {least} at least"
            raise StateConflict("network", network.id, problem)
