"""The fewest moves that free devices, in two ways. Imports nothing of what it judges.

A server that is moved leaves the target: it goes to another host, or it stays, keeps its devices
off the target and gets others of its host for the rest. Nobody gets what is held at the start, nor
anything of the target. What counts is how many servers are moved; then how many devices; then how
much memory, of which a server that stays moves none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any, Literal, NamedTuple, TypedDict

from ortools.sat.python import cp_model


class RawPf(TypedDict):
    id: str
    host: str
    card: int  # PFs of one host with equal numbers are of one card.
    tags: dict[str, str]  # Of the PF and of all its VFs.
    offered: bool  # The PF itself, whole.
    vfs: int
    lost_vfs: int  # That nobody has and nobody can have; the last ones.


class RawHost(TypedDict):
    id: str
    in_service: bool
    vcpus: int  # Free.
    memory: int


class RawNic(TypedDict):
    name: str
    whole: bool
    wants: dict[str, str]
    pf: str  # That it has, or that its VF is of.


class RawRule(TypedDict):
    nics: list[str]
    apart: bool
    by: str  # "pf", "card", or "node": a NUMA node, on which the guest is too; never apart.


class RawServer(TypedDict):
    name: str
    host: str
    vcpus: int
    memory: int
    nics: list[RawNic]
    rules: list[RawRule]  # All hard.


class RawDefrag(TypedDict):
    hosts: list[RawHost]
    pfs: list[RawPf]
    servers: list[RawServer]
    target: list[str]  # PFs.
    free: int
    whole: bool  # One PF of the target, rather than VFs.
    wants: dict[str, str]  # What those that are to be free must have.


class Best(NamedTuple):
    """What the best plan costs."""

    moves: int
    devices: int
    memory: int


class Facts:
    """Lookups over the raw data."""

    def __init__(self, raw: RawDefrag) -> None:
        self.raw = raw
        self.pfs = {pf["id"]: pf for pf in raw["pfs"]}
        self.hosts = {host["id"]: host for host in raw["hosts"]}
        self.servers = {server["name"]: server for server in raw["servers"]}

    def place(self, pf_id: str, rule: RawRule) -> str:
        """Where a PF is, as far as a rule is concerned."""
        pf = self.pfs[pf_id]
        return {"pf": pf_id, "card": str(pf["card"]), "node": pf["tags"]["numa_node"]}[rule["by"]]

    def nics_on(self, pf_id: str, *, but: Iterable[str] = ()) -> Iterator[RawNic]:
        gone = set(but)
        for server in self.raw["servers"]:
            if server["name"] not in gone:
                yield from (nic for nic in server["nics"] if nic["pf"] == pf_id)

    def free_vfs(self, pf_id: str, *, but: Iterable[str] = ()) -> int:
        pf, held = self.pfs[pf_id], list(self.nics_on(pf_id, but=but))
        if any(nic["whole"] for nic in held):
            return 0
        return pf["vfs"] - pf["lost_vfs"] - len(held)

    def free_whole(self, pf_id: str, *, but: Iterable[str] = ()) -> bool:
        pf = self.pfs[pf_id]
        return (
            pf["offered"]
            and not pf["lost_vfs"]
            and not any(True for _ in self.nics_on(pf_id, but=but))
        )

    def counted(self, target: Iterable[str], gone: Iterable[str] = ()) -> int:
        """How much of what is wanted is free on the target once these servers have left it."""
        wanted = [pf for pf in target if fits(self.raw["wants"], self.pfs[pf])]
        if self.raw["whole"]:
            return sum(self.free_whole(pf, but=gone) for pf in wanted)
        return sum(self.free_vfs(pf, but=gone) for pf in wanted)

    def targets(self) -> list[list[str]]:
        """One PF of several is freed whole for itself: only that is left by servers."""
        raw = self.raw
        return [[pf] for pf in raw["target"]] if raw["whole"] else [raw["target"]]

    def on(self, target: Sequence[str]) -> list[RawServer]:
        return [
            server
            for server in self.raw["servers"]
            if any(nic["pf"] in target for nic in server["nics"])
        ]

    def cost(self, name: str, place: str, target: Sequence[str]) -> tuple[int, int]:
        server = self.servers[name]
        if place == server["host"]:
            return sum(nic["pf"] in target for nic in server["nics"]), 0
        return len(server["nics"]), server["memory"]


def fits(wants: Mapping[str, str], pf: RawPf) -> bool:
    return wants.items() <= pf["tags"].items()


def by_trying_everything(raw: RawDefrag) -> tuple[Best | None, int]:
    """The best plan's cost, or None; and the most that can be free at once."""
    facts, best, most = Facts(raw), None, 0
    for target in facts.targets():
        names = [server["name"] for server in facts.on(target)]
        parties = _Parties(facts, target)
        for count in range(len(names) + 1):
            for gone in combinations(names, count):
                freed = facts.counted(target, gone)
                if freed <= most and (freed < raw["free"] or (best and best.moves < count)):
                    continue
                cost = parties.cheapest(gone)
                if cost is None:
                    continue
                most = max(most, freed)
                if freed >= raw["free"]:
                    found = Best(count, *cost)
                    best = found if best is None else min(best, found)
    return best, most


class _Parties:
    """Which servers fit together on a host, each worked out once."""

    def __init__(self, facts: Facts, target: Sequence[str]) -> None:
        self._facts, self._target = facts, target
        self._known: dict[object, bool] = {}

    def cheapest(self, gone: Sequence[str]) -> tuple[int, int] | None:
        """What it costs at the least to move all of these, or None."""
        best = None
        for places in product(self._facts.hosts, repeat=len(gone)):
            costs = [
                self._facts.cost(n, p, self._target) for n, p in zip(gone, places, strict=True)
            ]
            cost = sum(devices for devices, _ in costs), sum(memory for _, memory in costs)
            if best is not None and cost >= best:
                continue
            if all(
                self._fit(host, [n for n, p in zip(gone, places, strict=True) if p == host])
                for host in set(places)
            ):
                best = cost
        return best

    def _fit(self, host: str, names: Sequence[str]) -> bool:
        key = host, tuple(names)
        if key not in self._known:
            self._known[key] = self._try(host, names)
        return self._known[key]

    def _try(self, host: str, names: Sequence[str]) -> bool:
        facts, raw_host = self._facts, self._facts.hosts[host]
        servers = [facts.servers[name] for name in names]
        coming = [server for server in servers if server["host"] != host]
        if (
            not raw_host["in_service"]
            or sum(server["vcpus"] for server in coming) > raw_host["vcpus"]
            or sum(server["memory"] for server in coming) > raw_host["memory"]
        ):
            return False
        here = [pf for pf in facts.raw["pfs"] if pf["host"] == host]
        free = {
            pf["id"]: 0 if pf["id"] in self._target else facts.free_vfs(pf["id"]) for pf in here
        }
        whole = {pf["id"] for pf in here if pf["id"] not in self._target}
        whole = {pf_id for pf_id in whole if facts.free_whole(pf_id)}
        nics = [(server, nic) for server in servers for nic in server["nics"]]
        return self._assign(host, nics, free, whole, {})

    def _assign(
        self,
        host: str,
        nics: Sequence[tuple[RawServer, RawNic]],
        free: dict[str, int],
        whole: set[str],
        given: dict[tuple[str, str], str],
    ) -> bool:
        if not nics:
            return rules_hold(self._facts, given)
        (server, nic), *rest = nics
        key = server["name"], nic["name"]
        if server["host"] == host and nic["pf"] not in self._target:
            return self._assign(host, rest, free, whole, {**given, key: nic["pf"]})
        for pf_id in free:
            if not fits(nic["wants"], self._facts.pfs[pf_id]):
                continue
            if nic["whole"]:
                if pf_id in whole:
                    left = {**free, pf_id: 0}
                    if self._assign(host, rest, left, whole - {pf_id}, {**given, key: pf_id}):
                        return True
            elif free[pf_id]:
                left = {**free, pf_id: free[pf_id] - 1}
                if self._assign(host, rest, left, whole - {pf_id}, {**given, key: pf_id}):
                    return True
        return False


def rules_hold(facts: Facts, given: Mapping[tuple[str, str], str]) -> bool:
    """Whether the rules of all servers hold that have got all their devices (server, NIC): PF."""
    for name in {name for name, _ in given}:
        for rule in facts.servers[name]["rules"]:
            at = [given[name, nic] for nic in rule["nics"]]
            places = {facts.place(pf, rule) for pf in at}
            if len(places) != (len(at) if rule["apart"] else 1):
                return False
    return True


def by_cp_sat(raw: RawDefrag, *, seconds_max: float = 60) -> Best | None:
    """The best plan's cost, or None, by a solver."""
    facts = Facts(raw)
    found = [best for target in facts.targets() if (best := _solve(facts, target, seconds_max))]
    return min(found, default=None)


def _solve(facts: Facts, target: Sequence[str], seconds_max: float) -> Best | None:
    raw, model = facts.raw, cp_model.CpModel()
    movers = facts.on(target)
    at = {
        (server["name"], host["id"]): model.new_bool_var(f"{server['name']} at {host['id']}")
        for server in movers
        for host in raw["hosts"]
        if host["in_service"]
    }
    moved: dict[str, Any] = {}
    for server in movers:
        moved[server["name"]] = model.new_bool_var(f"{server['name']} is moved")
        places = [var for (name, _), var in at.items() if name == server["name"]]
        model.add(sum(places) == moved[server["name"]])
    given = _devices(facts, target, model, at)
    for host in raw["hosts"]:
        coming = [
            (server, at[server["name"], host["id"]])
            for server in movers
            if server["host"] != host["id"] and (server["name"], host["id"]) in at
        ]
        what: Literal["vcpus", "memory"]
        for what in ("vcpus", "memory"):
            model.add(sum(s[what] * var for s, var in coming) <= host[what])
    _freed(facts, target, model, moved)
    _rules(facts, model, given, at)
    devices, memory = [], []
    for (name, host_id), var in at.items():
        cost = facts.cost(name, host_id, target)
        devices.append(cost[0] * var)
        memory.append(cost[1] * var)
    big = 1 + sum(server["memory"] for server in movers)
    bigger = big * (1 + sum(len(server["nics"]) for server in movers))
    model.minimize(bigger * sum(moved.values()) + big * sum(devices) + sum(memory))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = seconds_max
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return None
    assert status == cp_model.OPTIMAL, solver.status_name(status)
    return Best(
        sum(solver.value(var) for var in moved.values()),
        sum(solver.value(term) for term in devices),
        sum(solver.value(term) for term in memory),
    )


_Given = dict[tuple[str, str, str], Any]  # Server, NIC, PF.


def _devices(facts: Facts, target: Sequence[str], model: Any, at: Mapping[Any, Any]) -> _Given:
    """Each NIC of a server on a host gets a device there, no device twice."""
    given: _Given = {}
    for (name, host_id), var in at.items():
        server = facts.servers[name]
        here = [pf for pf in facts.raw["pfs"] if pf["host"] == host_id and pf["id"] not in target]
        for nic in server["nics"]:
            if server["host"] == host_id and nic["pf"] not in target:
                given[name, nic["name"], nic["pf"]] = var
                continue
            ways = []
            for pf in here:
                if fits(nic["wants"], pf):
                    way = model.new_bool_var(f"{name} {nic['name']} on {pf['id']}")
                    given[name, nic["name"], pf["id"]] = way
                    ways.append(way)
            model.add(sum(ways) == var)
    for pf in facts.raw["pfs"]:
        if pf["id"] in target:
            continue
        parts: list[Any] = []
        whole: list[Any] = []
        for (name, nic_name, pf_id), way in given.items():
            server = facts.servers[name]
            nic = next(nic for nic in server["nics"] if nic["name"] == nic_name)
            kept = server["host"] == pf["host"] and nic["pf"] == pf_id
            if pf_id == pf["id"] and not kept:
                (whole if nic["whole"] else parts).append(way)
        model.add(sum(parts) <= facts.free_vfs(pf["id"]))
        model.add(sum(whole) <= int(facts.free_whole(pf["id"])))
        for way in whole:
            for part in parts:
                model.add_implication(way, part.negated())
    return given


def _freed(facts: Facts, target: Sequence[str], model: Any, moved: Mapping[str, Any]) -> None:
    raw, gains = facts.raw, []
    for pf_id in target:
        pf = facts.pfs[pf_id]
        if not fits(raw["wants"], pf):
            continue
        if raw["whole"]:
            if not facts.free_whole(pf_id, but=moved):
                continue
            gone = model.new_bool_var(f"{pf_id} is free")
            for server in facts.on([pf_id]):
                model.add_implication(gone, moved[server["name"]])
            gains.append(gone)
            continue
        gains.append(facts.free_vfs(pf_id))
        for server in facts.on([pf_id]):
            for nic in server["nics"]:
                if nic["pf"] == pf_id:
                    count = pf["vfs"] - pf["lost_vfs"] if nic["whole"] else 1
                    gains.append(count * moved[server["name"]])
    model.add(sum(gains) >= raw["free"])


def _rules(facts: Facts, model: Any, given: _Given, at: Mapping[Any, Any]) -> None:
    for (name, host_id), var in at.items():
        here = [pf for pf in facts.raw["pfs"] if pf["host"] == host_id]
        for rule in facts.servers[name]["rules"]:
            places: dict[str, list[str]] = {}
            for pf in here:
                places.setdefault(facts.place(pf["id"], rule), []).append(pf["id"])
            for pf_ids in places.values():
                counts = [
                    sum(given[name, nic, pf] for pf in pf_ids if (name, nic, pf) in given)
                    for nic in rule["nics"]
                ]
                if rule["apart"]:
                    model.add(sum(counts) <= 1).only_enforce_if(var)
                else:
                    for count in counts[1:]:
                        model.add(count == counts[0]).only_enforce_if(var)
