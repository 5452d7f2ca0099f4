"""How many more servers fit on each host of a fleet, against an oracle; and by placing them."""

from __future__ import annotations

from random import Random

import pytest

from tests.oracle.capacity_oracle import mix_fits, most_servers
from tests.oracle.placement_instances import random_host, random_instance
from tests.oracle.placement_oracle import RawHost, RawRequest
from tests.properties.placement_world import a_fleet, a_request
from trunkline.placement.asks.request import NotPlaced, Placed, PlacementRequest
from trunkline.placement.index.fleet import Fleet
from trunkline.placement.place import place
from trunkline.placement.planning.capacity import Capacity, Unlimited, capacity, rows_of
from trunkline.placement.planning.mix import Part, mixes

ENOUGH = 8  # Servers on one host that instances have vCPUs for.


def roomy_instance(dice: Random) -> tuple[RawRequest, list[RawHost]]:
    """Few NICs, and VFs for several servers."""
    request, hosts = random_instance(dice)
    request |= {"nics": request["nics"][: dice.choice((1, 2, 2, 3))], "vcpus": 1, "memory": 512}
    return request, [with_room(dice, host) for host in hosts]


def with_room(dice: Random, host: RawHost) -> RawHost:
    """Some more VFs, all free, where there are VFs."""
    host["devices"] += [
        {**vf, "id": f"{vf['pf']}-vf{index}", "vf_index": index, "free": True}
        for vf in host["devices"]
        if vf["vf_index"] == 0
        for index in range(8, 8 + dice.randrange(5))
    ]
    return host


def counted(request: PlacementRequest, fleet: Fleet) -> Capacity:
    return capacity(request, rows_of(fleet.hosts()))


@pytest.mark.parametrize("seed", range(10))
def test_every_host_has_the_count_of_the_oracle(seed: int) -> None:
    dice = Random(seed)
    several = 0
    for _ in range(20):
        raw_request, raw_hosts = roomy_instance(dice)
        found = counted(a_request(raw_request), a_fleet(raw_hosts))
        raw_hosts = [raw for raw in raw_hosts if raw_request["only"] in (None, raw["name"])]
        for raw, host in zip(sorted(raw_hosts, key=lambda h: h["name"]), found.hosts, strict=True):
            most = most_servers(raw_request, raw, enough=ENOUGH)
            assert (host.name, host.least, host.most) == (raw["name"], most, most), (
                raw_request, raw,
            )  # fmt: skip
            several += most > 1
        assert found.least == found.most == sum(host.least for host in found.hosts)
        assert sum(found.limits.values()) == len(raw_hosts)
    assert several > 1


@pytest.mark.parametrize("seed", range(10))
def test_one_nic_servers_are_placed_so_often_and_no_more(seed: int) -> None:
    """With one NIC no choice is worse than another, so placing one by one finds them all."""
    dice = Random(seed)
    for _ in range(20):
        raw_request, _ = random_instance(dice)
        raw_request["nics"] = raw_request["nics"][:1]
        request = a_request(raw_request)
        fleet = a_fleet([random_host(dice, number) for number in range(3)])
        found = counted(request, fleet)
        for _ in range(found.least):
            placed = place(request, fleet)
            assert isinstance(placed, Placed)
            fleet.hold(placed, request)
        assert isinstance(place(request, fleet), NotPlaced)
        left = counted(request, fleet)
        assert left.most == 0


def test_a_shape_that_nothing_limits_is_told() -> None:
    with pytest.raises(Unlimited):
        counted(PlacementRequest(nics=(), vcpus=0), Fleet())


def test_as_many_mixes_fit_as_the_lower_bound_says_and_no_more_than_the_upper() -> None:
    dice = Random(1)
    several = 0
    for _ in range(60):
        hosts = [with_room(dice, random_host(dice, number)) for number in range(2)]
        raw = [roomy_instance(dice)[0] for _ in range(2)]
        for request in raw:
            request |= {"only": None, "excluded": []}
            request["nics"] = [nic for nic in request["nics"] if nic["kind"] is not None][:1]
        shares = [dice.choice((1, 2)) for _ in raw]
        fleet = a_fleet(hosts)
        pairs = list(zip(raw, shares, strict=True))
        parts = [Part(a_request(request), share) for request, share in pairs]
        count = mixes(parts, rows_of(fleet.hosts()))
        one = [request for request, share in pairs for _ in range(share)]
        assert mix_fits(one * count.least, hosts)
        assert not mix_fits(one * (count.most + 1), hosts)
        several += count.least > 0
    assert several > 5
