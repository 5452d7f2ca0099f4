"""Who holds what, counted from the rows alone: nothing here asks the code under test."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from functools import partial

from sqlalchemy import Connection, text

from tests.support.world import assert_trees_followed
from trunkline.control.services import Services
from trunkline.domain.ids import HostName
from trunkline.store.transaction import Transaction

RULES = {
    "a VF or PF is held by its port's binding": """
        SELECT a.id FROM allocations a LEFT JOIN bindings b
          ON b.port_id = a.port_id AND b.device_id = a.device_id AND b.host_id = a.host_id
        WHERE a.state IN ('claimed', 'active') AND a.port_id IS NOT NULL
          AND (b.port_id IS NULL OR coalesce(b.server_id, '') <> coalesce(a.server_id, ''))""",
    "what is held without a port is held by a server on that host": """
        SELECT a.id FROM allocations a LEFT JOIN servers s
          ON s.id = a.server_id AND s.state <> 'DELETED' AND s.host_id = a.host_id
        WHERE a.state IN ('claimed', 'active') AND a.port_id IS NULL AND s.id IS NULL""",
    "a binding's device is allocated to it": """
        SELECT b.port_id FROM bindings b LEFT JOIN allocations a
          ON a.device_id = b.device_id AND a.port_id = b.port_id
        WHERE b.device_id IS NOT NULL AND (a.id IS NULL OR a.state NOT IN ('claimed', 'active'))""",
    "a bound port's server is there, on that host": """
        SELECT b.port_id FROM bindings b LEFT JOIN servers s
          ON s.id = b.server_id AND s.state <> 'DELETED' AND s.host_id = b.host_id
        WHERE b.server_id IS NOT NULL AND s.id IS NULL""",
    "a server's port says so": """
        SELECT b.port_id FROM bindings b JOIN ports p ON p.id = b.port_id
        WHERE b.server_id IS NOT NULL AND p.device_id <> b.server_id""",
    "a port that says so is bound, unless its server failed": """
        SELECT p.id FROM ports p LEFT JOIN bindings b ON b.port_id = p.id
        WHERE p.device_owner = 'compute:nova' AND b.port_id IS NULL""",
    "a PF counts its held VFs": """
        SELECT pf.id FROM devices pf WHERE pf.kind = 'pf' AND pf.vfs_held <> (
          SELECT count(*) FROM devices vf JOIN allocations a ON a.device_id = vf.id
          WHERE vf.pf_id = pf.id)""",
    "a PF is given whole, or by its VFs": """
        SELECT pf.id FROM devices pf JOIN allocations whole ON whole.device_id = pf.id
          JOIN devices vf ON vf.pf_id = pf.id JOIN allocations a ON a.device_id = vf.id""",
    "a PF is whole if it is allocated": """
        SELECT d.id FROM devices d LEFT JOIN allocations a ON a.device_id = d.id
        WHERE d.kind = 'pf' AND d.held_whole <> (a.id IS NOT NULL)""",
    "a server's image is there": """
        SELECT s.id FROM servers s LEFT JOIN images i ON i.id = s.image_id
        WHERE s.image_id IS NOT NULL AND s.state <> 'DELETED' AND i.id IS NULL""",
}


PLACED = text("""
    SELECT id, host_id, numa_node, flavor, port_ids FROM servers
    WHERE host_id IS NOT NULL AND state <> 'DELETED'""")


def check(*replicas: Services, hosts: Collection[HostName]) -> None:
    """Fail if anything is held twice, by nobody, or otherwise than an index believes of `hosts`.

    Provider trees are read here, and so have to follow what is done between two checks.
    """
    replicas[0].store.read(lambda tx: check_rows(tx._connection))
    for svc in replicas:
        svc.store.write(svc.fleet.refresh)
        svc.store.read(partial(_check_index, svc, hosts))
        assert_trees_followed(svc)


def _check_index(svc: Services, hosts: Collection[HostName], tx: Transaction) -> None:
    for name in hosts:
        host = tx.hosts.get_by_name(name)
        assert svc.fleet.view(host.id) == svc.fleet.stored_view(tx, host)


def check_rows(connection: Connection) -> None:
    """Fail if anything is held twice or by nobody."""
    for rule, broken in RULES.items():
        assert connection.execute(text(broken)).all() == [], rule
    used: Counter[str] = Counter()
    bindings = connection.execute(text("SELECT port_id, server_id FROM bindings")).all()
    bound = {port_id for port_id, _ in bindings}
    of_servers = {(port_id, server_id) for port_id, server_id in bindings if server_id}
    named = set()
    confined: Counter[tuple[str, int]] = Counter()
    for server_id, host_id, numa_node, flavor, port_ids in connection.execute(PLACED):
        vcpus = json.loads(flavor)["vcpus"]
        used[host_id] += vcpus
        if numa_node is not None:
            confined[host_id, numa_node] += vcpus
        ports = json.loads(port_ids)
        assert bound.issuperset(ports), "a NIC without a binding"
        assert len(set(ports)) == len(ports), "a NIC that a server has twice"
        named |= {(port_id, server_id) for port_id in ports}
    assert of_servers <= named, "a port that its server does not know of"
    for host_id, vcpus in connection.execute(text("SELECT id, vcpus_used FROM hosts")):
        assert vcpus == used[host_id], "processors of a host"
    uses = connection.execute(text("SELECT host_id, number, vcpus_used FROM numa_uses"))
    assert {(host_id, number): vcpus for host_id, number, vcpus in uses if vcpus} == confined
