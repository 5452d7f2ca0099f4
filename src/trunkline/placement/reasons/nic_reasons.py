"""Why the NICs of a request do not fit on one host, NIC by NIC."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from trunkline.domain.device import DeviceKind
from trunkline.placement.asks import wording
from trunkline.placement.asks.demand import Attributes, NicClass, demand_and_classes, nic_class
from trunkline.placement.asks.request import NicDemand, NicReason, PlacementRequest, Reason
from trunkline.placement.hosts.bits import union
from trunkline.placement.hosts.fitting import Fits, Fitting, costs_of
from trunkline.placement.hosts.host_state import HostState
from trunkline.placement.hosts.structure import BySlot, Profile
from trunkline.placement.matching.match import solve_unruled
from trunkline.placement.reasons.obstacles import Obstacle
from trunkline.placement.reasons.ruled import Rules

# By the nearness of the nearest, why a NIC would have no device of a host, even if nobody had them.
WHY: Final = (Reason.NO_DEVICE, Reason.NOT_CABLED, Reason.NO_MATCHING_DEVICE)


def nearness(reach: Collection[Attributes], one: NicClass, profile: Profile) -> int:
    """How near a device comes to what a NIC demands: an index of `WHY`, or 3 if it fits."""
    if not one.is_of(profile.kind):
        return 0
    if not any(map(profile.attributes.issuperset, reach)):
        return 1
    return 3 if one.fits(profile.kind, profile.attributes) else 2


def reach_of(nic: NicDemand) -> tuple[Attributes, ...]:
    """What each segment of its network demands."""
    ways = [frozenset(option.attributes.items()) for option in nic.options]
    return tuple(ways) or (frozenset(),)


@dataclass(frozen=True)
class _Asked:
    """NICs of which the same is told."""

    one: NicClass
    reach: tuple[Attributes, ...]
    besides: str  # What is demanded beside what the network demands.

    @cached_property
    def demanded(self) -> str:
        """What is demanded, in words."""
        return wording.demanded(self.one)

    @cached_property
    def kind(self) -> DeviceKind:
        """Of the devices, for words."""
        assert self.one.kind is not None, "bridges are told of apart"
        return self.one.kind


# Reason, detail, devices that fit, and how many of them are free.
_Why = tuple[Reason, str, int, int]


class NicReasons:
    """Reasons for the NICs of one request that stand in the way, on one host after another.

    NICs that fit alone get a reason only if they don't fit together, and of these only the ones
    of a smallest group that doesn't. Where devices would do for all of them, the rules that would
    have to go are the reasons.
    """

    def __init__(self, request: PlacementRequest, fitting: Fitting, rules: Rules) -> None:
        asked: dict[_Asked, int] = {}
        self._nics = [(nic, asked.setdefault(_asked(nic), len(asked))) for nic in request.nics]
        self._asked = list(asked)
        # Classes that only rules tell apart are one, and have the number of the first.
        numbers: dict[NicClass, list[int]] = {}
        for nic, c in zip(request.nics, demand_and_classes(request)[1], strict=True):
            if c is not None:
                numbers.setdefault(nic_class(nic), []).append(c)
        self._counts = {min(found): len(found) for found in numbers.values()}  # [class] NICs.
        self._class_of = [min(numbers.get(each.one, [-1])) for each in self._asked]
        self._fitting, self._rules = fitting, rules
        kinds = {kind for one in numbers for kind in one.kinds}
        self._mixes_pfs = DeviceKind.PF in kinds and len(kinds) > 1
        self._near = [BySlot(self._nearness(each)) for each in self._asked]
        self._pooled = [BySlot(self._would_do_unpooled(each)) for each in self._asked]
        self._every = union(1 << c for c in self._counts)
        self._slots: dict[Fits, list[list[int]]] = {}
        self._unmatched: dict[object, _Why] = {}
        self._crowded: dict[object, frozenset[int]] = {}

    def of(
        self, host: HostState, obstacles: tuple[Obstacle, ...] | None = None
    ) -> tuple[NicReason, ...]:
        """The reasons in the request's order; none if all NICs fit.

        Args:
            host: It.
            obstacles: The rules that are in the way if devices would do, where they are known.
        """
        fits = self._fitting.of(host.structure)
        slots, present = self._slots_of(fits), self._present(host, fits)
        why = [
            None if c >= 0 and present >> c & 1 else self._alone(n, host, slots[n])
            for n, c in enumerate(self._class_of)
        ]
        crowded = self._crowded_classes(host, fits, present)
        if not crowded and not any(why):
            known = self._rules.in_the_way(host) if obstacles is None else obstacles
            return self._rules.reasons(host, known)
        for n, c in enumerate(self._class_of):
            if c in crowded:
                why[n] = self._together(self._asked[n], host, slots[n], len(crowded))
        return tuple(
            [
                NicReason(
                    nic=nic.nic, reason=told[0], detail=told[1], fitting=told[2], free=told[3]
                )
                for nic, n in self._nics
                if (told := why[n]) is not None
            ]
        )

    def is_crowded(self, host: HostState) -> bool:
        """Whether the NICs that fit alone don't fit together."""
        fits = self._fitting.of(host.structure)
        return bool(self._crowded_classes(host, fits, self._present(host, fits)))

    def _present(self, host: HostState, fits: Fits) -> int:
        """The classes that fit alone, as bits."""
        found = 0
        for mask, usable in zip(fits, host.usable, strict=True):
            if usable:
                found |= mask
        return found & self._every

    def _slots_of(self, fits: Fits) -> list[list[int]]:
        """[asked] Slots whose devices fit."""
        found = self._slots.get(fits)
        if found is None:
            found = self._slots[fits] = [
                [slot for slot, mask in enumerate(fits) if c >= 0 and mask >> c & 1]
                for c in self._class_of
            ]
        return found

    def _alone(self, n: int, host: HostState, slots: list[int]) -> _Why | None:
        """Why these NICs, of which no free device fits, would not fit if each was the only one."""
        each = self._asked[n]
        if each.one.kind is None:
            return None if each.one.bridges & host.structure.bridges else _no_bridge(each.one)
        out = out_of_service(each.one, host)
        fitting = sum([host.offered[slot] for slot in slots])
        if out:
            return _out(each, fitting, out)
        if fitting:
            free = sum([host.free(slot).bit_count() for slot in slots])
            return _all_owned(each, fitting, free)
        steps, pooled = self._near[n].of(host.structure), self._pooled[n].of(host.structure)
        key = n, steps, pooled, host.offered
        found = self._unmatched.get(key)
        if found is None:
            pools = _in_other_pools(pooled, host.offered)
            found = self._unmatched[key] = _none_matches(each, steps, host.offered, pools)
        return found

    @staticmethod
    def _would_do_unpooled(each: _Asked) -> Callable[[Profile], int]:
        return lambda profile: (
            each.one.is_of(profile.kind.of_function)
            and not each.one.is_of(profile.kind)
            and any(way <= profile.attributes for way in each.reach)
        )

    @staticmethod
    def _nearness(each: _Asked) -> Callable[[Profile], int]:
        return lambda profile: nearness(each.reach, each.one, profile)

    def _together(self, each: _Asked, host: HostState, slots: list[int], classes: int) -> _Why:
        fitting = sum([host.offered[slot] for slot in slots])
        free = sum([host.usable[slot] for slot in slots])
        others = " and other NICs want them too" if classes > 1 else ", fewer than NICs like it"
        detail = f"{each.demanded}: {wording.devices(fitting, each.kind)}, {free} free{others}"
        return Reason.TOO_FEW_TOGETHER, detail, fitting, free

    def _crowded_classes(self, host: HostState, fits: Fits, present: int) -> frozenset[int]:
        """A smallest group of those classes that do not fit together, or none.

        Smallest in that without any one of its classes the rest would fit. Worked out once for
        hosts that are alike in what NICs can use of them.
        """
        usable, family, whole = host.usable, host.structure.family, host.structure.whole
        if self._mixes_pfs:
            free = tuple([min(n, len(self._nics)) for n in usable])
        else:  # It does not matter of which PF a device is.
            of_fits: dict[int, int] = {}
            for mask, count in zip(fits, usable, strict=True):
                if count and (some := mask & present):
                    of_fits[some] = min(of_fits.get(some, 0) + count, self._count(some))
            fits, free = tuple(sorted(of_fits)), tuple([of_fits[some] for some in sorted(of_fits)])
            family, whole = tuple(range(len(fits))), (False,) * len(fits)
        key = present, fits, free, family, whole
        found = self._crowded.get(key)
        if found is not None:
            return found

        def fit_together(classes: Sequence[int]) -> bool:
            counts = tuple([self._counts[c] for c in classes])
            costs = costs_of(fits, classes)
            return solve_unruled(counts, costs, free, family, whole) is not None

        group = [c for c in sorted(self._counts) if present >> c & 1]
        if fit_together(group):
            group = []
        for c in list(group):
            without = [other for other in group if other != c]
            if not fit_together(without):
                group = without
        found = self._crowded[key] = frozenset(group)
        return found

    def _count(self, classes: int) -> int:
        """How many NICs are of some classes, given as bits."""
        return sum([count for c, count in self._counts.items() if classes >> c & 1])


def _asked(nic: NicDemand) -> _Asked:
    return _Asked(nic_class(nic), reach_of(nic), wording.besides(nic))


def _no_bridge(one: NicClass) -> _Why:
    where = " or ".join(sorted(one.bridges)) or "a network without a physical network"
    return Reason.NO_BRIDGE, f"no bridge on {where}", 0, 0


def _none_matches(each: _Asked, steps: Sequence[int], offered: Sequence[int], pools: str) -> _Why:
    """No device of the host, free or not, fits: how near do they come?

    Args:
        each: What is asked.
        steps: [slot] How near its devices come; see `nearness`.
        offered: [slot] How many there are.
        pools: About those that would do if they were in no network pool.
    """
    near = [(step, count) for step, count in zip(steps, offered, strict=True) if count]
    reason, name = WHY[max(near, default=(0, 0))[0]], wording.kind_names(each.one)
    if reason is Reason.NO_DEVICE:
        return reason, f"no {name} on offer{pools}", 0, 0
    ways = wording.ways(each.reach)
    if reason is Reason.NOT_CABLED:
        return reason, f"no {name} has {ways}{pools}", 0, 0
    cabled = sum([count for step, count in near if WHY[step] is reason])
    devices = wording.devices(cabled, each.kind)
    return reason, f"{devices} with {ways}, none of them with {each.besides} too", 0, 0


def _in_other_pools(pooled: Sequence[int], offered: Sequence[int]) -> str:
    """Say how many devices would do if libvirt handed them out otherwise, or not at all."""
    count = sum([each for is_so, each in zip(pooled, offered, strict=True) if is_so])
    if count == 1:
        return "; 1 is in a network pool, which does not serve NICs like it"
    return f"; {count} are in network pools, which do not serve NICs like it" if count else ""


def _all_owned(each: _Asked, fitting: int, without_owner: int) -> _Why:
    """Devices that fit are there, and none can be chosen: by whose owners?"""
    detail = f"{each.demanded}: {wording.devices(fitting, each.kind)}, 0 free"
    reason = Reason.NO_FREE_DEVICE
    if without_owner and each.kind is DeviceKind.PF:
        reason = Reason.PF_IN_USE
        detail += f"; VFs of {without_owner} have owners"
    elif without_owner:
        reason = Reason.PF_GIVEN_AWAY
        detail += f"; the PF of {without_owner} was given away"
    return reason, detail, fitting, 0


def out_of_service(one: NicClass, host: HostState) -> dict[str, int]:
    """What PFs out of service would offer to a NIC: how many devices, by what is wrong."""
    found: dict[str, int] = {}
    for number, count in enumerate(host.out):
        profile = host.structure.slots[number].profile
        if count and one.fits(profile.kind, profile.attributes):
            problem = host.problem_of(number)
            found[problem] = found.get(problem, 0) + count
    return found


def _out(each: _Asked, in_service: int, out: dict[str, int]) -> _Why:
    fitting = in_service + sum(out.values())
    detail = f"{each.demanded}: {wording.devices(fitting, each.kind)}, 0 free"
    words = wording.out_of_service(out, each.kind)
    return Reason.OUT_OF_SERVICE, f"{detail}; {words}", fitting, 0
