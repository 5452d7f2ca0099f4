"""Network pools, as trunkline/v1 tells them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPoolItem:
    """VFs of one PF that libvirt hands out, and how many of them are left."""

    host: str
    name: str  # Of the libvirt network.
    mode: str  # `hostdev` or `passthrough`.
    physical_network: str
    pf_address: str
    vfs: int
    held: int
    free: int
    problem: str | None  # Why nothing of it is to be had; None: it is.


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPoolList:
    """All of them, by host and name."""

    network_pools: tuple[NetworkPoolItem, ...]
