"""What can be asked of the helper: a closed list, each argument within what the kernel means.

On the socket a message is its length, 4 bytes in network order, and JSON. One request a connection.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from typing import Annotated, Any, Final, assert_never

import msgspec
from msgspec import Meta

from trunkline.domain.ether import VLAN_ID_MAX, VLAN_ID_MIN, MacAddress
from trunkline.domain.ids import ServerId
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import LinkState, VfChange, VlanProtocol
from trunkline.host.privileged.interfaces import Privileged
from trunkline.wire import json

REQUEST_BYTES_MAX: Final = 2048
ANSWER_BYTES_MAX: Final = 160 * 1024  # The end of a console: at most 100 KiB, as base64.
_LENGTH_BYTES: Final = 4

# What udev and people call netdevs, and what Trunkline does. The kernel takes more.
_IFNAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")

_SERVER_ID: Final = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

_VfIndex = Annotated[int, Meta(ge=0, le=65534)]
_VfCount = Annotated[int, Meta(ge=0, le=65535)]
_VlanOrNone = Annotated[int, Meta(ge=0, le=VLAN_ID_MAX)]
_Vlan = Annotated[int, Meta(ge=VLAN_ID_MIN, le=VLAN_ID_MAX)]
_Qos = Annotated[int, Meta(ge=0, le=7)]
_RateMbps = Annotated[int, Meta(ge=0, le=10_000_000)]
_Ifname = Annotated[str, Meta(pattern=rf"\A{_IFNAME.pattern}\Z")]


class BadMessage(ValueError):
    """What came over the socket is no request, or no answer."""


class NoMessage(BadMessage):
    """Nothing came: whoever connected only wanted to know whether anybody answers."""


class _Request(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="do", forbid_unknown_fields=True,
    omit_defaults=True,
):  # fmt: skip
    """One thing to do."""


class SetVf(_Request, frozen=True, kw_only=True, tag="set_vf"):
    """See `Kernel.set_vf`."""

    pf: PciAddress
    vf_index: _VfIndex
    mac: MacAddress | None = None
    vlan_id: _VlanOrNone | None = None
    vlan_qos: _Qos | None = None
    vlan_protocol: VlanProtocol | None = None
    spoof_check: bool | None = None
    trust: bool | None = None
    link_state: LinkState | None = None
    min_tx_rate_mbps: _RateMbps | None = None
    max_tx_rate_mbps: _RateMbps | None = None

    def __post_init__(self) -> None:
        """Refuse what no `VfChange` can be, and a MAC that no interface can have."""
        if (self.vlan_id is None) != (self.vlan_qos is None):
            raise ValueError("vlan_id and vlan_qos go together")
        if self.vlan_protocol is not None and self.vlan_id is None:
            raise ValueError("vlan_protocol without vlan_id")
        if (self.min_tx_rate_mbps is None) != (self.max_tx_rate_mbps is None):
            raise ValueError("min_tx_rate_mbps and max_tx_rate_mbps go together")
        if self.mac is not None and self.mac.is_multicast:
            raise ValueError("a multicast MAC address")

    @property
    def change(self) -> VfChange:
        """What to write."""
        return VfChange(
            mac=self.mac,
            vlan_id=self.vlan_id,
            vlan_qos=self.vlan_qos,
            vlan_protocol=self.vlan_protocol,
            spoof_check=self.spoof_check,
            trust=self.trust,
            link_state=self.link_state,
            min_tx_rate_mbps=self.min_tx_rate_mbps,
            max_tx_rate_mbps=self.max_tx_rate_mbps,
        )


class SetVfCount(_Request, frozen=True, kw_only=True, tag="set_vf_count"):
    """See `PrivilegedWrites.set_vf_count`."""

    pf: PciAddress
    count: _VfCount


class RenameNetdev(_Request, frozen=True, kw_only=True, tag="rename_netdev"):
    """See `Kernel.rename_netdev`."""

    old: _Ifname
    new: _Ifname


class SetPfUp(_Request, frozen=True, kw_only=True, tag="set_pf_up"):
    """See `Kernel.set_pf_up`."""

    pf: PciAddress


class ReloadVfDriver(_Request, frozen=True, kw_only=True, tag="reload_vf_driver"):
    """See `PrivilegedWrites.reload_vf_driver`."""

    vf: PciAddress


class ReadVpd(_Request, frozen=True, kw_only=True, tag="read_vpd"):
    """See `PrivilegedWrites.read_vpd`."""

    address: PciAddress


class ReadConsole(_Request, frozen=True, kw_only=True, tag="read_console"):
    """See `Privileged.read_console`. Where the files are is not the caller's to say."""

    server_id: Annotated[ServerId, Meta(pattern=rf"\A{_SERVER_ID}\Z")]


class SetBridgeVlan(_Request, frozen=True, kw_only=True, tag="set_bridge_vlan"):
    """See `PrivilegedWrites.set_bridge_vlan`."""

    ifname: _Ifname
    vlan_id: _Vlan
    untagged: bool = False
    member: bool = True


class SetFdbEntry(_Request, frozen=True, kw_only=True, tag="set_fdb_entry"):
    """See `PrivilegedWrites.set_fdb_entry`."""

    ifname: _Ifname
    mac: MacAddress
    vlan_id: _Vlan | None = None
    present: bool = True

    def __post_init__(self) -> None:
        """Refuse what is no address of one guest."""
        if self.mac.is_multicast or self.mac.is_zero:
            raise ValueError("not the MAC address of an interface")


Request = (
    SetVf
    | SetVfCount
    | RenameNetdev
    | SetPfUp
    | ReloadVfDriver
    | ReadVpd
    | ReadConsole
    | SetBridgeVlan
    | SetFdbEntry
)


class Done(msgspec.Struct, frozen=True, kw_only=True, tag_field="answer", tag="done"):
    """It is done; `data` is what was asked for, if that was data."""

    data: bytes = b""


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag_field="answer", tag="refused"):
    """It is not; the words of `HostRefused`."""

    operation: str
    problem: str
    errno_name: str = ""
    transient: bool = False
    unasked: bool = False


Answer = Done | Refused


def parse_request(data: bytes) -> Request:
    """Read a request. Raises `BadMessage`."""
    request: Request = _parse(data, Request)
    return request


def parse_answer(data: bytes) -> Answer:
    """Read an answer. Raises `BadMessage`."""
    answer: Answer = _parse(data, Answer)
    return answer


def _parse(data: bytes, type_: Any) -> Any:
    try:
        return json.decode(data, type_)
    except msgspec.DecodeError as problem:
        raise BadMessage(str(problem)) from problem


def perform(request: Request, writes: Privileged) -> bytes:
    """Do what is asked; return the data asked for, if any. Raises `HostRefused`."""
    match request:
        case SetVf(pf=pf, vf_index=vf_index):
            writes.set_vf(pf, vf_index, request.change)
        case SetVfCount(pf=pf, count=count):
            writes.set_vf_count(pf, count)
        case RenameNetdev(old=old, new=new):
            writes.rename_netdev(old, new)
        case SetPfUp(pf=pf):
            writes.set_pf_up(pf)
        case ReloadVfDriver(vf=vf):
            writes.reload_vf_driver(vf)
        case ReadVpd(address=address):
            return writes.read_vpd(address)
        case ReadConsole(server_id=server_id):
            return writes.read_console(server_id)
        case SetBridgeVlan(ifname=ifname, vlan_id=vlan_id, untagged=untagged, member=member):
            writes.set_bridge_vlan(ifname, vlan_id, untagged=untagged, member=member)
        case SetFdbEntry(ifname=ifname, mac=mac, vlan_id=vlan, present=present):
            writes.set_fdb_entry(ifname, mac, vlan_id=vlan, present=present)
        case _:
            assert_never(request)
    return b""


def send(channel: socket.socket, data: bytes) -> None:
    """Send one message. Raises `OSError`."""
    channel.sendall(len(data).to_bytes(_LENGTH_BYTES, "big") + data)


def receive(
    channel: socket.socket,
    bytes_max: int,
    *,
    seconds: float,
    monotonic: Callable[[], float] = time.monotonic,
) -> bytes:
    """Receive one message, all of it within `seconds`: one byte now and then does not help.

    Raises:
        BadMessage: It is longer than `bytes_max`, or ends too early.
        OSError: The connection failed, or the time is over.
    """
    deadline = monotonic() + seconds

    def wait() -> None:
        left = deadline - monotonic()
        if left <= 0:
            raise TimeoutError(f"the message was not there within {seconds:g} s")
        channel.settimeout(left)

    length = int.from_bytes(_receive_exactly(channel, _LENGTH_BYTES, wait), "big")
    if length > bytes_max:
        raise BadMessage(f"a message of {length} bytes; at most {bytes_max} are read")
    return _receive_exactly(channel, length, wait)


def _receive_exactly(channel: socket.socket, count: int, wait: Callable[[], None]) -> bytes:
    data = bytearray()
    while len(data) < count:
        wait()
        piece = channel.recv(count - len(data))
        if not piece and not data and count == _LENGTH_BYTES:
            raise NoMessage("nothing was sent")
        if not piece:
            raise BadMessage(f"the message ends after {len(data)} of {count} bytes")
        data += piece
    return bytes(data)
