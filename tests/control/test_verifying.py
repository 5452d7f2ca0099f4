"""Verifying finds each kind of damage, mends what it may, and finds nothing where nothing is."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, select, update

from tests.control.scene import Scene, on
from tests.support.world import ADMIN, DEMO, assert_trees_followed
from trunkline.control.ledger import Flaw
from trunkline.control.ports import create_port, list_ports
from trunkline.control.requests import PortCreate
from trunkline.control.verifying import verify_hosts
from trunkline.domain.device import DeviceRef
from trunkline.domain.errors import Forbidden
from trunkline.domain.ids import HostId, HostName
from trunkline.domain.listing import ListQuery
from trunkline.domain.port import VnicType
from trunkline.domain.server import ServerState
from trunkline.reconcile.report import ServerCondition
from trunkline.store.tables import allocations, devices, hosts, pools, servers
from trunkline.store.transaction import Transaction


def damage(scene: Scene, *statements: Any) -> None:
    """Change rows behind everybody's back. What is in memory is read anew, as after a restart."""

    def change(tx: Transaction) -> None:
        for statement in statements:
            tx.allocations._connection.execute(statement)
        for host in tx.hosts.all():
            tx.hosts.note_status_change(host.id)

    scene.svc.store.write(change)
    scene.svc.store.read(scene.svc.fleet.load)
    assert_trees_followed(scene.svc)


def verify(scene: Scene, *, mend: bool = False) -> list[tuple[Flaw, str, bool]]:
    found = verify_hosts(scene.svc, ADMIN, ListQuery(), mend=mend)
    assert len(found.host_ids) == 2
    return [(each.flaw, each.subject, each.mended) for each in found.verdicts]


@pytest.fixture
def busy(scene: Scene) -> Scene:
    """Servers with VFs and a whole PF, one of them running, and a port that claims a device."""
    running = scene.boot(on(scene.blue), on(scene.red))
    scene.settle(running.server.id, ServerCondition.RUNNING)
    scene.boot(on(scene.blue))
    scene.boot(on(scene.red, VnicType.DIRECT_PHYSICAL))
    gone = scene.boot(on(scene.blue))
    scene.delete(gone.server.id)
    return scene


def test_a_fleet_in_use_has_no_flaw(busy: Scene) -> None:
    assert verify(busy) == []
    assert verify(busy, mend=True) == []


def test_a_claimed_port_is_no_flaw(busy: Scene) -> None:
    free = next(line for line in busy.devices("free") if " 0000:05:" in line).split()
    port = PortCreate(
        network_id=busy.blue.id, vnic_type=VnicType.DIRECT, host=HostName(free[0]),
        profile={"pci_slot": free[1]},
    )  # fmt: skip
    create_port(busy.svc, ADMIN, port)
    assert verify(busy) == []


def test_a_wrong_count_of_use_is_found_and_mended(busy: Scene) -> None:
    damage(busy, update(hosts).values(vcpus_used=hosts.c.vcpus_used + 3))
    wrong = [(Flaw.USE, "host h1"), (Flaw.USE, "host h2")]
    assert verify(busy) == [(*each, False) for each in wrong]
    assert verify(busy, mend=True) == [(*each, True) for each in wrong]
    assert verify(busy) == []
    busy.index_agrees()


def test_a_pfs_wrong_guards_are_found_and_mended(busy: Scene) -> None:
    damage(busy, update(devices).where(devices.c.kind == "pf").values(vfs_held=0, held_whole=False))
    found = verify(busy)
    assert {flaw for flaw, _, _ in found} == {Flaw.HELD}
    assert [mended for *_, mended in verify(busy, mend=True)] == [True] * len(found)
    assert verify(busy) == []


def test_pools_that_the_devices_do_not_make_are_found_and_mended(busy: Scene) -> None:
    damage(busy, update(pools).where(pools.c.kind == "vf").values(members="1", offered="1"))
    assert verify(busy) == [(Flaw.POOLS, "host h1", False), (Flaw.POOLS, "host h2", False)]
    verify(busy, mend=True)
    assert verify(busy) == []
    busy.index_agrees()


def test_a_device_held_for_a_server_that_is_gone_goes_back_through_its_host(busy: Scene) -> None:
    view = busy.boot(on(busy.red))
    assert view.host is not None
    busy.delete(view.server.id)
    (released,) = [
        line for line in busy.devices("releasing")
        if line.startswith(f"{view.host.name} 0000:82")
    ]  # fmt: skip
    damage(
        busy,
        update(allocations).where(allocations.c.server_id == view.server.id).values(state="active"),
    )
    [(flaw, subject, mended)] = verify(busy)
    assert (flaw, subject) == (Flaw.ORPHAN, f"vf {released.split()[1]}")
    assert not mended
    assert [each for *_, each in verify(busy, mend=True)] == [True]
    assert released in busy.devices("releasing")
    assert verify(busy) == []
    busy.clean(view.host.name)
    assert released.replace("releasing", "free") in busy.devices("free")


def test_a_binding_without_its_allocation_gets_it_again(busy: Scene) -> None:
    view = busy.boot(on(busy.blue))
    (nic,) = view.nics
    damage(busy, delete(allocations).where(allocations.c.port_id == nic.port.port.id))
    found = verify(busy)
    assert (Flaw.MISSING, f"port {nic.port.port.id}", False) in found
    assert {flaw for flaw, *_ in found} == {Flaw.MISSING, Flaw.HELD}, "its PF counts it still"
    assert all(mended for *_, mended in verify(busy, mend=True))
    assert verify(busy) == []
    assert nic.port.device is not None
    line = f"{view.host.name if view.host else ''} {nic.port.device.function.address} claimed"
    assert line in busy.devices("claimed")
    busy.index_agrees()


def test_a_device_that_another_has_meanwhile_is_told_of_and_left_alone(busy: Scene) -> None:
    view = busy.boot(on(busy.blue))
    (nic,) = view.nics
    other = next(
        port for port in list_ports(busy.svc, DEMO, ListQuery()) if port.port.id != nic.port.port.id
    )
    damage(
        busy,
        update(allocations)
        .where(allocations.c.port_id == nic.port.port.id)
        .values(port_id=other.port.id),
    )
    before = verify(busy)
    assert {flaw for flaw, *_ in before} == {Flaw.MISSING, Flaw.ORPHAN}
    assert verify(busy, mend=True) == before
    assert verify(busy) == before


def test_a_port_bound_for_a_server_that_is_gone_is_unbound(busy: Scene) -> None:
    view = busy.boot(on(busy.blue))
    (nic,) = view.nics
    damage(
        busy,
        update(servers)
        .where(servers.c.id == view.server.id)
        .values(host_id=None, state=ServerState.DELETED.value),
    )
    assert {flaw for flaw, *_ in verify(busy)} == {Flaw.USE, Flaw.ORPHAN, Flaw.STRAY}
    assert all(mended for *_, mended in verify(busy, mend=True))
    assert verify(busy) == []
    (port,) = [
        port for port in list_ports(busy.svc, DEMO, ListQuery()) if port.port.id == nic.port.port.id
    ]
    assert port.binding is None


def test_what_a_server_on_another_host_may_be_using_is_left_alone(busy: Scene) -> None:
    view = busy.boot(on(busy.blue))
    elsewhere = select(hosts.c.id).where(hosts.c.id != view.server.host_id).scalar_subquery()
    damage(busy, update(servers).where(servers.c.id == view.server.id).values(host_id=elsewhere))
    verify(busy, mend=True)
    left = verify(busy)
    assert {(flaw, mended) for flaw, _, mended in left} == {
        (Flaw.ORPHAN, False), (Flaw.STRAY, False),
    }  # fmt: skip


def test_an_index_that_missed_something_is_found_and_read_again(busy: Scene) -> None:
    free = next(line for line in busy.devices("free") if line.startswith("h1 0000:05:"))

    def device(tx: Transaction) -> tuple[HostId, DeviceRef]:
        record = tx.devices.find_at(tx.hosts.get_by_name("h1").id, free.split()[1])
        assert record is not None
        return record.host_id, record.ref

    busy.svc.store.write(busy.svc.fleet.refresh)  # What is known to be stale is read again anyway.
    index = busy.svc.fleet._fleet  # What no change does is what is wanted.
    index.take_device(*busy.svc.store.read(device))
    assert verify(busy) == [(Flaw.INDEX, "host h1", False)]
    assert verify(busy, mend=True) == [(Flaw.INDEX, "host h1", True)]
    assert verify(busy) == []
    busy.index_agrees()


def test_verifying_is_for_admins(scene: Scene) -> None:
    with pytest.raises(Forbidden):
        verify_hosts(scene.svc, DEMO, ListQuery())
