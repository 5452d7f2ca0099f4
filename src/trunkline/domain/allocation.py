"""Allocations: who holds a device, from the claim until the device is observed clean.

A device without an allocation is free, if it is on offer. An allocation outlives its binding: a
port can be deleted, or bound elsewhere, while the device it had is still being taken back.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from trunkline.domain.bandwidth import NO_GUARANTEE, Guarantee
from trunkline.domain.ids import AllocationId, DeviceId, HostId, PortId, ServerId
from trunkline.domain.state_machine import StateMachine


class AllocationState(enum.Enum):
    """Drawn in docs/state-machines.md."""

    FREE = "free"  # There is no allocation.
    CLAIMED = "claimed"  # Held; the host has not confirmed it. Never freed by time.
    ACTIVE = "active"  # The host observed the device as desired.
    RELEASING = "releasing"  # Nobody's any more, and held until observed clean.
    QUARANTINED = "quarantined"  # Did not come back clean; held until it does.
    RESERVED = "reserved"  # For one use, and used: clean, and held until an operator frees it.


class AllocationEvent(enum.Enum):
    """What can happen to an allocation."""

    CLAIM = "claim"  # Placement chose; the store recorded.
    CONFIRM = "confirm"  # The host observed the device as desired.
    RELEASE = "release"  # Its consumer is gone, moved, or was refused.
    CLEAN = "clean"  # The host read back the cleaned state.
    SOIL = "soil"  # The host could not bring the device back to its clean state.
    RESERVE = "reserve"  # As CLEAN, of a device that is for one use.
    FREE = "free"  # An operator says that it may be used again.


_S, _E = AllocationState, AllocationEvent
ALLOCATION = StateMachine(
    name="allocation",
    initial=AllocationState.FREE,
    transitions=MappingProxyType({
        (_S.FREE, _E.CLAIM): _S.CLAIMED,
        (_S.CLAIMED, _E.CONFIRM): _S.ACTIVE,
        (_S.CLAIMED, _E.RELEASE): _S.RELEASING,
        (_S.ACTIVE, _E.RELEASE): _S.RELEASING,
        (_S.RELEASING, _E.CLEAN): _S.FREE,
        (_S.RELEASING, _E.SOIL): _S.QUARANTINED,
        (_S.QUARANTINED, _E.CLEAN): _S.FREE,  # A later attempt read back clean.
        (_S.RELEASING, _E.RESERVE): _S.RESERVED,
        (_S.QUARANTINED, _E.RESERVE): _S.RESERVED,
        (_S.RESERVED, _E.FREE): _S.FREE,
    }),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """One holder of one device; the store allows at most one for each device."""

    id: AllocationId
    device_id: DeviceId
    host_id: HostId
    port_id: PortId | None  # Kept after the port is gone: whose traffic the device carried.
    # None: a device that is on no network, as a GPU is; or one that is reserved.
    server_id: ServerId | None
    epoch: int  # The device's epoch that this holder has; facts of other epochs don't count.
    state: AllocationState
    created_at: datetime
    failure: str | None = None  # Why QUARANTINED.
    # Where its frames come out, e.g. `vlan 100 on phy1`. No other network may be there until the
    # device is observed clean, though the one it was taken for is long deleted.
    wire: str | None = None
    guarantee: Guarantee = NO_GUARANTEE  # What its PF owes it until then.
