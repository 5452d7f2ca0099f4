"""Two `trunkline server` processes over one PostgreSQL race for the last VFs of a fleet.

h1 … h3, each one PF on phy1 with 5 VFs: 15 VFs for 24 servers of one NIC. A PF guarantees 1000 Mbps
of egress: on network `gold`, whose ports ask for 250 each, 12 servers fit.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.control import holdings
from tests.support.processes import Running
from tests.support.racers import HostByHand, User, at_once, log_in
from tests.system.test_replicas import Replicas
from trunkline.client.errors import Unreachable
from trunkline.domain.bandwidth import Bandwidth

pytestmark = pytest.mark.slow

HOSTS, VFS = 3, 5
USERS_PER_REPLICA, EACH = 3, 4
MBPS_OF_A_PF, MBPS_EACH = 1000, 250
KILLED_AFTER = 5  # Acknowledged servers.


@dataclass(frozen=True)
class Site:
    """Both replicas, users of each, and the network that all want to be on."""

    processes: list[Running]
    users: list[list[User]]  # Of each replica.
    hosts: list[HostByHand]
    network_id: str
    gold_id: str
    database_url: str

    @property
    def all_users(self) -> list[User]:
        return [user for users in self.users for user in users]

    def states(self, servers: list[str], asked: User) -> Counter[str]:
        return Counter(asked.server(server)["status"] for server in servers)

    def held_devices(self) -> list[str]:
        """Count from the rows, past every replica; what they say must hold together."""
        engine = create_engine(self.database_url)
        try:
            with engine.connect() as connection:
                holdings.check_rows(connection)
                rows = connection.execute(text("SELECT device_id FROM allocations"))
                return [device for (device,) in rows]
        finally:
            engine.dispose()

    def owed(self) -> list[int]:
        """What the allocations of each host add up to, in Mbps."""
        engine = create_engine(self.database_url)
        try:
            with engine.connect() as connection:
                query = "SELECT sum(egress_mbps) FROM allocations GROUP BY host_id"
                return [int(mbps) for (mbps,) in connection.execute(text(query))]
        finally:
            engine.dispose()


@pytest.fixture
def site(tmp_path: Path, new_empty_postgres_database: Callable[[], str]) -> Iterator[Site]:
    url = new_empty_postgres_database()
    with ExitStack() as stack:
        replicas = Replicas(tmp_path, url, stack)
        processes = [replicas.start("a"), replicas.start("b")]
        clouds = tmp_path / "a/state/controller/clouds.yaml"
        addresses = [process.url for process in processes]
        tokens = {name: log_in(addresses[0], name, clouds) for name in ("admin", "demo")}
        admin = User(addresses[0], tokens["admin"])
        users = [
            [User(address, tokens["demo"]) for _ in range(USERS_PER_REPLICA)]
            for address in addresses
        ]
        hosts = [
            HostByHand(
                addresses[n % 2],
                f"h{n}",
                replicas.key.strip(),
                vfs=VFS,
                serial=n,
                bandwidth=Bandwidth(egress_mbps=MBPS_OF_A_PF),
            )
            for n in range(1, HOSTS + 1)
        ]
        for user in (admin, *users[0], *users[1]):
            stack.callback(user.close)
        for host in hosts:
            stack.callback(host.close)
        yield Site(processes, users, hosts, *prepare(admin), url)


def prepare(admin: User) -> tuple[str, str]:
    """Make a flavor, and networks without and with guarantees; return the IDs of these."""
    flavor = {"id": "small", "name": "small", "vcpus": 1, "ram": 512, "disk": 1}
    admin.ask("POST", "/compute/v2.1/flavors", {"flavor": flavor})
    policies = "/network/v2.0/qos/policies"
    policy = admin.ask("POST", policies, {"policy": {"name": "gold"}})["policy"]["id"]
    rule = {"min_kbps": MBPS_EACH * 1000, "direction": "egress"}
    rules = f"{policies}/{policy}/minimum_bandwidth_rules"
    admin.ask("POST", rules, {"minimum_bandwidth_rule": rule})
    return a_network(admin, "blue", 120), a_network(admin, "gold", 121, qos_policy_id=policy)


def a_network(admin: User, name: str, vlan: int, **fields: str) -> str:
    network = {
        "name": name, "shared": True, "provider:network_type": "vlan",
        "provider:physical_network": "phy1", "provider:segmentation_id": vlan, **fields,
    }  # fmt: skip
    return str(admin.ask("POST", "/network/v2.0/networks", {"network": network})["network"]["id"])


def test_exactly_as_many_servers_are_placed_as_there_are_vfs(site: Site) -> None:
    made = at_once(site.all_users, lambda user: [user.boot(site.network_id) for _ in range(EACH)])
    assert len(made) == len(set(made)) == 2 * USERS_PER_REPLICA * EACH
    placed = HOSTS * VFS
    for users in site.users:
        assert site.states(made, users[0]) == {"BUILD": placed, "ERROR": len(made) - placed}
    held = site.held_devices()
    assert len(set(held)) == len(held) == placed
    views = [site.users[1][0].server(server) for server in made]
    for view in views:
        assert ("fault" in view) == (view["status"] == "ERROR")
        if view["status"] == "ERROR":
            assert "no free device" in view["fault"]["message"]

    user = site.users[0][0]
    ended = next(view["id"] for view in views if view["status"] == "BUILD")
    user.ask("DELETE", f"/compute/v2.1/servers/{ended}")
    assert set(site.held_devices()) == set(held), "freed before it was seen clean"
    for host in site.hosts:
        host.clean()
    again = at_once(site.all_users, lambda user: [user.boot(site.network_id)])
    assert site.states(again, user) == {"BUILD": 1, "ERROR": len(again) - 1}
    assert sorted(site.held_devices()) == sorted(held)


def test_exactly_as_many_servers_are_placed_as_pfs_have_bandwidth_for(site: Site) -> None:
    made = at_once(site.all_users, lambda user: [user.boot(site.gold_id) for _ in range(EACH)])
    placed = HOSTS * (MBPS_OF_A_PF // MBPS_EACH)
    assert placed < HOSTS * VFS, "VFs must not be what is short"
    for users in site.users:
        assert site.states(made, users[0]) == {"BUILD": placed, "ERROR": len(made) - placed}
    assert site.owed() == [MBPS_OF_A_PF] * HOSTS


def test_a_replica_killed_in_the_race_takes_nothing_with_it(site: Site) -> None:
    seen = threading.Semaphore(0)
    a, _ = site.processes

    def boot_while_it_answers(user: User) -> list[str]:
        made = []
        for _ in range(EACH):
            try:
                made.append(user.boot(site.network_id))
            except Unreachable:
                break
            seen.release()
        return made

    def kill() -> None:
        for _ in range(KILLED_AFTER):
            seen.acquire()
        a.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    made = at_once(site.all_users, boot_while_it_answers)
    killer.join()
    assert KILLED_AFTER <= len(made) < 2 * USERS_PER_REPLICA * EACH, "it was not in the middle"
    asked = site.users[1][0]
    states = site.states(made, asked)  # Every one that was acknowledged is known.
    assert states["BUILD"] <= len(site.held_devices()) <= HOSTS * VFS
    more = [asked.boot(site.network_id) for _ in range(HOSTS * VFS)]
    assert site.states(more, asked)["ERROR"] >= states["BUILD"]
    held = site.held_devices()
    assert len(set(held)) == len(held) == HOSTS * VFS
