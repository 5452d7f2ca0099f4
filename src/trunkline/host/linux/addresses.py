"""IP addresses of this machine's netdevs, as bytes of netlink.

Source: Linux include/uapi/linux/if_addr.h and rtnetlink.h; net/ipv4/devinet.c, inet_dump_ifaddr().
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
from typing import Final

from trunkline.host.linux.netlink import NLM_F_DUMP, Malformed, attributes
from trunkline.host.linux.rtnetlink import Rtnetlink

RTM_NEWADDR: Final = 20
RTM_DELADDR: Final = 21
_RTM_GETADDR: Final = 22
_IFADDRMSG: Final = struct.Struct("=BBBBI")  # Family, prefix length, flags, scope, index.
_IFA_ADDRESS: Final = 1
_IFA_LOCAL: Final = 2  # Of a point-to-point link, where `IFA_ADDRESS` is the other end's.
# From here on an address says nothing of use: each netdev that is up has one of its link.
_RT_SCOPE_LINK: Final = 253
_TRIES: Final = 5  # Addresses come and go in bursts, as a daemon sets netdevs up.


def addresses_by_netdev(rtnetlink: Rtnetlink) -> dict[str, str]:
    """Return an IP address of each netdev that has one, by its name. Raises as `exchange` does."""
    by_index: dict[int, str] = {}
    for message in _dump(rtnetlink):
        found = parse_address(message)
        if found is not None:
            by_index.setdefault(*found)
    named: dict[str, str] = {}
    for index, address in by_index.items():
        try:
            named[socket.if_indextoname(index)] = address
        except OSError as problem:
            if problem.errno not in (errno.ENXIO, errno.ENODEV):  # It went meanwhile.
                raise
    return named


def _dump(rtnetlink: Rtnetlink) -> list[memoryview]:
    request = _IFADDRMSG.pack(0, 0, 0, 0, 0)
    for _ in range(_TRIES - 1):
        try:
            return rtnetlink.exchange(_RTM_GETADDR, request, flags=NLM_F_DUMP)
        except OSError as problem:
            if problem.errno != errno.EAGAIN:
                raise
    return rtnetlink.exchange(_RTM_GETADDR, request, flags=NLM_F_DUMP)


def parse_address(message: memoryview) -> tuple[int, str] | None:
    """Read an RTM_NEWADDR or RTM_DELADDR: the netdev's index, and the address.

    None: it is an address of the link or of the host alone. Raises `Malformed`.
    """
    if len(message) < _IFADDRMSG.size:
        raise Malformed(f"an address message of {len(message)} bytes ends in its header")
    _, _, _, scope, index = _IFADDRMSG.unpack_from(message)
    found = dict(attributes(message[_IFADDRMSG.size :]))
    raw = bytes(found.get(_IFA_LOCAL, found.get(_IFA_ADDRESS, b"")))
    if scope >= _RT_SCOPE_LINK or len(raw) not in (4, 16):
        return None
    return index, str(ipaddress.ip_address(raw))
