"""Orders hosts by named criteria, from raw data: every host, slowly. Imports nothing it judges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from tests.oracle.placement_oracle import RawDevice, RawHost, RawNic, RawRequest, device_fits

HARDWARE_FACTS_PREFIXED_TAGS = "e."


def in_order(request: RawRequest, hosts: Iterable[RawHost], criteria: Sequence[str]) -> list[str]:
    """IDs of hosts, best first: each criterion decides between those that are still equal."""
    ranked = sorted(
        hosts,
        key=lambda host: (
            [_of_merit(name, request, host) for name in criteria],
            host["name"],
            host["id"],
        ),
    )
    return [host["id"] for host in ranked]


def sums(
    request: RawRequest, hosts: Sequence[RawHost], weights: Mapping[str, float]
) -> dict[str, Fraction]:
    """The weighted sum of each host, by ID; more is better."""
    total = {host["id"]: Fraction(0) for host in hosts}
    for name, weight in weights.items():
        merits = {host["id"]: _of_merit(name, request, host) for host in hosts}
        best, worst = min(merits.values(), default=0), max(merits.values(), default=0)
        if best != worst:
            for host_id, merit in merits.items():
                total[host_id] += Fraction(str(weight)) * Fraction(worst - merit, worst - best)
    return total


def _of_merit(name: str, request: RawRequest, host: RawHost) -> int:
    """What a criterion counts on a host; less is better."""
    classes = _classes(request["nics"])
    if name == "spare_tags":
        return sum(_wasted(nics, host) for nics in classes)
    if name == "spare_hosts_with_devices":
        return int(not classes and bool(host["devices"]))
    direction, _, subject = name.partition("_")
    if subject == "devices":
        number = sum(len(_usable_for(nics[0], host)) for nics in classes)
    else:
        number = {"vcpus": host["vcpus"], "memory": host["memory"], "disk": host["disk"]}[subject]
    return -number if direction == "spread" else number


def _classes(nics: Sequence[RawNic]) -> list[list[RawNic]]:
    """NICs that want devices, those together that demand the same."""
    found: dict[object, list[RawNic]] = {}
    for nic in nics:
        if nic["kind"] is not None:
            ways = frozenset(
                frozenset({**option["attributes"], **nic["attributes"]}.items())
                for option in nic["options"]
                if all(nic["attributes"].get(k, v) == v for k, v in option["attributes"].items())
            )
            found.setdefault((nic["kind"], ways), []).append(nic)
    return list(found.values())


def _wasted(nics: Sequence[RawNic], host: RawHost) -> int:
    """For each NIC the tags in vain of the worst of the devices that would do for all of them."""
    costs = sorted(_tags_in_vain(nics[0], device) for device in _usable_for(nics[0], host))
    return len(nics) * costs[len(nics) - 1]


def _tags_in_vain(nic: RawNic, device: RawDevice) -> int:
    tags = {
        key
        for key, value in device["attributes"].items()
        if key.startswith(HARDWARE_FACTS_PREFIXED_TAGS) and value != "false"
    }
    return min(
        len(tags - set(option["attributes"]) - set(nic["attributes"]))
        for option in nic["options"]
        if device_fits(nic, device, option)
    )


def _usable_for(nic: RawNic, host: RawHost) -> list[RawDevice]:
    by_id = {device["id"]: device for device in host["devices"]}

    def is_usable(device: RawDevice) -> bool:
        pf = None if device["pf"] is None else by_id.get(device["pf"])
        vfs = [other for other in host["devices"] if other["pf"] == device["id"]]
        return (
            device["free"]
            and (pf is None or pf["free"])
            and (device["kind"] != "pf" or all(vf["free"] for vf in vfs))
        )

    return [d for d in host["devices"] if is_usable(d) and device_fits(nic, d)]
