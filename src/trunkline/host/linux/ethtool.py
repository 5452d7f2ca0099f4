"""What a driver says of itself: the version of the firmware under it.

Source: Linux include/uapi/linux/ethtool.h, ETHTOOL_GDRVINFO and struct ethtool_drvinfo;
include/uapi/linux/sockios.h, SIOCETHTOOL.
"""

from __future__ import annotations

import array
import errno
import fcntl
import socket
import struct
from typing import Final

_SIOCETHTOOL: Final = 0x8946
_GDRVINFO: Final = 0x3
_DRVINFO: Final = struct.Struct("=I32s32s32s32s32s12sIIIII")
_IFREQ: Final = struct.Struct("16sP16x")


def firmware_version(ifname: str) -> str | None:
    """Ask for the firmware's version; None: the driver does not say, or can't be asked.

    Needs no privilege.

    Raises:
        OSError: ENODEV: there is no such netdev.
    """
    info = array.array("B", _DRVINFO.pack(_GDRVINFO, *[b""] * 6, 0, 0, 0, 0, 0))
    request = _IFREQ.pack(ifname.encode(), info.buffer_info()[0])
    # Any socket will do. One of netlink is open to processes that may have no others.
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as channel:
        try:
            fcntl.ioctl(channel, _SIOCETHTOOL, request)
        except OSError as refusal:
            if refusal.errno == errno.ENODEV:
                raise
            return None
    return version_in(info.tobytes())


def version_in(info: bytes) -> str | None:
    """Read the version out of a struct ethtool_drvinfo; None if it has none that can be printed."""
    _command, _driver, _version, firmware, *_ = _DRVINFO.unpack(info)
    text = bytes(firmware).split(b"\0")[0].decode("ascii", "replace").strip()
    return text if text and text.isascii() and text.isprintable() and text != "N/A" else None
