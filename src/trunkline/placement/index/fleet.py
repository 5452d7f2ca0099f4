"""All hosts, in memory, as placement reads them. A pure structure: no locks, no clock.

Whoever owns a fleet serialises all calls on it, decisions too: they keep caches in it. Decisions
depend only on what the hosts are, never on the history of calls that led there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from trunkline.domain.bandwidth import Guarantee
from trunkline.domain.device import DeviceRef
from trunkline.domain.ids import DeviceId, HostId
from trunkline.placement.asks.request import Placed, PlacementRequest
from trunkline.placement.hosts.bits import numbers_in
from trunkline.placement.hosts.host_state import HostState
from trunkline.placement.hosts.places import Places
from trunkline.placement.hosts.structure import Structures
from trunkline.placement.hosts.views import HostView
from trunkline.placement.index.columns import Columns
from trunkline.placement.index.criteria import DEFAULT_RANKING, Ranking

__all__ = ["Fleet", "Hold", "HostView", "NotFree"]


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
    guarantees: tuple[tuple[DeviceId, Guarantee], ...]  # Owed by these PFs.
    numa_node: int | None  # Which vCPUs and memory were taken from, besides the host.
    state: HostState  # As it was put; a host put anew owes this hold nothing.
    generation_sets: int
    number: int  # Counts the holds of this state.
    undone_before: int  # How many of these had been undone when it was made.
    undone: bool = False

    @property
    def is_founded(self) -> bool:
        """Whether all holds are durable that it counts on.

        The generation that its choice has seen counts those before it in. As long as one of them
        is not in the store, another change may have brought the host to that number.
        """
        state = self.state
        first = state.unconfirmed[0] if state.unconfirmed else self.number
        return first >= self.number and state.holds_undone == self.undone_before


class Fleet:
    """The index. Its hosts change by deltas, each of which costs the same in any fleet."""

    def __init__(self, ranking: Ranking = DEFAULT_RANKING) -> None:
        self.ranking = ranking  # Of its hosts, whoever asks.
        self._hosts: dict[HostId, HostState] = {}
        self._structures = Structures()
        self._places = Places()
        self._columns: Columns | None = None  # None: to be made anew.

    def put_host(self, view: HostView) -> None:
        """Add a host, or replace it whole; holds on the replaced one are forgotten."""
        known = self._hosts.get(view.id)
        host = self._hosts[view.id] = HostState(view, self._structures, self._places)
        if known is None or known.name != host.name:
            self._columns = None
        elif self._columns is not None:
            self._columns.replace(host)

    def remove_host(self, host_id: HostId) -> None:
        """Forget a host, if it is here."""
        if self._hosts.pop(host_id, None) is not None:
            self._columns = None

    def branch(self) -> Fleet:
        """Return an empty fleet for copies of hosts of this one: `adopt` them."""
        branch = Fleet()
        branch._structures, branch._places = self._structures, self._places
        return branch

    def adopt(self, host: HostState) -> None:
        """Add a copy of a host of the fleet that this is a branch of."""
        self._hosts[host.id] = host
        self._columns = None

    def host_ids(self) -> tuple[HostId, ...]:
        """Each host's ID, in no particular order."""
        return tuple(self._hosts)

    def hosts_having(self, attribute: tuple[str, str]) -> tuple[HostId, ...]:
        """The hosts with a device that has an attribute, in no particular order."""
        wanted = frozenset(numbers_in(self._structures.profiles_with([[attribute]])))
        return tuple(
            host.id
            for host in self._hosts.values()
            if not wanted.isdisjoint(host.structure.profile_numbers)
        )

    def view(self, host_id: HostId) -> HostView:
        """The host as a value: putting it into another fleet makes an equal host there."""
        return self._hosts[host_id].view()

    def hold(self, placed: Placed, request: PlacementRequest) -> Hold:
        """Take what a decision chose, and raise the host's generation by 1.

        The commit that follows does the same in the store. Once the store's changes come back,
        `take_device` and `set_generation` of them do no harm here; an `adjust` would count twice.

        Raises:
            NotFree: A device, or what it guarantees, is not to be had any more; nothing has been
                taken.
        """
        host = self._hosts.get(placed.host_id)
        devices = tuple(choice.device for choice in placed.choices if choice.device is not None)
        guarantees = tuple(_guarantees(placed, request))
        if host is None or not (host.can_give(devices) and host.can_owe(guarantees)):
            raise NotFree(host_id=placed.host_id, devices=devices)
        for device in devices:
            host.hold(device)
        for kin_id, guarantee in guarantees:
            host.owe(kin_id, guarantee)
        hold = Hold(
            host_id=host.id,
            devices=devices,
            vcpus=request.vcpus,
            memory_mib=request.memory_mib,
            disk_gib=request.disk_gib,
            guarantees=guarantees,
            numa_node=placed.numa_node,
            state=host,
            generation_sets=host.generation_sets,
            number=host.holds_made,
            undone_before=host.holds_undone,
        )
        host.holds_made += 1
        host.unconfirmed = (*host.unconfirmed, hold.number)
        host.give(
            vcpus=-hold.vcpus,
            memory_mib=-hold.memory_mib,
            disk_gib=-hold.disk_gib,
            numa_node=hold.numa_node,
        )
        host.generation += 1
        self._recount(host)
        return hold

    @staticmethod
    def confirm(hold: Hold) -> None:
        """What a hold took is in the store by now."""
        hold.state.confirm(hold.number)

    def undo(self, hold: Hold) -> None:
        """Give back what a hold took: its commit came to nothing.

        What the store has said meanwhile stands: a device that it gave to another stays taken, a
        generation that it set stays set, and a host put anew stays as put.
        """
        assert not hold.undone, "a hold is undone once"
        hold.undone = True
        host = hold.state
        host.holds_undone += 1
        host.confirm(hold.number)
        if self._hosts.get(hold.host_id) is not host:
            return
        for device in hold.devices:
            host.unhold(device)
        for kin_id, guarantee in hold.guarantees:
            host.owe(kin_id, -guarantee)
        host.give(
            vcpus=hold.vcpus,
            memory_mib=hold.memory_mib,
            disk_gib=hold.disk_gib,
            numa_node=hold.numa_node,
        )
        if host.generation_sets == hold.generation_sets:
            host.generation -= 1
        self._recount(host)

    def vacate(self, placed: Placed, request: PlacementRequest) -> None:
        """Give back what a server has that is placed so; devices that are gone are left out."""
        host = self._hosts[placed.host_id]
        for choice in placed.choices:
            if choice.device is not None and host.find_slot(choice.device) is not None:
                host.release(choice.device)
        for kin_id, guarantee in _guarantees(placed, request):
            host.owe(kin_id, -guarantee)
        host.give(
            vcpus=request.vcpus,
            memory_mib=request.memory_mib,
            disk_gib=request.disk_gib,
            numa_node=placed.numa_node,
        )
        self._recount(host)

    def take_device(self, host_id: HostId, device: DeviceRef) -> None:
        """The store gave the device an owner, or it is quarantined. Twice is once."""
        host = self._hosts[host_id]
        if host.take(device):
            self._recount(host)

    def free_device(self, host_id: HostId, device: DeviceRef) -> None:
        """The store says that the device has no owner any more. Twice is once."""
        self.free_devices(host_id, (device,))

    def free_devices(self, host_id: HostId, devices: Iterable[DeviceRef]) -> None:
        """Like `free_device` for each of them, in the time of one."""
        host = self._hosts[host_id]
        for device in devices:
            host.release(device)
        self._recount(host)

    def adjust(
        self,
        host_id: HostId,
        *,
        vcpus: int = 0,
        memory_mib: int = 0,
        disk_gib: int = 0,
        numa_node: int | None = None,
    ) -> None:
        """Add to what the host, and one node of it, has free; negative amounts take from it."""
        host = self._hosts[host_id]
        host.give(vcpus=vcpus, memory_mib=memory_mib, disk_gib=disk_gib, numa_node=numa_node)
        self._note_change(host)

    def owe(self, host_id: HostId, kin_id: DeviceId, guarantee: Guarantee) -> None:
        """Take a guarantee from what a PF has left; a negative one is given back."""
        host = self._hosts[host_id]
        host.owe(kin_id, guarantee)
        self._note_change(host)

    def set_service(self, host_id: HostId, kin_id: DeviceId, problem: str) -> None:
        """Take a PF out of service with its VFs, or put it back into it (empty)."""
        host = self._hosts[host_id]
        host.set_problem(kin_id, problem)
        self._recount(host)

    def set_status(self, host_id: HostId, *, enabled: bool, up: bool, problem: str = "") -> None:
        """Put the host in or out of service; with a problem it is not up."""
        host = self._hosts[host_id]
        if (host.enabled, host.up, host.problem) != (enabled, up, problem):
            host.enabled, host.up, host.problem = enabled, up, problem
            self._note_change(host)

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

    def columns(self) -> Columns:
        """What a decision reads, up to date."""
        if self._columns is None:
            self._columns = Columns(self._hosts.values(), self._structures)
        return self._columns

    def _recount(self, host: HostState) -> None:
        host.count()
        self._note_change(host)

    def _note_change(self, host: HostState) -> None:
        if self._columns is not None:
            self._columns.update(host)


def _guarantees(placed: Placed, request: PlacementRequest) -> Iterator[tuple[DeviceId, Guarantee]]:
    for nic, choice in zip(request.nics, placed.choices, strict=True):
        if choice.device is not None and (nic.egress_mbps or nic.ingress_mbps):
            yield choice.device.kin_id, nic.guarantee
