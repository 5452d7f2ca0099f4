"""What a server's owner says of it, when it is made and later: kept and shown."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Final

from trunkline.api.parsing import Fields
from trunkline.control.requests import UNSET, Unset
from trunkline.domain.server import DiskConfig

PASSWORD_CHARS: Final = 12  # Of one that nobody gave. As Nova's.
PASSWORD_CHARS_MAX: Final = 255
DISK_CONFIG: Final = "OS-DCF:diskConfig"


def access_ipv4(server: Fields) -> str | Unset:
    """Read ``accessIPv4``; empty or null: there is none."""
    return _address(server, "accessIPv4", IPv4Address)


def access_ipv6(server: Fields) -> str | Unset:
    """Read ``accessIPv6``, which is kept in its short form."""
    return _address(server, "accessIPv6", IPv6Address)


def disk_config(server: Fields) -> DiskConfig | Unset:
    """Read who is to fit the partitions to the disk."""
    return server.parsed(DISK_CONFIG, DiskConfig, UNSET)


def admin_password(server: Fields) -> str | None:
    """Read the password that the guest is told on its config drive."""
    return server.text("adminPass", None, length_min=1, length_max=PASSWORD_CHARS_MAX)


def _address(server: Fields, name: str, kind: type[IPv4Address | IPv6Address]) -> str | Unset:
    if name not in server:
        return UNSET
    if server.raw(name) in ("", None):
        return ""
    address = str(server.parsed(name, kind))
    if "%" in address:
        raise server.invalid(name, "must have no zone after a %")
    return address
