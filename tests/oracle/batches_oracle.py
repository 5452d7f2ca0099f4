"""Says how many servers like a raw request fit on a raw host under all rules: by CP-SAT.

Server by server, NIC by NIC, device by device. Each server is a guest with a home of its own, keeps
the hard rules among its own NICs, and takes its room from its node if it is confined to one;
devices, guarantees and room are shared by all. The rules in words are those of `places_oracle`.
Imports nothing of what it judges.
"""

from __future__ import annotations

from itertools import pairwise, product

from ortools.sat.python import cp_model

from tests.oracle.placement_oracle import (
    RawDevice,
    RawHost,
    RawNic,
    RawRequest,
    device_fits,
    room_for,
)
from tests.oracle.places_oracle import (
    Home,
    guarantees_of,
    is_confined,
    kin_of,
    left_of,
    may_be_given,
    node_of,
    place_of,
    socket_of,
)
from tests.oracle.solving import most_there

Variables = dict[tuple[int, str, str], cp_model.IntVar]  # Server, NIC's name, a device's ID.


def most_servers(request: RawRequest, host: RawHost, *, enough: int) -> int:
    """The most servers, no more than `enough`."""
    room = room_for(request, host, enough=enough)
    nics = [nic for nic in request["nics"] if nic["kind"] is not None]
    if not nics or not room:
        return room
    free = [device for device in host["devices"] if may_be_given(device, host["devices"])]
    return _most(request, host, nics, _alike(free), min(room, len(free) // len(nics)))


def _alike(devices: list[RawDevice]) -> list[list[RawDevice]]:
    """Gather the devices that nothing tells apart, lest a solver try all their permutations."""
    found: dict[object, list[RawDevice]] = {}
    for device in devices:
        key = kin_of(device), device["kind"], tuple(sorted(device["attributes"].items()))
        found.setdefault(key, []).append(device)
    return list(found.values())


def _most(
    request: RawRequest,
    host: RawHost,
    nics: list[RawNic],
    alike: list[list[RawDevice]],
    room: int,
) -> int:
    devices = {some[0]["id"]: some[0] for some in alike}  # One stands for those like it.
    model = cp_model.CpModel()
    there = [model.new_bool_var(f"server {k}") for k in range(room)]
    for one, other in pairwise(there):
        model.add(one >= other)
    x = {
        (k, nic["name"], device["id"]): model.new_bool_var(f"{k} {nic['name']}: {device['id']}")
        for k, nic, device in product(range(room), nics, devices.values())
        if device_fits(nic, device)
    }
    for k, nic in product(range(room), nics):
        mine = [v for (c, name, _), v in x.items() if (c, name) == (k, nic["name"])]
        model.add(sum(mine) == there[k])
    for some in alike:
        device = some[0]
        given = [v for (_, _, d), v in x.items() if d == device["id"]]
        model.add(sum(given) <= len(some))
        for v in [v for (_, _, d), v in x.items() if d == device["pf"]]:
            model.add(sum(given) == 0).only_enforce_if(v)
    _put_in_order(model, nics, list(devices), x, there)
    _add_guarantees(model, host, nics, devices, x)
    _add_homes(model, request, host, nics, devices, x, there)
    for k in range(room):
        _add_rules(model, request, host, devices, {key: v for key, v in x.items() if key[0] == k})
    return most_there(model, there)


def _put_in_order(
    model: cp_model.CpModel,
    nics: list[RawNic],
    devices: list[str],
    x: Variables,
    there: list[cp_model.IntVar],
) -> None:
    """Number servers by what they get: they are alike, and no two orders are to be tried."""
    weight = {nic["name"]: (len(devices) + 1) ** n for n, nic in enumerate(nics)}
    number = [
        sum(weight[name] * (1 + devices.index(d)) * v for (c, name, d), v in x.items() if c == k)
        for k in range(len(there))
    ]
    for k, (one, other) in enumerate(pairwise(number)):
        model.add(one <= other).only_enforce_if(there[k + 1])


def _add_guarantees(
    model: cp_model.CpModel,
    host: RawHost,
    nics: list[RawNic],
    devices: dict[str, RawDevice],
    x: Variables,
) -> None:
    asked: dict[tuple[str, str], list[cp_model.LinearExpr]] = {}
    by_name = {nic["name"]: nic for nic in nics}
    for (_, name, device), v in x.items():
        for way, mbps in guarantees_of(by_name[name]).items():
            asked.setdefault((kin_of(devices[device]), way), []).append(mbps * v)
    for (pf, way), terms in asked.items():
        model.add(sum(terms) <= left_of(host, pf, way))


def _add_homes(
    model: cp_model.CpModel,
    request: RawRequest,
    host: RawHost,
    nics: list[RawNic],
    devices: dict[str, RawDevice],
    x: Variables,
    there: list[cp_model.IntVar],
) -> None:
    reported = host.get("nodes", [])
    where: list[Home] = [node["number"] for node in reported]
    if not reported:
        known = {node_of(host, device) for device in host["devices"]}
        where = [None, *sorted(node for node in known if node is not None)]
    policies = {nic["name"]: nic.get("numa") for nic in nics}
    lives = {
        (k, home): model.new_bool_var(f"{k} on {home}") for k in range(len(there)) for home in where
    }
    for k, present in enumerate(there):
        model.add(sum(lives[k, home] for home in where) == present)
    for (k, name, device), v in x.items():
        node = node_of(host, devices[device])
        for home in where:
            if not _may(host, policies[name], node, home):
                model.add_bool_or(~v, ~lives[k, home])
    if is_confined(request):
        for facts in reported:
            here = sum(lives[k, facts["number"]] for k in range(len(there)))
            for size, left in (
                (request["vcpus"], facts["vcpus"]),
                (request["memory"], facts["memory"]),
            ):
                model.add(size * here <= max(0, left))
                if left < 0:
                    model.add(here == 0)


def _may(host: RawHost, policy: str | None, node: int | None, home: Home) -> bool:
    if policy in (None, "preferred"):
        return True
    if node is not None and node == home:
        return True
    if policy == "legacy":
        return node is None
    socket = socket_of(host, node)
    return policy == "socket" and socket is not None and socket == socket_of(host, home)


def _add_rules(
    model: cp_model.CpModel,
    request: RawRequest,
    host: RawHost,
    devices: dict[str, RawDevice],
    x: Variables,
) -> None:
    """The hard rules of one server."""
    for rule in request.get("rules", []):
        at: dict[tuple[str, str], list[cp_model.IntVar]] = {}
        for (_, name, device), v in x.items():
            if name in rule["nics"]:
                at.setdefault(place_of(host, devices[device], rule["scope"]), []).append(v)
        with_devices = {name for _, name, _ in x if name in rule["nics"]}
        if not rule["hard"] or len(with_devices) < 2:
            continue
        used = {place: model.new_bool_var(f"{place}") for place in at}
        for place, variables in at.items():
            for v in variables:
                model.add_implication(v, used[place])
            if rule["apart"]:
                model.add(sum(variables) <= int(place[0] == "known"))
        if not rule["apart"]:
            model.add(sum(used.values()) <= 1)
