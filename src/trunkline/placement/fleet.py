"""All hosts, in memory, as placement reads them. A pure structure: no locks, no clock.

Whoever owns a fleet serialises all calls on it, decisions too: they keep caches in it. Decisions
depend only on what the hosts are, never on the history of calls that led there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from trunkline.domain.device import DeviceRef
from trunkline.domain.ids import HostId, HostName
from trunkline.placement.demand import Demand
from trunkline.placement.host_state import HostState
from trunkline.placement.ranking import Ranking
from trunkline.placement.request import Placed, PlacementRequest
from trunkline.placement.structure import Structures
from trunkline.placement.views import HostView

__all__ = ["Fleet", "Hold", "HostView", "NotFree"]

# Each ranking costs memory for all hosts, and a set entry at each change of one. Demands repeat
# (flavors times physical networks); a tenant who invents new ones evicts, and can't exhaust.
RANKINGS_KEPT_MAX: Final = 64


class NotFree(Exception):
    """A device of a choice has an owner, or is gone: the choice was made from older facts."""

    def __init__(self, *, host_id: HostId, devices: tuple[DeviceRef, ...]) -> None:
        super().__init__(f"host {host_id} can't give {', '.join(map(str, devices))} together now")
        self.host_id = host_id
        self.devices = devices


@dataclass(slots=True, kw_only=True, eq=False)
class Hold:
    """What a decision took from a host, until it is committed (then forgotten) or undone."""

    host_id: HostId
    devices: tuple[DeviceRef, ...]
    vcpus: int
    memory_mib: int
    disk_gib: int
    state: HostState  # As it was put; a host put anew owes this hold nothing.
    generation_sets: int
    undone: bool = False


class Fleet:
    """The index. Its hosts change by deltas, each of which costs the same in any fleet."""

    def __init__(self) -> None:
        self._hosts: dict[HostId, HostState] = {}
        self._by_name: dict[HostName, set[HostId]] = {}
        self._structures = Structures()
        self._rankings: OrderedDict[Demand, Ranking] = OrderedDict()

    def put_host(self, view: HostView) -> None:
        """Add a host, or replace it whole; holds on the replaced one are forgotten."""
        self.remove_host(view.id)
        self._hosts[view.id] = HostState(view, self._structures)
        self._by_name.setdefault(view.name, set()).add(view.id)
        self._note_change(view.id)

    def remove_host(self, host_id: HostId) -> None:
        """Forget a host, if it is here."""
        host = self._hosts.pop(host_id, None)
        if host is not None:
            self._by_name[host.name].discard(host_id)
            if not self._by_name[host.name]:
                del self._by_name[host.name]
            self._note_change(host_id)

    def host_ids(self) -> tuple[HostId, ...]:
        """Each host's ID, in no particular order."""
        return tuple(self._hosts)

    def view(self, host_id: HostId) -> HostView:
        """The host as a value: putting it into another fleet makes an equal host there."""
        return self._hosts[host_id].view()

    def hold(self, placed: Placed, request: PlacementRequest) -> Hold:
        """Take what a decision chose, and raise the host's generation by 1.

        The commit that follows does the same in the store. Once the store's changes come back,
        `take_device` and `set_generation` of them do no harm here; an `adjust` would count twice.

        Raises:
            NotFree: A device is not to be had any more; nothing has been taken.
        """
        host = self._hosts.get(placed.host_id)
        devices = tuple(choice.device for choice in placed.choices if choice.device is not None)
        if host is None or not host.can_give(devices):
            raise NotFree(host_id=placed.host_id, devices=devices)
        for device in devices:
            host.hold(device)
        hold = Hold(
            host_id=host.id,
            devices=devices,
            vcpus=request.vcpus,
            memory_mib=request.memory_mib,
            disk_gib=request.disk_gib,
            state=host,
            generation_sets=host.generation_sets,
        )
        _give(host, vcpus=-hold.vcpus, memory_mib=-hold.memory_mib, disk_gib=-hold.disk_gib)
        host.generation += 1
        self._recount(host)
        return hold

    def undo(self, hold: Hold) -> None:
        """Give back what a hold took: its commit came to nothing.

        What the store has said meanwhile stands: a device that it gave to another stays taken, a
        generation that it set stays set, and a host put anew stays as put.
        """
        assert not hold.undone, "a hold is undone once"
        hold.undone = True
        host = hold.state
        if self._hosts.get(hold.host_id) is not host:
            return
        for device in hold.devices:
            host.unhold(device)
        _give(host, vcpus=hold.vcpus, memory_mib=hold.memory_mib, disk_gib=hold.disk_gib)
        if host.generation_sets == hold.generation_sets:
            host.generation -= 1
        self._recount(host)

    def take_device(self, host_id: HostId, device: DeviceRef) -> None:
        """The store gave the device an owner, or it is quarantined. Twice is once."""
        host = self._hosts[host_id]
        host.take(device)
        self._recount(host)

    def free_device(self, host_id: HostId, device: DeviceRef) -> None:
        """The store says that the device has no owner any more. Twice is once."""
        host = self._hosts[host_id]
        host.release(device)
        self._recount(host)

    def adjust(
        self, host_id: HostId, *, vcpus: int = 0, memory_mib: int = 0, disk_gib: int = 0
    ) -> None:
        """Add to what the host has free; negative amounts take from it."""
        _give(self._hosts[host_id], vcpus=vcpus, memory_mib=memory_mib, disk_gib=disk_gib)
        self._note_change(host_id)

    def set_status(self, host_id: HostId, *, enabled: bool, up: bool) -> None:
        """Put the host in or out of service."""
        host = self._hosts[host_id]
        if (host.enabled, host.up) != (enabled, up):
            host.enabled, host.up = enabled, up
            self._note_change(host_id)

    def set_generation(self, host_id: HostId, generation: int) -> None:
        """The store's generation of the host, which stands whatever is held here."""
        host = self._hosts[host_id]
        host.generation = generation
        host.generation_sets += 1

    def hosts(self) -> Iterator[HostState]:
        """Each host's state, for deciding and explaining; not to be changed."""
        return iter(self._hosts.values())

    def find_host(self, host_id: HostId) -> HostState | None:
        """One host's state; not to be changed."""
        return self._hosts.get(host_id)

    def hosts_named(self, name: HostName) -> list[HostState]:
        """The host of a name, or none (or several, if whoever put them let that happen)."""
        return [self._hosts[host_id] for host_id in sorted(self._by_name.get(name, ()))]

    def ranking(self, demand: Demand) -> Ranking:
        """The hosts that may take a demand, in order, up to date."""
        ranking = self._rankings.get(demand)
        if ranking is None:
            ranking = self._rankings[demand] = Ranking(demand, self._hosts)
            if len(self._rankings) > RANKINGS_KEPT_MAX:
                self._rankings.popitem(last=False)
        else:
            self._rankings.move_to_end(demand)
            ranking.refresh()
        return ranking

    def _recount(self, host: HostState) -> None:
        host.count()
        self._note_change(host.id)

    def _note_change(self, host_id: HostId) -> None:
        for ranking in self._rankings.values():
            ranking.changed.add(host_id)


def _give(host: HostState, *, vcpus: int, memory_mib: int, disk_gib: int) -> None:
    host.free_vcpus += vcpus
    host.free_memory_mib += memory_mib
    host.free_disk_gib += disk_gib
