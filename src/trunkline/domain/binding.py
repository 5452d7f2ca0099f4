"""Bindings: which host, segment and device a port has. One row is the truth for all views."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from trunkline.domain.ids import DeviceId, HostId, PortId, SegmentId, ServerId
from trunkline.domain.state_machine import StateMachine


class BindingState(enum.Enum):
    """How far a port's binding has got. Drawn in docs/state-machines.md."""

    UNBOUND = "unbound"  # There is no binding.
    CLAIMED = "claimed"  # Recorded, with its device; the host has not confirmed it.
    ACTIVE = "active"  # The host observed it as desired, under a running or stopped server.
    FAILED = "failed"  # The host or the network side refused; the reason is kept.


class BindingEvent(enum.Enum):
    """What can happen to a binding."""

    CLAIM = "claim"  # Placement chose; the store recorded.
    CONFIRM = "confirm"  # The host observed the NIC as desired.
    UNSETTLE = "unsettle"  # What is desired changed; the host has yet to follow.
    REFUSE = "refuse"  # The host can't make it so, or the network side won't have it.
    RELEASE = "release"  # Server or port is deleted, or placed anew.


_S, _E = BindingState, BindingEvent
BINDING = StateMachine(
    name="binding",
    initial=BindingState.UNBOUND,
    transitions=MappingProxyType({
        (_S.UNBOUND, _E.CLAIM): _S.CLAIMED,
        (_S.CLAIMED, _E.CONFIRM): _S.ACTIVE,
        (_S.CLAIMED, _E.REFUSE): _S.FAILED,
        (_S.CLAIMED, _E.RELEASE): _S.UNBOUND,
        (_S.ACTIVE, _E.UNSETTLE): _S.CLAIMED,
        (_S.ACTIVE, _E.REFUSE): _S.FAILED,
        (_S.ACTIVE, _E.RELEASE): _S.UNBOUND,
        (_S.FAILED, _E.CONFIRM): _S.ACTIVE,  # The host recovered by itself.
        (_S.FAILED, _E.RELEASE): _S.UNBOUND,
    }),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A port on a host. What the device is programmed with is derived from the port and segment."""

    port_id: PortId
    host_id: HostId
    server_id: ServerId | None  # None: an admin bound the port by hand (binding:host_id).
    state: BindingState
    segment_id: SegmentId | None
    device_id: DeviceId | None  # None: `normal`.
    vif_type: str  # A registered VIF type, e.g. `hw_veb`.
    vif_details: Mapping[str, object] = field(default_factory=dict)
    failure: str | None = None  # Why the binding FAILED.
