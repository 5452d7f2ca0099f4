"""Which servers would have to move away, in words: what is added to a change for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from trunkline.control.owners import Holding, Owned, Owners
from trunkline.domain.allocation import AllocationState
from trunkline.placement.asks.edits import Edit, EditKind
from trunkline.placement.asks.request import Explanation, HostRefusal
from trunkline.store.allocations import Holder

NAMED_MAX: Final = 5  # Servers named in one sentence; the JSON of an answer has more.

NOT_PROVEN: Final = " (not proven: others may be smaller)"

_NUMBERS: Final = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
)  # fmt: skip
_UNITS: Final = {
    EditKind.FREE_DEVICE: "of these devices",
    EditKind.FREE_VCPUS: "vCPUs",
    EditKind.FREE_MEMORY: "MiB of memory",
    EditKind.FREE_DISK: "GiB of disk",
}


def with_servers(explanation: Explanation, owners: Owners, *, named: bool) -> Explanation:
    """Say of all hosts told about which servers would have to move away.

    And of the smallest change, where it is so, that it is not proven to be that.

    Args:
        explanation: As placement gives it.
        owners: Of what the changes of these hosts free.
        named: By name. If not, only how many they are, for whom it is told may not know them.
    """

    def told(refusal: HostRefusal) -> HostRefusal:
        edits = (
            replace(edit, words=_words(edit, owners.of(refusal.host_id, edit), named=named))
            for edit in refusal.edits
        )
        return replace(refusal, edits=tuple(edits))

    nearest = tuple(map(told, explanation.nearest))
    is_told = explanation.nearest and (explanation.smallest_change == explanation.nearest[0].change)
    smallest_change = nearest[0].change if is_told else explanation.smallest_change
    if smallest_change and not explanation.is_proven:
        smallest_change += NOT_PROVEN
    return replace(
        explanation,
        nearest=nearest,
        asked_for=None if explanation.asked_for is None else told(explanation.asked_for),
        page=tuple(map(told, explanation.page)),
        smallest_change=smallest_change,
    )


def _words(edit: Edit, owned: Owned | None, *, named: bool) -> str:
    if owned is None:
        return edit.words
    said = [_moves(edit.kind, owned, named=named), _of_no_server(owned)]
    told = "; ".join(part for part in said if part)
    return f"{edit.words}: {told}" if told else edit.words


def _moves(kind: EditKind, owned: Owned, *, named: bool) -> str:
    """E.g. `move away one of these three servers: a, b, c`."""
    servers, needed = owned.servers, owned.needed
    if not servers:
        return ""
    if len(servers) == 1:
        return f"move away the server {servers[0].server_name}" if named else "move away one server"
    counted = f"{'these ' if named else ''}{_number(len(servers))} servers"
    if all(one.amount >= needed for one in servers):
        said, amounts = f"move away one of {counted}", False
    elif sum(one.amount for one in servers) <= needed:
        said, amounts = f"move away {counted}", False
    else:
        said = f"move away as many of {counted} as hold {needed} {_UNITS[kind]}"
        amounts = True
    return f"{said}: {_names(servers, amounts=amounts)}" if named else said


def _names(servers: Sequence[Holding], *, amounts: bool) -> str:
    """E.g. `a, b, c and 12 more`."""
    said = [
        f"{one.server_name} ({one.amount})" if amounts else one.server_name
        for one in servers[:NAMED_MAX]
    ]
    more = len(servers) - len(said)
    return ", ".join(said) + (f" and {more} more" if more else "")


def _of_no_server(owned: Owned) -> str:
    """E.g. `2 of these devices are being released`."""
    counted = Counter(map(_standing, owned.of_no_server))
    return ", ".join(
        f"{count} of these devices {'is' if count == 1 else 'are'} {standing}"
        for standing, count in sorted(counted.items())
    )


def _standing(owner: Holder | None) -> str:
    if owner is None:
        return "being claimed"
    match owner.state:
        case AllocationState.RELEASING:
            return "being released"
        case AllocationState.QUARANTINED:
            return "quarantined"
        case AllocationState.RESERVED:
            return "reserved after its use"
        case _:
            return "held by a port without a server"


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)
