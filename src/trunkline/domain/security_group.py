"""Security groups: what may come to a port and what it may send, as Neutron words it.

They are kept for whoever reads them. No host filters by them: see docs/adr/0038.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_interface
from types import MappingProxyType
from typing import Final

from trunkline.domain.ids import ProjectId, SecurityGroupId, SecurityGroupRuleId
from trunkline.domain.qos import Direction

DEFAULT_NAME: Final = "default"  # Of the group that each project has; no other is called so.
PARENT: Final = SecurityGroupId("PARENT")  # Of a default rule: about the group that gets it.

# Source: neutron_lib.constants.IP_PROTOCOL_MAP (neutron-lib 5.0.1).
PROTOCOL_NUMBERS: Final[Mapping[str, int]] = MappingProxyType({
    "ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "hopopt": 0, "icmp": 1, "igmp": 2,
    "ip": 0, "ipip": 4, "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58, "icmpv6": 58,
    "ipv6-nonxt": 59, "ipv6-opts": 60, "ipv6-route": 43, "ospf": 89, "pgm": 113, "rsvp": 46,
    "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136, "vrrp": 112,
})  # fmt: skip
ICMP_NUMBERS: Final = frozenset({1, 58})
WITH_PORTS_NUMBERS: Final = frozenset({6, 17, 33, 132, 136})
IPV6_ONLY_NUMBERS: Final = frozenset(
    number for name, number in PROTOCOL_NUMBERS.items() if name.startswith("ipv6-")
)


class Ethertype(enum.Enum):
    """Which IP version a rule is about. The values are Neutron's."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """What a rule permits."""

    direction: Direction
    ethertype: Ethertype
    protocol: str | None = None  # A name or a number, as it was said; None: all.
    port_range_min: int | None = None  # Of ICMP the type.
    port_range_max: int | None = None  # Of ICMP the code.
    remote_ip_prefix: str | None = None
    remote_group_id: SecurityGroupId | None = None
    description: str = ""

    @property
    def normalized_cidr(self) -> str | None:
        """The prefix, without what is right of its mask."""
        return self.remote_ip_prefix and str(ip_interface(self.remote_ip_prefix).network)

    @property
    def meaning(self) -> str:
        """What it permits, the same for two rules that permit the same."""
        number = protocol_number(self.protocol)
        prefix = self.normalized_cidr
        everything = prefix in (None, "0.0.0.0/0", "::/0")
        ends = (number, self.port_range_min, self.port_range_max)
        remote = (self.remote_group_id, None if everything else prefix)
        said = (self.direction.value, self.ethertype.value, *ends, *remote)
        return "/".join("" if each is None else str(each) for each in said)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroupRule(Permission):
    """One rule of a group; what no rule permits is forbidden."""

    id: SecurityGroupRuleId
    group_id: SecurityGroupId
    project_id: ProjectId  # Whose rule it is; an admin's may be in another's group.
    created_at: datetime
    updated_at: datetime
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultRule(Permission):
    """What new groups have a rule of; `remote_group_id` may be `PARENT`.

    Groups that are there when it comes or goes stay as they are.
    """

    id: SecurityGroupRuleId
    in_default: bool  # Default groups of projects have it,
    in_others: bool  # and all others.


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroup:
    """A group with its rules."""

    id: SecurityGroupId
    project_id: ProjectId
    name: str
    created_at: datetime
    updated_at: datetime
    description: str = ""
    stateful: bool = True  # What answers something permitted is permitted, too.
    is_default: bool = False  # Ports of its project have it, unless they say others.
    rules: tuple[SecurityGroupRule, ...] = ()  # Oldest first.
    tags: tuple[str, ...] = ()
    revision: int = 0


def protocol_number(protocol: str | None) -> int | None:
    """Return the IP protocol's number; None: all protocols."""
    if protocol is None:
        return None
    return PROTOCOL_NUMBERS[protocol] if protocol in PROTOCOL_NUMBERS else int(protocol)


def rule_problem(rule: Permission) -> tuple[str, str] | None:
    """Say which field of a rule can't be so beside the others, and why; None: it is sound.

    Clients look for some of these words; they are Neutron's.
    """
    number = protocol_number(rule.protocol)
    low, high = rule.port_range_min, rule.port_range_max
    if number in IPV6_ONLY_NUMBERS and rule.ethertype is Ethertype.IPV4:
        return "protocol", f"{rule.protocol} is not for ethertype IPv4"
    if rule.remote_ip_prefix is not None:
        if rule.remote_group_id is not None:
            return "remote_group_id", "cannot come together with remote_ip_prefix"
        version = ip_interface(rule.remote_ip_prefix).version
        if f"IPv{version}" != rule.ethertype.value:
            problem = f"Conflicting value ethertype {rule.ethertype.value} for this prefix"
            return "remote_ip_prefix", problem
    if low is None and high is None:
        return None
    if number is None:
        return "protocol", "must be given where ports are"
    if number in ICMP_NUMBERS:
        return _icmp_problem(low, high)
    if number not in WITH_PORTS_NUMBERS:
        return "port_range_min", f"protocol {rule.protocol} has no ports"
    for name, port in (("port_range_min", low), ("port_range_max", high)):
        if port is not None and not 1 <= port <= 65535:
            return name, f"Invalid value for port {port}"
    if low is None or high is None or low > high:
        return "port_range_min", "port_range_min must be <= port_range_max"
    return None


def _icmp_problem(type_: int | None, code: int | None) -> tuple[str, str] | None:
    for name, word, value in (
        ("port_range_min", "type", type_),
        ("port_range_max", "code", code),
    ):
        if value is not None and not 0 <= value <= 255:
            return name, f"Invalid value for ICMP {word}: {value} is not between 0 and 255"
    if type_ is None:
        return "port_range_min", "ICMP type (port-range-min) is missing"
    return None
