"""Why the NICs of a request do not fit on one host, NIC by NIC."""

from __future__ import annotations

from collections.abc import Sequence

from trunkline.domain.device import DeviceKind
from trunkline.placement import wording
from trunkline.placement.demand import (
    Attributes,
    Demand,
    NicClass,
    make_demand,
    nic_class,
    way_of,
)
from trunkline.placement.feasibility import fit
from trunkline.placement.host_state import HostState
from trunkline.placement.pools import Pool
from trunkline.placement.request import NicDemand, NicReason, PlacementRequest, Reason

_Counted = list[tuple[Pool, int]]  # Pools, and how many devices of each could be chosen now.


def nic_reasons(request: PlacementRequest, host: HostState) -> tuple[NicReason, ...]:
    """Reasons for the NICs that stand in the way, in the request's order; none if all fit.

    NICs that fit alone get a reason only if they don't fit together, and of these only the ones
    of a smallest group that doesn't.
    """
    pools = [
        pair
        for family in host.ordered
        for pair in zip(family.pools, family.usable(), strict=True)
        if pair[0].offered
    ]
    alone = [_alone(nic, host, pools) for nic in request.nics]
    fitting = [nic for nic, reason in zip(request.nics, alone, strict=True) if reason is None]
    crowded = _crowded(fitting, host)
    reasons = (
        _together(nic, pools, crowded)
        if reason is None and nic.kind is not None and nic_class(nic) in crowded
        else reason
        for nic, reason in zip(request.nics, alone, strict=True)
    )
    return tuple(reason for reason in reasons if reason is not None)


def _alone(nic: NicDemand, host: HostState, pools: _Counted) -> NicReason | None:
    """Why this NIC would not fit even if it was the only one."""
    if nic.kind is None:
        wanted = nic_class(nic).bridges
        if wanted & host.structure.bridges:
            return None
        detail = f"no bridge on {' or '.join(sorted(wanted)) or 'a network without one'}"
        return NicReason(nic=nic.nic, reason=Reason.NO_BRIDGE, detail=detail)

    name = wording.kind_name(nic.kind)
    of_kind = [pair for pair in pools if pair[0].profile.kind is nic.kind]
    if not of_kind:
        return NicReason(nic=nic.nic, reason=Reason.NO_DEVICE, detail=f"no {name} on offer")
    reach = [frozenset(option.attributes.items()) for option in nic.options]
    cabled = _having(of_kind, reach)
    if not cabled:
        detail = f"no {name} has {wording.ways(reach)}" if reach else "on no segment at all"
        return NicReason(nic=nic.nic, reason=Reason.NOT_CABLED, detail=detail)
    matching = _having(cabled, [w for o in nic.options if (w := way_of(nic, o)) is not None])
    if not matching:
        detail = (
            f"{wording.devices(_size(cabled), nic.kind)} with {wording.ways(reach)},"
            f" none of them with {wording.attributes(nic.attributes.items())} too"
        )
        return NicReason(nic=nic.nic, reason=Reason.NO_MATCHING_DEVICE, detail=detail)
    if any(usable for _, usable in matching):
        return None
    return _all_owned(nic, nic.kind, matching)


def _all_owned(nic: NicDemand, kind: DeviceKind, matching: _Counted) -> NicReason:
    """Devices that fit are there, and none can be chosen: by whose owners?"""
    without_owner = sum(pool.free_count for pool, _ in matching)
    detail = f"{_label(nic)}: {wording.devices(_size(matching), kind)}, 0 free"
    reason = Reason.NO_FREE_DEVICE
    if without_owner and kind is DeviceKind.PF:
        reason = Reason.PF_IN_USE
        detail += f"; VFs of {without_owner} have owners"
    elif without_owner:
        reason = Reason.PF_GIVEN_AWAY
        detail += f"; the PF of {without_owner} was given away"
    return NicReason(nic=nic.nic, reason=reason, detail=detail, fitting=_size(matching), free=0)


def _together(nic: NicDemand, pools: _Counted, crowded: frozenset[NicClass]) -> NicReason:
    assert nic.kind is not None
    one = nic_class(nic)
    matching = _having([p for p in pools if p[0].profile.kind is nic.kind], list(one.ways))
    free = sum(usable for _, usable in matching)
    others = " and other NICs want them too" if len(crowded) > 1 else ", fewer than NICs like it"
    return NicReason(
        nic=nic.nic,
        reason=Reason.TOO_FEW_TOGETHER,
        detail=f"{_label(nic)}: {wording.devices(_size(matching), nic.kind)}, {free} free{others}",
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


def _having(pools: _Counted, ways: Sequence[Attributes]) -> _Counted:
    return [
        (pool, usable)
        for pool, usable in pools
        if any(way <= pool.profile.attributes for way in ways)
    ]


def _size(pools: _Counted) -> int:
    return sum(pool.offered_count for pool, _ in pools)


def _label(nic: NicDemand) -> str:
    return wording.ways(nic_class(nic).ways)
