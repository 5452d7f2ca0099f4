"""QEMU's monitor (QMP): cables pulled, devices taken out."""

from __future__ import annotations

import json
import socket
from typing import Any

ANSWER_SECONDS_MAX = 240


class MonitorRefused(Exception):
    """QEMU did not do what the monitor was asked for."""


class Monitor:
    """The tests' end of a QMP connection.

    Source: QEMU docs/interop/qmp-spec.rst.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(ANSWER_SECONDS_MAX)
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._events: list[dict[str, Any]] = []

    def close(self) -> None:
        """Hang up; QEMU goes on."""
        self._lines.close()
        self._connection.close()

    def greet(self) -> None:
        """Read QEMU's greeting, and leave the mode in which it negotiates."""
        self._next()
        self.execute("qmp_capabilities")

    def execute(self, command: str, **arguments: object) -> Any:
        """Have QEMU do something, and return its answer.

        Raises:
            MonitorRefused: It said why not.
        """
        request = {"execute": command, "arguments": arguments}
        self._connection.sendall(json.dumps(request).encode() + b"\n")
        while True:
            message = self._next()
            if "error" in message:
                raise MonitorRefused(f"{command} {arguments}: {message['error']['desc']}")
            if "return" in message:
                return message["return"]
            self._events.append(message)

    def wait_for_event(self, name: str, **data: object) -> dict[str, Any]:
        """Return the next event of this name with these data, also one that came before.

        Older others are lost.
        """
        while True:
            message = self._events.pop(0) if self._events else self._next()
            if message.get("event") == name and data.items() <= message.get("data", {}).items():
                return message

    def set_link(self, netdev: str, *, up: bool) -> None:
        """Plug or pull the cable of a network backend, as `phy1`."""
        self.execute("set_link", name=netdev, up=up)

    def _next(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise MonitorRefused("QEMU has ended")
        message: dict[str, Any] = json.loads(line)
        return message
