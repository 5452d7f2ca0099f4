"""Small and medium fleets with servers, as raw data: so full that moves are in each other's way."""

from __future__ import annotations

from random import Random

from tests.oracle.defrag_oracle import (
    RawDefrag,
    RawHost,
    RawNic,
    RawPf,
    RawRule,
    RawServer,
)

NETWORKS = ("phy1", "phy2")


def small_defrag(dice: Random) -> RawDefrag:
    """Few enough servers to try everything."""
    return _defrag(
        dice, hosts=dice.choice((1, 2, 3, 3, 4)), servers=dice.choice((3, 5, 6, 7, 8)), vfs=4
    )


def medium_defrag(dice: Random) -> RawDefrag:
    """For a solver."""
    return _defrag(dice, hosts=dice.choice((3, 5, 8)), servers=dice.choice((20, 35, 50)), vfs=12)


def _defrag(dice: Random, *, hosts: int, servers: int, vfs: int) -> RawDefrag:
    raw_hosts = [_host(dice, n) for n in range(hosts)]
    pfs = [pf for n in range(hosts) for pf in _pfs(dice, n, vfs)]
    raw: RawDefrag = {
        "hosts": raw_hosts,
        "pfs": pfs,
        "servers": [],
        "target": [],
        "free": 1,
        "whole": dice.random() < 0.2,
        "wants": {"e.trusted": "true"} if dice.random() < 0.15 else {},
    }
    free = {pf["id"]: pf["vfs"] - pf["lost_vfs"] for pf in pfs}
    crowded = raw_hosts[0]["id"] if dice.random() < 0.7 else None
    for number in range(servers):
        server = _server(dice, number, raw, free, crowded)
        if server is not None:
            raw["servers"].append(server)
    raw["target"] = _target(dice, raw)
    if not raw["whole"]:
        held = sum(nic["pf"] in raw["target"] for s in raw["servers"] for nic in s["nics"])
        now = sum(max(0, free[pf_id]) for pf_id in raw["target"])
        raw["free"] = now + dice.randint(0 if dice.random() < 0.1 else 1, 1 + held // 2)
    return raw


def _host(dice: Random, number: int) -> RawHost:
    return {
        "id": f"h{number}",
        "in_service": dice.random() < 0.95,
        "vcpus": dice.choice((2, 4, 8, 16)),
        "memory": dice.choice((512, 1024, 1792, 8192)),
    }


def _pfs(dice: Random, host: int, vfs: int) -> list[RawPf]:
    count = dice.choice((1, 2, 2, 3, 3))
    return [
        {
            "id": f"h{host}-pf{p}",
            "host": f"h{host}",
            "card": dice.choice((0, 1)),
            "tags": {
                "e.physical_network": dice.choice(NETWORKS),
                "e.trusted": dice.choice(("true", "true", "false")),
                "e.switch": dice.choice(("tor1", "tor2")),
                "numa_node": dice.choice(("0", "1")),
            },
            "offered": dice.random() < 0.8,
            "vfs": dice.randint(1, vfs),
            "lost_vfs": int(dice.random() < 0.07),
        }
        for p in range(count)
    ]


def _server(
    dice: Random, number: int, raw: RawDefrag, free: dict[str, int], crowded: str | None
) -> RawServer | None:
    host = crowded if crowded and dice.random() < 0.6 else dice.choice(raw["hosts"])["id"]
    here = [pf for pf in raw["pfs"] if pf["host"] == host]
    nics: list[RawNic] = []
    for n in range(dice.choice((1, 1, 1, 2, 2, 3))):
        open_ = [pf for pf in here if free[pf["id"]]]
        if not open_:
            break
        pf = dice.choice(open_)
        untouched = free[pf["id"]] == pf["vfs"] and pf["offered"]
        whole = untouched and dice.random() < 0.15
        free[pf["id"]] = 0 if whole else free[pf["id"]] - 1
        keys = [key for key in ("e.physical_network", "e.trusted") if dice.random() < 0.4]
        wants = {key: pf["tags"][key] for key in keys}
        nics.append({"name": f"nic{n}", "whole": whole, "wants": wants, "pf": pf["id"]})
    if not nics:
        return None
    return {
        "name": f"s{number}",
        "host": host,
        "vcpus": dice.choice((1, 1, 2)),
        "memory": dice.choice((256, 512, 768)),
        "nics": nics,
        "rules": _rules(dice, nics, {pf["id"]: pf for pf in here}),
    }


def _rules(dice: Random, nics: list[RawNic], pfs: dict[str, RawPf]) -> list[RawRule]:
    """A rule that holds where the server is, as it would not be there else."""
    if len(nics) < 2 or dice.random() < 0.5:
        return []
    chosen = dice.sample(nics, 2)
    by = dice.choice(("pf", "card", "node"))
    at = [pfs[nic["pf"]] for nic in chosen]
    places = {
        {"pf": pf["id"], "card": str(pf["card"]), "node": pf["tags"]["numa_node"]}[by] for pf in at
    }
    apart = len(places) == 2
    if by == "node" and apart:
        return []
    return [{"nics": [nic["name"] for nic in chosen], "apart": apart, "by": by}]


def _target(dice: Random, raw: RawDefrag) -> list[str]:
    """A PF, a NUMA node of a host, or a switch."""
    one = dice.choice([pf for pf in raw["pfs"] if pf["host"] == "h0"])
    kind = dice.choice(("pf", "pf", "numa", "switch"))
    if kind == "pf":
        return [one["id"]]
    key = {"numa": "numa_node", "switch": "e.switch"}[kind]
    return [
        pf["id"]
        for pf in raw["pfs"]
        if pf["tags"][key] == one["tags"][key] and (kind == "switch" or pf["host"] == one["host"])
    ]
