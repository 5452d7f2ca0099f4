"""The part of the workload that gives servers NICs, and takes some from them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from trunkline.control.interfaces import attach_interface, detach_interface
from trunkline.control.requests import NicRequest
from trunkline.control.services import Services
from trunkline.domain.identity import Caller
from trunkline.domain.ids import PortId
from trunkline.sim.shown import nic_dict, server_dict


class NicChanges:
    """Attaches and detaches, by dice."""

    def __init__(
        self,
        ask: Callable[..., Any],
        dice: random.Random,
        servers: Mapping[str, tuple[Caller, list[str]]],
        ports: dict[str, Caller],
        a_nic: Callable[[Caller], NicRequest],
    ) -> None:
        """Know nothing of any NIC yet.

        Args:
            ask: Makes a request.
            dice: What is changed, and how.
            servers: Those that there are, each with the ports it was given.
            ports: Those that are not in use.
            a_nic: Makes one on some network up.
        """
        self._ask = ask
        self._dice = dice
        self._servers = servers
        self._ports = ports
        self._a_nic = a_nic
        self._nics: dict[str, set[str]] = {}  # By server, those that were heard of.
        self._at_rest: set[str] = set()  # Servers that were seen to run, or to be stopped.

    def note(self, shown: dict[str, Any]) -> None:
        """Take in the NICs of a server."""
        self._nics[shown["id"]] = {port["id"] for port in shown["ports"] or ()}
        at_rest = shown["status"] in ("ACTIVE", "SHUTOFF")
        (self._at_rest.add if at_rest else self._at_rest.discard)(shown["id"])

    def attach(self) -> None:
        """Give a server a NIC, with a port of its project's or without."""
        server_id = self._a_server()
        if server_id is None:
            return
        caller, given = self._servers[server_id]
        own = [port_id for port_id in sorted(self._ports) if self._ports[port_id] is caller]
        nic = self._a_nic(caller)
        if own and self._dice.random() < 0.5:
            nic = NicRequest(port_id=PortId(self._dice.choice(own)))
        said = {"id": server_id, "nic": nic_dict(nic)}

        def attach(svc: Services) -> dict[str, Any]:
            view, _ = attach_interface(svc, caller, server_id, nic)
            return server_dict(view)

        # After a lost answer nobody knows whether the port is in use: leave it.
        self._ports.pop(nic.port_id or "", None)
        answer = self._ask(caller, "server.attach", said, attach)
        if answer is not None:
            self.note(answer)
            given += [] if nic.port_id is None else [nic.port_id]

    def detach(self) -> None:
        """Take a NIC from a server, if one is known."""
        server_id = self._a_server()
        if server_id is None:
            return
        caller, given = self._servers[server_id]
        known = sorted(self._nics.get(server_id, ()))
        if not known:
            return
        port_id = self._dice.choice(known)
        said = {"id": server_id, "port_id": port_id}

        def detach(svc: Services) -> dict[str, Any]:
            detach_interface(svc, caller, server_id, PortId(port_id))
            return said

        if self._ask(caller, "server.detach", said, detach) is None:
            return
        self._nics[server_id].discard(port_id)
        if port_id in given:
            given.remove(port_id)
            self._ports[port_id] = caller  # Whoever takes it before it is free is refused.

    def _a_server(self) -> str | None:
        """Choose a server; mostly one at rest, as others are refused."""
        known = sorted(self._servers)
        at_rest = [server_id for server_id in known if server_id in self._at_rest]
        chosen = at_rest if self._dice.random() < 0.9 else known
        return self._dice.choice(chosen) if chosen else None
