"""Says how many servers like a raw request fit on a raw host: by CP-SAT, device by device.

Imports nothing of what it judges.
"""

from __future__ import annotations

from itertools import product

from ortools.sat.python import cp_model

from tests.oracle.placement_oracle import (
    RawDevice,
    RawHost,
    RawNic,
    RawRequest,
    device_fits,
    devices_free,
    host_takes,
    room_for,
)
from tests.oracle.solving import most_there


def most_servers(request: RawRequest, host: RawHost, *, enough: int) -> int:
    """The most servers, no more than `enough`."""
    room = room_for(request, host, enough=enough)
    nics = [nic for nic in request["nics"] if nic["kind"] is not None]
    return min(room, _by_devices(nics, host, room)) if nics and room else room


def _by_devices(nics: list[RawNic], host: RawHost, room: int) -> int:
    usable = _usable(host)
    model = cp_model.CpModel()
    there = [model.new_bool_var(f"server {k}") for k in range(room)]
    x = {
        (k, n, device["id"]): model.new_bool_var(f"server {k}, NIC {n}: {device['id']}")
        for k, n, device in product(range(room), range(len(nics)), usable)
        if device_fits(nics[n], device)
    }
    for k, n in product(range(room), range(len(nics))):
        model.add(sum(v for (c, m, _), v in x.items() if (c, m) == (k, n)) == there[k])
    given = {
        device["id"]: [v for (_, _, d), v in x.items() if d == device["id"]] for device in usable
    }
    for device in usable:
        model.add(sum(given[device["id"]]) <= 1)
        for v in given.get(device["pf"] or "", []):
            model.add(sum(given[device["id"]]) == 0).only_enforce_if(v)
    return most_there(model, there)


def mix_fits(requests: list[RawRequest], hosts: list[RawHost]) -> bool:
    """Whether all these servers can be placed on the hosts together, each on one of them."""
    model = cp_model.CpModel()
    for host in hosts:
        assert len({device["id"] for device in host["devices"]}) == len(host["devices"])
    on = {
        (s, h): model.new_bool_var(f"server {s} on {host['name']}")
        for s, request in enumerate(requests)
        for h, host in enumerate(hosts)
        if host_takes(request, host)
    }
    for s in range(len(requests)):
        model.add(sum(v for (t, _), v in on.items() if t == s) == 1)
    for h, host in enumerate(hosts):
        here = [s for s in range(len(requests)) if (s, h) in on]
        for size in ("vcpus", "memory", "disk"):
            model.add(sum(requests[s][size] * on[s, h] for s in here) <= host[size])
        given: dict[str, list[cp_model.IntVar]] = {}
        for s in here:
            for n, nic in enumerate(requests[s]["nics"]):
                fitting = {
                    device["id"]: model.new_bool_var(f"server {s}, NIC {n}: {device['id']}")
                    for device in _usable(host)
                    if device_fits(nic, device)
                }
                model.add(sum(fitting.values()) == on[s, h])
                for device_id, v in fitting.items():
                    given.setdefault(device_id, []).append(v)
        for device in host["devices"]:
            taken = given.get(device["id"], [])
            model.add(sum(taken) <= 1)
            for v in given.get(device["pf"] or "", []):
                model.add(sum(taken) == 0).only_enforce_if(v)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    status = solver.solve(model)
    assert status in (cp_model.OPTIMAL, cp_model.FEASIBLE, cp_model.INFEASIBLE)
    return status != cp_model.INFEASIBLE


def _usable(host: RawHost) -> list[RawDevice]:
    by_id = {device["id"]: device for device in host["devices"]}
    return [
        device
        for device in host["devices"]
        if device["free"]
        and (device["pf"] is None or devices_free(by_id, device["pf"]))
        and all(vf["free"] for vf in host["devices"] if vf["pf"] == device["id"])
    ]
