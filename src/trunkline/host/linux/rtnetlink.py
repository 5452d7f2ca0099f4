"""A request to rtnetlink and its answer, over a socket of its own."""

from __future__ import annotations

import errno
import itertools
import os
import socket
from typing import Final, Protocol

from trunkline.host.linux import netlink
from trunkline.host.linux.link_messages import (
    RTM_GETLINK,
    Link,
    get_link,
    get_link_by_name,
    parse_link,
)
from trunkline.host.linux.netlink import Malformed

# Not in Python's `socket`. Source: Linux include/linux/socket.h, include/uapi/linux/netlink.h.
SOL_NETLINK: Final = 270
NETLINK_CAP_ACK: Final = 10
NETLINK_EXT_ACK: Final = 11

# Drivers talk to firmware in a write, which takes milliseconds; a minute is none that comes back.
TIMEOUT_SECONDS: Final = 60
_DATAGRAM_BYTES_MAX: Final = 1 << 20  # 1,000 VFs take 196 kB.

_sequences = itertools.count(1)


class Rtnetlink(Protocol):
    """What can be asked of rtnetlink."""

    def exchange(self, type_: int, payload: bytes, *, flags: int = 0) -> list[memoryview]:
        """Send one request; return the payloads of what comes before its acknowledgement.

        With NLM_F_DUMP in `flags`, those of all that there are.

        Raises:
            OSError: It was refused: errno, and in `strerror` what the driver says about it. EAGAIN:
                what was told of changed meanwhile.
            Malformed: The answer is not what the kernel's headers say.
        """
        ...


class KernelRtnetlink:
    """The kernel's. One socket a request, so that no answer can be taken for another's."""

    def exchange(self, type_: int, payload: bytes, *, flags: int = 0) -> list[memoryview]:
        """See `Rtnetlink.exchange`."""
        sequence = next(_sequences) & 0xFFFF_FFFF
        flags |= netlink.NLM_F_REQUEST | netlink.NLM_F_ACK
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as channel:
            channel.settimeout(TIMEOUT_SECONDS)
            channel.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
            channel.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
            channel.bind((0, 0))
            channel.sendto(netlink.message(type_, flags, sequence, payload), (0, 0))
            return _answers(channel, sequence)


def _answers(channel: socket.socket, sequence: int) -> list[memoryview]:
    found: list[memoryview] = []
    while True:
        try:
            datagram = channel.recv(_DATAGRAM_BYTES_MAX)
        except TimeoutError:
            late = f"rtnetlink has not answered within {TIMEOUT_SECONDS} s"
            raise OSError(errno.ETIMEDOUT, late) from None
        for message in netlink.messages(datagram):
            if message.sequence != sequence:
                continue
            if message.flags & netlink.NLM_F_DUMP_INTR and message.type != netlink.NLMSG_ERROR:
                raise OSError(errno.EAGAIN, "what rtnetlink told of changed meanwhile")
            if message.type == netlink.NLMSG_DONE:
                return found
            if message.type != netlink.NLMSG_ERROR:
                found.append(message.payload)
                continue
            answer = netlink.parse_answer(message)
            if answer.errno == 0:
                return found
            text = os.strerror(answer.errno)
            raise OSError(answer.errno, f"{text}: {answer.text}" if answer.text else text)


def read_link(rtnetlink: Rtnetlink, index: int, *, with_vfs: bool = False) -> Link:
    """Read one link. Raises as `exchange` does."""
    return _only_link(rtnetlink.exchange(RTM_GETLINK, get_link(index, with_vfs=with_vfs)))


def read_link_by_name(rtnetlink: Rtnetlink, ifname: str) -> Link:
    """Read the link that has this name, or this alternative name. Raises as `exchange` does."""
    return _only_link(rtnetlink.exchange(RTM_GETLINK, get_link_by_name(ifname)))


def _only_link(payloads: list[memoryview]) -> Link:
    if len(payloads) != 1:
        raise Malformed(f"asked for one link, rtnetlink tells of {len(payloads)}")
    return parse_link(payloads[0])
