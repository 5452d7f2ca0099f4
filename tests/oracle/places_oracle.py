"""Says whether a request with rules about places fits, from raw data, by trying everything.

Imports nothing of what it judges. The rules, in words:

* A PF and its VFs are one family, in one place. Its NUMA node is what its devices say in
  `numa_node`, its switch what they say in `e.switch`; if they say nothing, or not the same, it is
  not known. PFs whose IDs differ only after the last dot are ports of one card, where the PF
  itself is known.
* The guest is on one of the NUMA nodes that its host reports; if it reports none, on one that a
  device is known to be on, or on none that is known.
* `required`: the NIC's device is on the guest's node. `legacy`: it is, or its node is not known.
  `socket`: it is, or its node is one that the host reports, on the same socket, which is known.
  `preferred` forbids nothing.
* A guest with a device under one of the first three has all of its vCPUs and memory from its node,
  where the host reports nodes.
* Hard affinity: the devices of the rule's NICs are in one place; one whose place is not known is
  together with its own family only. Hard anti-affinity: each has a place of its own, which is
  known. Soft rules forbid nothing. NICs on bridges are no part of rules.
* Guarantees: the PF of each NIC that asks for one, or whose VF it has, accounts that direction; and
  what a PF's NICs ask for together is no more than it has left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tests.oracle.placement_oracle import (
    RawDevice,
    RawHost,
    RawNic,
    RawRequest,
    RawRule,
    device_fits,
    has_bridge,
    host_takes,
)

Home = int | None  # The guest's node; None: it is on none that is known.
Chosen = dict[str, RawDevice]  # By the NIC's name.


def hosts_that_fit(request: RawRequest, hosts: Iterable[RawHost]) -> set[str]:
    """IDs of all hosts that can take the request under all its rules."""
    return {host["id"] for host in hosts if host_takes(request, host) and fits_on(request, host)}


def fits_on(request: RawRequest, host: RawHost) -> bool:
    for nic in request["nics"]:
        if nic["kind"] is None and not has_bridge(nic, host):
            return False
    wanting = [nic for nic in request["nics"] if nic["kind"] is not None]
    return any(
        is_ruled_well(request, host, chosen, home)
        for chosen in ways_to_choose(wanting, host["devices"])
        for home in homes(request, host)
    )


def homes(request: RawRequest, host: RawHost) -> list[Home]:
    """The nodes that the guest may be on."""
    if host.get("nodes"):
        return [
            node["number"]
            for node in host["nodes"]
            if not is_confined(request)
            or (request["vcpus"] <= node["vcpus"] and request["memory"] <= node["memory"])
        ]
    nodes = {node_of(host, device) for device in host["devices"]}
    return [None, *sorted(node for node in nodes if node is not None)]


def is_confined(request: RawRequest) -> bool:
    return any(
        nic.get("numa") in ("required", "legacy", "socket")
        for nic in request["nics"]
        if nic["kind"] is not None
    )


def socket_of(host: RawHost, number: int | None) -> int | None:
    found = [node["socket"] for node in host.get("nodes", []) if node["number"] == number]
    return found[0] if found else None


def is_ruled_well(request: RawRequest, host: RawHost, chosen: Chosen, home: Home) -> bool:
    """Whether no rule forbids these devices with the guest there."""
    for nic in request["nics"]:
        policy = nic.get("numa")
        if nic["name"] not in chosen or policy in (None, "preferred"):
            continue
        node = node_of(host, chosen[nic["name"]])
        socket = socket_of(host, node)
        allowed = node is not None and node == home
        allowed |= policy == "legacy" and node is None
        allowed |= policy == "socket" and socket is not None and socket == socket_of(host, home)
        if not allowed:
            return False
    return guarantees_hold(request, host, chosen) and all(
        rule_holds(rule, host, chosen) for rule in request.get("rules", []) if rule["hard"]
    )


def guarantees_hold(request: RawRequest, host: RawHost, chosen: Chosen) -> bool:
    """Whether PFs have as much left as is asked of them."""
    asked: dict[tuple[str, str], int] = {}
    for nic in request["nics"]:
        if nic["name"] in chosen:
            pf = kin_of(chosen[nic["name"]])
            for way, mbps in guarantees_of(nic).items():
                asked[pf, way] = asked.get((pf, way), 0) + mbps
    return all(mbps <= left_of(host, pf, way) for (pf, way), mbps in asked.items())


def guarantees_of(nic: RawNic) -> dict[str, int]:
    """What a NIC asks for, by direction."""
    asked = {"egress": nic.get("egress", 0), "ingress": nic.get("ingress", 0)}
    return {way: mbps for way, mbps in asked.items() if mbps}


def left_of(host: RawHost, pf: str, way: str) -> int:
    """What a PF can guarantee still."""
    left = host.get("bandwidth", {}).get(pf)
    mbps = None if left is None else left["egress"] if way == "egress" else left["ingress"]
    return max(0, mbps or 0)


def rule_holds(rule: RawRule, host: RawHost, chosen: Chosen) -> bool:
    places = [place_of(host, chosen[nic], rule["scope"]) for nic in rule["nics"] if nic in chosen]
    if len(places) < 2:
        return True
    if not rule["apart"]:
        return len(set(places)) == 1
    return len({place for place in places if place[0] == "known"}) == len(places)


def place_of(host: RawHost, device: RawDevice, scope: str) -> tuple[str, str]:
    pf = kin_of(device)
    if scope == "pf":
        return "known", pf
    if scope == "card":
        card = pf.rpartition(".")[0]
        is_told = any(other["id"] == pf for other in host["devices"])
        return ("known", card) if card and is_told else ("known", pf)
    said = said_by_family(host, pf, {"numa": "numa_node", "switch": "e.switch"}[scope])
    return ("unknown", pf) if said is None else ("known", said)


def node_of(host: RawHost, device: RawDevice) -> int | None:
    said = said_by_family(host, kin_of(device), "numa_node")
    return None if said is None else int(said)


def said_by_family(host: RawHost, pf: str, attribute: str) -> str | None:
    family = [device for device in host["devices"] if kin_of(device) == pf]
    said = {d["attributes"][attribute] for d in family if attribute in d["attributes"]}
    return said.pop() if len(said) == 1 else None


def kin_of(device: RawDevice) -> str:
    return device["id"] if device["pf"] is None else device["pf"]


def ways_to_choose(nics: Sequence[RawNic], devices: Sequence[RawDevice]) -> Iterator[Chosen]:
    """Every choice of free devices, a PF and its VFs never both; of VFs alike, the first ones."""
    free = [device for device in devices if may_be_given(device, devices)]
    yield from _choices(nics, free, {})


def may_be_given(device: RawDevice, devices: Sequence[RawDevice]) -> bool:
    kin = [other for other in devices if other["pf"] == device["id"]]
    pf = [other for other in devices if other["id"] == device["pf"]]
    return all(other["free"] for other in [device, *kin, *pf])


def _choices(nics: Sequence[RawNic], free: Sequence[RawDevice], so_far: Chosen) -> Iterator[Chosen]:
    if not nics:
        yield dict(so_far)
        return
    tried = []
    for device in free:
        alike = (kin_of(device), device["kind"], device["attributes"])
        if alike in tried or not device_fits(nics[0], device):
            continue
        tried.append(alike)
        shut = {device["id"], device["pf"]}
        rest = [
            other
            for other in free
            if other["id"] not in shut and (other["pf"] is None or other["pf"] != device["id"])
        ]
        yield from _choices(nics[1:], rest, {**so_far, nics[0]["name"]: device})
