"""Patterns of device specs: of the parts of PCI addresses, and of names, as shells have them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

from trunkline.domain.pci import PciAddress


@dataclass(frozen=True)
class AddressPattern:
    """Four patterns that the parts of a PCI address must match whole. Hex digits, lower case."""

    domain: str
    bus: str
    slot: str
    function: str
    text: str = field(compare=False)  # As the operator wrote it.

    @classmethod
    def of(cls, address: PciAddress) -> AddressPattern:
        """Return the pattern of one address alone."""
        domain, bus, slot, function = re.split("[:.]", str(address))
        return cls(domain=domain, bus=bus, slot=slot, function=function, text=str(address))

    @cached_property
    def _regexes(self) -> tuple[re.Pattern[str], ...]:
        parts = (self.domain, self.bus, self.slot, self.function)
        return tuple(re.compile(part, re.IGNORECASE) for part in parts)

    def matches(self, address: PciAddress) -> bool:
        """Say whether every part matches."""
        parts = re.split("[:.]", str(address))
        return all(regex.fullmatch(part) for regex, part in zip(self._regexes, parts, strict=True))


def glob_regex(glob: str) -> str:
    """Turn a shell pattern into a regular expression. `fnmatch` needs `os`, which stays out."""
    parts: list[str] = []
    at = 0
    while at < len(glob):
        sign = glob[at]
        end = glob.find("]", at + 2) if sign == "[" else -1
        if sign == "*":
            parts.append(".*")
        elif sign == "?":
            parts.append(".")
        elif end > 0:
            inner = glob[at + 1 : end]
            negated = inner[0] == "!"
            parts.append(f"[{'^' if negated else ''}{_class_regex(inner[negated:])}]")
            at = end
        else:
            parts.append(re.escape(sign))
        at += 1
    return "".join(parts)


def _class_regex(inner: str) -> str:
    """What stands between brackets, with what means more to `re` than to shells escaped."""
    parts: list[str] = []
    at = 0
    while at < len(inner):
        is_range = inner[at + 1 : at + 2] == "-" and at + 2 < len(inner)
        last = at + 2 if is_range else at
        parts.append("-".join(re.escape(inner[each]) for each in dict.fromkeys((at, last))))
        at = last + 1
    return "".join(parts)
