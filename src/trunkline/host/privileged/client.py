"""HelperClient: `Privileged` by way of the helper that runs as root."""

from __future__ import annotations

import socket
from dataclasses import fields
from pathlib import Path
from typing import Final

from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import ServerId
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VfChange
from trunkline.host.privileged.requests import (
    ANSWER_BYTES_MAX,
    BadMessage,
    Done,
    ReadConsole,
    ReadVpd,
    Refused,
    ReloadVfDriver,
    RenameNetdev,
    Request,
    SetBridgeVlan,
    SetFdbEntry,
    SetPfUp,
    SetVf,
    SetVfCount,
    parse_answer,
    receive,
    send,
)
from trunkline.reconcile.interfaces import HostRefused
from trunkline.wire import json

DEFAULT_SOCKET: Final = Path("/run/trunkline/host-helper.sock")
# Longer than what the helper itself waits for: VFs that come, each in its own time.
TIMEOUT_SECONDS: Final = 300.0
# The agent has more to do than to wait until the helper gets round to a console.
CONSOLE_SECONDS: Final = 5.0


class HelperClient:
    """Satisfies `Privileged`. A connection for each request: nothing is kept, or stale."""

    def __init__(self, path: Path = DEFAULT_SOCKET) -> None:
        self._path = path

    def set_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        """See `Kernel.set_vf`."""
        values = {each.name: getattr(change, each.name) for each in fields(change)}
        self._ask(SetVf(pf=pf, vf_index=vf_index, **values))

    def set_vf_count(self, pf: PciAddress, count: int) -> None:
        """See `PrivilegedWrites.set_vf_count`."""
        self._ask(SetVfCount(pf=pf, count=count))

    def rename_netdev(self, old: str, new: str) -> None:
        """See `Kernel.rename_netdev`."""
        self._ask(RenameNetdev(old=old, new=new))

    def set_pf_up(self, pf: PciAddress) -> None:
        """See `Kernel.set_pf_up`."""
        self._ask(SetPfUp(pf=pf))

    def reload_vf_driver(self, vf: PciAddress) -> None:
        """See `PrivilegedWrites.reload_vf_driver`."""
        self._ask(ReloadVfDriver(vf=vf))

    def read_vpd(self, address: PciAddress) -> bytes:
        """See `PrivilegedWrites.read_vpd`."""
        return self._ask(ReadVpd(address=address))

    def read_console(self, server_id: ServerId) -> bytes:
        """See `Privileged.read_console`."""
        return self._ask(ReadConsole(server_id=server_id), seconds=CONSOLE_SECONDS)

    def set_bridge_vlan(
        self, ifname: str, vlan_id: int, *, untagged: bool = False, member: bool = True
    ) -> None:
        """See `PrivilegedWrites.set_bridge_vlan`."""
        self._ask(SetBridgeVlan(ifname=ifname, vlan_id=vlan_id, untagged=untagged, member=member))

    def set_fdb_entry(
        self, ifname: str, mac: MacAddress, *, vlan_id: int | None = None, present: bool = True
    ) -> None:
        """See `PrivilegedWrites.set_fdb_entry`."""
        self._ask(SetFdbEntry(ifname=ifname, mac=mac, vlan_id=vlan_id, present=present))

    def _ask(self, request: Request, *, seconds: float = TIMEOUT_SECONDS) -> bytes:
        operation = f"ask the host helper at {self._path}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.settimeout(seconds)
            try:
                channel.connect(str(self._path))
            except OSError as problem:
                raise HostRefused(
                    operation,
                    f"{problem.strerror or problem}; is it running? "
                    "systemctl status trunkline-host-helper.socket",
                    transient=True,
                    unasked=True,
                ) from problem
            try:
                send(channel, json.encode(request))
                answer = parse_answer(receive(channel, ANSWER_BYTES_MAX, seconds=seconds))
            except (OSError, BadMessage) as problem:
                # It may have been done or not: what follows reads back either way.
                raise HostRefused(
                    operation,
                    f"no answer ({problem}); its log says whom it answers: "
                    "journalctl -u trunkline-host-helper",
                    transient=True,
                    unasked=True,
                ) from problem
        match answer:
            case Done(data=data):
                return data
            case Refused():
                raise HostRefused(
                    answer.operation,
                    answer.problem,
                    errno_name=answer.errno_name,
                    transient=answer.transient,
                    unasked=answer.unasked,
                )
