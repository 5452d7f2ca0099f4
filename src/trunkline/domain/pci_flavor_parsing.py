"""Match expressions as people and programs write them; each fault told with place and remedy.

As JSON, a list of alternatives, each an object of conditions:

    [{"vendor_id": "8086", "product_id": ["10ed", "1515"]},
     {"e.model": {"glob": "x5*"}, "e.rack": {"regex": "r[0-9]+"}}]

As text, one alternative, its conditions apart by commas: ``vendor_id=8086,product_id=10ed|1515`` or
``e.model~x5*,e.rack=~r[0-9]+``. A backslash before a comma makes it part of the value.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from trunkline.domain.attributes import (
    ABILITIES,
    ALL_TAGS,
    FACTS,
    NO_ATTRIBUTES,
    is_attribute,
    may_be_used,
)
from trunkline.domain.device import FUNCTION_KINDS, DeviceKind
from trunkline.domain.errors import ErrorKind, TrunklineError
from trunkline.domain.pattern import (
    STATES_TOGETHER_MAX,
    Pattern,
    compile_glob,
    compile_regex,
)
from trunkline.domain.pci import parse_pci_id
from trunkline.domain.pci_flavor import Alternative, Condition, DeviceMatch, How

ALTERNATIVES_MAX: Final = 16  # Each is tried on each kind of device of the fleet.
CONDITIONS_MAX: Final = 16  # More than there are facts and tags worth asking for.
VALUES_MAX: Final = 64
VALUE_BYTES_MAX: Final = 255  # As long as the longest tag.

_CONDITION: Final = re.compile(r"([^=~]*)(=~|=|~)(.*)", re.DOTALL)
_COMMA: Final = re.compile(r"(?<!\\),")
# Nova's words for kinds of device, which its aliases use.
NOVA_KINDS: Final = {
    "type-pci": DeviceKind.PLAIN,
    "type-pf": DeviceKind.PF,
    "type-vf": DeviceKind.VF,
}


class InvalidMatch(TrunklineError):
    """A match expression can't be used; `faults` has every reason."""

    code = "pci_flavor.invalid_match"
    kind = ErrorKind.INVALID

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


@dataclass(slots=True)
class _Findings:
    """What was found out so far about one expression."""

    faults: list[str] = field(default_factory=list)
    states: int = 0  # Of all its patterns together.

    def fault(self, place: str, problem: str) -> None:
        self.faults.append(f"{place}: {problem}")

    def compiled(self, compile_: Callable[[str], Pattern]) -> Callable[[str], str]:
        """Return a check of patterns, which adds up how large they are."""

        def check(value: str) -> str:
            if self.states <= STATES_TOGETHER_MAX:  # Else it is refused anyway: read no more.
                self.states += compile_(value).states
            return value

        return check


def parse_match(raw: object, allowed: Collection[str], *, path: str = "match") -> DeviceMatch:
    """Read a match expression from parsed JSON.

    Args:
        raw: What was sent.
        allowed: The attributes that the operator lets be used; `e.*` stands for every tag.
        path: Where it stands, for messages.

    Raises:
        InvalidMatch: It is malformed, or uses what may not be used; it tells all of it.
    """
    findings = _Findings()
    if not isinstance(raw, Sequence) or isinstance(raw, str):
        fault = f"expected a list of alternatives, found {_kind(raw)}"
        raise InvalidMatch([f'{path}: {fault}; write [{{"vendor_id": "8086"}}]'])
    if not raw:
        findings.fault(path, "has no alternative, and would match nothing; add one")
    if len(raw) > ALTERNATIVES_MAX:
        findings.fault(path, f"more than {ALTERNATIVES_MAX} alternatives; make it several flavors")
    match = tuple(
        _alternative(each, f"{path}[{at}]", allowed, findings)
        for at, each in enumerate(raw[:ALTERNATIVES_MAX])
    )
    if findings.states > STATES_TOGETHER_MAX:
        findings.fault(path, "its patterns are too large together; use fewer, or smaller counts")
    if findings.faults:
        raise InvalidMatch(findings.faults)
    return tuple(dict.fromkeys(match))


def parse_alternative_text(text: str, *, path: str = "match") -> dict[str, object]:
    """Read one alternative from text into the JSON form; names and values are not judged.

    Raises:
        InvalidMatch: A part is no condition, or an attribute is given twice.
    """
    faults: list[str] = []
    found: dict[str, object] = {}
    for part in _COMMA.split(text):
        condition = _CONDITION.fullmatch(part.strip())
        if condition is None or not condition[1].strip():
            faults.append(
                f"{path}: {part.strip()!r} is no condition; write ATTRIBUTE=VALUE,"
                " ATTRIBUTE=VALUE|VALUE, ATTRIBUTE~GLOB or ATTRIBUTE=~REGEX, and \\, for a comma"
                " in a value"
            )
            continue
        name, sign, value = condition[1].strip(), condition[2], condition[3].replace("\\,", ",")
        if name in found:
            faults.append(f"{path}: {name} is given twice; write {name}=VALUE|VALUE for either")
        elif sign == "=~":
            found[name] = {How.REGEX.value: value}
        else:
            values = value.split("|")
            one_or_more: object = values[0] if len(values) == 1 else values
            found[name] = one_or_more if sign == "=" else {How.GLOB.value: one_or_more}
    if faults:
        raise InvalidMatch(faults)
    return found


def render_match(match: DeviceMatch) -> list[dict[str, object]]:
    """Return the JSON form, which `parse_match` reads."""
    return [
        {condition.attribute: _render_values(condition) for condition in alternative}
        for alternative in match
    ]


def _render_values(condition: Condition) -> object:
    values = condition.values
    one_or_more: object = values[0] if len(values) == 1 else list(values)
    return one_or_more if condition.how is How.EXACT else {condition.how.value: one_or_more}


def _alternative(
    raw: object, path: str, allowed: Collection[str], findings: _Findings
) -> Alternative:
    if not isinstance(raw, Mapping):
        findings.fault(path, f"expected an object of conditions, found {_kind(raw)}")
        return ()
    if not raw:
        findings.fault(path, "has no condition, and would match every device; add one")
    if len(raw) > CONDITIONS_MAX:
        findings.fault(path, f"more than {CONDITIONS_MAX} conditions; leave some out")
        return ()
    conditions: list[Condition] = []
    for name in sorted(raw, key=str):
        place = f"{path}.{name}"
        problem = _name_problem(str(name), allowed)
        if problem is not None:
            findings.fault(place, problem)
            continue
        how, values = _values(raw[name], place, findings)
        values = _checked(str(name), how, values, place, findings)
        conditions.append(Condition(str(name), how, values))
    return tuple(conditions)


def _name_problem(name: str, allowed: Collection[str]) -> str | None:
    if name.startswith("can."):
        return None if name in ABILITIES else f"unknown; there are {', '.join(sorted(ABILITIES))}"
    usable = ", ".join(sorted({*allowed, "can.*"}))
    if name.removeprefix("e.").lower() in NO_ATTRIBUTES and name not in allowed:
        return f"may not be used: it would tie the flavor to one host or place; there are {usable}"
    if may_be_used(name, allowed) and is_attribute(name):
        return None
    if is_attribute(name):
        return (
            f"the operator does not let it be used; there are {usable}"
            " (scheduling_attributes in controller.toml)"
        )
    if f"e.{name}" in allowed or (ALL_TAGS in allowed and is_attribute(f"e.{name}")):
        near = [*difflib.get_close_matches(name, FACTS & set(allowed), n=1), f"e.{name}"]
        return f"unknown; did you mean {' or '.join(near)}? Tags have an e. before their names"
    close = difflib.get_close_matches(name, [each for each in allowed if each != ALL_TAGS], n=1)
    remedy = f"did you mean {close[0]}?" if close else f"there are {usable}"
    return f"unknown; {remedy}"


def _values(raw: object, place: str, findings: _Findings) -> tuple[How, tuple[str, ...]]:
    how = How.EXACT
    if isinstance(raw, Mapping):
        hows = {each.value: each for each in How}
        if len(raw) != 1 or next(iter(raw)) not in hows:
            findings.fault(
                place,
                f'expected {{"glob": …}} or {{"regex": …}}, found {_kind(raw)} with'
                f" {', '.join(map(str, raw)) or 'nothing'}",
            )
            return how, ()
        ((key, raw),) = raw.items()
        how = hows[key]
    listed = [raw] if isinstance(raw, str) else raw
    if not isinstance(listed, Sequence) or not all(isinstance(value, str) for value in listed):
        findings.fault(place, f"expected text or a list of texts, found {_kind(raw)}")
        return how, ()
    if not 0 < len(listed) <= VALUES_MAX:
        findings.fault(place, f"expected 1 to {VALUES_MAX} values, found {len(listed)}")
        return how, ()
    return how, tuple(listed)


def _checked(
    name: str, how: How, values: tuple[str, ...], place: str, findings: _Findings
) -> tuple[str, ...]:
    """Check each value; return them as devices have them."""
    check: Callable[[str], str]
    match how:
        case How.EXACT:
            check = _EXACT.get(name, str)
        case How.GLOB:
            check = findings.compiled(compile_glob)
        case How.REGEX:
            check = findings.compiled(compile_regex)
    found: list[str] = []
    for value in values:
        if not 0 < len(value.encode()) <= VALUE_BYTES_MAX:
            findings.fault(place, f"a value has 1 to {VALUE_BYTES_MAX} bytes, not {value!r:.80}")
            continue
        try:
            found.append(check(value))
        except ValueError as problem:
            findings.fault(place, f"{value!r}: {problem}")
    return tuple(dict.fromkeys(found))


def _pci_id(text: str) -> str:
    try:
        return parse_pci_id(text)
    except ValueError:
        raise ValueError(
            'not a PCI ID; write four hex digits, as in "8086", or a {"glob": …}'
        ) from None


def _dev_type(text: str) -> str:
    kinds = {kind.value: kind for kind in FUNCTION_KINDS} | NOVA_KINDS
    kind = kinds.get(text.lower())
    if kind is None:
        raise ValueError("no kind of device; there are pf, vf and plain")
    return kind.value


def _numa_node(text: str) -> str:
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise ValueError("no NUMA node; write its number")
    return str(int(text))


_EXACT: Final[Mapping[str, Callable[[str], str]]] = {
    "vendor_id": _pci_id,
    "product_id": _pci_id,
    "dev_type": _dev_type,
    "numa_node": _numa_node,
}

_KINDS: Final = ((bool, "true or false"), (str, "text"), (int, "a number"), (float, "a number"))


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "an object"
    return next((name for type_, name in _KINDS if isinstance(value, type_)), "a list")
