"""Messages of devlink about health reporters: drivers' own words on whether they can work.

Source: Linux include/uapi/linux/genetlink.h and devlink.h; net/devlink/health.c,
devlink_nl_health_reporter_fill(), devlink_recover_notify().
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from trunkline.host.linux import netlink
from trunkline.host.linux.netlink import Malformed

GENL_ID_CTRL: Final = 16
_HEADER: Final = struct.Struct("=BBH")  # struct genlmsghdr: command, version, nothing.
_ID: Final = struct.Struct("=H")
_U32: Final = struct.Struct("=I")

_CTRL_NEWFAMILY: Final = 1
_CTRL_GETFAMILY: Final = 3
_CTRL_ATTR_ID: Final = 1
_CTRL_ATTR_NAME: Final = 2
_CTRL_ATTR_GROUPS: Final = 7
_GROUP_ATTR_NAME: Final = 1
_GROUP_ATTR_ID: Final = 2

_FAMILY: Final = b"devlink\0"
_CONFIG_GROUP: Final = b"config"

_CMD_NEW: Final = 3
_CMD_DEL: Final = 4
_CMD_PORT_DEL: Final = 8
_CMD_REPORTER_GET: Final = 52
_CMD_REPORTER_RECOVER: Final = 54  # What a reporter's change of state is told as.
_ATTR_BUS: Final = 1
_ATTR_DEVICE: Final = 2
_ATTR_PORT: Final = 3
_ATTR_REPORTER: Final = 114
_ATTR_REPORTER_NAME: Final = 115
_ATTR_REPORTER_STATE: Final = 116
_ATTR_REPORTER_AUTO_RECOVER: Final = 121  # Of those alone whose driver can have them recover.
_STATE_HEALTHY: Final = 0


@dataclass(frozen=True, slots=True)
class Family:
    """Where devlink is to be found on this kernel, in generic netlink."""

    id: int
    config_group: int  # Who is in it is told of changes.


@dataclass(frozen=True, slots=True)
class DevlinkDevice:
    """A device as devlink names it: of a PCI function, bus `pci` and its address."""

    bus: str
    name: str


@dataclass(frozen=True, slots=True)
class HealthReporter:
    """A health reporter, of a device or of a port of it."""

    device: DevlinkDevice
    port: int | None
    name: str


@dataclass(frozen=True, slots=True)
class ReporterState:
    """What a health reporter says."""

    reporter: HealthReporter
    is_healthy: bool
    can_recover: bool  # Those that can't are logs: nothing but a new driver makes them healthy.


@dataclass(frozen=True, slots=True)
class DeviceChange:
    """A device came or went, or one of its ports went: its reporters are no more.

    The kernel tells neither of reporters that go by themselves nor of a device's reload.
    """

    device: DevlinkDevice
    port: int | None = None


@dataclass(frozen=True, slots=True)
class AllReporters:
    """Which reporters there are, after each of them has been told of; no others are any more."""

    reporters: frozenset[HealthReporter]


def get_family(sequence: int) -> bytes:
    """Render the question where devlink is."""
    payload = _HEADER.pack(_CTRL_GETFAMILY, 1, 0) + netlink.attribute(_CTRL_ATTR_NAME, _FAMILY)
    return netlink.message(GENL_ID_CTRL, netlink.NLM_F_REQUEST, sequence, payload)


def get_reporters(family: Family, sequence: int) -> bytes:
    """Render the question for all health reporters that there are. Needs no privilege."""
    flags = netlink.NLM_F_REQUEST | netlink.NLM_F_DUMP
    return netlink.message(family.id, flags, sequence, _HEADER.pack(_CMD_REPORTER_GET, 1, 0))


def parse_family(payload: memoryview) -> Family:
    """Read the answer to `get_family`. Raises `Malformed`."""
    command, attributes = _split(payload)
    found: dict[int, memoryview] = dict(attributes)
    if command != _CTRL_NEWFAMILY or _CTRL_ATTR_ID not in found:
        raise Malformed("an answer about devlink that does not say its ID")
    for _, group in netlink.attributes(found.get(_CTRL_ATTR_GROUPS, memoryview(b""))):
        said = dict(netlink.attributes(group))
        if _text(said.get(_GROUP_ATTR_NAME)) == _CONFIG_GROUP.decode():
            return Family(
                _number(_ID, found[_CTRL_ATTR_ID]), _number(_U32, said.get(_GROUP_ATTR_ID))
            )
    raise Malformed("devlink has no group `config`")


def parse_event(payload: memoryview) -> ReporterState | DeviceChange | None:
    """Read what devlink tells, asked or by itself; None: of neither. Raises `Malformed`."""
    command, attributes = _split(payload)
    if command not in (
        _CMD_NEW, _CMD_DEL, _CMD_PORT_DEL, _CMD_REPORTER_GET, _CMD_REPORTER_RECOVER
    ):  # fmt: skip
        return None
    found: dict[int, memoryview] = dict(attributes)
    device = DevlinkDevice(_text(found.get(_ATTR_BUS)), _text(found.get(_ATTR_DEVICE)))
    if command in (_CMD_NEW, _CMD_DEL):
        return DeviceChange(device)
    if command == _CMD_PORT_DEL:
        return DeviceChange(device, _number(_U32, found.get(_ATTR_PORT)))
    reporter = dict(netlink.attributes(found.get(_ATTR_REPORTER, memoryview(b""))))
    state = reporter.get(_ATTR_REPORTER_STATE)
    if state is None or len(state) != 1:
        raise Malformed("a health reporter without a state")
    port = found.get(_ATTR_PORT)
    return ReporterState(
        reporter=HealthReporter(
            device=device,
            port=None if port is None else _number(_U32, port),
            name=_text(reporter.get(_ATTR_REPORTER_NAME)),
        ),
        is_healthy=state[0] == _STATE_HEALTHY,
        can_recover=_ATTR_REPORTER_AUTO_RECOVER in reporter,
    )


def _split(payload: memoryview) -> tuple[int, list[tuple[int, memoryview]]]:
    if len(payload) < _HEADER.size:
        raise Malformed(f"a message of generic netlink ends in its header, at {len(payload)} bytes")
    command, _version, _nothing = _HEADER.unpack_from(payload)
    return command, list(netlink.attributes(payload[_HEADER.size :]))


def _text(value: memoryview | None) -> str:
    if value is None:
        raise Malformed("a message of devlink lacks a name")
    return bytes(value).split(b"\0")[0].decode("utf-8", "replace")


def _number(form: struct.Struct, value: memoryview | None) -> int:
    if value is None or len(value) != form.size:
        raise Malformed("a message of generic netlink has a number of another size")
    number: int = form.unpack(value)[0]
    return number
