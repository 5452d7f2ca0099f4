"""Why the NICs of a request do not fit on one host, NIC by NIC."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from trunkline.domain.device import DeviceKind
from trunkline.placement.asks import wording
from trunkline.placement.asks.demand import (
    Attributes,
    Demand,
    NicClass,
    make_demand,
    nic_class,
)
from trunkline.placement.asks.request import NicDemand, NicReason, PlacementRequest, Reason
from trunkline.placement.hosts.feasibility import fit
from trunkline.placement.hosts.host_state import HostState, PoolCount
from trunkline.placement.hosts.structure import Profile
from trunkline.placement.reasons.ruled import Rules

_Counted = list[tuple[PoolCount, int]]  # Pools, and how many devices of each could be chosen now.


class NicReasons:
    """Reasons for the NICs of one request that stand in the way, on one host after another.

    NICs that fit alone get a reason only if they don't fit together, and of these only the ones
    of a smallest group that doesn't. Where devices would do for all of them, the rules that would
    have to go are the reasons.
    """

    def __init__(self, request: PlacementRequest) -> None:
        self._nics = [(nic, nic_class(nic)) for nic in request.nics]
        self._crowded: dict[object, frozenset[NicClass]] = {}
        self.rules = Rules(request)

    def of(self, host: HostState) -> tuple[NicReason, ...]:
        """The reasons in the request's order; none if all NICs fit."""
        pools = [
            (pool, usable)
            for pool, usable in zip(host.pool_counts(), host.usable, strict=True)
            if pool.offered
        ]
        alone = [_alone(nic, one, host, pools) for nic, one in self._nics]
        crowded = self._crowded_classes(host, [reason is None for reason in alone])
        if not crowded and not any(alone):
            return self.rules.reasons(host)
        reasons = (
            _together(nic, one, pools, crowded) if reason is None and one in crowded else reason
            for (nic, one), reason in zip(self._nics, alone, strict=True)
        )
        return tuple(reason for reason in reasons if reason is not None)

    def is_crowded(self, host: HostState) -> bool:
        """Whether the NICs that fit alone don't fit together."""
        usable = list(zip(host.structure.slots, host.usable, strict=True))
        fitting = [
            any(
                count and one.fits(slot.profile.kind, slot.profile.attributes)
                for slot, count in usable
            )
            for _, one in self._nics
        ]
        return bool(self._crowded_classes(host, fitting))

    def _crowded_classes(self, host: HostState, fitting: list[bool]) -> frozenset[NicClass]:
        """The smallest group among the NICs that fit alone; worked out once for like hosts."""
        enough = len(self._nics)
        key = host.structure, tuple([min(n, enough) for n in host.usable])
        found = self._crowded.get(key)
        if found is None:
            left = [nic for (nic, _), fits in zip(self._nics, fitting, strict=True) if fits]
            found = self._crowded[key] = _crowded(left, host)
        return found


def _alone(nic: NicDemand, one: NicClass, host: HostState, pools: _Counted) -> NicReason | None:
    """Why this NIC would not fit even if it was the only one."""
    if one.kind is None:
        return None if one.bridges & host.structure.bridges else _no_bridge(nic, one)
    of_kind = [pair for pair in pools if one.is_of(pair[0].profile.kind)]
    matching = _fitting(of_kind, one)
    if any(usable for _, usable in matching):
        return None
    out = out_of_service(one, host)
    if out:
        return _out(nic, one, matching, out)
    if matching:
        return _all_owned(nic, one, one.kind, matching)

    name, reach = wording.kind_names(one), reach_of(nic)
    reason = WHY[max((nearness(reach, one, pool.profile) for pool, _ in pools), default=0)]
    if reason is Reason.NO_DEVICE:
        detail = f"no {name} on offer"
    elif reason is Reason.NOT_CABLED:
        detail = f"no {name} has {wording.ways(reach)}"
    else:
        detail = (
            f"{wording.devices(_size(_having(of_kind, reach)), one.kind)} with"
            f" {wording.ways(reach)}, none of them with {wording.besides(nic)} too"
        )
    return NicReason(nic=nic.nic, reason=reason, detail=detail + _in_other_pools(one, reach, pools))


def _in_other_pools(one: NicClass, reach: Collection[Attributes], pools: _Counted) -> str:
    """Say how many devices would do if libvirt handed them out otherwise, or not at all."""
    would_do = [
        (pool, usable)
        for pool, usable in _having(pools, reach)
        if one.is_of(pool.profile.kind.of_function) and not one.is_of(pool.profile.kind)
    ]
    if not would_do:
        return ""
    return f"; {_size(would_do)} more are in network pools, which do not serve NICs like it"


# By the nearness of the nearest, why a NIC would have no device of a host, even if nobody had them.
WHY: Final = (Reason.NO_DEVICE, Reason.NOT_CABLED, Reason.NO_MATCHING_DEVICE)


def nearness(reach: Collection[Attributes], one: NicClass, profile: Profile) -> int:
    """How near a device comes to what a NIC demands: an index of `WHY`, or 3 if it fits."""
    if not one.is_of(profile.kind):
        return 0
    if not any(way <= profile.attributes for way in reach):
        return 1
    return 3 if one.fits(profile.kind, profile.attributes) else 2


def reach_of(nic: NicDemand) -> tuple[Attributes, ...]:
    """What each segment of its network demands."""
    ways = [frozenset(option.attributes.items()) for option in nic.options]
    return tuple(ways) or (frozenset(),)


def _no_bridge(nic: NicDemand, one: NicClass) -> NicReason:
    where = " or ".join(sorted(one.bridges)) or "a network without a physical network"
    return NicReason(nic=nic.nic, reason=Reason.NO_BRIDGE, detail=f"no bridge on {where}")


def _all_owned(nic: NicDemand, one: NicClass, kind: DeviceKind, matching: _Counted) -> NicReason:
    """Devices that fit are there, and none can be chosen: by whose owners?"""
    without_owner = sum(pool.free for pool, _ in matching)
    detail = f"{wording.demanded(one)}: {wording.devices(_size(matching), kind)}, 0 free"
    reason = Reason.NO_FREE_DEVICE
    if without_owner and kind is DeviceKind.PF:
        reason = Reason.PF_IN_USE
        detail += f"; VFs of {without_owner} have owners"
    elif without_owner:
        reason = Reason.PF_GIVEN_AWAY
        detail += f"; the PF of {without_owner} was given away"
    return NicReason(nic=nic.nic, reason=reason, detail=detail, fitting=_size(matching), free=0)


def out_of_service(one: NicClass, host: HostState) -> dict[str, int]:
    """What PFs out of service would offer to a NIC: how many devices, by what is wrong."""
    found: dict[str, int] = {}
    for number, count in enumerate(host.out):
        profile = host.structure.slots[number].profile
        if count and one.fits(profile.kind, profile.attributes):
            problem = host.problem_of(number)
            found[problem] = found.get(problem, 0) + count
    return found


def _out(nic: NicDemand, one: NicClass, matching: _Counted, out: dict[str, int]) -> NicReason:
    assert one.kind is not None
    fitting = _size(matching) + sum(out.values())
    detail = f"{wording.demanded(one)}: {wording.devices(fitting, one.kind)}, 0 free"
    return NicReason(
        nic=nic.nic,
        reason=Reason.OUT_OF_SERVICE,
        detail=f"{detail}; {wording.out_of_service(out, one.kind)}",
        fitting=fitting,
        free=0,
    )


def _together(
    nic: NicDemand, one: NicClass, pools: _Counted, crowded: frozenset[NicClass]
) -> NicReason:
    assert one.kind is not None
    matching = _fitting(pools, one)
    free = sum(usable for _, usable in matching)
    others = " and other NICs want them too" if len(crowded) > 1 else ", fewer than NICs like it"
    return NicReason(
        nic=nic.nic,
        reason=Reason.TOO_FEW_TOGETHER,
        detail=(
            f"{wording.demanded(one)}: {wording.devices(_size(matching), one.kind)},"
            f" {free} free{others}"
        ),
        fitting=_size(matching),
        free=free,
    )


def _crowded(nics: Sequence[NicDemand], host: HostState) -> frozenset[NicClass]:
    """A smallest group of NIC classes that do not fit together, or none.

    Smallest in that without any one of its classes the rest would fit.
    """
    demand = make_demand(PlacementRequest(nics=tuple(nic for nic in nics if nic.kind is not None)))
    classes = demand.device_classes
    if _fits_together(classes, host):
        return frozenset()
    for pair in demand.device_classes:
        without = tuple(other for other in classes if other is not pair)
        if not _fits_together(without, host):
            classes = without
    return frozenset(one for one, _ in classes)


def _fits_together(classes: tuple[tuple[NicClass, int], ...], host: HostState) -> bool:
    plan = fit(Demand(classes, ()), host.structure)
    return plan is not None and plan.solve(host.usable) is not None


def _having(pools: _Counted, ways: Collection[Attributes]) -> _Counted:
    return [
        (pool, usable)
        for pool, usable in pools
        if any(way <= pool.profile.attributes for way in ways)
    ]


def _fitting(pools: _Counted, one: NicClass) -> _Counted:
    return [pair for pair in pools if one.fits(pair[0].profile.kind, pair[0].profile.attributes)]


def _size(pools: _Counted) -> int:
    return sum(pool.offered for pool, _ in pools)
