"""Devices that a server gets besides its NICs, as its flavor's extra specs ask for them.

`pci_passthrough:pci_flavor` has terms ``NAME:COUNT``, and ``NAME|NAME:COUNT`` where any of several
PCI flavors will do; `pci_passthrough:alias` has ``ALIAS:COUNT``, as Nova's. A count may be left
out: 1. ``resources:CUSTOM_X=N`` and ``trait:CUSTOM_Y=required`` go by two tags of devices.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from trunkline.domain.device import FUNCTION_KINDS, DeviceKind
from trunkline.domain.errors import Invalid
from trunkline.domain.nic_rules import NumaPolicy
from trunkline.domain.pci_flavor import Condition, DeviceMatch, How

PCI_FLAVOR_KEY: Final = "pci_passthrough:pci_flavor"
ALIAS_KEY: Final = "pci_passthrough:alias"

DEVICES_MAX: Final = 64  # Of one server: more than a guest has PCI slots for.
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")  # Free of `:`, `,` and `|`.

_RESOURCES: Final = re.compile(r"resources:(CUSTOM_[A-Z0-9_]{1,200})")  # Placement's own names.
_TRAIT: Final = re.compile(r"trait:(CUSTOM_[A-Z0-9_]{1,200})")
_TERM: Final = re.compile(r"([^:]+)(?::([0-9]+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class PciRequest:
    """A number of like devices. Kept with the server: what it names may change meanwhile."""

    name: str  # As it was asked for, e.g. `40g|100g`.
    count: int
    match: DeviceMatch
    kind: DeviceKind = DeviceKind.PLAIN
    or_kinds: tuple[DeviceKind, ...] = (DeviceKind.VF,)
    numa: NumaPolicy | None = None  # Of an alias; the server's own goes before it.


@dataclass(frozen=True, slots=True)
class Term:
    """One term of an extra spec."""

    names: tuple[str, ...]  # Any will do.
    count: int

    def __str__(self) -> str:
        return "|".join(self.names)


def parse_terms(text: str, *, alternatives: bool) -> tuple[Term, ...]:
    """Read the value of an extra spec; `alternatives` lets a term have several names.

    Raises:
        ValueError: It is malformed; the message says how and what to write.
    """
    terms: list[Term] = []
    for part in text.split(","):
        match = _TERM.fullmatch(part.strip())
        names = tuple(name.strip() for name in match[1].split("|")) if match else ()
        if match is None or not all(NAME.fullmatch(name) for name in names):
            form = "NAME:COUNT or NAME|NAME:COUNT" if alternatives else "ALIAS:COUNT"
            raise ValueError(f"{part.strip()!r} is not of the form {form}")
        if len(names) > 1 and not alternatives:
            raise ValueError(f"{part.strip()!r}: an alias stands alone; use {PCI_FLAVOR_KEY} for |")
        count = int(match[2] or 1)
        if count < 1:
            raise ValueError(f"{part.strip()!r} asks for no device; write a count from 1 on")
        terms.append(Term(tuple(dict.fromkeys(names)), count))
    if sum(term.count for term in terms) > DEVICES_MAX:
        raise ValueError(f"asks for more than {DEVICES_MAX} devices")
    return tuple(terms)


def request_for(name: str, count: int, match: DeviceMatch) -> PciRequest:
    """Make the request for devices that fit `match`.

    A whole PF takes all its VFs away with it, so only what asks for PFs by `dev_type` gets one;
    anything else gets a VF or a plain function.

    Raises:
        ValueError: Some alternatives ask for PFs and others don't.
    """
    kinds = [_kinds_asked_for(alternative) for alternative in match]
    asking = [found is not None and DeviceKind.PF.value in found for found in kinds]
    if any(asking):
        if not all(found == {DeviceKind.PF.value} for found in kinds):
            raise ValueError(
                "some alternatives ask for whole PFs and others for other devices; "
                "write dev_type=pf in all of them, or ask for the two apart"
            )
        return PciRequest(name=name, count=count, match=match, kind=DeviceKind.PF, or_kinds=())
    return PciRequest(name=name, count=count, match=match)


def _kinds_asked_for(alternative: tuple[Condition, ...]) -> set[str] | None:
    """Which kinds an alternative allows by `dev_type`; None: it doesn't say."""
    for condition in alternative:
        if condition.attribute == "dev_type":
            kinds = {kind.value for kind in FUNCTION_KINDS}
            return {kind for kind in kinds if condition.holds({"dev_type": kind})}
    return None


def requests_by_class(specs: Mapping[str, str]) -> tuple[PciRequest, ...]:
    """Return the devices that ``resources:CUSTOM_X=N`` asks for, each with all traits required.

    A device is of the class that its tag `resource_class` names, and has the traits that its tag
    `traits` names, apart by commas.

    Raises:
        Invalid: A count is none, or a trait is not `required`.
    """
    traits = []
    for key, value in specs.items():
        if (found := _TRAIT.fullmatch(key)) is not None:
            if value != "required":
                problem = f"must be required, not {value[:60]!r}: others are not served"
                raise Invalid(f"extra_specs.{key}", problem)
            pattern = f"(.*,)?{found[1]}(,.*)?"
            traits.append(Condition("e.traits", How.REGEX, (pattern,)))
    requests = []
    for key, value in specs.items():
        if (found := _RESOURCES.fullmatch(key)) is not None:
            if not value.isdecimal() or not 1 <= int(value[:4]) <= DEVICES_MAX:
                raise Invalid(f"extra_specs.{key}", f"must be a count from 1 to {DEVICES_MAX}")
            of_class = Condition("e.resource_class", How.EXACT, (found[1],))
            match = ((of_class, *traits),)
            requests.append(PciRequest(name=found[1], count=int(value[:4]), match=match))
    return tuple(requests)
