"""What may be asked about where the devices of a server's NICs are, and in which words."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final

from trunkline.domain.errors import Invalid

# Keys of a flavor's extra specs and of scheduler hints; their values have one grammar.
AFFINITY_KEY: Final = "trunkline:nic_affinity"
ANTI_AFFINITY_KEY: Final = "trunkline:nic_anti_affinity"

RULES_MAX: Final = 40  # Of one server. Matching under rules is a search, and tenants write them.
RULED_NICS_MAX: Final = 16  # NICs with devices, of a server that has rules.
TEXT_LENGTH_MAX: Final = 1024  # Of one value: some 20 NICs by their ports' IDs.

_NUMBER: Final = re.compile(r"[0-9]{1,3}")


class NumaPolicy(enum.Enum):
    """Where a NIC's device may be, seen from the guest's NUMA node. The values are API."""

    REQUIRED = "required"  # On the guest's node, and known to be.
    PREFERRED = "preferred"  # There if that can be had.
    LEGACY = "legacy"  # There, unless the device's node is not known.
    SOCKET = "socket"  # On the socket of the guest's node, and known to be.

    @property
    def confines(self) -> bool:
        """Whether the guest must keep to one node, since it would mean nothing otherwise."""
        return self is not NumaPolicy.PREFERRED


class Scope(enum.Enum):
    """In what NICs are together or apart. The values are API."""

    PF = "pf"
    CARD = "card"
    SWITCH = "switch"  # The top-of-rack switch that a PF is cabled to.
    NUMA = "numa"  # The NUMA node.


@dataclass(frozen=True, slots=True, kw_only=True)
class NicRule:
    """A rule over some of a server's NICs, kept with the server: it is placed anew by it."""

    scope: Scope
    apart: bool  # Anti-affinity.
    hard: bool  # If not: as far as it can be had.
    nics: tuple[int, ...]  # Which of the server's NICs, counted from 0 as they were asked for.

    def __str__(self) -> str:
        """As it could be asked for: ``trunkline:nic_affinity=pf:hard:0,1``."""
        how = "hard" if self.hard else "soft"
        key = ANTI_AFFINITY_KEY if self.apart else AFFINITY_KEY
        return f"{key}={self.scope.value}:{how}:{','.join(map(str, self.nics))}"


class Naming(enum.Enum):
    """By what a rule names NICs. The values are API."""

    NUMBER = "number"  # Counted from 0, as the server asks for its NICs.
    PORT = "port"  # A port's ID or name.
    NETWORK = "network"  # A network's ID or name: all the server's NICs on it.


@dataclass(frozen=True, slots=True)
class NicName:
    """One of the names in a rule."""

    by: Naming
    text: str

    def __str__(self) -> str:
        return self.text if self.by is Naming.NUMBER else f"{self.by.value}={self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRule:
    """A rule as it was asked for, before it is known which NICs it names."""

    field: str  # Where it was asked for, for messages.
    scope: Scope
    apart: bool
    hard: bool
    nics: tuple[NicName, ...]  # None at all: every NIC with a device.


def parse_rules(key: str, text: str, *, field: str) -> tuple[AskedRule, ...]:
    """Read the rules that one value asks for: terms ``SCOPE[:hard|:soft][:NIC,NIC…]``.

    Terms are apart by semicolons. A NIC is a number, ``port=NAME`` or ``network=NAME``.

    Args:
        key: `AFFINITY_KEY` or `ANTI_AFFINITY_KEY`.
        text: The value.
        field: Where it stands, for messages.

    Raises:
        Invalid: It is malformed; the message says how and what to write.
    """
    if len(text) > TEXT_LENGTH_MAX:
        raise Invalid(field, f"has more than {TEXT_LENGTH_MAX} characters")
    return tuple(_rule(key, term.strip(), field) for term in text.split(";"))


def _rule(key: str, term: str, field: str) -> AskedRule:
    scope, *rest = term.split(":")
    hard = True
    if rest and rest[0] in ("hard", "soft"):
        hard = rest.pop(0) == "hard"
    if len(rest) > 1 or (rest and not rest[0]):
        raise Invalid(field, f"{term!r} is not of the form SCOPE[:hard|:soft][:NIC,NIC…]")
    try:
        found = Scope(scope)
    except ValueError:
        known = ", ".join(each.value for each in Scope)
        problem = f"{scope!r} in {term!r} is no scope; there are {known}"
        raise Invalid(field, problem) from None
    names = tuple(_name(name.strip(), term, field) for name in rest[0].split(",")) if rest else ()
    if len(set(names)) == 1 and names[0].by is not Naming.NETWORK:
        raise Invalid(field, f"{term!r} names one NIC only; name two or more, or none for all")
    return AskedRule(
        field=field, scope=found, apart=key == ANTI_AFFINITY_KEY, hard=hard, nics=names
    )


def _name(name: str, term: str, field: str) -> NicName:
    if _NUMBER.fullmatch(name):
        return NicName(Naming.NUMBER, str(int(name)))
    by, equals, text = name.partition("=")
    if equals and text and by in (Naming.PORT.value, Naming.NETWORK.value):
        return NicName(Naming(by), text)
    raise Invalid(
        field,
        f"{name!r} in {term!r} names no NIC; write its number, counted from 0, port=NAME or "
        "network=NAME (by its ID where the name has one of : ; ,)",
    )
