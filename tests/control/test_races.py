"""Many at once for the last devices: exactly as many servers are placed as fit.

h1 … h4, each one PF on phy1 with 4 VFs: 16 VFs for 24 servers of one NIC.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.world import (
    ADMIN,
    DEMO,
    PHY1,
    AgentByHand,
    a_card,
    a_flavor,
    a_network,
    a_world,
)
from trunkline.control.devices import list_devices
from trunkline.control.requests import NicRequest, ServerCreate
from trunkline.control.servers import create_server, delete_server, get_server
from trunkline.control.services import Services
from trunkline.control.views import ServerView
from trunkline.domain.ids import FlavorId
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import Network
from trunkline.domain.port import VnicType
from trunkline.domain.server import ServerState

HOSTS, VFS, THREADS, PER_THREAD = 4, 4, 6, 4


@pytest.fixture(params=["threads on SQLite", "replicas on PostgreSQL"])
def replicas(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Services]]:
    """One control plane with a writer thread, or three over one database."""
    with ExitStack() as stack:
        if request.param == "threads on SQLite":
            yield [stack.enter_context(a_world(tmp_path, inline=False))]
        else:
            url = request.getfixturevalue("postgres_cluster").new_database()
            yield [stack.enter_context(a_world(tmp_path, url=url, seed=n)) for n in range(3)]


@pytest.fixture
def network(replicas: Sequence[Services]) -> Network:
    svc = replicas[0]
    a_flavor(svc)
    for n in range(1, HOSTS + 1):
        AgentByHand(svc, f"h{n}", a_card(5, "phy1", vf_count=VFS, serial=n))
    return a_network(svc, "blue", (PHY1, 100))


def boot(svc: Services, network: Network) -> ServerView:
    nic = NicRequest(network_id=network.id, vnic_type=VnicType.DIRECT)
    request = ServerCreate(name="web", flavor_id=FlavorId("small"), image_id=None, nics=(nic,))
    return get_server(svc, DEMO, create_server(svc, DEMO, request).id)


def at_once(count: int, work: Callable[[int], list[ServerView]]) -> list[ServerView]:
    """Run `work(0)` … `work(count - 1)` in threads that start together; any error fails."""
    results: list[ServerView] = []
    errors: list[BaseException] = []
    start = threading.Barrier(count)

    def run(number: int) -> None:
        start.wait()
        try:
            results.extend(work(number))
        except BaseException as problem:  # noqa: BLE001 - raised below, in the test's own thread
            errors.append(problem)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def test_a_fleet_is_filled_to_the_last_vf_and_not_beyond(
    replicas: list[Services], network: Network
) -> None:
    views = at_once(
        THREADS,
        lambda n: [boot(replicas[n % len(replicas)], network) for _ in range(PER_THREAD)],
    )
    states = Counter(view.server.state for view in views)
    assert states == {ServerState.BUILD: HOSTS * VFS, ServerState.ERROR: 8}
    held = [
        (str(view.host.name), str(view.nics[0].port.device.function.address))
        for view in views
        if view.host and view.nics[0].port.device
    ]
    assert len(set(held)) == len(held) == HOSTS * VFS
    claimed = list_devices(replicas[0], ADMIN, ListQuery(equals={"state": ("claimed",)}))
    assert len(claimed) == HOSTS * VFS
    for view in views:
        if view.server.state is ServerState.ERROR:
            assert view.server.fault is not None
            assert "no free device" in view.server.fault.message


def test_creating_and_deleting_at_once_leaves_every_index_agreeing_with_the_store(
    replicas: list[Services], network: Network
) -> None:
    def churn(n: int) -> list[ServerView]:
        svc = replicas[n % len(replicas)]
        kept = []
        for turn in range(PER_THREAD):
            view = boot(svc, network)
            if turn % 2:
                delete_server(svc, DEMO, view.server.id)
            else:
                kept.append(view)
        return kept

    at_once(THREADS, churn)
    for svc in replicas:
        svc.store.write(svc.fleet.refresh)
        for host in svc.store.read(lambda tx: tx.hosts.all()):
            stored = svc.store.read(lambda tx: svc.fleet.stored_view(tx, host))  # noqa: B023
            assert svc.fleet.view(host.id) == stored
