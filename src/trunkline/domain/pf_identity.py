"""Which PF a PF is, wherever it sits: by what the card carries, never by its address or name."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.domain.device import PciFunction
from trunkline.domain.ether import MacAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class PfIdentity:
    """What a PF keeps through a rename, a renumbering of the bus, and a move to another slot.

    The ports of one card have one serial number and a permanent MAC each.
    """

    vendor_id: str
    product_id: str
    serial: str | None = None  # Of the card; None: it has none, or it can't be read.
    mac: MacAddress | None = None  # Permanent; None: it can't be read, as while a guest has it.

    @classmethod
    def of(cls, pf: PciFunction) -> PfIdentity:
        """Return the identity of a PF as it was read."""
        mac = None if pf.mac is None or pf.mac.is_zero else pf.mac
        return cls(
            vendor_id=pf.vendor_id, product_id=pf.product_id, serial=pf.serial or None, mac=mac
        )

    def agrees(self, other: PfIdentity) -> bool:
        """Whether both may be one PF: nothing that is known of both differs."""
        return (
            (self.vendor_id, self.product_id) == (other.vendor_id, other.product_id)
            and (None in (self.serial, other.serial) or self.serial == other.serial)
            and (None in (self.mac, other.mac) or self.mac == other.mac)
        )

    def __str__(self) -> str:
        parts = [f"{self.vendor_id}:{self.product_id}"]
        parts += [f"serial {self.serial}"] if self.serial else []
        parts += [f"MAC {self.mac}"] if self.mac else []
        return " ".join(parts)
