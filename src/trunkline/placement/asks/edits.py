"""What could be changed so that a request fits: a closed list, and which changes are the least.

Of two sets of edits the one with fewer edits is smaller. Of sets of one size, the one with fewer
edits of the last kind in the list; then of the last but one, and so on. Of hosts that need equal
sets, the first by name is the nearest.

Devices are put on offer only in place of what could not be had if every device of the host was
free and all rules of the request were dropped: a card is not bought where a server can move.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from trunkline.domain.device import DeviceRef
from trunkline.domain.ids import DeviceId


class EditKind(enum.Enum):
    """In the order of the list. The values are API: added to, never renamed."""

    ENABLE_HOST = "enable_host"
    DROP_RULE = "drop_rule"  # One affinity or anti-affinity; all NUMA policies; all guarantees.
    LEAVE_GROUP = "leave_group"  # The request does without its server group.
    FREE_DEVICE = "free_device"  # A VF, PF or function loses its owner; each is an edit.
    FREE_VCPUS = "free_vcpus"  # However many are lacking, as for memory and disk.
    FREE_MEMORY = "free_memory"
    FREE_DISK = "free_disk"
    BRING_BACK_AGENT = "bring_back_agent"
    SOLVE_PROBLEM = "solve_problem"  # What keeps the host's agent from using it.
    TRY_AGAIN = "try_again"  # A host that has refused this server.
    ASK_FOR_HOST = "ask_for_host"  # Instead of the one that was asked for.
    ASK_FOR_ZONE = "ask_for_zone"  # The host's, instead of the one that was asked for.
    JOIN_AGGREGATE = "join_aggregate"  # The host: one with all metadata that the flavor demands.
    ADD_BRIDGE = "add_bridge"  # On one physical network.
    OFFER_DEVICE = "offer_device"  # One that was not there, for one NIC, where its rules want it.
    CHANGE_DEMAND = "change_demand"  # Of one NIC, which no device or bridge can ever meet.


@dataclass(frozen=True, slots=True)
class Devices:
    """Some devices of one host. Named as they are asked for: there may be very many."""

    of_kin: tuple[tuple[DeviceId, int | None], ...] = ()
    """Kin, and which of its VFs as a bitmap; None: the kin's one device that is no VF."""

    def __iter__(self) -> Iterator[DeviceRef]:
        for kin_id, vfs in self.of_kin:
            if vfs is None:
                yield DeviceRef(kin_id)
            while vfs:
                lowest = vfs & -vfs
                yield DeviceRef(kin_id, lowest.bit_length() - 1)
                vfs ^= lowest


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One line of a change: edits of one kind, in words."""

    kind: EditKind
    words: str
    count: int = 1  # How many edits it is.
    devices: Iterable[DeviceRef] = ()  # To be freed: any `count` of these will do.
    lacking: int = 0  # Of vCPUs, MiB of memory or GiB of disk, where that is what to free.


Size = tuple[int, ...]  # All edits; then those of each kind, the last kind first.

SIZES_ORDER = tuple(reversed(EditKind))


def size_of(counts: Mapping[EditKind, int]) -> Size:
    """Return what sets of edits are compared by."""
    return (sum(counts.values()), *(counts.get(kind, 0) for kind in SIZES_ORDER))


def size_of_edits(edits: Iterable[Edit]) -> Size:
    """Return what sets of edits are compared by."""
    counts: Counter[EditKind] = Counter()
    for edit in edits:
        counts[edit.kind] += edit.count
    return size_of(counts)
