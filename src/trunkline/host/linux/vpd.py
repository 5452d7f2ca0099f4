"""Vital product data of a PCI function: what its maker calls it, and its serial number.

Source: PCI Local Bus Specification 3.0, appendix I; Linux drivers/pci/vpd.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

BYTES_MAX: Final = 32768  # The address register has 15 bits.

_NAME: Final = 0x82  # Large resources: bit 7 is set.
_READ_ONLY: Final = 0x90
_END: Final = 0x0F  # A small resource.


class VpdMalformed(ValueError):
    """Not vital product data; cards exist whose memory for it was never written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vpd:
    """What is told. None: the card does not say."""

    name: str | None = None
    part_number: str | None = None
    serial: str | None = None


def parse_vpd(data: bytes) -> Vpd:
    """Read vital product data.

    Raises:
        VpdMalformed: It does not end with an end tag, or a length in it can't be.
    """
    name = None
    fields: dict[bytes, str | None] = {}
    for tag, content in _resources(data):
        if tag == _NAME:
            name = _text(content)
        elif tag == _READ_ONLY:
            fields |= dict(_fields(content))
    return Vpd(name=name, part_number=fields.get(b"PN"), serial=fields.get(b"SN"))


def _resources(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        if data[at] & 0x80:
            tag, start = data[at], at + 3
            length = int.from_bytes(data[at + 1 : start], "little")
        else:
            tag, start, length = data[at] >> 3 & 0xF, at + 1, data[at] & 0x7
            if tag == _END:
                return
        if start + length > len(data):
            raise VpdMalformed(f"a resource at byte {at} ends after the data")
        yield tag, data[start : start + length]
        at = start + length
    raise VpdMalformed("there is no end tag")


def _fields(content: bytes) -> Iterator[tuple[bytes, str | None]]:
    """Yield keyword and text of each field: two letters, a length, and so many bytes."""
    at = 0
    while at + 3 <= len(content):
        keyword, end = content[at : at + 2], at + 3 + content[at + 2]
        if end > len(content):
            raise VpdMalformed(f"the field {keyword!r} ends after its resource")
        yield keyword, _text(content[at + 3 : end])
        at = end


def _text(content: bytes) -> str | None:
    """Return printable ASCII, without the padding around it; None if there is none."""
    text = content.strip(b" \0").decode("ascii", "replace")
    return text if text and text.isprintable() and text.isascii() else None
