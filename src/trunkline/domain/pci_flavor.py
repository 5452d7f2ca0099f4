"""PCI flavors: named expressions that say which devices will do.

A flavor is an OR of alternatives, an alternative an AND of conditions, a condition one attribute
and the values it may have: exact ones, shell patterns or regular expressions. Attributes are what
`device_attributes` gives: facts of the hardware, and the operator's tags as `e.NAME`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from trunkline.domain.ids import PciFlavorId
from trunkline.domain.pattern import compile_glob, compile_regex


class How(enum.Enum):
    """How the values of a condition are compared."""

    EXACT = "exact"
    GLOB = "glob"  # `*`, `?` and `[…]`, as shells have them.
    REGEX = "regex"  # See `domain.pattern`.


@dataclass(frozen=True, slots=True)
class Condition:
    """Holds for a device that has the attribute, with a value that is as one of `values`."""

    attribute: str
    how: How
    values: tuple[str, ...]

    def holds(self, attributes: Mapping[str, str]) -> bool:
        """Say whether it does. A device without the attribute never fits."""
        value = attributes.get(self.attribute)
        if value is None:
            return False
        if self.how is How.EXACT:
            return value in self.values
        return any(_is_like(self.how, wanted, value) for wanted in self.values)

    def __str__(self) -> str:
        sign = {How.EXACT: "=", How.GLOB: "~", How.REGEX: "=~"}[self.how]
        return f"{self.attribute}{sign}{'|'.join(self.values)}"


Alternative = tuple[Condition, ...]  # All hold.
DeviceMatch = tuple[Alternative, ...]  # Any holds; without any, every device fits.


@dataclass(frozen=True, slots=True, kw_only=True)
class PciFlavor:
    """A named match. Devices chosen by it stay with their servers when it changes."""

    id: PciFlavorId
    name: str
    alternatives: DeviceMatch
    created_at: datetime
    updated_at: datetime
    description: str = ""


def device_matches(match: DeviceMatch, attributes: Mapping[str, str]) -> bool:
    """Say whether a device with these attributes fits."""
    return not match or any(alternative_holds(each, attributes) for each in match)


def alternative_holds(alternative: Alternative, attributes: Mapping[str, str]) -> bool:
    """Say whether every condition holds."""
    return all(condition.holds(attributes) for condition in alternative)


def match_text(match: DeviceMatch) -> str:
    """E.g. ``vendor_id=8086, e.model~x5* or e.model=x710``."""
    return " or ".join(", ".join(map(str, alternative)) for alternative in match)


# A fleet has few distinct values, and they are asked after at each decision of a new shape.
@lru_cache(maxsize=8192)
def _is_like(how: How, pattern: str, value: str) -> bool:
    compiled = compile_glob(pattern) if how is How.GLOB else compile_regex(pattern)
    return compiled.matches(value)
