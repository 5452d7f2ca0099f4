"""What waits in a tap for a guest that does not read yet."""

from __future__ import annotations

import struct
from typing import Final

from trunkline.host.linux.link_messages import (
    RTM_GETLINK,
    RTM_SETLINK,
    get_link,
    link_info,
    set_queue_length,
)
from trunkline.host.linux.netlink import Malformed, attributes
from trunkline.host.linux.rtnetlink import Rtnetlink

_IFINFOMSG_BYTES: Final = 16
_IFLA_TXQLEN: Final = 13
_KIND: Final = b"tun"
# As taps are made. Source: Linux include/linux/netdevice.h, DEFAULT_TX_QUEUE_LEN.
_QUEUE_LENGTH: Final = 1000


def drop_waiting(rtnetlink: Rtnetlink, index: int) -> None:
    """Throw away the frames that wait in a tap, by its index; in another netdev, none do.

    The tun driver keeps them in a ring of as many places as the netdev's queue is long, and drops
    what a shorter one has no room for.
    Source: Linux drivers/net/tun.c, tun_device_event(), tun_queue_resize();
    include/linux/ptr_ring.h, __ptr_ring_swap_queue().

    Raises:
        Malformed: What rtnetlink tells of it can't be read.
        OSError: Refused. If it has no queue for that, the next call gives it one again.
    """
    (link,) = rtnetlink.exchange(RTM_GETLINK, get_link(index))
    found = dict(attributes(link[_IFINFOMSG_BYTES:]))
    kind, _ = link_info(found)
    if kind != _KIND:
        return
    length = found.get(_IFLA_TXQLEN, memoryview(b""))
    if len(length) != 4:
        raise Malformed(f"IFLA_TXQLEN has {len(length)} bytes, not 4")
    (packets,) = struct.unpack("=I", length)
    try:
        rtnetlink.exchange(RTM_SETLINK, set_queue_length(index, 0))
    finally:
        rtnetlink.exchange(RTM_SETLINK, set_queue_length(index, packets or _QUEUE_LENGTH))
