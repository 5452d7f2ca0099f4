"""Where PCI functions sit, and what they are called by number."""

from __future__ import annotations

import re
from typing import Final, Self

_PCI_ADDRESS = re.compile(r"([0-9a-f]{4,8}):([0-9a-f]{2}):([01][0-9a-f])\.([0-7])", re.IGNORECASE)
_PCI_ID = re.compile(r"(?:0x)?([0-9a-f]{4})", re.IGNORECASE)


class PciAddress:
    """Where a function sits on the PCI bus: ``0000:3b:02.1``. Immutable.

    Sorts by (domain, bus, slot, function), the order in which ``lspci`` prints. Not a dataclass:
    on the wire and as a JSON key it is its text, and msgspec would take a dataclass for an object.
    """

    __slots__ = ("_key",)

    def __init__(self, domain: int, bus: int, slot: int, function: int) -> None:
        assert 0 <= domain <= 0xFFFF_FFFF  # Linux puts buses behind Intel VMD at 0x10000 and up.
        assert 0 <= bus <= 0xFF
        assert 0 <= slot <= 0x1F
        assert 0 <= function <= 0x7
        self._key: Final = domain << 16 | bus << 8 | slot << 3 | function

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the whole ``DDDD:BB:SS.F`` form, hex digits in either case.

        Raises:
            ValueError: `text` is anything else. The short form ``3b:02.1`` is refused too:
                taking PCI domain 0 for granted names the wrong device on some hosts.
        """
        match = _PCI_ADDRESS.fullmatch(text)
        if match is None:
            raise ValueError(f"not a whole PCI address (DDDD:BB:SS.F): {text!r}")
        return cls(*(int(field, 16) for field in match.groups()))

    @classmethod
    def at(cls, domain: int, routing_id: int) -> Self:
        """Make the address with this 16-bit routing ID in PCI domain `domain`."""
        return cls(domain, routing_id >> 8, routing_id >> 3 & 0x1F, routing_id & 0x7)

    @property
    def domain(self) -> int:
        """The PCI domain (segment group), 0..0xffffffff."""
        return self._key >> 16

    @property
    def routing_id(self) -> int:
        """The 16-bit number used on the bus: bus (8 bits), slot (5), function (3)."""
        return self._key & 0xFFFF

    @property
    def bus(self) -> int:
        """0..0xff."""
        return self._key >> 8 & 0xFF

    @property
    def slot(self) -> int:
        """0..0x1f."""
        return self._key >> 3 & 0x1F

    @property
    def function(self) -> int:
        """0..7."""
        return self._key & 0x7

    def __str__(self) -> str:
        return f"{self.domain:04x}:{self.bus:02x}:{self.slot:02x}.{self.function:x}"

    def __repr__(self) -> str:
        return f"PciAddress({str(self)!r})"

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PciAddress) and self._key == other._key

    def __lt__(self, other: PciAddress) -> bool:
        return self._key < other._key


def parse_pci_id(text: str) -> str:
    """Read a vendor or product ID; return it as four lower-case hex digits.

    Raises:
        ValueError: `text` is not four hex digits, with or without ``0x`` before them.
    """
    match = _PCI_ID.fullmatch(text)
    if match is None:
        raise ValueError(f"not a PCI vendor or product ID (four hex digits): {text!r}")
    return match.group(1).lower()


def vf_address(pf: PciAddress, *, vf_index: int, vf_offset: int, vf_stride: int) -> PciAddress:
    """Compute where one VF of `pf` sits on the bus.

    Args:
        pf: Address of the physical function.
        vf_index: Counts from 0, as in ``virtfn0`` and ``ip link set … vf 0``. (The PCIe
            specification counts VFs from 1.)
        vf_offset: The PF's `sriov_offset` in sysfs: routing IDs from the PF to VF 0, not bytes.
        vf_stride: The PF's `sriov_stride` in sysfs: routing IDs from one VF to the next.
            Read both after setting the VF count, since a device may change them with it.

    Raises:
        ValueError: The VF would lie past bus 0xff; no real device gives such numbers.

    Source: Linux drivers/pci/iov.c, pci_iov_virtfn_bus() and pci_iov_virtfn_devfn().
    """
    routing_id = pf.routing_id + vf_offset + vf_stride * vf_index
    if routing_id > 0xFFFF:
        raise ValueError(f"VF {vf_index} of {pf} would lie past bus 0xff: {routing_id:#x}")
    return PciAddress.at(pf.domain, routing_id)
