"""The bytes of netlink: messages and the attributes in them. No sockets, no meaning.

Source: Linux include/uapi/linux/netlink.h; Documentation/userspace-api/netlink/intro.rst.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

NLM_F_REQUEST: Final = 0x1
NLM_F_ACK: Final = 0x4
NLM_F_DUMP: Final = 0x300  # Of a request: tell of all that there are.
NLM_F_CREATE: Final = 0x400
NLM_F_APPEND: Final = 0x800

NLMSG_ERROR: Final = 2
NLMSG_DONE: Final = 3
NLM_F_DUMP_INTR: Final = 0x10  # Of an answer: what is told of has changed meanwhile.
_NLM_F_CAPPED: Final = 0x100  # Of an error: the request is not repeated in it, but for its header.
_NLM_F_ACK_TLVS: Final = 0x200  # Of an error: attributes follow.
_NLMSGERR_ATTR_MSG: Final = 1

_HEADER: Final = struct.Struct("=IHHII")  # Length, type, flags, sequence number, port ID.
_ATTRIBUTE: Final = struct.Struct("=HH")  # Length with this header, type.
_ERRNO: Final = struct.Struct("=i")
_TYPE_MASK: Final = 0x3FFF  # Less NLA_F_NESTED and NLA_F_NET_BYTEORDER.


class Malformed(ValueError):
    """Bytes that are not what the kernel's headers say they should be."""


@dataclass(frozen=True, slots=True)
class Message:
    """One netlink message."""

    type: int
    flags: int
    sequence: int
    payload: memoryview


@dataclass(frozen=True, slots=True)
class Answer:
    """What NLMSG_ERROR carries: 0 for an acknowledgement, and what the driver has to say."""

    errno: int
    text: str = ""


def attribute(type_: int, value: bytes) -> bytes:
    """Render one attribute, padded to the next multiple of 4."""
    length = _ATTRIBUTE.size + len(value)
    assert length <= 0xFFFF
    return _ATTRIBUTE.pack(length, type_) + value + bytes(-length % 4)


def message(type_: int, flags: int, sequence: int, payload: bytes) -> bytes:
    """Render one message to the kernel."""
    return _HEADER.pack(_HEADER.size + len(payload), type_, flags, sequence, 0) + payload


def messages(datagram: bytes | memoryview) -> Iterator[Message]:
    """Take a datagram apart.

    Raises:
        Malformed: A length in it can't be; the messages before it have been yielded.
    """
    rest = memoryview(datagram)
    while rest:
        if len(rest) < _HEADER.size:
            raise Malformed(f"a netlink message ends in its header, after {len(rest)} bytes")
        length, type_, flags, sequence, _port = _HEADER.unpack_from(rest)
        if not _HEADER.size <= length <= len(rest):
            raise Malformed(f"a netlink message says {length} bytes, and {len(rest)} are there")
        yield Message(type_, flags, sequence, rest[_HEADER.size : length])
        rest = rest[length + -length % 4 :]


def header_at(buffer: memoryview, at: int) -> tuple[int, int]:
    """Return what the attribute header at `at` says: length with the header, and type.

    Raises:
        Malformed: There is none, or it says less than its own size.
    """
    if at + _ATTRIBUTE.size > len(buffer):
        raise Malformed(f"an attribute ends in its header, at byte {at} of {len(buffer)}")
    length, type_ = _ATTRIBUTE.unpack_from(buffer, at)
    if length < _ATTRIBUTE.size:
        raise Malformed(f"an attribute says {length} bytes, less than its header, at byte {at}")
    return length, type_ & _TYPE_MASK


def value_at(buffer: memoryview, at: int, length: int) -> memoryview:
    """Return the value of the attribute at `at`, which is `length` long with its header.

    Raises:
        Malformed: It ends after the buffer.
    """
    if at + length > len(buffer):
        raise Malformed(f"an attribute at byte {at} says {length} bytes, of {len(buffer) - at}")
    return buffer[at + _ATTRIBUTE.size : at + length]


def attributes(buffer: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield type and value of each attribute of `buffer`.

    Raises:
        Malformed: A length in it can't be.
    """
    at = 0
    while at < len(buffer):
        length, type_ = header_at(buffer, at)
        yield type_, value_at(buffer, at, length)
        at += length + -length % 4


def parse_answer(error: Message) -> Answer:
    """Read an NLMSG_ERROR: whether the request was refused, and the driver's own words if any.

    Source: Linux net/netlink/af_netlink.c, netlink_ack().
    """
    payload = error.payload
    if len(payload) < _ERRNO.size + _HEADER.size:
        raise Malformed(f"an answer of {len(payload)} bytes has no request in it")
    (number,) = _ERRNO.unpack_from(payload)
    if number > 0:
        raise Malformed(f"an answer with the errno {number}, which should not be above 0")
    if not error.flags & _NLM_F_ACK_TLVS:
        return Answer(-number)
    (request_length,) = struct.unpack_from("=I", payload, _ERRNO.size)
    echoed = _HEADER.size if error.flags & _NLM_F_CAPPED else request_length
    text = ""
    for type_, value in attributes(payload[_ERRNO.size + echoed + -echoed % 4 :]):
        if type_ == _NLMSGERR_ATTR_MSG:
            text = bytes(value).rstrip(b"\0").decode("utf-8", "replace")
    return Answer(-number, text)
