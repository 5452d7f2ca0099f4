"""devlink's messages as the kernel fills them, built here from its headers alone.

Source: Linux include/uapi/linux/genetlink.h and devlink.h; net/netlink/genetlink.c,
ctrl_fill_info(); net/devlink/health.c, devlink_nl_health_reporter_fill().
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from tests.unit.host.linux.link_bytes import nla

NOTIFIED, ANSWERED = 54, 52  # DEVLINK_CMD_HEALTH_REPORTER_RECOVER, …_GET.


def header(command: int) -> bytes:
    return struct.pack("=BBH", command, 1, 0)


def text(type_: int, value: str) -> bytes:
    return nla(type_, value.encode() + b"\0")


def family(*, id_: int, groups: Mapping[str, int]) -> bytes:
    """CTRL_CMD_NEWFAMILY."""
    nested = b"".join(
        nla(at, text(1, name) + nla(2, struct.pack("=I", number)))
        for at, (name, number) in enumerate(groups.items(), 1)
    )
    return header(1) + text(2, "devlink") + nla(1, struct.pack("=H", id_)) + nla(7, nested)


def handle(bus: str, name: str) -> bytes:
    return text(1, bus) + text(2, name)


def reporter(
    bus: str,
    name: str,
    called: str,
    *,
    state: int,
    port: int | None = None,
    command: int = NOTIFIED,
    can_recover: bool = True,
) -> bytes:
    """What a health reporter says; `state`: 0 healthy, 1 error."""
    nested = text(115, called) + nla(116, bytes([state])) + nla(117, struct.pack("=Q", 3))
    if can_recover:
        nested += nla(120, struct.pack("=Q", 500)) + nla(121, b"\1")
    at_port = b"" if port is None else nla(3, struct.pack("=I", port))
    return header(command) + handle(bus, name) + at_port + nla(0x8000 | 114, nested)


def device_gone(bus: str, name: str) -> bytes:
    """DEVLINK_CMD_DEL."""
    return header(4) + handle(bus, name)


def port_gone(bus: str, name: str, port: int) -> bytes:
    """DEVLINK_CMD_PORT_DEL."""
    return header(8) + handle(bus, name) + nla(3, struct.pack("=I", port))
