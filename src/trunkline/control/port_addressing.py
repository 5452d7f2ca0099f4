"""What ports say of addresses besides their own: address pairs, and options for DHCP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from trunkline.control.requests import DhcpOptionRequest
from trunkline.domain.errors import Invalid, StateConflict
from trunkline.domain.port import DhcpOption, Port, VnicType

ADDRESS_PAIRS_MAX: Final = 10  # As Neutron takes by default (max_allowed_address_pair).
DHCP_OPTIONS_MAX: Final = 64

_FIELD: Final = "allowed_address_pairs"


def check_address_pairs(port: Port) -> None:
    """Check that the host would let the port's address pairs pass.

    No host looks at IP addresses. A VF's card drops what has another MAC than the port's, as long
    as it checks for spoofing, which it does unless port security is off.

    Raises:
        Invalid: There are too many, the same one twice, or one that a VF could not send from.
        StateConflict: Port security is off: then there is nothing to be let through.
    """
    pairs = port.allowed_address_pairs
    if not pairs:
        return
    if len(pairs) > ADDRESS_PAIRS_MAX:
        raise Invalid(_FIELD, f"at most {ADDRESS_PAIRS_MAX}, not {len(pairs)}")
    if len({(pair.ip_address, pair.mac or port.mac) for pair in pairs}) != len(pairs):
        raise Invalid(_FIELD, "the same one twice")
    if not port.port_security_enabled:
        raise StateConflict(
            "port",
            port.said,
            "address pairs need port security; without it, it may send from any address",
        )
    others = [pair for pair in pairs if pair.mac not in (None, port.mac)]
    if others and port.vnic_type in (VnicType.DIRECT, VnicType.MACVTAP):
        raise Invalid(
            _FIELD,
            f"{others[0].mac} is not the port's own MAC, and the card lets a VF send from no other:"
            " leave mac_address out, or disable port security",
        )


def changed_options(
    held: Sequence[DhcpOption], asked: Sequence[DhcpOptionRequest]
) -> tuple[DhcpOption, ...]:
    """Return a port's DHCP options after a change, which leaves alone what it does not name.

    Raises:
        Invalid: There would be too many.
    """
    options = {(each.name, each.ip_version): each for each in held}
    for one in asked:
        key = (one.name, one.ip_version)
        if one.value is None:
            options.pop(key, None)
        else:
            options[key] = DhcpOption(one.name, one.value, one.ip_version)
    if len(options) > DHCP_OPTIONS_MAX:
        raise Invalid("extra_dhcp_opts", f"at most {DHCP_OPTIONS_MAX}, not {len(options)}")
    return tuple(options.values())
