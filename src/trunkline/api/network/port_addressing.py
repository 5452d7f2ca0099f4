"""``allowed_address_pairs`` and ``extra_dhcp_opts`` of ports, as Neutron has them."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Final

from trunkline.api.network.common import Item
from trunkline.api.parsing import Fields
from trunkline.control.port_addressing import ADDRESS_PAIRS_MAX, DHCP_OPTIONS_MAX
from trunkline.control.requests import DhcpOptionRequest
from trunkline.domain.errors import Invalid
from trunkline.domain.ether import parse_guest_mac
from trunkline.domain.port import AddressPair, Port

PAIRS: Final = "allowed_address_pairs"
OPTIONS: Final = "extra_dhcp_opts"

# Options that may be empty: to say that there is none.
# Source: neutron_lib.api.definitions.extra_dhcp_opt (neutron-lib 5.0.1).
_MAY_BE_EMPTY: Final = ("router", "classless-static-route")


def parse_pairs(fields: Fields) -> tuple[AddressPair, ...]:
    """Read ``[{"ip_address": …, "mac_address": …}]``; null: none."""
    pairs = fields.objects(PAIRS, None) or []
    if len(pairs) > ADDRESS_PAIRS_MAX:
        raise fields.invalid(PAIRS, f"at most {ADDRESS_PAIRS_MAX}")
    return tuple(_parse_pair(pair) for pair in pairs)


def parse_options(fields: Fields) -> tuple[DhcpOptionRequest, ...]:
    """Read ``[{"opt_name": …, "opt_value": …, "ip_version": …}]``; null: none."""
    options = fields.objects(OPTIONS, None) or []
    if len(options) > DHCP_OPTIONS_MAX:
        raise fields.invalid(OPTIONS, f"at most {DHCP_OPTIONS_MAX}")
    return tuple(_parse_option(option) for option in options)


def render_addressing(port: Port) -> Item:
    """Render both; a pair without a MAC of its own shows the port's."""
    return {
        PAIRS: [
            {"ip_address": pair.ip_address, "mac_address": str(pair.mac or port.mac)}
            for pair in port.allowed_address_pairs
        ],
        OPTIONS: [
            {"opt_name": one.name, "opt_value": one.value, "ip_version": one.ip_version}
            for one in port.extra_dhcp_opts
        ],
    }


def _parse_pair(fields: Fields) -> AddressPair:
    fields.require_only(("ip_address", "mac_address"))
    address = fields.parsed("ip_address", _parse_address)
    return AddressPair(address, fields.parsed("mac_address", parse_guest_mac, None))


def _parse_address(text: str) -> str:
    """Take an address or a CIDR, as it was said; Neutron leaves bits right of the mask alone."""
    try:
        if "/" in text:
            ip_network(text, strict=False)
        elif "%" in text:
            raise ValueError
        else:
            ip_address(text)
    except ValueError:
        raise ValueError(f"not an IP address or CIDR: {text[:60]!r}") from None
    if len(text) > 64:
        raise ValueError("longer than any address")
    return text


def _parse_option(fields: Fields) -> DhcpOptionRequest:
    fields.require_only(("opt_name", "opt_value", "ip_version"))
    name = fields.text("opt_name", length_min=1, length_max=64)
    value = fields.text("opt_value", None)
    if value is not None and not value.strip() and name not in _MAY_BE_EMPTY:
        raise Invalid(fields.path_of("opt_value"), f"must not be empty for {name}")
    ip_version = fields.integer("ip_version", 4)
    if ip_version not in (4, 6):
        raise fields.invalid("ip_version", f"must be 4 or 6, not {ip_version}")
    return DhcpOptionRequest(name, value, ip_version)
