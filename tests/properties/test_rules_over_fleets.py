"""Over a whole fleet, rules leave those hosts that each by itself can keep them.

What a host can do is asked of the exact match, which has oracles of its own; here it is whether
the columns that rule hosts out for many at once ever rule out one too many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from tests.unit.placement.builders import a_fleet, a_host, a_node
from trunkline.domain.bandwidth import Bandwidth
from trunkline.domain.device import DeviceKind, DeviceRef
from trunkline.domain.device_pool import PoolMember
from trunkline.domain.ids import DeviceId, HostId, PhysicalNetwork
from trunkline.domain.nic_rules import NumaPolicy, Scope
from trunkline.placement.asks.demand import make_demand
from trunkline.placement.asks.request import GroupRule, NicDemand, PlacementRequest, SegmentOption
from trunkline.placement.hosts.feasibility import fit, host_reasons, site_of
from trunkline.placement.index.fleet import Fleet, HostView
from trunkline.placement.place import candidates

NETWORKS = ("phy1", "phy2")
CARDS = 3
LEFT = (None, 9, 25, 40, 40)  # Mbps.


def random_host(dice: Random, name: str) -> HostView:
    """Ports of one card may be on two nodes, and VFs of one PF may say different things."""
    devices: list[PoolMember] = []
    for p in range(dice.randint(2, 4)):
        pf = f"{name}-pf{p}"
        facts = {"e.physical_network": dice.choice(NETWORKS)}
        if dice.random() < 0.8:
            facts["e.switch"] = dice.choice(("s1", "s2"))
        node = dice.choice((None, "0", "0", "1", "1"))
        address = f"0000:{dice.randrange(CARDS):02x}:00.{p}"
        if dice.random() < 0.5:
            devices.append(
                PoolMember(
                    ref=DeviceRef(DeviceId(pf)),
                    kind=DeviceKind.PF,
                    address=address,
                    attributes=facts | ({} if node is None else {"numa_node": node}),
                )
            )
        for vf in range(dice.randint(0, 5)):
            tags = {"e.trusted": "true"} if dice.random() < 0.4 else {}
            told = {} if node is None or dice.random() < 0.2 else {"numa_node": node}
            devices.append(
                PoolMember(
                    ref=DeviceRef(DeviceId(pf), vf),
                    kind=DeviceKind.VF,
                    attributes=facts | tags | told,
                    taken=dice.random() < 0.3,
                )
            )
    numa = tuple(
        a_node(node, vcpus=dice.choice((0, 8, 8)), memory_mib=dice.choice((512, 1536, 1536)))
        for node in dice.choice(((), (), (0, 1), (0, 1), (1,)))
    )
    pfs = {device.ref.kin_id for device in devices}
    left = {
        pf: Bandwidth(egress_mbps=dice.choice((-5, *LEFT)), ingress_mbps=dice.choice(LEFT))
        for pf in sorted(pfs)
    }
    return replace(a_host(name, devices, numa=numa), bandwidth_left=left)


def random_request(dice: Random) -> PlacementRequest:
    policies = dice.choice(((None,), (None,), (NumaPolicy.REQUIRED,), (None, *NumaPolicy)))
    egress, ingress = (dice.choice(((0,), (0,), (0, 5, 10))) for _ in range(2))
    nics = [random_nic(dice, f"n{n}", policies, egress, ingress) for n in range(dice.randint(2, 4))]
    rules = [
        GroupRule(
            scope=dice.choice(list(Scope)),
            apart=dice.random() < 0.5,
            hard=dice.random() < 0.8,
            nics=frozenset(dice.sample([nic.nic for nic in nics], dice.randint(2, len(nics)))),
        )
        for _ in range(dice.randint(0, 2))
    ]
    return PlacementRequest(
        nics=tuple(nics), rules=tuple(rules), memory_mib=dice.choice((0, 512, 1024))
    )


def random_nic(
    dice: Random,
    name: str,
    policies: Sequence[NumaPolicy | None],
    egress: Sequence[int],
    ingress: Sequence[int],
) -> NicDemand:
    networks = dice.sample(NETWORKS, dice.choice((1, 1, 2)))
    return NicDemand(
        nic=name,
        kind=DeviceKind.PF if dice.random() < 0.05 else DeviceKind.VF,
        options=tuple(
            SegmentOption(
                segment_id=None,
                attributes={"e.physical_network": network},
                physical_network=PhysicalNetwork(network),
            )
            for network in networks
        ),
        attributes={"e.trusted": "true"} if dice.random() < 0.25 else {},
        egress_mbps=dice.choice(egress),
        ingress_mbps=dice.choice(ingress),
        numa=dice.choice(policies),
    )


def fitting_one_by_one(request: PlacementRequest, fleet: Fleet) -> set[HostId]:
    demand = make_demand(request)
    found = set()
    for host in fleet.hosts():
        laid_out = fit(demand, host.structure)
        if laid_out is None or host_reasons(request, host):
            continue
        site = site_of(host, request) if laid_out.is_ruled else None
        if laid_out.solve(host.usable, site) is not None:
            found.add(host.id)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_rules_leave_the_hosts_that_can_keep_them_each_by_itself(seed: int) -> None:
    dice = Random(seed)
    fitting = refusing = 0
    for _ in range(120):
        views = [random_host(dice, f"h{n}") for n in range(8)]
        fleet = a_fleet(*views)
        for _ in range(6):
            request = random_request(dice)
            expected = fitting_one_by_one(request, fleet)
            answers = list(candidates(request, fleet))
            assert {placed.host_id for placed in answers} == expected, request
            fitting, refusing = fitting + len(expected), refusing + len(views) - len(expected)
            holds = [fleet.hold(answer, request) for answer in answers[:4]]
            for hold in holds[::2]:
                fleet.undo(hold)
            if dice.random() < 0.3:
                fleet.put_host(replace(random_host(dice, "h3"), generation=2))
    assert min(fitting, refusing) > 500
