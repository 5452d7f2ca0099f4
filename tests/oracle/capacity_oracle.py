"""Says how many servers like a raw request fit on a raw host: by CP-SAT, device by device.

Imports nothing of what it judges.
"""

from __future__ import annotations

from itertools import product

from ortools.sat.python import cp_model

from tests.oracle.placement_oracle import (
    RawHost,
    RawNic,
    RawRequest,
    device_fits,
    devices_free,
    host_takes,
)


def most_servers(request: RawRequest, host: RawHost, *, enough: int) -> int:
    """The most servers, no more than `enough`."""
    if not host_takes(request, host):
        return 0
    bridged = (nic for nic in request["nics"] if nic["kind"] is None)
    if not all(any(o["bridge"] in host["bridges"] for o in nic["options"]) for nic in bridged):
        return 0
    room = enough
    for size in ("vcpus", "memory", "disk"):
        if request[size]:
            room = min(room, host[size] // request[size])
    nics = [nic for nic in request["nics"] if nic["kind"] is not None]
    return min(room, _by_devices(nics, host, room)) if nics else room


def _by_devices(nics: list[RawNic], host: RawHost, room: int) -> int:
    by_id = {device["id"]: device for device in host["devices"]}
    usable = [
        device
        for device in host["devices"]
        if device["free"]
        and (device["pf"] is None or devices_free(by_id, device["pf"]))
        and all(vf["free"] for vf in host["devices"] if vf["pf"] == device["id"])
    ]
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
    model.maximize(sum(there))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    status = solver.solve(model)
    assert status == cp_model.OPTIMAL, solver.status_name(status)
    return round(solver.objective_value)
