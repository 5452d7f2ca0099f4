"""What a PF owes: never more than it has, whoever writes, and told by the allocations alone.

h1: 0000:05:00.0 with 4 VFs, 1000 Mbps egress and 300 ingress; 0000:06:00.0 with 4, nothing said.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from tests.support.world import AgentByHand, a_card
from trunkline.control.services import Services
from trunkline.domain.allocation import Allocation, AllocationState
from trunkline.domain.bandwidth import Bandwidth, Guarantee
from trunkline.domain.device import DeviceKind, OfferedDevice
from trunkline.domain.errors import GenerationMoved, NotEnoughBandwidth
from trunkline.domain.ids import AllocationId, DeviceId, HostId
from trunkline.store.tables import bandwidths
from trunkline.store.transaction import Transaction

HAS = Bandwidth(egress_mbps=1000, ingress_mbps=300)


def accounting(card: list[OfferedDevice], bandwidth: Bandwidth | None = HAS) -> list[OfferedDevice]:
    pf, *vfs = card
    return [replace(pf, bandwidth=bandwidth), *vfs]


@pytest.fixture
def agent(svc: Services) -> AgentByHand:
    return AgentByHand(svc, "h1", accounting(a_card(5, "phy1")) + a_card(6, "phy1"))


def host_id(svc: Services) -> HostId:
    return svc.store.read(lambda tx: tx.hosts.get_by_name("h1").id)


def device_id(svc: Services, address: str) -> DeviceId:
    record = svc.store.read(lambda tx: tx.devices.find_at(host_id(svc), address))
    assert record is not None
    return record.id


def owe(svc: Services, egress: int = 0, ingress: int = 0, *, pf: str = "0000:05:00.0") -> None:
    guarantee = Guarantee(egress_mbps=egress, ingress_mbps=ingress)
    found, host = device_id(svc, pf), host_id(svc)
    svc.store.write(lambda tx: tx.bandwidths.owe(found, guarantee, host_id=host))


def left(svc: Services) -> list[tuple[int | None, int | None]]:
    found = svc.store.read(lambda tx: tx.bandwidths.left_of_all_hosts())
    return [
        (each.egress_mbps, each.ingress_mbps) for of_host in found.values()
        for each in of_host.values()
    ]  # fmt: skip


def allocate(svc: Services, address: str, guarantee: Guarantee) -> Allocation:
    allocation = Allocation(
        id=AllocationId(f"of {address}"),
        device_id=device_id(svc, address),
        host_id=host_id(svc),
        port_id=None,
        server_id=None,
        epoch=1,
        state=AllocationState.CLAIMED,
        created_at=svc.clock.now(),
        guarantee=guarantee,
    )
    svc.store.write(lambda tx: tx.allocations.insert(allocation, project_id="p"))
    return allocation


def test_only_pfs_that_account_have_a_row(svc: Services, agent: AgentByHand) -> None:
    assert left(svc) == [(1000, 300)]


def test_a_pf_owes_up_to_what_it_has_and_not_one_more(svc: Services, agent: AgentByHand) -> None:
    owe(svc, 600, 300)
    with pytest.raises(NotEnoughBandwidth) as refused:
        owe(svc, 401)
    assert refused.value.left == Bandwidth(egress_mbps=400, ingress_mbps=0)
    with pytest.raises(NotEnoughBandwidth, match="guarantee 1 Mbps ingress"):
        owe(svc, 0, 1)
    with pytest.raises(NotEnoughBandwidth):
        owe(svc, 1, 1)
    owe(svc, 400)
    assert left(svc) == [(0, 0)]
    owe(svc, -1000, -300)
    assert left(svc) == [(1000, 300)]


def test_a_pf_that_accounts_nothing_owes_nothing(svc: Services, agent: AgentByHand) -> None:
    with pytest.raises(NotEnoughBandwidth):
        owe(svc, 1, pf="0000:06:00.0")
    agent.report(inventory=tuple(accounting(a_card(6, "phy1"), Bandwidth(ingress_mbps=5))))
    with pytest.raises(NotEnoughBandwidth):
        owe(svc, 1, 1, pf="0000:06:00.0")
    owe(svc, 0, 5, pf="0000:06:00.0")


def test_less_may_be_owed_also_by_a_pf_that_owes_more_than_it_has(
    svc: Services, agent: AgentByHand
) -> None:
    owe(svc, 1000)
    svc.store.write(
        lambda tx: tx.devices._connection.execute(update(bandwidths).values(egress_mbps=400))
    )
    owe(svc, -500)
    assert left(svc) == [(-100, 300)]
    with pytest.raises(NotEnoughBandwidth):
        owe(svc, 1)
    owe(svc, 0, 1)


def test_owing_less_than_nothing_is_refused_by_the_schema(
    svc: Services, agent: AgentByHand
) -> None:
    with pytest.raises(IntegrityError):
        owe(svc, -1)


def test_an_allocation_keeps_what_it_was_guaranteed(svc: Services, agent: AgentByHand) -> None:
    guarantee = Guarantee(egress_mbps=7, ingress_mbps=8)
    made = allocate(svc, "0000:05:02.0", guarantee)

    def stored(tx: Transaction) -> list[Allocation]:
        return tx.allocations.of_host(made.host_id)

    assert svc.store.read(stored) == [made]
    more = Guarantee(egress_mbps=70)
    svc.store.write(lambda tx: tx.allocations.set_guarantee(made, more))
    assert svc.store.read(stored) == [replace(made, guarantee=more)]
    with pytest.raises(GenerationMoved):
        svc.store.write(lambda tx: tx.allocations.set_guarantee(made, more))


def test_a_new_inventory_counts_what_is_owed_from_the_allocations(
    svc: Services, agent: AgentByHand
) -> None:
    allocate(svc, "0000:05:02.0", Guarantee(egress_mbps=100, ingress_mbps=50))
    allocate(svc, "0000:05:02.1", Guarantee(egress_mbps=30))
    allocate(svc, "0000:06:00.0", Guarantee(egress_mbps=9))
    agent.report(
        inventory=tuple(
            accounting(a_card(5, "phy1"), Bandwidth(egress_mbps=500))
            + accounting(a_card(6, "phy1"), Bandwidth(egress_mbps=10))
        )
    )
    assert sorted(left(svc)) == [(1, None), (370, None)]


def test_a_pf_that_accounts_nothing_any_more_is_remembered_as_long_as_it_owes(
    svc: Services, agent: AgentByHand
) -> None:
    made = allocate(svc, "0000:05:02.0", Guarantee(egress_mbps=100))
    agent.report(inventory=tuple(a_card(5, "phy1") + a_card(6, "phy1")))
    assert left(svc) == [(None, None)]
    found, host = device_id(svc, "0000:05:00.0"), host_id(svc)
    use = svc.store.read(lambda tx: tx.bandwidths.of_devices([found]))[found]
    assert use.owed == made.guarantee
    svc.store.write(lambda tx: tx.bandwidths.owe(found, -made.guarantee, host_id=host))
    svc.store.write(lambda tx: tx.allocations.delete(made))
    agent.report(inventory=tuple(a_card(6, "phy1")))
    assert left(svc) == []


def test_what_is_owed_goes_with_its_device(svc: Services, agent: AgentByHand) -> None:
    agent.report(inventory=tuple(a_card(6, "phy1")))
    assert left(svc) == []
    kinds = svc.store.read(lambda tx: {each.kind for each in tx.devices.of_host(host_id(svc))})
    assert kinds == {DeviceKind.PF, DeviceKind.VF}
