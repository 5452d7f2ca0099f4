"""The operator's choices for devices that are asked for by what they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trunkline.domain.attributes import ALL_TAGS, FACTS
from trunkline.domain.pci_request import PciRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class PciOptions:
    """Which attributes PCI flavors may use, and which aliases there are."""

    attributes: frozenset[str] = FACTS | {ALL_TAGS}
    aliases: Mapping[str, PciRequest] = field(default_factory=dict)  # Each for one device.
