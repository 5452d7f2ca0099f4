"""Many at once for the last devices: exactly as many servers are placed as fit.

h1 … h4, each one PF on phy1 with 4 VFs: 16 VFs for 24 servers of one NIC.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.control import holdings
from tests.control.faulty_store import contents_at
from tests.control.standing_still import before_each_statement
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
from trunkline.control.services import RACE_RETRIES_MAX, Services
from trunkline.control.views import ServerView
from trunkline.domain.errors import StateConflict
from trunkline.domain.ids import FlavorId, HostName
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
    holdings.check(*replicas, hosts=[HostName(f"h{n}") for n in range(1, HOSTS + 1)])


def test_who_loses_every_race_is_told_so_after_a_bounded_number(
    tmp_path: Path, new_postgres_database: Callable[[], str]
) -> None:
    """Another replica changes the host each time, just before the one that chose it locks it."""
    url = new_postgres_database()
    with a_world(tmp_path, url=url) as svc, a_world(tmp_path, url=url, seed=1) as faster:
        a_flavor(svc)
        AgentByHand(svc, "h1", a_card(5, "phy1", vf_count=VFS))
        blue = a_network(svc, "blue", (PHY1, 100))
        host = svc.store.read(lambda tx: tx.hosts.get_by_name("h1"))
        lost = 0

        def be_faster(*told: Any) -> None:
            nonlocal lost
            statement = told[2] if len(told) > 2 else "COMMIT"
            if "FROM hosts" in statement and "FOR NO KEY UPDATE" in statement:
                lost += 1
                faster.store.write(lambda tx: tx.hosts.raise_generation(host.id))

        with (
            before_each_statement(svc, be_faster),
            pytest.raises(StateConflict, match=f"lost {RACE_RETRIES_MAX} races"),
        ):
            boot(svc, blue)
        assert lost == RACE_RETRIES_MAX
        kept = contents_at(url)
        assert [kept[table] for table in ("servers", "ports", "bindings", "allocations")] == [
            []
        ] * 4
        assert boot(svc, blue).server.state is ServerState.BUILD
        holdings.check(svc, faster, hosts=[host.name])
