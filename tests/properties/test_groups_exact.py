"""Server groups, zones and aggregates: what placement says is what trying all ways finds."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from tests.oracle.groups_oracle import (
    RawWish,
    is_in_soft_order,
    is_wanted,
    keeps_policy,
    may_join,
    most_members,
    random_place,
    random_wish,
    rooms,
)
from tests.oracle.placement_instances import competing_instance, random_host, random_instance
from tests.oracle.placement_oracle import RawHost, RawRequest, fitting_hosts
from tests.properties.groups_world import Places, moved, the_fleet, the_request
from tests.properties.placement_world import a_request
from trunkline.domain.ids import HostId
from trunkline.placement.asks.edits import EditKind
from trunkline.placement.asks.request import (
    HostRefusal,
    NotPlaced,
    Placed,
    PlacementRequest,
    Reason,
)
from trunkline.placement.batch import hold_batch
from trunkline.placement.index.fleet import Fleet
from trunkline.placement.place import candidates, place
from trunkline.placement.planning.capacity import Unlimited, capacity, rows_of
from trunkline.placement.reasons.explanation import explain

INSTANCES_PER_SEED = 100
ENOUGH = 7  # Servers of a batch, of which all ways to spread them are tried.

_GROUP_REASONS = {Reason.SERVER_GROUP_AFFINITY, Reason.SERVER_GROUP_ANTI_AFFINITY}


def an_instance(dice: Random) -> tuple[RawRequest, list[RawHost], Places, RawWish]:
    request, hosts = (competing_instance if dice.random() < 0.5 else random_instance)(dice)
    hosts += [random_host(dice, number) for number in range(len(hosts), dice.choice((2, 3, 4)))]
    if dice.random() < 0.8:  # Else it is mostly the hosts that refuse, whatever the wish.
        request |= {"excluded": [], "only": None}
        for host in hosts:
            host |= {"enabled": True, "up": True, "vcpus": 12, "memory": 12_000, "disk": 1_000}
    places = {host["id"]: random_place(dice) for host in hosts}
    return request, hosts, places, random_wish(dice, hosts)


@pytest.mark.parametrize("seed", range(6))
def test_a_server_goes_where_it_may_and_soft_policies_say_where_first(seed: int) -> None:
    dice = Random(seed)
    seen: Counter[bool] = Counter()
    for _ in range(INSTANCES_PER_SEED):
        raw, hosts, places, wish = an_instance(dice)
        group = wish["group"]
        expected = {
            host_id
            for host_id in fitting_hosts(raw, hosts)
            if is_wanted(wish, places[host_id]) and may_join(group, host_id)
        }
        request, fleet = the_request(raw, wish), the_fleet(hosts, places)
        found = [placed.host_id for placed in candidates(request, fleet)]
        assert sorted(found) == sorted(expected), (raw, wish)
        assert isinstance(place(request, fleet), Placed) == bool(expected)
        if group is not None and group["policy"].startswith("soft"):
            assert is_in_soft_order(group, found)
        seen[bool(expected)] += 1
    assert min(seen[True], seen[False]) > INSTANCES_PER_SEED // 10


@pytest.mark.parametrize("seed", range(6))
def test_as_many_members_are_placed_together_as_fit_in_any_way(seed: int) -> None:
    dice = Random(seed)
    counts: Counter[int] = Counter()
    for _ in range(INSTANCES_PER_SEED):
        raw, hosts, places, wish = an_instance(dice)
        wanted = dice.randint(1, ENOUGH)
        fleet = the_fleet(hosts, places)
        batch = hold_batch(the_request(raw, wish), wanted, fleet)
        most = most_members(raw, hosts, places, wish, wanted=wanted)
        assert len(batch.held) == most == batch.at_most, (raw, places, wish, wanted)
        held = Counter(str(each.placed.host_id) for each in batch.held)
        assert all(is_wanted(wish, places[host_id]) for host_id in held)
        group = wish["group"]
        if group is not None:
            members = Counter(group["members"]) + held
            assert keeps_policy(group, members, before=group["members"])
        room = rooms(raw, hosts, enough=wanted)
        assert all(count <= room[host_id] for host_id, count in held.items())
        counts[most] += 1
    assert len(counts) > 3


@pytest.mark.parametrize("seed", range(4))
def test_capacity_is_the_number_that_fit_in_any_way(seed: int) -> None:
    dice = Random(seed)
    for _ in range(INSTANCES_PER_SEED):
        raw, hosts, places, wish = an_instance(dice)
        try:
            found = capacity(the_request(raw, wish), rows_of(the_fleet(hosts, places).hosts()))
        except Unlimited:
            continue
        most = most_members(raw, hosts, places, wish, wanted=ENOUGH)
        assert min(found.least, ENOUGH) == min(found.most, ENOUGH) == most, (raw, places, wish)
        for host in found.hosts:
            alone = [each for each in hosts if each["id"] == host.id]
            here = most_members(raw, alone, places, wish, wanted=ENOUGH)
            assert min(host.least, ENOUGH) == here


def told_by_host(request: PlacementRequest, fleet: Fleet) -> dict[str, HostRefusal]:
    explanation = explain(request, fleet, nearest=len(fleet.host_ids()) or 1)
    assert explanation.is_proven
    counted = Counter(
        reason
        for told in explanation.nearest
        for reason in {*told.reasons, *(nic.reason for nic in told.nics)}
    )
    assert counted == explanation.counts, "columns and looks agree"
    return {str(told.host_id): told for told in explanation.nearest}


@pytest.mark.parametrize("seed", range(4))
def test_each_host_tells_what_stands_in_the_way_and_one_edit_for_each_of_it(seed: int) -> None:
    """What else it tells is what it tells of the same request without the wish."""
    dice = Random(seed)
    told_of: Counter[EditKind] = Counter()
    for _ in range(INSTANCES_PER_SEED):
        raw, hosts, places, wish = an_instance(dice)
        fleet = the_fleet(hosts, places)
        told = told_by_host(the_request(raw, wish), fleet)
        plain = told_by_host(a_request(raw), fleet)
        for host in hosts:
            said, host_id = places[host["id"]], host["id"]
            expected = []
            if wish["zone"] not in (None, said["zone"]):
                expected.append((Reason.NOT_IN_ZONE, EditKind.ASK_FOR_ZONE))
            if wish["ssd"] is not None and wish["ssd"] not in said["ssd"]:
                expected.append((Reason.AGGREGATE_METADATA, EditKind.JOIN_AGGREGATE))
            if not may_join(wish["group"], host_id):
                affinity = wish["group"] is not None and wish["group"]["policy"] == "affinity"
                reason = (
                    Reason.SERVER_GROUP_AFFINITY if affinity else Reason.SERVER_GROUP_ANTI_AFFINITY
                )
                expected.append((reason, EditKind.LEAVE_GROUP))
            one, other = told.get(host_id), plain.get(host_id)
            reasons = set() if other is None else set(other.reasons)
            kinds = Counter[EditKind]() if other is None else kinds_of(other)
            if one is None:
                assert not expected
                assert other is None
                continue
            assert set(one.reasons) == reasons | {reason for reason, _ in expected}
            assert kinds_of(one) == kinds + Counter(kind for _, kind in expected)
            told_of.update(kind for _, kind in expected)
    assert len(told_of) == 3, "every edit was met"


def kinds_of(refusal: HostRefusal) -> Counter[EditKind]:
    kinds: Counter[EditKind] = Counter()
    for edit in refusal.edits:
        kinds[edit.kind] += edit.count
    return kinds


def test_a_host_that_is_put_anew_is_where_it_is_by_then() -> None:
    """Columns follow hosts one by one."""
    dice = Random(11)
    for _ in range(40):
        raw, hosts, places, wish = an_instance(dice)
        fleet = the_fleet(hosts, places)
        fleet.columns()
        for _ in range(4):
            changed = dice.choice(hosts)["id"]
            places[changed] = random_place(dice)
            fleet.put_host(moved(fleet.view(HostId(changed)), places[changed]))
            answer = place(the_request(raw, wish), fleet)
            fresh = place(the_request(raw, wish), the_fleet(hosts, places))
            assert isinstance(answer, NotPlaced) == isinstance(fresh, NotPlaced)
            if isinstance(answer, Placed):
                assert isinstance(fresh, Placed)
                assert answer.host_id == fresh.host_id
