"""What is left of a host once all is left out that makes no difference to a request."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.placement.builders import (
    a_fleet,
    a_host,
    a_nic,
    a_pf,
    a_request,
    a_whole_pf,
    vfs,
)
from trunkline.domain.ids import DeviceId
from trunkline.placement.asks.demand import make_demand
from trunkline.placement.asks.request import NicDemand
from trunkline.placement.hosts.fitting import Fitting
from trunkline.placement.index.fleet import Fleet, HostView
from trunkline.placement.reasons.stocks import FamilyStock, Stock, Wanted

RED, RARE = a_nic("red", "phy1"), a_nic("rare", "phy1", rack="a")


def wanted(*nics: NicDemand) -> Wanted:
    classes = make_demand(a_request(*nics)).device_classes
    return Wanted(classes, Fitting([one for one, _ in classes]))


def stocks(host: HostView | Fleet, *nics: NicDemand) -> tuple[FamilyStock, ...]:
    fleet = host if isinstance(host, Fleet) else a_fleet(host)
    [state] = fleet.hosts()
    return wanted(*nics).on(state)


@pytest.mark.parametrize(
    ("count", "owned", "nics", "free", "to_be_freed"),
    [
        (5, 0, 1, 1, 0),  # More than are wanted.
        (5, 1, 2, 2, 0),
        (5, 4, 2, 1, 1),  # No more are freed than are lacking.
        (5, 5, 2, 0, 2),
        (2, 1, 4, 1, 1),  # Fewer than are wanted.
    ],
)
def test_no_more_devices_count_than_are_of_use(
    count: int, owned: int, nics: int, free: int, to_be_freed: int
) -> None:
    named = [a_nic(f"n{number}", "phy1") for number in range(nics)]
    [found] = stocks(a_host("h", vfs("a", count, owned=owned)), *named)
    assert found == FamilyStock(parts=(Stock(fits=1, free=free, owned=to_be_freed),))


def test_a_device_counts_for_the_nics_that_it_fits() -> None:
    """Of two VFs that fit one NIC only, one is of use; of those that fit both, two."""
    host = a_host("h", vfs("a", 2), vfs("b", 3, rack="a"))
    of_pfs = [stock.parts[0] for stock in stocks(host, RED, RARE)]
    assert sorted((one.fits.bit_count(), one.free) for one in of_pfs) == [(1, 1), (2, 2)]


def test_what_nobody_wants_is_left_out() -> None:
    host = a_host("h", a_pf("a"), vfs("a", 3, "phy2", owned=1), vfs("b", 1))
    nothing, something = sorted(stocks(host, RED), key=lambda stock: stock.is_wanted)
    assert nothing == FamilyStock()
    assert something.parts == (Stock(fits=1, free=1, owned=0),)


def test_of_a_pf_that_is_wanted_whole_it_counts_who_has_vfs_that_nobody_wants() -> None:
    host = a_host("h", a_pf("a"), vfs("a", 3, "phy2", owned=2))
    assert stocks(host, a_whole_pf("n")) == (FamilyStock(whole=1, vfs_owned=2),)


def test_vfs_whose_pf_has_an_owner_are_shut_and_those_without_owners_are_told() -> None:
    host = a_host("h", a_pf("a", free=False), vfs("a", 3, owned=2))
    two = RED, replace(RED, nic="other")
    assert stocks(host, *two) == (FamilyStock(parts=(Stock(1, 1, 1),), is_shut=True),)


def test_a_pf_out_of_service_is_not_wanted() -> None:
    fleet = a_fleet(a_host("h", a_pf("a"), vfs("a", 2)))
    [host] = fleet.hosts()
    fleet.set_service(host.id, DeviceId("a"), "eth0 has no link")
    assert stocks(fleet, a_whole_pf("n")) == (FamilyStock(),)


def test_vfs_of_all_pfs_are_one_stock_unless_a_pf_is_wanted_or_has_an_owner() -> None:
    two = RED, replace(RED, nic="other")
    plain = stocks(a_host("h", vfs("a", 1), vfs("b", 1, owned=1)), *two)
    assert wanted(*two).pooled(plain) == (FamilyStock(parts=(Stock(1, 1, 1),)),)
    shut = stocks(a_host("h", a_pf("a", free=False), vfs("a", 1), vfs("b", 1)), *two)
    assert wanted(*two).pooled(shut) == shut
    whole = stocks(a_host("h", a_pf("a"), vfs("a", 1), vfs("b", 1)), RED, a_whole_pf("n"))
    assert wanted(RED, a_whole_pf("n")).pooled(whole) == whole
