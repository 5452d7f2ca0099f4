"""IOMMU groups: what a guest that has a function could reach besides.

The IOMMU can't part the functions of one group: who drives one of them reaches what the others
read and write. vfio refuses a group only while another member has a driver of the host, which says
nothing of who is to have that one next.
Source: Linux Documentation/driver-api/vfio.rst.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from trunkline.domain.device import DeviceKind, PciFunction
from trunkline.domain.pci import PciAddress

_NAMED_MAX: Final = 3  # A card without ACS has all its VFs in one group: hundreds.
GROUP_REMEDY: Final = (
    "put the card into a slot whose root port has ACS, or turn ACS on in the firmware setup"
)


def tell_unfit(functions: Mapping[PciAddress, PciFunction]) -> dict[PciAddress, PciFunction]:
    """Return the functions, with why those can't be a guest's that share their IOMMU group."""
    groups: dict[int, list[PciFunction]] = defaultdict(list)
    for address in sorted(functions):
        function = functions[address]
        # What is behind a bridge is told apart, or is in the group itself.
        if function.iommu_group is not None and not function.is_bridge:
            groups[function.iommu_group].append(function)
    told = dict(functions)
    for members in groups.values():
        if len(members) > 1:
            for each in members:
                told[each.address] = _with_reason(each, _others(each, members))
    return told


def without_remedy(unfit: str) -> str:
    """Return the reason alone, for who says elsewhere what to do."""
    return unfit.removesuffix(f"; {GROUP_REMEDY}")


def _others(function: PciFunction, members: Sequence[PciFunction]) -> list[PciFunction]:
    """Its VFs are no others to a PF: they are gone before it is given away whole."""
    return [
        each
        for each in members
        if each.address != function.address
        and (function.kind is not DeviceKind.PF or each.pf_address != function.address)
    ]


def _with_reason(function: PciFunction, others: Sequence[PciFunction]) -> PciFunction:
    if not others or function.is_bridge:
        return function
    named = [f"{each.address} ({each.driver or each.kind.value})" for each in others[:_NAMED_MAX]]
    if len(others) > _NAMED_MAX:
        named.append(f"{len(others) - _NAMED_MAX} more")
    reason = f"shares IOMMU group {function.iommu_group} with {', '.join(named)}; {GROUP_REMEDY}"
    return replace(function, unfit=reason)
