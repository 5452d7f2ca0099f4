"""What is said of all hosts at once is what a look at each of them says."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from tests.oracle.groups_oracle import random_place, random_wish
from tests.oracle.placement_instances import random_host, random_instance, random_request
from tests.oracle.placement_oracle import RawHost, RawRequest
from tests.oracle.places_instances import placed_host, ruled_request
from tests.properties.groups_world import moved, the_fleet, the_request
from tests.properties.placement_world import a_fleet, a_host, a_request
from trunkline.domain.device import DeviceRef
from trunkline.domain.ids import HostId, HostName
from trunkline.placement.asks.edits import size_of_edits
from trunkline.placement.asks.request import HostRefusal, Page, PlacementRequest, Reason
from trunkline.placement.index.fleet import Fleet
from trunkline.placement.planning.capacity import capacity, rows_of
from trunkline.placement.reasons.explanation import explain
from trunkline.placement.reasons.judge import Judge

# Only requests with a wish have these.
OF_WISHES = {
    Reason.NOT_IN_ZONE, Reason.AGGREGATE_METADATA,
    Reason.SERVER_GROUP_AFFINITY, Reason.SERVER_GROUP_ANTI_AFFINITY,
}  # fmt: skip

# What capacity does not tell apart: it counts what is free, whoever has the rest.
AS_CAPACITY_SAYS = {
    Reason.PF_IN_USE: Reason.NO_FREE_DEVICE,
    Reason.PF_GIVEN_AWAY: Reason.NO_FREE_DEVICE,
    Reason.AFFINITY: Reason.TOO_FEW_TOGETHER,
    Reason.ANTI_AFFINITY: Reason.TOO_FEW_TOGETHER,
    Reason.NUMA: Reason.TOO_FEW_TOGETHER,
    Reason.BANDWIDTH: Reason.TOO_FEW_TOGETHER,
}


def refusals_one_by_one(request: PlacementRequest, fleet: Fleet) -> list[HostRefusal]:
    judge = Judge(request, fleet.columns())
    hosts = sorted(fleet.hosts(), key=lambda host: (host.name, host.id))
    found = (judge.refusal(host) for host in hosts)
    return [refusal for refusal in found if refusal is not None]


def reasons_of(refusal: HostRefusal) -> set[Reason]:
    return {*refusal.reasons, *(one.reason for one in refusal.nics)}


def check(request: PlacementRequest, fleet: Fleet, dice: Random) -> set[Reason]:
    request = replace(request, even_disabled=dice.random() < 0.3)
    slow = refusals_one_by_one(request, fleet)
    by_size = sorted(slow, key=lambda one: (size_of_edits(one.edits), one.host_name, one.host_id))
    wanted, limit = dice.choice((1, 3, 50)), dice.choice((1, 4, 50))
    after = dice.choice((None, HostName("h"), HostName(f"h{dice.randrange(20)}"), HostName("z")))

    told = explain(request, fleet, nearest=wanted, page=Page(limit=limit, after=after))

    assert told.host_count == len(slow)
    assert told.counts == Counter(reason for one in slow for reason in reasons_of(one))
    assert list(told.nearest) == by_size[:wanted]
    asked_for = [one for one in slow if one.host_name == request.only_host]
    assert told.asked_for == (asked_for[0] if asked_for else None)
    later = [one for one in slow if after is None or one.host_name > after]
    assert list(told.page) == later[:limit]
    assert told.next_after == (later[limit - 1].host_name if len(later) > limit else None)
    if len(slow) == len(list(fleet.hosts())):
        assert told.smallest_change == by_size[0].change
    else:
        assert told.smallest_change == ""

    left_out = [one.host_id for one in slow if dice.random() < 0.5]
    others = [one for one in by_size if one.host_id not in left_out]
    told_of_others = explain(request, fleet, left_out=left_out)
    assert told_of_others.counts == Counter(reason for one in others for reason in reasons_of(one))
    assert list(told_of_others.nearest) == others[:20]
    return set(told.counts)


def a_fleet_of(dice: Random, hosts: list[RawHost]) -> Fleet:
    """A fleet whose columns were there before it came to be as it is."""
    fleet = a_fleet(hosts)
    explain(a_request(random_request(dice)), fleet)
    for _ in range(dice.randrange(12)):
        raw = dice.choice(hosts)
        host_id = HostId(raw["id"])
        match dice.choice(("own", "own", "own", "put", "status", "size", "service", "service")):
            case "own" if raw["devices"]:
                for pool in fleet.view(host_id).pools:
                    if dice.random() < 0.5 and pool.offered & ~pool.taken:
                        bit = (pool.offered & ~pool.taken).bit_length() - 1
                        alone = pool.kind.value != "vf"
                        device = DeviceRef(pool.kin_id) if alone else DeviceRef(pool.kin_id, bit)
                        fleet.take_device(host_id, device)
                        if dice.random() < 0.3:
                            fleet.free_device(host_id, device)
            case "put":
                anew = random_host(dice, hosts.index(raw))
                fleet.put_host(a_host(anew))
            case "status":
                problem = dice.choice(("", "no IOMMU"))
                up = not problem and dice.random() < 0.5
                fleet.set_status(host_id, enabled=dice.random() < 0.5, up=up, problem=problem)
            case "service":
                for pool in fleet.view(host_id).pools:
                    problem = dice.choice(("", "eth0 has no link", "eth1 has no driver"))
                    fleet.set_service(host_id, pool.kin_id, problem)
            case "size":
                fleet.adjust(host_id, vcpus=dice.choice((-9, 2)), disk_gib=dice.choice((-80, 3)))
    return fleet


@pytest.mark.parametrize("seed", range(4))
def test_columns_say_of_all_hosts_what_a_look_at_each_says(seed: int) -> None:
    dice = Random(seed)
    met: set[Reason] = set()
    for _ in range(150):
        hosts = [random_host(dice, number) for number in range(dice.choice((1, 4, 16)))]
        fleet = a_fleet_of(dice, hosts)
        for _ in range(3):
            request: RawRequest = random_request(dice)
            met |= check(a_request(request), fleet, dice)
    unruled = set(Reason) - {
        Reason.AFFINITY, Reason.ANTI_AFFINITY, Reason.NUMA, Reason.BANDWIDTH, *OF_WISHES
    }  # fmt: skip
    assert met == unruled, "too little was drawn to mean anything"


@pytest.mark.parametrize("seed", range(2))
def test_columns_and_looks_agree_where_whole_pfs_and_vfs_contend(seed: int) -> None:
    dice = Random(seed)
    for _ in range(150):
        request, hosts = random_instance(dice)
        others = [random_host(dice, number + 9) for number in range(3)]
        check(a_request(request), a_fleet([*hosts, *others]), dice)


@pytest.mark.parametrize("seed", range(3))
def test_columns_and_looks_agree_under_rules(seed: int) -> None:
    dice = Random(seed)
    met: set[Reason] = set()
    for _ in range(60):
        fleet = a_fleet([placed_host(dice, number) for number in range(dice.choice((1, 6)))])
        for _ in range(3):
            met |= check(a_request(ruled_request(dice)), fleet, dice)
    assert met >= {Reason.AFFINITY, Reason.ANTI_AFFINITY, Reason.NUMA}


@pytest.mark.parametrize("seed", range(3))
def test_columns_and_looks_agree_on_zones_aggregates_and_groups(seed: int) -> None:
    dice = Random(seed)
    met: set[Reason] = set()
    for _ in range(60):
        a_raw_host, a_raw_request = dice.choice(
            ((random_host, random_request), (placed_host, ruled_request))
        )
        hosts = [a_raw_host(dice, number) for number in range(dice.choice((2, 5, 12)))]
        places = {host["id"]: random_place(dice) for host in hosts}
        fleet = the_fleet(hosts[1:], places)  # Members may be on a host that is gone.
        fleet.columns()
        for host_id in dice.sample(sorted(fleet.host_ids()), dice.randrange(2)):
            fleet.put_host(moved(fleet.view(host_id), random_place(dice)))
        for _ in range(3):
            request = the_request(a_raw_request(dice), random_wish(dice, hosts))
            met |= check(request, fleet, dice)
    assert met >= OF_WISHES


@pytest.mark.parametrize("seed", range(3))
def test_what_keeps_hosts_from_taking_a_server_limits_their_capacity(seed: int) -> None:
    dice = Random(seed)
    met: set[Reason] = set()
    for _ in range(100):
        hosts = [random_host(dice, number) for number in range(8)]
        places = {host["id"]: random_place(dice) for host in hosts}
        fleet = a_fleet_of(dice, hosts)
        for host_id in fleet.host_ids():
            fleet.put_host(moved(fleet.view(host_id), places[host_id]))
        raw = dice.choice((random_request, ruled_request))(dice)
        raw |= {"only": None}
        request = the_request(raw, random_wish(dice, hosts))
        request = replace(request, even_disabled=dice.random() < 0.3)
        told = {one.host_id: reasons_of(one) for one in refusals_one_by_one(request, fleet)}
        for host in capacity(request, rows_of(fleet.hosts())).hosts:
            assert (host.most == 0) == (host.id in told)
            if host.most == 0:
                assert host.limit in {AS_CAPACITY_SAYS.get(one, one) for one in told[host.id]}
                met.add(host.limit)
    assert met >= {*OF_WISHES, Reason.STUCK, Reason.OUT_OF_SERVICE, Reason.TOO_FEW_TOGETHER}
