"""Who has what a change would free: the servers of which some would have to move away.

Placement names devices, and how much of a host is lacking; whose they are is asked of the store,
once for all hosts that are told about.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from trunkline.domain.allocation import AllocationState
from trunkline.domain.device import DeviceRef, OfferedDevice
from trunkline.domain.host import HostUse
from trunkline.domain.ids import HostId, ServerId
from trunkline.placement.asks.edits import Edit, EditKind
from trunkline.placement.asks.request import HostRefusal
from trunkline.placement.planning.resettling import Resettled
from trunkline.store.allocations import Holder
from trunkline.store.transaction import Transaction

SIZES: Final = frozenset({EditKind.FREE_VCPUS, EditKind.FREE_MEMORY, EditKind.FREE_DISK})
_HELD: Final = frozenset({AllocationState.CLAIMED, AllocationState.ACTIVE})


@dataclass(frozen=True, slots=True)
class Holding:
    """What one server has of that of which some would have to be free."""

    server_id: ServerId
    server_name: str
    amount: int  # Devices, vCPUs, MiB or GiB, as the edit has it.


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """Who has what one edit would free. Servers that have `needed` together would have to move."""

    needed: int  # Devices; or vCPUs, MiB of memory, GiB of disk.
    servers: tuple[Holding, ...] = ()  # Those with most first, as far as it matters; by name.
    devices: tuple[tuple[DeviceRef, Holder | None], ...] = ()  # None: of a decision under way.

    @property
    def of_no_server(self) -> tuple[Holder | None, ...]:
        """The owners of devices that no server has."""
        return tuple(owner for _, owner in self.devices if owner is None or not _is_server(owner))


@dataclass(frozen=True, slots=True)
class _Sized:
    server_id: ServerId
    name: str
    use: HostUse


class Owners:
    """Who has the devices, vCPUs, memory and disk of some hosts."""

    def __init__(
        self,
        hosts: Collection[HostId],
        holders: Iterable[Holder],
        servers: Mapping[HostId, list[_Sized]],
    ) -> None:
        self._hosts = hosts
        self._holders = {(holder.host_id, holder.device): holder for holder in holders}
        self._servers = servers

    def of(self, host_id: HostId, edit: Edit) -> Owned | None:
        """Who has what an edit would free on a host; None: it frees nothing, or was not asked."""
        if host_id not in self._hosts:
            return None
        if edit.kind is EditKind.FREE_DEVICE:
            return self._of_devices(host_id, edit)
        return self._of_size(host_id, edit) if edit.kind in SIZES else None

    def resettled(self, found: Resettled, devices: Mapping[DeviceRef, OfferedDevice]) -> None:
        """Think of servers as moved: those that found a place, and those that found none.

        Args:
            found: Where to.
            devices: At least those that they were given.
        """
        stuck = [resident.server_id for resident in found.stuck]
        gone = {*stuck, *(move.resident.server_id for move in found.moves)}
        self._holders = {
            at: one
            for at, one in self._holders.items()
            if not (_is_server(one) and one.server_id in gone)
        }
        self._servers = {
            host_id: [server for server in servers if server.server_id not in gone]
            for host_id, servers in self._servers.items()
        }
        for move in found.moves:
            resident, host_id = move.resident, move.placed.host_id
            asked = resident.request
            use = HostUse(asked.vcpus, asked.memory_mib, asked.disk_gib)
            sized = _Sized(ServerId(resident.server_id), resident.name, use)
            self._servers[host_id] = [*self._servers.get(host_id, []), sized]
            for choice in move.placed.choices:
                if choice.device is not None:
                    self._holders[host_id, choice.device] = Holder(
                        host_id=host_id,
                        device=choice.device,
                        address=str(devices[choice.device].function.address),
                        state=AllocationState.CLAIMED,
                        server_id=ServerId(resident.server_id),
                        server_name=resident.name,
                    )

    def _of_devices(self, host_id: HostId, edit: Edit) -> Owned:
        owners = [(device, self._holders.get((host_id, device))) for device in edit.devices]
        counted: dict[ServerId, Holding] = {}
        for _, owner in owners:
            if owner is not None and owner.server_id is not None and _is_server(owner):
                none = Holding(owner.server_id, owner.server_name or "", 0)
                known = counted.get(owner.server_id, none)
                counted[owner.server_id] = replace(known, amount=known.amount + 1)
        servers = _in_order(counted.values(), edit.count)
        return Owned(needed=edit.count, servers=servers, devices=tuple(owners))

    def _of_size(self, host_id: HostId, edit: Edit) -> Owned:
        """Of servers any of which would do, those; of others, all, if they are enough together."""
        needed = edit.lacking
        holdings = [
            Holding(server.server_id, server.name, _amount(edit.kind, server.use))
            for server in self._servers.get(host_id, [])
        ]
        enough = [one for one in holdings if one.amount >= needed]
        if not enough and sum(one.amount for one in holdings) >= needed:
            enough = [one for one in holdings if one.amount]
        return Owned(needed=needed, servers=_in_order(enough, needed))


def owners_of(tx: Transaction, refusals: Iterable[HostRefusal]) -> Owners:
    """Ask whose the devices and the room of these hosts are, as far as their changes free any."""
    told = {(one.host_id, edit.kind) for one in refusals for edit in one.edits}
    by_device = sorted({host_id for host_id, kind in told if kind is EditKind.FREE_DEVICE})
    by_size = sorted({host_id for host_id, kind in told if kind in SIZES})
    servers: dict[HostId, list[_Sized]] = {}
    for server in tx.servers.of_hosts(by_size):
        assert server.host_id is not None, "it was found by its host"
        sized = _Sized(server.id, server.name, server.use)
        servers.setdefault(server.host_id, []).append(sized)
    holders = tx.allocations.holders_of_hosts(by_device)
    return Owners({host_id for host_id, _ in told}, holders, servers)


def _is_server(owner: Holder) -> bool:
    return owner.server_id is not None and owner.state in _HELD


def _in_order(holdings: Iterable[Holding], needed: int) -> tuple[Holding, ...]:
    """Those with most come first, since fewer have to move then; more than is needed is as good."""

    def key(one: Holding) -> tuple[int, str, str]:
        return -min(one.amount, needed), one.server_name, one.server_id

    return tuple(sorted(holdings, key=key))


def _amount(kind: EditKind, use: HostUse) -> int:
    match kind:
        case EditKind.FREE_VCPUS:
            return use.vcpus
        case EditKind.FREE_MEMORY:
            return use.memory_mib
        case EditKind.FREE_DISK:
            return use.disk_gib
        case _:
            raise AssertionError(f"{kind} frees no room")
