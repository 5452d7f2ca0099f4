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
    ACTIVE = "active"  # The host observed it as desired, under a guest that runs.
    DOWN = "down"  # Its guest was stopped, or could not be started again; the device is kept.
    DETACHING = "detaching"  # To be taken from its guest, which has it until its host says not.


class BindingEvent(enum.Enum):
    """What can happen to a binding."""

    CLAIM = "claim"  # Placement chose; the store recorded.
    CONFIRM = "confirm"  # The host observed the NIC as desired.
    HALT = "halt"  # The host observed that its guest does not run.
    DETACH = "detach"  # Its server is to go on without it.
    RELEASE = "release"  # Server or port is deleted, or its host refused it, or no guest has it.


_S, _E = BindingState, BindingEvent
BINDING = StateMachine(
    name="binding",
    initial=BindingState.UNBOUND,
    transitions=MappingProxyType({
        (_S.UNBOUND, _E.CLAIM): _S.CLAIMED,
        (_S.CLAIMED, _E.CONFIRM): _S.ACTIVE,
        (_S.CLAIMED, _E.DETACH): _S.DETACHING,
        (_S.CLAIMED, _E.RELEASE): _S.UNBOUND,
        (_S.ACTIVE, _E.HALT): _S.DOWN,
        (_S.ACTIVE, _E.DETACH): _S.DETACHING,
        (_S.ACTIVE, _E.RELEASE): _S.UNBOUND,
        (_S.DOWN, _E.CONFIRM): _S.ACTIVE,
        (_S.DOWN, _E.DETACH): _S.DETACHING,
        (_S.DOWN, _E.RELEASE): _S.UNBOUND,
        (_S.DETACHING, _E.RELEASE): _S.UNBOUND,
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
    # Of a NIC that was attached to a guest or is being detached: the host's generation that says so
    # first. What an agent has found of older ones says nothing about it.
    generation: int = 0
