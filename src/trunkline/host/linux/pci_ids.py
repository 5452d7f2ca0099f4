"""Names of PCI vendors and products, from the pci.ids file of Debian's package `pci.ids`.

Source: pci-ids.ucw.cz, and the comment at the head of the file.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PATHS: Final = (Path("usr/share/misc/pci.ids"), Path("usr/share/hwdata/pci.ids"))  # Below /.


@dataclass(frozen=True, slots=True)
class PciNames:
    """What is known by name. None: the file does not have it."""

    vendor: str | None = None
    product: str | None = None


def names_in(text: str, vendor_id: str, product_id: str) -> PciNames:
    """Find a vendor and one of its products in the text of a pci.ids file.

    A vendor's line begins with its ID, its products' with a tab, their subsystems' with two. What
    does not look so is passed over.
    """
    vendor = None
    for line in text.splitlines():
        if vendor is None:
            if line.startswith(f"{vendor_id}  "):
                vendor = line[6:].strip()
        elif line.startswith(f"\t{product_id}  "):
            return PciNames(vendor, line[7:].strip())
        elif line and line[0] not in "\t#":
            break
    return PciNames(vendor)


@functools.lru_cache(maxsize=256)
def pci_names(vendor_id: str, product_id: str, *, paths: Sequence[Path]) -> PciNames:
    """Find a vendor and one of its products; without the file nothing is known, and that is fine.

    Reads the whole file, 1.5 MB, once for each product.
    """
    for path in paths:
        try:
            return names_in(path.read_text("utf-8", "replace"), vendor_id, product_id)
        except OSError:
            continue
    return PciNames()
