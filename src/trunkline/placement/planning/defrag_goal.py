"""What is to be freed, which servers stand in the way, and what it frees to move each of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from trunkline.domain.device import DeviceKind, DeviceRef
from trunkline.domain.device_pool import DevicePool
from trunkline.domain.ids import DeviceId
from trunkline.placement.hosts.views import HostView
from trunkline.placement.planning.residents import Resident


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """So many VFs free at once on the target, free ones counted; or one PF of it, whole.

    A VF is free if it is on offer and neither it nor its PF has an owner; a PF, if that holds of
    it and of all its VFs.
    """

    free: int = 1  # VFs; of PFs it is always one.
    whole: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)  # All of them have all of these.


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mover:
    """A server with devices on the target."""

    resident: Resident
    gain: int  # Devices of the goal's kind that nobody holds once it has left the target.
    nics: frozenset[str]  # Whose devices are on the target, and those that lack their device.

    @property
    def device_count(self) -> int:
        """How many devices it has, wherever they are."""
        return sum(1 for _ in _devices(self.resident))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cover:
    """Servers, of which enough have to leave the target to reach a goal."""

    target: frozenset[DeviceId]  # The PFs to be left, and devices that are alone.
    is_of_pf: bool  # The goal is that PF, whole.
    size: int  # Devices of the goal's kind there, with owners or without.
    free: int  # Of them, those that are free now.
    need: int  # What moves have to gain.
    ownerless: int  # What is not free and no server's: on its way back, quarantined, or claimed.
    movers: tuple[Mover, ...]  # Those with a gain, by name.


def covers(
    goal: Goal,
    target: Collection[DeviceId],
    hosts: Iterable[HostView],
    residents: Iterable[Resident],
) -> tuple[Cover, ...]:
    """Say what could be moved; a goal of one whole PF gives a cover for each PF.

    Args:
        goal: What is wanted.
        target: The PFs on which it is wanted; devices that are alone may be among them.
        hosts: Those that have the target.
        residents: The servers on these hosts.
    """
    kin: dict[DeviceId, list[DevicePool]] = {}
    for host in sorted(hosts, key=lambda host: (host.name, host.id)):
        for pool in sorted(host.pools, key=lambda pool: (not pool.address, pool.address)):
            if pool.kin_id in target:
                kin.setdefault(pool.kin_id, []).append(pool)
    by_name = sorted(residents, key=lambda resident: (resident.name, resident.server_id))
    if goal.whole:
        return tuple(_covers_of_pfs(goal, kin, by_name))
    return (_cover_of_vfs(goal, kin, by_name),)


def _cover_of_vfs(
    goal: Goal, kin: Mapping[DeviceId, Sequence[DevicePool]], residents: Sequence[Resident]
) -> Cover:
    wanted = {kin_id: [p for p in pools if _is_wanted(p, goal)] for kin_id, pools in kin.items()}
    given_away = {kin_id for kin_id, pools in kin.items() if _is_given_away(pools)}
    size = sum(pool.choosable.bit_count() for pools in wanted.values() for pool in pools)
    free = sum(_free(pools) for kin_id, pools in wanted.items() if kin_id not in given_away)
    gains: dict[str, int] = {}
    for resident in residents:
        for device in _devices(resident):
            pools = wanted.get(device.kin_id, [])
            gain = 0
            if device.vf_index is None:  # The PF: that keeps all its VFs from others.
                gain = _free(pools)
            elif device.kin_id not in given_away:
                gain = sum(bool(pool.choosable & device.bit) for pool in pools)
            if gain:
                gains[resident.server_id] = gains.get(resident.server_id, 0) + gain
    return Cover(
        target=frozenset(kin),
        is_of_pf=False,
        size=size,
        free=free,
        need=max(0, goal.free - free),
        ownerless=size - free - sum(gains.values()),
        movers=tuple(_movers(residents, gains, kin)),
    )


def _covers_of_pfs(
    goal: Goal, kin: Mapping[DeviceId, Sequence[DevicePool]], residents: Sequence[Resident]
) -> Iterator[Cover]:
    for kin_id, pools in kin.items():
        if not any(_is_wanted(pool, goal) for pool in pools):
            continue
        held = {
            resident.server_id: count
            for resident in residents
            if (count := sum(device.kin_id == kin_id for device in _devices(resident)))
        }
        taken = sum(pool.taken.bit_count() for pool in pools)
        ownerless = taken - sum(held.values())
        yield Cover(
            target=frozenset((kin_id,)),
            is_of_pf=True,
            size=1,
            free=0 if taken else 1,
            need=len(held) + (ownerless > 0),  # What is no server's, no move gains.
            ownerless=ownerless,
            movers=tuple(_movers(residents, dict.fromkeys(held, 1), (kin_id,))),
        )


def _movers(
    residents: Iterable[Resident], gains: Mapping[str, int], target: Collection[DeviceId]
) -> Iterator[Mover]:
    for resident in residents:
        if resident.server_id not in gains:
            continue
        has = {choice.nic: choice.device for choice in resident.placed.choices}
        leaving = (
            nic.nic
            for nic in resident.request.nics
            if nic.kind is not None
            and ((device := has.get(nic.nic)) is None or device.kin_id in target)
        )
        yield Mover(resident=resident, gain=gains[resident.server_id], nics=frozenset(leaving))


def _devices(resident: Resident) -> Iterator[DeviceRef]:
    return (choice.device for choice in resident.placed.choices if choice.device is not None)


def _is_wanted(pool: DevicePool, goal: Goal) -> bool:
    kind = DeviceKind.PF if goal.whole else DeviceKind.VF
    return (
        pool.kind.of_function is kind
        and bool(pool.choosable)
        and goal.attributes.items() <= pool.attributes.items()
    )


def _free(pools: Iterable[DevicePool]) -> int:
    return sum((pool.choosable & ~pool.taken).bit_count() for pool in pools)


def _is_given_away(pools: Iterable[DevicePool]) -> bool:
    return any(pool.kind is DeviceKind.PF and pool.taken for pool in pools)
