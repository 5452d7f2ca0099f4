"""Many at once for the last devices: exactly as many servers are placed as fit.

h1 … h4, each one PF on phy1 with 4 VFs: 16 VFs for 24 servers of one NIC.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.control import holdings
from tests.control.standing_still import before_each_statement, wait_until_done_or_blocked
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
from trunkline.control.fleet import LiveFleet
from trunkline.control.races import deciding_again
from trunkline.control.requests import NicRequest, ServerCreate
from trunkline.control.servers import (
    create_server,
    create_servers,
    delete_server,
    get_server,
)
from trunkline.control.services import RACE_RETRIES_MAX, Services
from trunkline.control.views import ServerView
from trunkline.domain.device import DeviceKind
from trunkline.domain.errors import StateConflict
from trunkline.domain.host import HostResources, HostUse
from trunkline.domain.ids import FlavorId, HostName
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import Network
from trunkline.domain.port import VnicType
from trunkline.domain.server import Server, ServerState
from trunkline.store.transaction import Transaction

HOSTS, VFS, THREADS, PER_THREAD = 4, 4, 6, 4


@pytest.fixture
def network(replicas: Sequence[Services]) -> Network:
    svc = replicas[0]
    a_flavor(svc)
    for n in range(1, HOSTS + 1):
        AgentByHand(svc, f"h{n}", a_card(5, "phy1", vf_count=VFS, serial=n))
    return a_network(svc, "blue", (PHY1, 100))


def boot(svc: Services, network: Network, vnic_type: VnicType = VnicType.DIRECT) -> ServerView:
    nic = NicRequest(network_id=network.id, vnic_type=vnic_type)
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


def test_batches_for_the_last_vfs_get_no_less_than_their_least_and_all_that_is_left(
    replicas: list[Services], network: Network
) -> None:
    nic = NicRequest(network_id=network.id, vnic_type=VnicType.DIRECT)
    request = ServerCreate(name="web", flavor_id=FlavorId("small"), image_id=None, nics=(nic,))
    batches: list[list[Server]] = []

    def ask(n: int) -> list[ServerView]:
        svc = replicas[n % len(replicas)]
        batches.extend(create_servers(svc, DEMO, request, least=3, most=4) for _ in range(2))
        return []

    at_once(THREADS, ask)
    placed = [b for b in batches if {server.state for server in b} == {ServerState.BUILD}]
    refused = [b for b in batches if {server.state for server in b} == {ServerState.ERROR}]
    assert len(placed) + len(refused) == len(batches) == 2 * THREADS
    assert all(3 <= len(batch) <= 4 for batch in placed)
    assert all(len(batch) == 3 for batch in refused)
    taken = sum(len(batch) for batch in placed)
    assert HOSTS * VFS - 3 < taken <= HOSTS * VFS, "a batch was refused that had room"
    claimed = list_devices(replicas[0], ADMIN, ListQuery(equals={"state": ("claimed",)}))
    assert len(claimed) == taken
    holdings.check(*replicas, hosts=[HostName(f"h{n}") for n in range(1, HOSTS + 1)])


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


@pytest.fixture
def two_replicas(
    tmp_path: Path, new_postgres_database: Callable[[], str]
) -> Iterator[tuple[Services, Services]]:
    """h1, h2: one PF on phy1 with 4 VFs each; h1 comes first for both replicas."""
    url = new_postgres_database()
    with a_world(tmp_path, url=url) as one, a_world(tmp_path, url=url, seed=1) as other:
        a_flavor(one)
        for n in (1, 2):
            AgentByHand(one, f"h{n}", a_card(5, "phy1", vf_count=VFS, serial=n))
        yield one, other


def host_of(view: ServerView) -> str | None:
    return view.host.name if view.host else None


def test_a_host_that_changes_before_it_is_locked_is_read_again_in_the_same_transaction(
    two_replicas: tuple[Services, Services],
) -> None:
    svc, faster = two_replicas
    blue = a_network(svc, "blue", (PHY1, 100))
    host = svc.store.read(lambda tx: tx.hosts.get_by_name("h1"))
    changed = begun = 0

    def be_faster(*told: Any) -> None:
        nonlocal changed, begun
        statement = told[2] if len(told) > 2 else "COMMIT"
        begun += "pg_try_advisory_xact_lock" in statement
        if "FROM hosts" in statement and "FOR NO KEY UPDATE" in statement:
            changed += 1
            faster.store.write(lambda tx: tx.hosts.raise_generation(host.id))

    with before_each_statement(svc, be_faster):
        view = boot(svc, blue)
    assert (host_of(view), changed, begun) == ("h1", 1, 1)
    holdings.check(svc, faster, hosts=[host.name])


def test_a_request_goes_to_its_next_best_host_while_another_replica_places_on_the_best(
    two_replicas: tuple[Services, Services],
) -> None:
    svc, other = two_replicas
    blue = a_network(svc, "blue", (PHY1, 100))
    host = svc.store.read(lambda tx: tx.hosts.get_by_name("h1"))

    def place_meanwhile(tx: Transaction) -> ServerView:
        assert tx.hosts.take_turn(host.id, waits=False)
        return boot(svc, blue)

    assert host_of(other.store.write(place_meanwhile)) == "h2"
    assert host_of(boot(svc, blue)) == "h1", "the turn ends with the transaction"
    assert host_of(boot(svc, blue)) == "h1", "h1 and h2 are equal again"


def test_a_request_that_fits_nowhere_else_waits_for_its_turn(
    two_replicas: tuple[Services, Services],
) -> None:
    svc, other = two_replicas
    blue = a_network(svc, "blue", (PHY1, 100))
    host = svc.store.read(lambda tx: tx.hosts.get_by_name("h1"))
    nic = NicRequest(network_id=blue.id, vnic_type=VnicType.DIRECT)
    asked = ServerCreate(name="web", flavor_id=FlavorId("small"), image_id=None, nics=(nic,))

    def until_it_waits(tx: Transaction) -> Future[list[Server]]:
        assert tx.hosts.take_turn(host.id, waits=False)
        running = threads.submit(
            lambda: create_servers(svc, DEMO, asked, least=2 * VFS, most=2 * VFS)
        )
        wait_until_done_or_blocked(other, running)
        assert not running.done(), "h2 has not so many VFs"
        return running

    with ThreadPoolExecutor(1) as threads:
        batch = other.store.write(until_it_waits).result()
    assert [server.state for server in batch] == [ServerState.BUILD] * 2 * VFS
    holdings.check(svc, other, hosts=[HostName("h1"), HostName("h2")])


def test_who_loses_every_race_is_told_so_after_a_bounded_number(svc: Services) -> None:
    a_flavor(svc)
    AgentByHand(svc, "h1", a_card(5, "phy1", vf_count=VFS))
    host = svc.store.read(lambda tx: tx.hosts.get_by_name("h1"))
    before = REGISTRY.get_sample_value("trunkline_races_lost_total") or 0
    tried = 0

    def lose(tx: Transaction) -> None:
        nonlocal tried
        tried += 1
        tx.hosts.give_room(host.id, HostUse(1, 1, 1), servers=1, seen=host.generation - 1)

    with pytest.raises(StateConflict, match=f"lost {RACE_RETRIES_MAX} races"):
        deciding_again(svc, lose)
    assert tried == RACE_RETRIES_MAX
    assert REGISTRY.get_sample_value("trunkline_races_lost_total") == before + tried


@pytest.fixture
def uninformed(svc: Services) -> Callable[[], Services]:
    """Each call starts a scheduler that never hears of what others choose from now on."""

    def start() -> Services:
        fleet = LiveFleet(svc.clock, host_silent_seconds_max=90, replicated=False)
        svc.store.read(fleet.load)
        return replace(svc, fleet=fleet)

    return start


def a_site(svc: Services, *, vfs: int, vcpus: int = 64) -> Network:
    """One host with one card."""
    a_flavor(svc)
    AgentByHand(svc, "h1", a_card(5, "phy1", vf_count=vfs)).report(
        resources=HostResources(
            vcpus=vcpus, memory_mib=262144, disk_gib=4096, bridges={PHY1: "br-phy1"}
        )
    )
    return a_network(svc, "blue", (PHY1, 100))


def held(svc: Services) -> Counter[DeviceKind]:
    query = ListQuery(equals={"state": ("claimed",)})
    return Counter(view.device.function.kind for view in list_devices(svc, ADMIN, query))


def test_a_vf_that_an_uninformed_scheduler_chooses_too_keeps_its_owner(
    svc: Services, uninformed: Callable[[], Services]
) -> None:
    network = a_site(svc, vfs=1)
    other = uninformed()
    first = boot(svc, network)
    assert boot(other, network).server.state is ServerState.ERROR
    assert get_server(svc, DEMO, first.server.id).nics[0].port.device is not None
    assert held(svc) == {DeviceKind.VF: 1}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (VnicType.DIRECT, VnicType.DIRECT_PHYSICAL),
        (VnicType.DIRECT_PHYSICAL, VnicType.DIRECT),
        (VnicType.DIRECT_PHYSICAL, VnicType.DIRECT_PHYSICAL),
    ],
)
def test_a_pf_and_its_vfs_have_no_owners_together_though_two_schedulers_chose_them(
    svc: Services, uninformed: Callable[[], Services], first: VnicType, second: VnicType
) -> None:
    network = a_site(svc, vfs=2)
    other = uninformed()
    assert boot(svc, network, first).server.state is ServerState.BUILD
    assert boot(other, network, second).server.state is ServerState.ERROR
    assert held(svc).total() == 1


def test_processors_are_not_given_out_twice_by_a_scheduler_that_knows_an_older_generation(
    svc: Services, uninformed: Callable[[], Services]
) -> None:
    network = a_site(svc, vfs=0, vcpus=1)
    other = uninformed()
    assert boot(svc, network, VnicType.NORMAL).server.state is ServerState.BUILD
    assert boot(other, network, VnicType.NORMAL).server.state is ServerState.ERROR
    [host] = svc.store.read(lambda tx: tx.hosts.all())
    assert svc.store.read(lambda tx: tx.hosts.use_of(host.id)).vcpus == 1
