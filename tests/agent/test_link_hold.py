"""A PF out of service is told of at once; one that is back, once it stays."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.world import IGB, START, World
from trunkline.agent.limits import Limits
from trunkline.agent.link_hold import MET_ERROR, LinkHold
from trunkline.domain.device import DeviceKind, OfferedDevice, PciFunction, service_problem
from trunkline.domain.pci import PciAddress

SETTLE = timedelta(seconds=10)
PF = PciFunction(
    address=PciAddress.parse("0000:05:00.0"),
    kind=DeviceKind.PF,
    vendor_id="8086",
    product_id="10c9",
    driver="igb",
    ifname="eth2",
)


def seen(hold: LinkHold, seconds: float, *, link_up: bool) -> bool:
    """Whether the link is told to be up, when it is seen so."""
    inventory = (OfferedDevice(function=replace(PF, link_up=link_up)),)
    (told,) = hold.told(inventory, START + timedelta(seconds=seconds))
    return told.function.link_up


def test_a_link_that_is_lost_is_told_at_once_and_one_that_is_back_after_a_while() -> None:
    hold = LinkHold(SETTLE)
    assert seen(hold, 0, link_up=True), "a new run takes what it finds"
    assert not seen(hold, 1, link_up=False)
    assert not seen(hold, 2, link_up=True)
    assert list(hold.dues()) == [START + timedelta(seconds=12)]
    assert not seen(hold, 11.9, link_up=True)
    assert seen(hold, 12, link_up=True)
    assert list(hold.dues()) == []


def test_a_link_that_goes_again_meanwhile_begins_anew() -> None:
    hold = LinkHold(SETTLE)
    seen(hold, 0, link_up=False)
    seen(hold, 1, link_up=True)
    assert not seen(hold, 8, link_up=False)
    assert not seen(hold, 9, link_up=True)
    assert not seen(hold, 18, link_up=True)
    assert seen(hold, 19, link_up=True)


def test_a_pf_that_is_taken_out_meanwhile_is_forgotten() -> None:
    hold = LinkHold(SETTLE)
    seen(hold, 0, link_up=False)
    seen(hold, 1, link_up=True)
    hold.told((), START + timedelta(seconds=2))
    assert list(hold.dues()) == [], "nobody waits for it"
    assert seen(hold, 3, link_up=True)


@pytest.mark.parametrize(
    "gone", [{"link_up": False}, {"fault": "its firmware is stuck"}, {"driver": None}]
)
def test_what_was_wrong_is_told_on_in_the_same_words(gone: dict[str, object]) -> None:
    hold = LinkHold(SETTLE)
    broken = replace(PF, **gone)  # type: ignore[arg-type]  # one field of it, of its type
    (first,) = hold.told((OfferedDevice(function=broken),), START)
    (later,) = hold.told((OfferedDevice(function=PF),), START + timedelta(seconds=5))
    assert service_problem(later.function) == service_problem(first.function) != ""


def errors(
    hold: LinkHold, seconds: float, count: int | None, **facts: object
) -> tuple[str, int | None]:
    """Why a PF is told to be out of service, and of how many errors is told."""
    pf = replace(PF, uncorrectable_errors=count, **facts)  # type: ignore[arg-type]  # of its type
    (told,) = hold.told((OfferedDevice(function=pf),), START + timedelta(seconds=seconds))
    return told.function.fault, told.function.uncorrectable_errors


def test_an_error_takes_a_pf_out_though_it_has_recovered_by_now() -> None:
    hold = LinkHold(SETTLE)
    assert errors(hold, 0, 3) == ("", 3), "a new run takes what it finds"
    assert errors(hold, 1, 4) == (MET_ERROR, 4)
    assert errors(hold, 5, 4) == (MET_ERROR, 4)
    assert list(hold.dues()) == [START + timedelta(seconds=11)]
    assert errors(hold, 11, 4) == ("", 4)


def test_errors_that_go_on_are_told_once_it_is_over() -> None:
    hold = LinkHold(SETTLE)
    errors(hold, 0, 0)
    for second in range(1, 60):
        assert errors(hold, second, second) == (MET_ERROR, 1)
    assert errors(hold, 68, 59) == (MET_ERROR, 1)
    assert errors(hold, 69, 59) == ("", 59)


def test_what_is_wrong_by_its_own_words_is_told_rather_than_that_it_met_an_error() -> None:
    hold = LinkHold(SETTLE)
    errors(hold, 0, 0)
    assert errors(hold, 1, 1, fault="it recovers") == ("it recovers", 1)
    assert errors(hold, 2, 2, fault="it has not recovered") == ("it has not recovered", 1)
    assert errors(hold, 3, 2) == ("it has not recovered", 1)
    assert errors(hold, 13, 2) == ("", 2)


@pytest.mark.parametrize("count", [0, None])
def test_a_count_that_begins_anew_is_no_error(count: int | None) -> None:
    hold = LinkHold(SETTLE)
    errors(hold, 0, 3)
    assert errors(hold, 1, count) == ("", count)
    assert errors(hold, 2, count) == ("", count)


@given(st.lists(st.tuples(st.floats(0.1, 30), st.booleans()), max_size=60))
def test_however_a_link_flaps_it_is_told_to_be_back_once_in_ten_seconds_at_most(
    looks: list[tuple[float, bool]],
) -> None:
    hold, now, told, backs = LinkHold(SETTLE), 0.0, True, []
    for seconds, link_up in looks:
        now += seconds
        before, told = told, seen(hold, now, link_up=link_up)
        assert link_up or not told, "nothing that is gone is told to be there"
        if told and not before:
            backs.append(now)
    assert all(later - earlier >= 10 for earlier, later in itertools.pairwise(backs))


def test_an_agent_tells_of_a_cable_that_is_pulled_and_of_one_plugged_in_that_holds(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, limits=Limits(link_settle=SETTLE))
    agent = world.an_agent()
    world.control.want()
    world.settle(agent)

    def told() -> list[bool]:
        return [
            device.function.link_up
            for report in world.control.reports
            for device in report.inventory or ()
            if device.function.address == IGB
        ]

    world.machine.kernel.set_carrier(IGB, up=False)
    world.run(agent, seconds=2)
    assert told() == [True, False]
    world.machine.kernel.set_carrier(IGB, up=True)
    world.run(agent, seconds=5)
    assert told() == [True, False], "it was seen a moment ago"
    world.run(agent, seconds=10)
    assert told() == [True, False, True]
    assert world.writes() == []


def test_an_agent_tells_of_an_error_that_its_pf_has_recovered_from(tmp_path: Path) -> None:
    world = World(tmp_path, limits=Limits(link_settle=SETTLE))
    agent = world.an_agent()
    world.control.want()
    world.settle(agent)
    world.machine.kernel.meet_error(IGB)
    world.run(agent, seconds=15)
    told = [
        (device.function.fault, device.function.uncorrectable_errors)
        for report in world.control.reports
        for device in report.inventory or ()
        if device.function.address == IGB
    ]
    assert told == [("", 0), (MET_ERROR, 1), ("", 1)]
    assert world.writes() == []
