"""The JSON of plans that free devices: part of trunkline/v1, with its rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class DefragBody:
    """What is to be free, and where: one of `pf`, `numa` and `switch`."""

    free: int | None = None  # VFs; None with `whole`.
    whole: bool = False  # One PF, and all its VFs.
    pf: str | None = None  # HOST/ADDRESS
    numa: str | None = None  # HOST/NODE
    switch: str | None = None  # The value of the PFs' tag `switch`.
    attributes: Mapping[str, str] = field(default_factory=dict)  # That what is free must have.
    budget: int | None = None  # States to look at; None: the service's default.


@dataclass(frozen=True, slots=True, kw_only=True)
class DefragDevice:
    """A NIC, or a device besides NICs, that would get another device."""

    nic: str  # The port's ID, or `device 0 (gpu)`.
    before: str | None  # PCI address; None: it has lost its device.
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DefragMove:
    """One server and where it would go."""

    server_id: str
    server_name: str
    from_host: str
    to_host: str  # The same: it stays and gets other devices.
    memory_mib: int  # Of the server.
    devices: tuple[DefragDevice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckServer:
    """A server in the way that can go nowhere."""

    server_id: str
    server_name: str
    host: str
    counts: Mapping[str, int] | None  # Other hosts by reason; None: told of the first few only.
    smallest_change: str  # What would let another host take it; "": as `counts`, or there is none.


@dataclass(frozen=True, slots=True, kw_only=True)
class DefragAnswer:
    """The moves; or, where none were found, what is in the way."""

    is_found: bool
    pfs: tuple[str, ...]  # HOST/ADDRESS of what is freed; with `whole`, of the one that would be.
    free_before: int  # VFs, or PFs with `whole`.
    free_after: int  # With the moves; without a plan, what can be free for sure.
    moves: tuple[DefragMove, ...]  # By name; to be made in any order.
    at_least: int | None  # No plan has fewer moves; None: there is no plan.
    is_optimal: bool  # Proven: `moves` are the fewest.
    is_best: bool  # Proven: of plans with as few moves, none moves fewer devices, or less memory.
    states: int  # Looked at.
    size: int | None = None  # Without a plan: devices there, with owners or without;
    free_bound: int | None = None  # more than this can't be free;
    ownerless: int | None = None  # that are neither free nor a server's;
    stuck: tuple[StuckServer, ...] = ()
