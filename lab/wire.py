"""Frames that left the lab host's cards, as QEMU captured them outside of it."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PCAP_MAGIC = 0xA1B2C3D4
FILE_HEADER_BYTES, RECORD_HEADER_BYTES = 24, 16
TPID_8021Q = 0x8100


class NotACapture(Exception):
    """A file is no pcap of Ethernet frames in this machine's byte order."""


class WrongOnTheWire(Exception):
    """A device sent frames that are not as its network has them, or none."""


@dataclass(frozen=True)
class Frame:
    """An Ethernet frame as it was on the wire."""

    source: str  # MACs in lower case, with colons.
    destination: str
    vlan: int | None  # None: untagged.
    priority: int | None  # The three bits beside the VLAN ID (PCP).
    ethertype: int  # Behind the tag, where there is one.
    payload: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Frame:
        """Read a frame of at least 14 bytes; with tag, 18."""
        destination, source = raw[0:6].hex(":"), raw[6:12].hex(":")
        (ethertype,) = struct.unpack_from("!H", raw, 12)
        if ethertype != TPID_8021Q:
            return cls(source, destination, None, None, ethertype, raw[14:])
        tag, inner = struct.unpack_from("!HH", raw, 14)
        return cls(source, destination, tag & 0xFFF, tag >> 13, inner, raw[18:])


@dataclass(frozen=True)
class Capture:
    """A pcap file that may still grow. QEMU writes a frame to it before it delivers it."""

    path: Path

    def mark(self) -> int:
        """A moment, for `frames(since=…)`."""
        return self.path.stat().st_size

    def frames(self, since: int = 0) -> list[Frame]:
        """The frames from a mark on, in order.

        Raises:
            NotACapture: The file is something else.
        """
        data = self.path.read_bytes()
        header = struct.unpack_from("<IHHiIII", data) if len(data) >= FILE_HEADER_BYTES else ()
        if not header or header[0] != PCAP_MAGIC or header[-1] != 1:
            raise NotACapture(f"{self.path} is no pcap of Ethernet frames")
        return list(_frames(data, max(since, FILE_HEADER_BYTES)))

    def check(self, source: str, *, vlan: int, priority: int = 0, since: int = 0) -> None:
        """Hold all frames of a device against the network that it is on.

        Args:
            source: The MAC that it sends from.
            vlan: The VLAN ID that each of its frames must carry.
            priority: And the priority.
            since: A mark.

        Raises:
            WrongOnTheWire: There is another one, or none at all.
        """
        sent = [frame for frame in self.frames(since) if frame.source == source]
        if not sent:
            raise WrongOnTheWire(f"{source} sent no frame")
        tags = Counter((frame.vlan, frame.priority) for frame in sent)
        wrong = [
            f"{count} untagged"
            if tag[0] is None
            else f"{count} on VLAN {tag[0]}, priority {tag[1]}"
            for tag, count in tags.items()
            if tag != (vlan, priority)
        ]
        if wrong:
            raise WrongOnTheWire(
                f"{source} must send on VLAN {vlan}, priority {priority}; of {len(sent)} frames"
                f" are {', '.join(wrong)}"
            )


def _frames(data: bytes, at: int) -> Iterator[Frame]:
    while at + RECORD_HEADER_BYTES <= len(data):
        _, _, length, _ = struct.unpack_from("<IIII", data, at)
        at += RECORD_HEADER_BYTES
        if at + length > len(data):
            return  # Being written.
        yield Frame.parse(data[at : at + length])
        at += length
