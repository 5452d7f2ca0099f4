"""Devices that are taken off offer while somebody has them; and an index that counts once.

h1 to h3 as in `conftest`; each has its cards on offer until its agent says otherwise.
"""

from __future__ import annotations

from tests.control.scene import Scene, on
from tests.support.world import ADMIN, DEMO
from trunkline.control.hosts import set_host_enabled
from trunkline.control.servers import get_server
from trunkline.domain.device import OfferedDevice
from trunkline.domain.host import Host
from trunkline.domain.port import VnicType
from trunkline.domain.server import ServerState
from trunkline.reconcile.report import ServerCondition
from trunkline.store.transaction import Transaction

CONDITION = ServerCondition.FAILED


def host_of(scene: Scene, server_id: str) -> Host:
    host = get_server(scene.svc, DEMO, server_id).host
    assert host is not None
    return host


def known(scene: Scene, host: Host) -> list[str]:
    def read(tx: Transaction) -> list[str]:
        return [str(record.device.function.address) for record in tx.devices.of_host(host.id)]

    return scene.svc.store.read(read)


def offer_nothing_but_on(scene: Scene, host: Host) -> None:
    for name in scene.agents:
        if name != host.name:
            scene.agents[name].report(inventory=())


def test_vfs_of_a_pf_that_was_whole_are_not_given_away_once_both_are_off_the_list(
    scene: Scene,
) -> None:
    view = scene.boot(on(scene.blue, VnicType.DIRECT_PHYSICAL))
    host = host_of(scene, view.server.id)
    offer_nothing_but_on(scene, host)
    scene.agents[host.name].report(inventory=())
    scene.delete(view.server.id)
    scene.clean(host.name)
    assert known(scene, host) == []
    assert scene.boot(on(scene.blue)).server.state is ServerState.ERROR
    scene.index_agrees()


def test_a_pf_that_comes_back_has_the_agent_tell_its_whole_inventory(scene: Scene) -> None:
    view = scene.boot(on(scene.blue, VnicType.DIRECT_PHYSICAL))
    host = host_of(scene, view.server.id)
    scene.delete(view.server.id)
    scene.clean(host.name)
    assert scene.agents[host.name].last_ack.send_all
    scene.agents[host.name].report()
    assert not scene.agents[host.name].last_ack.send_all


def test_a_vf_off_the_list_is_forgotten_with_its_owner(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    host = host_of(scene, view.server.id)
    scene.agents[host.name].report(inventory=())
    assert len(known(scene, host)) == 2  # It, and its PF.
    scene.delete(view.server.id)
    scene.clean(host.name)
    assert known(scene, host) == []
    scene.index_agrees()


def test_vfs_whose_pf_is_not_on_offer_are_one_pool(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    host = host_of(scene, view.server.id)
    listed = scene.svc.store.read(lambda tx: tx.devices.of_host(host.id))
    inventory = tuple(
        OfferedDevice(
            function=record.device.function, tags=record.device.tags, on_offer=bool(record.pf_id)
        )
        for record in listed
    )
    scene.agents[host.name].report(inventory=inventory)
    pools = scene.svc.store.read(lambda tx: tx.pools.of_host(host.id))
    assert len(pools) == 2 * sum(record.pf_id is None for record in listed)
    scene.index_agrees()
    offer_nothing_but_on(scene, host)
    assert scene.boot(on(scene.blue, VnicType.DIRECT_PHYSICAL)).server.state is ServerState.ERROR
    assert scene.boot(on(scene.blue)).host == host_of(scene, view.server.id)


def test_what_a_refused_server_gives_back_counts_once_on_a_host_read_meanwhile(
    scene: Scene,
) -> None:
    view = scene.boot(on(scene.blue))
    host = host_of(scene, view.server.id)
    set_host_enabled(scene.svc, ADMIN, host.name, enabled=True)  # The index reads it again, later.
    scene.settle(view.server.id, CONDITION)
    scene.index_agrees()
