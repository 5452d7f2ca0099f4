"""What must not matter to placement: orders, names, and the way a fleet came to be what it is."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from itertools import cycle, islice
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.oracle.placement_instances import NETWORKS, random_host, random_instance, random_request
from tests.oracle.placement_oracle import RawHost, RawNic, RawRequest
from tests.oracle.places_instances import placed_host, ruled_request
from tests.properties.placement_world import a_fleet, a_host, a_request, devices_of
from trunkline.domain.bandwidth import Bandwidth, Guarantee
from trunkline.domain.device import DeviceRef
from trunkline.domain.device_pool import PoolMember, pools_of
from trunkline.domain.ids import DeviceId, PhysicalNetwork
from trunkline.placement.asks.demand import make_demand
from trunkline.placement.asks.request import Placed, PlacementRequest
from trunkline.placement.hosts import bits
from trunkline.placement.hosts.feasibility import wasted_tags
from trunkline.placement.hosts.views import NumaRoom
from trunkline.placement.index import columns
from trunkline.placement.index.fleet import Fleet, Hold, HostView
from trunkline.placement.place import candidates, find_placement
from trunkline.placement.reasons.explanation import explain


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_nics_hosts_and_devices_never_changes_what_fits_where(seed: int) -> None:
    dice = Random(seed)
    for _ in range(250):
        request, hosts = random_instance(dice)
        before = list(candidates(a_request(request), a_fleet(hosts)))
        shuffled, moved = deepcopy(request), deepcopy(hosts)
        dice.shuffle(shuffled["nics"])
        dice.shuffle(moved)
        for host in moved:
            dice.shuffle(host["devices"])
        after = list(candidates(a_request(shuffled), a_fleet(moved)))
        assert [placed.host_id for placed in after] == [placed.host_id for placed in before]
        assert [devices_in(placed) for placed in after] == [devices_in(placed) for placed in before]


def devices_in(placed: Placed) -> set[DeviceRef | None]:
    return {choice.device for choice in placed.choices}


@pytest.mark.parametrize("seed", range(4))
def test_renaming_hosts_changes_nothing_but_ties(seed: int) -> None:
    dice = Random(seed)
    for _ in range(150):
        request, hosts = random_instance(dice)
        request["only"] = None
        renamed = deepcopy(hosts)
        for host, name in zip(renamed, dice.sample("abcdef", len(hosts)), strict=True):
            host["name"] = name
        fleet, other = a_fleet(hosts), a_fleet(renamed)
        asked = a_request(request)
        before, after = list(candidates(asked, fleet)), list(candidates(asked, other))
        assert sorted(map(repr, after)) == sorted(map(repr, before))
        merits = [merit(fleet, request, placed) for placed in before]
        assert [merit(other, request, placed) for placed in after] == merits == sorted(merits)


def merit(fleet: Fleet, request: RawRequest, placed: Placed) -> tuple[object, ...]:
    """What ranks a host, worked out from the host alone; the less, the better."""
    host = fleet.find_host(placed.host_id)
    assert host is not None
    demand = make_demand(a_request(request))
    wasted = fitting = 0
    for one, count in demand.device_classes:
        costs = sorted(
            cost
            for slot, usable in zip(host.structure.slots, host.usable, strict=True)
            if (cost := wasted_tags(one, slot.profile)) is not None
            for _ in range(usable)
        )
        wasted += count * costs[count - 1]
        fitting += len(costs)
    spoils = not demand.device_classes and host.structure.has_devices
    return wasted, spoils, -fitting, -host.free_memory_mib


@pytest.mark.parametrize("key", ["replica-1", "replica-2", "ß"])
def test_a_spread_key_permutes_hosts_of_equal_rank_and_nothing_else(key: str) -> None:
    dice = Random(3)
    for _ in range(100):
        request, _ = random_instance(dice)
        hosts = [random_host(dice, number) for number in range(2)]
        hosts += [{**hosts[n % 2], "id": f"twin{n}", "name": f"twin{n}"} for n in range(4)]
        fleet, asked = a_fleet(hosts), a_request(request)
        plain = list(candidates(asked, fleet))
        spread = list(candidates(asked, fleet, spread_key=key))
        assert sorted(map(repr, spread)) == sorted(map(repr, plain))
        if request["only"] is None:
            merits = [merit(fleet, request, placed) for placed in plain]
            assert [merit(fleet, request, placed) for placed in spread] == merits
        assert find_placement(asked, fleet, spread_key=key) == (spread[0] if spread else None)


def test_replicas_with_keys_of_their_own_begin_at_different_hosts() -> None:
    host = random_host(Random(1), 0) | {"enabled": True, "up": True}
    request = random_request(Random(1))
    request |= {"nics": [], "excluded": [], "only": None, "vcpus": 1, "memory": 1, "disk": 1}
    twins: list[RawHost] = [{**host, "id": f"i{n:02}", "name": f"h{n:02}"} for n in range(20)]
    fleet = a_fleet(twins)
    firsts = set()
    for replica in range(20):
        placed = find_placement(a_request(request), fleet, spread_key=f"replica {replica}")
        assert placed is not None
        firsts.add(placed.host_id)
    assert len(firsts) > 5


def a_request_of_no_size(*kinds: str | None) -> RawRequest:
    """One that asks for NICs and no room: what a host owes must stop it all the same."""
    request = random_request(Random(1))
    nics: list[RawNic] = [
        {
            "name": f"nic {n}",
            "kind": kind,
            "options": [
                {
                    "segment": "segment",
                    "attributes": {"e.physical_network": NETWORKS[n]},
                    "bridge": NETWORKS[n],
                }
            ],
            "attributes": {},
        }
        for n, kind in enumerate(kinds)
    ]
    return {
        **request,
        "nics": nics,
        "vcpus": 0,
        "memory": 0,
        "disk": 0,
        "excluded": [],
        "only": None,
    }


def random_bandwidth(dice: Random, host: RawHost) -> dict[DeviceId, Bandwidth]:
    """Of some PFs of some hosts, in some directions."""
    if dice.random() < 0.3:
        return {}
    found = {
        DeviceId(device["id"]): Bandwidth(
            egress_mbps=dice.choice([None, 0, 5, 12]), ingress_mbps=dice.choice([None, 4, 12])
        )
        for device in host["devices"]
        if device["kind"] == "pf" and dice.random() < 0.7
    }
    return {pf: bandwidth for pf, bandwidth in found.items() if bandwidth.is_accounted}


def with_guarantees(dice: Random, request: PlacementRequest) -> PlacementRequest:
    nics = (
        replace(nic, egress_mbps=dice.choice([0, 0, 2, 5]), ingress_mbps=dice.choice([0, 0, 0, 3]))
        if nic.kind is not None
        else nic
        for nic in request.nics
    )
    return replace(request, nics=tuple(nics))


ASKED = [
    *(a_request(a_request_of_no_size(*kinds)) for kinds in ((), (None,), ("vf",), ("vf", None))),
    *(a_request(random_request(Random(seed))) for seed in range(8)),
    *(with_guarantees(Random(seed), a_request(random_request(Random(seed)))) for seed in range(4)),
    *(a_request(ruled_request(Random(seed))) for seed in range(8)),
]


amounts = st.integers(-9, 9)
nodes = st.integers(0, 2)


def with_more(
    rooms: tuple[NumaRoom, ...], number: int | None, vcpus: int, memory_mib: int
) -> tuple[NumaRoom, ...]:
    """What nodes have left after one of them was given more, if the host has it."""
    left = {room.number: (room.free_vcpus, room.free_memory_mib) for room in rooms}
    if number in left:
        left[number] = left[number][0] + vcpus, left[number][1] + memory_mib
    return tuple(
        replace(room, free_vcpus=left[room.number][0], free_memory_mib=left[room.number][1])
        for room in rooms
    )


class FleetDeltas(RuleBasedStateMachine):
    """A fleet led through random deltas, beside plain sets that say what must be true."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = pytest.MonkeyPatch()  # What is kept is forgotten all the time.
        self.limits.setattr(columns, "CLASSES_KEPT_MAX", 3)
        self.limits.setattr(bits, "LEAST_KEPT_MAX", 2)
        self.turns = cycle(ASKED)
        self.fleet = Fleet()
        self.model: dict[str, HostView] = {}  # What the store would say, holds left out.
        self.devices: dict[str, tuple[PoolMember, ...]] = {}
        self.holds: list[tuple[Hold, int]] = []  # With how often its host had been put.
        self.puts: dict[str, int] = {}

    def teardown(self) -> None:
        self.limits.undo()

    @rule(seed=st.integers(0, 10_000), number=st.integers(0, 2))
    def put(self, seed: int, number: int) -> None:
        dice = Random(seed)
        raw = (placed_host if seed % 2 else random_host)(dice, number)
        view = replace(a_host(raw), bandwidth_left=random_bandwidth(dice, raw))
        self.devices[view.id] = devices_of(raw)
        self.fleet.put_host(view)
        self.model[view.id] = view
        self.puts[view.id] = self.puts.get(view.id, 0) + 1

    @rule(number=st.integers(0, 2))
    def remove(self, number: int) -> None:
        for host_id in [host_id for host_id in self.model if host_id == f"id-h{number}"]:
            self.fleet.remove_host(self.model.pop(host_id).id)
            self.puts[host_id] += 1

    @rule(seed=st.integers(0, 10_000))
    def place_and_hold(self, seed: int) -> None:
        dice = Random(seed)
        asked = a_request((ruled_request if seed % 2 else random_request)(dice))
        request = with_guarantees(dice, asked)
        placed = find_placement(request, self.fleet)
        if placed is not None:
            hold = self.fleet.hold(placed, request)
            self.holds.append((hold, self.puts[placed.host_id]))

    @precondition(lambda self: self.holds)
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        hold, _ = self.holds.pop(data.draw(st.integers(0, len(self.holds) - 1)))
        self.fleet.undo(hold)

    @precondition(lambda self: any(self.devices[host_id] for host_id in self.model))
    @rule(data=st.data(), take=st.booleans())
    def move_device(self, data: st.DataObject, take: bool) -> None:
        view = data.draw(
            st.sampled_from(sorted((v for v in self.model.values() if self.devices[v.id]), key=str))
        )
        device = data.draw(st.sampled_from(self.devices[view.id]))
        if not take and self.held(device.ref):
            return  # The store frees nothing that nobody has had.
        (self.fleet.take_device if take else self.fleet.free_device)(view.id, device.ref)
        self.devices[view.id] = tuple(
            replace(each, taken=take) if each.ref == device.ref else each
            for each in self.devices[view.id]
        )

    @precondition(lambda self: any(self.devices[host_id] for host_id in self.model))
    @rule(data=st.data(), problem=st.sampled_from(("", "eth0 has no link")))
    def set_service(self, data: st.DataObject, problem: str) -> None:
        having = sorted(host_id for host_id in self.model if self.devices[host_id])
        view = self.model[data.draw(st.sampled_from(having))]
        kin_id = data.draw(st.sampled_from(self.devices[view.id])).ref.kin_id
        self.fleet.set_service(view.id, kin_id, problem)
        self.devices[view.id] = tuple(
            replace(each, problem=problem) if each.ref.kin_id == kin_id else each
            for each in self.devices[view.id]
        )

    @precondition(lambda self: self.model)
    @rule(data=st.data(), enabled=st.booleans(), up=st.booleans())
    def set_status(self, data: st.DataObject, enabled: bool, up: bool) -> None:
        view = self.any_host(data)
        self.fleet.set_status(view.id, enabled=enabled, up=up)
        self.model[view.id] = replace(view, enabled=enabled, up=up)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), vcpus=amounts, memory=amounts, disk=amounts, node=st.none() | nodes)
    def adjust(
        self, data: st.DataObject, vcpus: int, memory: int, disk: int, node: int | None
    ) -> None:
        view = self.any_host(data)
        memory_mib, disk_gib = memory * 512, disk * 5
        self.fleet.adjust(
            view.id, vcpus=vcpus, memory_mib=memory_mib, disk_gib=disk_gib, numa_node=node
        )
        self.model[view.id] = replace(
            view,
            free_vcpus=view.free_vcpus + vcpus,
            free_memory_mib=view.free_memory_mib + memory_mib,
            free_disk_gib=view.free_disk_gib + disk_gib,
            numa=with_more(view.numa, node, vcpus, memory_mib),
        )

    @precondition(lambda self: any(view.bandwidth_left for view in self.model.values()))
    @rule(data=st.data(), egress=amounts, ingress=amounts)
    def owe(self, data: st.DataObject, egress: int, ingress: int) -> None:
        accounted = sorted(each for each in self.model if self.model[each].bandwidth_left)
        view = self.model[data.draw(st.sampled_from(accounted))]
        kin_id = data.draw(st.sampled_from(sorted(view.bandwidth_left)))
        guarantee = Guarantee(egress_mbps=egress, ingress_mbps=ingress)
        self.fleet.owe(view.id, kin_id, guarantee)
        left = {**view.bandwidth_left, kin_id: view.bandwidth_left[kin_id].less(guarantee)}
        self.model[view.id] = replace(view, bandwidth_left=left)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), bridges=st.sets(st.sampled_from(NETWORKS)))
    def put_with_other_bridges(self, data: st.DataObject, bridges: set[str]) -> None:
        view = self.any_host(data)
        known = frozenset(map(PhysicalNetwork, bridges))
        self.model[view.id] = replace(view, bridges=known)
        self.fleet.put_host(replace(self.model[view.id], pools=pools_of(self.devices[view.id])))
        self.puts[view.id] += 1

    def any_host(self, data: st.DataObject) -> HostView:
        return self.model[data.draw(st.sampled_from(sorted(self.model)))]

    def live_holds(self) -> list[Hold]:
        return [hold for hold, puts in self.holds if self.puts[hold.host_id] == puts]

    def held(self, device: DeviceRef) -> bool:
        return any(device in hold.devices for hold in self.live_holds())

    def expected(self, view: HostView) -> HostView:
        holds = [hold for hold in self.live_holds() if hold.host_id == view.id]
        left = dict(view.bandwidth_left)
        for kin_id, guarantee in (each for hold in holds for each in hold.guarantees):
            left[kin_id] = left[kin_id].less(guarantee)
        numa = view.numa
        for hold in holds:
            numa = with_more(numa, hold.numa_node, -hold.vcpus, -hold.memory_mib)
        return replace(
            view,
            generation=view.generation + len(holds),
            free_vcpus=view.free_vcpus - sum(hold.vcpus for hold in holds),
            free_memory_mib=view.free_memory_mib - sum(hold.memory_mib for hold in holds),
            free_disk_gib=view.free_disk_gib - sum(hold.disk_gib for hold in holds),
            numa=numa,
            pools=pools_of(
                replace(device, taken=device.taken or self.held(device.ref))
                for device in self.devices[view.id]
            ),
            bandwidth_left=left,
        )

    @invariant()
    def is_what_the_model_says(self) -> None:
        assert {host_id: self.fleet.view(host_id) for host_id in self.fleet.host_ids()} == {
            host_id: self.expected(view) for host_id, view in self.model.items()
        }

    @invariant()
    def decides_like_a_fleet_built_anew(self) -> None:
        rebuilt = Fleet()
        for host_id in sorted(self.fleet.host_ids(), reverse=True):
            rebuilt.put_host(self.fleet.view(host_id))
        for request in islice(self.turns, 4):  # Each is left unasked for a while.
            answers = list(candidates(request, self.fleet))
            assert answers == list(candidates(request, rebuilt))
            assert find_placement(request, self.fleet) == (answers[0] if answers else None)
            assert explain(request, self.fleet) == explain(request, rebuilt)


FleetDeltas.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
test_deltas_leave_a_fleet_as_if_it_were_built_anew = FleetDeltas.TestCase
