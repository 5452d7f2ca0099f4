"""Renaming a netdev."""

from __future__ import annotations

import errno
import os
from typing import Final

from trunkline.host.linux.link_messages import (
    RTM_DELLINKPROP,
    RTM_SETLINK,
    Link,
    delete_alt_name,
    set_name,
    set_up,
)
from trunkline.host.linux.rtnetlink import Rtnetlink, read_link_by_name

IFNAME_BYTES_MAX: Final = 15  # IFNAMSIZ less the final NUL, linux/if.h.


def check_ifname(name: str) -> None:
    """Refuse what the kernel would: EINVAL. Raises `OSError`.

    Source: Linux net/core/dev.c, dev_valid_name(). A NUL, at which the kernel would end the name,
    and ``%``, which it would fill in, are refused besides.
    """
    if (
        not 0 < len(name.encode("utf-8", "surrogateescape")) <= IFNAME_BYTES_MAX
        or name in (".", "..")
        or any(each in "/:%\0" or each.isspace() for each in name)
    ):
        raise OSError(errno.EINVAL, f"{name!r} can't be the name of a netdev")


def rename_netdev(rtnetlink: Rtnetlink, old: str, new: str) -> None:
    """Rename a netdev; it is down meanwhile, and comes up again if it was, whatever happens.

    If it has `new` as an alternative name, it loses that.

    Raises:
        OSError: Refused; ENODEV: there is no `old`; EEXIST: another netdev is called `new`.
    """
    check_ifname(old)
    link = _find(rtnetlink, old)
    if link is None or link.ifname != old:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
    check_ifname(new)
    if new == old:
        return
    other = _find(rtnetlink, new)
    if other is not None and other.index != link.index:
        raise OSError(errno.EEXIST, f"the netdev {other.ifname} has the name {new}")
    if other is not None:
        rtnetlink.exchange(RTM_DELLINKPROP, delete_alt_name(link.index, new))
    if not link.is_up:
        rtnetlink.exchange(RTM_SETLINK, set_name(link.index, new))
        return
    rtnetlink.exchange(RTM_SETLINK, set_up(link.index, up=False))
    try:
        rtnetlink.exchange(RTM_SETLINK, set_name(link.index, new))
    finally:
        rtnetlink.exchange(RTM_SETLINK, set_up(link.index, up=True))


def _find(rtnetlink: Rtnetlink, ifname: str) -> Link | None:
    try:
        return read_link_by_name(rtnetlink, ifname)
    except OSError as refusal:
        if refusal.errno == errno.ENODEV:
            return None
        raise
