"""Who may not be a guest's because of what else is in its IOMMU group.

00:1c.0  a root port
05:00.0  a PF      05:10.0 .. 10.3  its VFs
05:00.1  the PF of the card's other socket
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from trunkline.domain.device import DeviceKind, PciFunction
from trunkline.domain.iommu_group import GROUP_REMEDY, tell_unfit, without_remedy
from trunkline.domain.pci import PciAddress

PORT = PciAddress.parse("0000:00:1c.0")
PF, OTHER_PF = PciAddress.parse("0000:05:00.0"), PciAddress.parse("0000:05:00.1")
VFS = tuple(PciAddress.parse(f"0000:05:10.{index}") for index in range(4))


def machine(groups: Mapping[PciAddress, int | None]) -> dict[PciAddress, PciFunction]:
    """Return them in these groups; those that are not named are each in one of their own."""
    every = [
        PciFunction(
            address=PORT, kind=DeviceKind.PLAIN, vendor_id="8086", product_id="a110",
            driver="pcieport", is_bridge=True,
        ),
        *(
            PciFunction(
                address=each, kind=DeviceKind.PF, vendor_id="8086", product_id="10c9", driver="igb"
            )
            for each in (PF, OTHER_PF)
        ),
        *(
            PciFunction(
                address=each, kind=DeviceKind.VF, vendor_id="8086", product_id="10ca",
                pf_address=PF, vf_index=index,
            )
            for index, each in enumerate(VFS)
        ),
    ]  # fmt: skip
    return {
        each.address: replace(each, iommu_group=groups.get(each.address, 100 + number))
        for number, each in enumerate(every)
    }


def unfit(groups: Mapping[PciAddress, int | None]) -> dict[PciAddress, str]:
    told = tell_unfit(machine(groups))
    return {address: each.unfit for address, each in told.items() if each.unfit}


@pytest.mark.parametrize(
    "groups",
    [
        {},
        {PORT: 7, PF: 7},
        {PORT: 7, VFS[0]: 7},
        dict.fromkeys((PF, OTHER_PF, *VFS)),  # No IOMMU: nothing is in any group.
    ],
)
def test_who_is_alone_in_its_group_but_for_bridges_may_be_a_guests(
    groups: dict[PciAddress, int | None],
) -> None:
    assert unfit(groups) == {}


def test_two_functions_of_a_card_in_one_group_are_refused_and_their_vfs_are_not() -> None:
    assert unfit({PF: 7, OTHER_PF: 7}) == {
        PF: f"shares IOMMU group 7 with {OTHER_PF} (igb); {GROUP_REMEDY}",
        OTHER_PF: f"shares IOMMU group 7 with {PF} (igb); {GROUP_REMEDY}",
    }


def test_vfs_in_one_group_are_refused_and_their_pf_is_not_as_it_has_none_when_it_is_given() -> None:
    told = unfit(dict.fromkeys((PORT, PF, *VFS), 7))
    assert set(told) == set(VFS)
    assert without_remedy(told[VFS[0]]) == (
        f"shares IOMMU group 7 with {PF} (igb), {VFS[1]} (vf), {VFS[2]} (vf), 1 more"
    )


def test_a_vf_is_no_other_to_its_own_pf_alone() -> None:
    told = unfit({OTHER_PF: 7, VFS[0]: 7})
    assert set(told) == {OTHER_PF, VFS[0]}
