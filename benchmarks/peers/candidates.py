"""Allocation candidates beside Placement's, over as many hosts, each a tree with two PFs."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks._copied_hosts import copy_only_host
from benchmarks.peers.pairs import Work, compare
from benchmarks.peers.services import HERE, Service, a_peer, a_trunkline
from benchmarks.service import wait_for_hosts

HEADERS = {"OpenStack-API-Version": "placement 1.39"}
GUEST = "resources=VCPU:1,MEMORY_MB:512,DISK_GB:1"
VF_ON_PHY1 = "resources1=SRIOV_NET_VF:1&required1=CUSTOM_PHYSNET_PHY1"
VF_ON_PHY2 = "resources2=SRIOV_NET_VF:1&required2=CUSTOM_PHYSNET_PHY2"
ASKED = {
    "1 NIC": f"{GUEST}&{VF_ON_PHY1}&limit=1000",
    "2 NICs": f"{GUEST}&{VF_ON_PHY1}&{VF_ON_PHY2}&group_policy=none&limit=1000",
}
FIRST_HOST = "00000001"


def measure(home: Path, *, hosts: int, pairs: int) -> list[dict[str, Any]]:
    """Ask both for the candidates of a server with one VF, and with two on unlike networks."""
    with a_trunkline(home, HERE / "one_host.toml", HEADERS) as trunkline:
        wait_for_hosts(trunkline.session, 1)
    with sqlite3.connect(home / "data/trunkline.db") as database:
        copy_only_host(database, hosts)
    with (
        a_peer("placement", home / "placement", HEADERS) as placement,
        a_trunkline(home, HERE / "one_host.toml", HEADERS) as trunkline,
    ):
        inventories = _one_tree(trunkline)
        _make_tree(placement, inventories)
        _copy_only_tree(home / "placement/placement.db", hosts)
        results = []
        for name, query in ASKED.items():
            both = (
                work(placement, "", query, hosts),
                work(trunkline, "/placement", query, hosts),
            )
            figures = compare(placement, trunkline, both, pairs=pairs, target=15)
            named = f"allocation candidates, {hosts:,} hosts, {name}"
            results.append({"figure": named, "peer": "placement", **figures})
        return results


def work(service: Service, base: str, query: str, hosts: int) -> Work:
    """Return the work of asking for candidates: as many as there are hosts, 1,000 at most."""

    def ask(_: int) -> float:
        begun = perf_counter()
        answer = service.session.must("GET", f"{base}/allocation_candidates?{query}")
        seconds = perf_counter() - begun
        assert len(answer["allocation_requests"]) == min(hosts, 1000), answer
        assert len(answer["provider_summaries"]) == 3 * min(hosts, 1000)
        return seconds

    return ask


Tree = Sequence[tuple[str, dict[str, Any], list[str]]]  # Name, inventories, traits; root first.


def _one_tree(trunkline: Service) -> Tree:
    """Return the one tree, to be made again: both answer about the same providers."""
    session = trunkline.session
    found = session.must("GET", "/placement/resource_providers?")["resource_providers"]
    root = next(each for each in found if each["name"] == "first")
    tree = [each for each in found if each["root_provider_uuid"] == root["uuid"]]
    assert len(tree) == 3, tree
    return [
        (
            each["name"],
            session.must("GET", f"/placement/resource_providers/{each['uuid']}/inventories")[
                "inventories"
            ],
            session.must("GET", f"/placement/resource_providers/{each['uuid']}/traits")["traits"],
        )
        for each in sorted(tree, key=lambda each: each["name"])
    ]


def _make_tree(placement: Service, tree: Tree) -> None:
    session, parent = placement.session, None
    for number, (name, inventories, traits) in enumerate(tree):
        one = f"{FIRST_HOST}-0000-4000-8000-{number:012d}"
        made = session.must("POST", "/resource_providers", {"name": name, "uuid": one} | (
            {"parent_provider_uuid": parent} if parent else {}
        ))  # fmt: skip
        parent = parent or one
        for trait in traits:
            if trait.startswith("CUSTOM_"):
                session.must("PUT", f"/traits/{trait}")
        for name in inventories:
            if name.startswith("CUSTOM_"):
                session.must("PUT", f"/resource_classes/{name}")
        path, seen = f"/resource_providers/{one}", made["generation"]
        done = session.must("PUT", f"{path}/inventories", {
            "resource_provider_generation": seen, "inventories": inventories,
        })  # fmt: skip
        session.must("PUT", f"{path}/traits", {
            "resource_provider_generation": done["resource_provider_generation"],
            "traits": traits,
        })  # fmt: skip


def _copy_only_tree(path: Path, hosts: int) -> None:
    """Copy the rows of the only tree until there are so many."""
    with sqlite3.connect(path) as database:
        ids = [
            each for (each,) in database.execute("SELECT id FROM resource_providers ORDER BY id")
        ]
        for table, refs in (
            ("resource_providers", ("id", "root_provider_id", "parent_provider_id")),
            ("inventories", ("resource_provider_id",)),
            ("resource_provider_traits", ("resource_provider_id",)),
        ):
            columns = [name for _, name, *_ in database.execute(f"PRAGMA table_info({table})")]
            found = {name: name for name in columns} | {
                name: f"{name} + {max(ids)} * nth" for name in refs
            }
            if table == "resource_providers":
                found |= {
                    "uuid": "printf('%08x', nth + 1) || substr(uuid, 9)",
                    "name": "nth || name",
                }
            elif "id" in columns:
                del found["id"]
            numbers = "WITH RECURSIVE n(nth) AS (SELECT 1 UNION ALL SELECT nth + 1 FROM n LIMIT ?)"
            database.execute(
                f"INSERT INTO {table} ({', '.join(found)}) {numbers}"
                f" SELECT {', '.join(found.values())} FROM {table}, n",
                (hosts - 1,),
            )
