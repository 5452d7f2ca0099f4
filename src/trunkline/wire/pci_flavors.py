"""The JSON of ``os-pci-flavors``, a part of the compute API that Nova does not have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

PATH: Final = "/compute/v2.1/os-pci-flavors"

Match = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PciFlavorItem:
    """A PCI flavor. What devices it means is for admins only."""

    id: str
    name: str
    description: str
    match: Match | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PciFlavorAnswer:
    """The answer that shows one."""

    pci_flavor: PciFlavorItem


@dataclass(frozen=True, slots=True, kw_only=True)
class PciFlavorList:
    """The answer that lists a page of them."""

    pci_flavors: tuple[PciFlavorItem, ...]
