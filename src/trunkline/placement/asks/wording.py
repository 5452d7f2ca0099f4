"""Demands and changes in words, for explanations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from trunkline.domain.aggregate import HostMetadata, MetadataDemand
from trunkline.domain.device import DeviceKind
from trunkline.domain.ids import HostId
from trunkline.domain.nic_rules import Scope
from trunkline.domain.pci_flavor import match_text
from trunkline.domain.server_group import GroupPolicy
from trunkline.placement.asks.demand import NicClass
from trunkline.placement.asks.fellows import Fellows
from trunkline.placement.asks.request import NicDemand

_KIND_NAMES: Mapping[DeviceKind, tuple[str, str]] = {
    DeviceKind.VF: ("VF", "VFs"),
    DeviceKind.PF: ("PF", "PFs"),
    DeviceKind.PLAIN: ("PCI function", "PCI functions"),
    # Who asks for a NIC need not know who hands its VF out.
    DeviceKind.HOSTDEV_VF: ("VF", "VFs"),
    DeviceKind.PASSTHROUGH_VF: ("VF", "VFs"),
}


_SCOPE_NAMES: Mapping[Scope, str] = {
    Scope.PF: "PF",
    Scope.CARD: "card",
    Scope.SWITCH: "switch",
    Scope.NUMA: "NUMA node",
}


def scope_name(scope: Scope) -> str:
    """E.g. `NUMA node`."""
    return _SCOPE_NAMES[scope]


def devices(count: int, kind: DeviceKind) -> str:
    """E.g. `8 VFs`."""
    return f"{count} {_KIND_NAMES[kind][count != 1]}"


def kind_names(one: NicClass, *, several: bool = False) -> str:
    """E.g. `VF`, or `PCI functions or VFs`."""
    return " or ".join(sorted({_KIND_NAMES[kind][several] for kind in one.kinds}))


def demanded(one: NicClass) -> str:
    """All that is demanded of a device, e.g. `e.physical_network=phy2 and vendor_id=8086`."""
    if not one.match:
        return ways(one.ways)
    match = match_text(one.match)
    if not all(one.ways):
        return match
    return f"{ways(one.ways)} and {f'({match})' if len(one.match) > 1 else match}"


def besides(nic: NicDemand) -> str:
    """What is demanded of a device beside what its network demands."""
    parts = []
    if nic.attributes or not nic.match:
        parts.append(attributes(nic.attributes.items()))
    if nic.match:
        parts.append(match_text(nic.match))
    return " and ".join(parts)


def attributes(pairs: Iterable[tuple[str, str]]) -> str:
    """E.g. `e.physical_network=phy2, e.trusted=true`."""
    return ", ".join(f"{key}={value}" for key, value in sorted(pairs)) or "any attributes"


def ways(alternatives: Iterable[Iterable[tuple[str, str]]]) -> str:
    """E.g. `e.physical_network=phy1 or e.physical_network=phy2`.

    A way that demands more than another one is left unsaid: the other is always enough.
    """
    sets = {frozenset(pairs) for pairs in alternatives}
    least = (pairs for pairs in sets if not any(other < pairs for other in sets))
    return " or ".join(sorted(map(attributes, least)))


def wanted(one: NicClass, *, count: int, quality: str) -> str:
    """E.g. `one more free VF with e.physical_network=phy2`."""
    assert one.kind is not None
    number = "one" if count == 1 else str(count)
    with_what = f" with {demanded(one)}" if all(one.ways) or one.match else ""
    return f"{number} more {quality}{kind_names(one, several=count != 1)}{with_what}"


def out_of_service(out: Mapping[str, int], kind: DeviceKind) -> str:
    """E.g. `7 VFs are out of service, as eth2 has no link`."""
    return "; ".join(
        f"{devices(count, kind)} {'is' if count == 1 else 'are'} out of service, as {problem}"
        for problem, count in sorted(out.items())
    )


def amount(count: int, one: str, several: str) -> str:
    """E.g. `1 more free vCPU`."""
    return f"{count} more {one if count == 1 else several}"


def metadata(demands: Iterable[MetadataDemand], having: HostMetadata) -> str:
    """What a host's aggregates lack, e.g. `ssd=true and tier=<in> gold`."""
    return " and ".join(str(demand) for demand in demands if not demand.holds(having))


def fellows(of: Fellows, host_id: HostId) -> str:
    """Why a host can't take one more, e.g. `web (affinity), whose members are on another host`."""
    group = f"{of.name} ({of.policy.value})"
    if of.policy is GroupPolicy.AFFINITY:
        return f"{group}, whose members are on another host"
    return f"{group}, with {of.on.get(host_id, 0)} there and at most {of.max_per_host} on a host"


def names(nics: Sequence[str]) -> str:
    """E.g. `a, b and c`."""
    return nics[0] if len(nics) == 1 else f"{', '.join(nics[:-1])} and {nics[-1]}"
