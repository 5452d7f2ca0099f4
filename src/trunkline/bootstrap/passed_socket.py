"""The listening socket that systemd passes to what it starts."""

from __future__ import annotations

import os
import socket
from typing import Final

_FIRST: Final = 3  # Source: sd_listen_fds(3).


def take_passed_socket() -> socket.socket | None:
    """Return the one socket that was passed to this process; None if none was. Asked once."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):  # They are not a child's.
        os.environ.pop(name, None)
    os.set_inheritable(_FIRST, False)  # noqa: FBT003
    return socket.socket(fileno=_FIRST)
