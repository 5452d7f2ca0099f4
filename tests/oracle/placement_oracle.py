"""Says whether a request fits, from raw data, by max flow. Imports nothing of what it judges.

Slow and plain on purpose: one node a NIC, one node a device, every set of PFs tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import NotRequired, TypedDict

import networkx as nx
from networkx.algorithms.flow import edmonds_karp


class RawDevice(TypedDict):
    id: str
    kind: str  # "pf", "vf" or "plain"
    pf: str | None
    vf_index: int | None
    attributes: dict[str, str]
    free: bool


class RawNode(TypedDict):
    """A NUMA node, and what guests that are confined to it have left of it."""

    number: int
    socket: int | None
    vcpus: int
    memory: int


class RawBandwidth(TypedDict):
    """What a PF has left to guarantee, in Mbps; None: it guarantees nothing that way."""

    egress: int | None
    ingress: int | None


class RawHost(TypedDict):
    id: str
    name: str
    enabled: bool
    up: bool
    vcpus: int
    memory: int
    disk: int
    bridges: list[str]
    devices: list[RawDevice]
    nodes: NotRequired[list[RawNode]]  # Only the oracle of places looks at these two.
    bandwidth: NotRequired[dict[str, RawBandwidth]]  # Of PFs; the others guarantee nothing.


class RawOption(TypedDict):
    segment: str | None
    attributes: dict[str, str]
    bridge: str | None


class RawNic(TypedDict):
    name: str
    kind: str | None  # None: a bridge will do
    options: list[RawOption]
    attributes: dict[str, str]
    numa: NotRequired[str | None]  # A policy; only the oracle of places looks at these three.
    egress: NotRequired[int]  # Mbps that its PF is to guarantee.
    ingress: NotRequired[int]


class RawRule(TypedDict):
    scope: str
    apart: bool
    hard: bool
    nics: list[str]


class RawRequest(TypedDict):
    nics: list[RawNic]
    vcpus: int
    memory: int
    disk: int
    excluded: list[str]
    only: str | None
    even_disabled: NotRequired[bool]  # If not said: no.
    rules: NotRequired[list[RawRule]]  # Only the oracle of places looks at them.


def fitting_hosts(request: RawRequest, hosts: Iterable[RawHost]) -> set[str]:
    """IDs of all hosts that can take the request."""
    return {host["id"] for host in hosts if host_takes(request, host) and nics_fit(request, host)}


def host_takes(request: RawRequest, host: RawHost) -> bool:
    return (
        (host["enabled"] or request.get("even_disabled", False))
        and host["up"]
        and host["id"] not in request["excluded"]
        and request["only"] in (None, host["name"])
        and request["vcpus"] <= host["vcpus"]
        and request["memory"] <= host["memory"]
        and request["disk"] <= host["disk"]
    )


def room_for(request: RawRequest, host: RawHost, *, enough: int) -> int:
    """How many servers the host has room and bridges for, devices aside; no more than `enough`."""
    bridged = (nic for nic in request["nics"] if nic["kind"] is None)
    if not host_takes(request, host) or not all(has_bridge(nic, host) for nic in bridged):
        return 0
    sizes = ((host[size], request[size]) for size in ("vcpus", "memory", "disk"))
    return min([enough, *(has // wanted for has, wanted in sizes if wanted)])


def has_bridge(nic: RawNic, host: RawHost) -> bool:
    return any(option["bridge"] in host["bridges"] for option in nic["options"])


def nics_fit(request: RawRequest, host: RawHost) -> bool:
    """Whether bridges and devices suffice for all NICs together."""
    for nic in request["nics"]:
        if nic["kind"] is None and not has_bridge(nic, host):
            return False
    wanting = [nic for nic in request["nics"] if nic["kind"] is not None]
    return devices_suffice(wanting, host["devices"])


def devices_suffice(nics: Sequence[RawNic], devices: Sequence[RawDevice]) -> bool:
    by_id = {device["id"]: device for device in devices}
    whole_pfs = [
        device["id"]
        for device in devices
        if device["kind"] == "pf"
        and device["free"]
        and all(other["free"] for other in devices if other["pf"] == device["id"])
    ]
    pf_nic_count = sum(1 for nic in nics if nic["kind"] == "pf")
    for given_away in combinations(whole_pfs, pf_nic_count):
        usable = [by_id[pf] for pf in given_away]
        for device in devices:
            pf = by_id.get(device["pf"]) if device["pf"] is not None else None
            if (
                device["kind"] != "pf"
                and device["free"]
                and device["pf"] not in given_away
                and (pf is None or pf["free"])
            ):
                usable.append(device)
        if _max_flow(nics, usable) == len(nics):
            return True
    return False


def device_fits(nic: RawNic, device: RawDevice, option: RawOption | None = None) -> bool:
    if nic["kind"] != device["kind"] or not _has(device["attributes"], nic["attributes"]):
        return False
    options = nic["options"] if option is None else [option]
    return any(_has(device["attributes"], one["attributes"]) for one in options)


def _has(attributes: Mapping[str, str], demanded: Mapping[str, str]) -> bool:
    return demanded.items() <= attributes.items()


def _max_flow(nics: Sequence[RawNic], devices: Sequence[RawDevice]) -> int:
    if not nics:
        return 0
    graph: nx.DiGraph[object] = nx.DiGraph()
    graph.add_node("to")
    for n, nic in enumerate(nics):
        graph.add_edge("from", ("nic", n), capacity=1)
        for device in devices:
            if device_fits(nic, device):
                graph.add_edge(("nic", n), device["id"], capacity=1)
                graph.add_edge(device["id"], "to", capacity=1)
    return int(nx.maximum_flow_value(graph, "from", "to", flow_func=edmonds_karp))


def least_freed(nics: Sequence[RawNic], devices: Sequence[RawDevice]) -> int | None:
    """The least number of devices with owners to be freed so that all NICs fit; None: no number.

    By trying every set.
    """
    owned = [device["id"] for device in devices if not device["free"]]
    for count in range(len(owned) + 1):
        for freed in combinations(owned, count):
            changed = [
                {**device, "free": device["free"] or device["id"] in freed} for device in devices
            ]
            if devices_suffice(nics, changed):  # type: ignore[arg-type]  # {**TypedDict} is a dict
                return count
    return None


def faults_of_choice(
    request: RawRequest, host: RawHost, choices: Sequence[tuple[str, str | None, str | None]]
) -> list[str]:
    """Check a choice of (NIC, segment, device) against the raw data; no faults, no lines."""
    faults = [] if host_takes(request, host) else ["the host does not take the request"]
    devices = {device["id"]: device for device in host["devices"]}
    chosen = [device_id for _, _, device_id in choices if device_id is not None]
    if len(set(chosen)) != len(chosen):
        faults.append("one device for two NICs")
    if [name for name, _, _ in choices] != [nic["name"] for nic in request["nics"]]:
        faults.append("not the NICs asked for, in their order")
    for nic, (_, segment, device_id) in zip(request["nics"], choices, strict=False):
        options = [option for option in nic["options"] if option["segment"] == segment]
        if nic["kind"] is None:
            if device_id is not None or not any(o["bridge"] in host["bridges"] for o in options):
                faults.append(f"{nic['name']}: no bridge on its segment")
        elif device_id not in devices:
            faults.append(f"{nic['name']}: the host has no device {device_id}")
        elif not any(device_fits(nic, devices[device_id], option) for option in options):
            faults.append(f"{nic['name']}: {device_id} does not fit on segment {segment}")
    for device_id in chosen:
        device = devices.get(device_id)
        if device is None:
            continue
        kin = [other for other in host["devices"] if other["pf"] == device_id]
        if not device["free"]:
            faults.append(f"{device_id} has an owner")
        if device["pf"] in chosen or (device["pf"] and not devices_free(devices, device["pf"])):
            faults.append(f"the PF of {device_id} is given away")
        if any(not other["free"] for other in kin):
            faults.append(f"a VF of {device_id} has an owner")
    return faults


def devices_free(devices: Mapping[str, RawDevice], device_id: str) -> bool:
    device = devices.get(device_id)
    return device is None or device["free"]
