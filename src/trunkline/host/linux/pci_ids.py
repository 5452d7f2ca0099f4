"""Names of PCI vendors and products, from the pci.ids file of Debian's package `pci.ids`.

Source: pci-ids.ucw.cz, and the comment at the head of the file.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PATHS: Final = (Path("usr/share/misc/pci.ids"), Path("usr/share/hwdata/pci.ids"))  # Below /.
NAME_LENGTH_MAX: Final = 128  # The longest in the file has some hundred characters.


@dataclass(frozen=True, slots=True)
class PciNames:
    """What is known by name. None: the file does not have it."""

    vendor: str | None = None
    product: str | None = None


def names_in(lines: Iterable[str], vendor_id: str, product_id: str) -> PciNames:
    """Find a vendor and one of its products in the lines of a pci.ids file.

    A vendor's line begins with its ID, its products' with a tab, their subsystems' with two. What
    does not look so is passed over.
    """
    vendor = None
    for line in lines:
        if vendor is None:
            if line.startswith(f"{vendor_id}  "):
                vendor = _name(line[6:])
        elif line.startswith(f"\t{product_id}  "):
            return PciNames(vendor, _name(line[7:]))
        elif line.rstrip() and line[0] not in "\t#":
            break
    return PciNames(vendor)


def _name(text: str) -> str | None:
    """Return a name as it can be shown: printable, and not without end."""
    return "".join(each for each in text.strip() if each.isprintable())[:NAME_LENGTH_MAX] or None


@functools.lru_cache(maxsize=256)
def pci_names(vendor_id: str, product_id: str, *, paths: Sequence[Path]) -> PciNames:
    """Find a vendor and one of its products; without the file nothing is known, and that is fine.

    Reads the file, 1.5 MB, line by line up to the product, once for each.
    """
    for path in paths:
        try:
            with path.open(encoding="utf-8", errors="replace") as lines:
                return names_in(lines, vendor_id, product_id)
        except OSError:
            continue
    return PciNames()
