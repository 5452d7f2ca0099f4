"""Hosts and their devices as OpenStack Placement's users know them: a tree of resource providers.

A host is the root, with its CPUs, memory and disk. Below it is one provider for each PF, with the
PF's VFs, itself, and the bandwidth it can guarantee; and one for each device without VFs.
Names of classes and traits: os-resource-classes and os-traits.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from trunkline.domain.bandwidth import Bandwidth, Guarantee
from trunkline.domain.device import DeviceKind
from trunkline.domain.device_pool import DevicePool
from trunkline.domain.host import Host, HostUse
from trunkline.domain.ids import DeviceId, HostId

VCPU: Final = "VCPU"
MEMORY_MB: Final = "MEMORY_MB"
DISK_GB: Final = "DISK_GB"
SRIOV_NET_VF: Final = "SRIOV_NET_VF"
EGRESS: Final = "NET_BW_EGR_KILOBIT_PER_SEC"
INGRESS: Final = "NET_BW_IGR_KILOBIT_PER_SEC"
STANDARD_CLASSES: Final = (VCPU, MEMORY_MB, DISK_GB, SRIOV_NET_VF, EGRESS, INGRESS)
KEPT_MAX: Final = 4  # Of each tree, so that 10,000 stay small.
HOST_DISABLED: Final = "COMPUTE_STATUS_DISABLED"
_SRIOV: Final = "HW_NIC_SRIOV"
_SRIOV_TRUSTED: Final = "HW_NIC_SRIOV_TRUSTED"
_VNIC_TYPES: Final = {
    DeviceKind.PF: ("DIRECT_PHYSICAL",),
    DeviceKind.HOSTDEV_VF: ("DIRECT",),
    DeviceKind.PASSTHROUGH_VF: ("MACVTAP",),
}
_NOT_IN_NAMES: Final = re.compile("[^A-Z0-9_]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """How many of one class of resource there are, and how many of them have an owner."""

    total: int
    reserved: int = 0  # Nobody's, and not to be had all the same.
    used: int = 0

    @property
    def free(self) -> int:
        """How many can be had; below 0 where more is owed than there is."""
        return self.total - self.reserved - self.used

    def __add__(self, other: Inventory) -> Inventory:
        return Inventory(
            total=self.total + other.total,
            reserved=self.reserved + other.reserved,
            used=self.used + other.used,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceProvider:
    """A host, or one of its devices."""

    id: str  # The host's or the device's own.
    name: str  # HOST, or HOST_ADDRESS as Nova names its PCI devices.
    host_id: HostId
    generation: int  # The host's.
    inventories: Mapping[str, Inventory] = field(default_factory=dict)  # By class.
    traits: frozenset[str] = frozenset()
    aggregates: frozenset[str] = frozenset()  # By UUID. Hosts alone are in any, as Nova has it.

    @property
    def parent_id(self) -> str | None:
        """The host of a device."""
        return None if self.id == self.host_id else self.host_id


@dataclass(frozen=True, slots=True, eq=False)
class ProviderTree:
    """A host with its devices, as they were at one moment."""

    providers: Sequence[ResourceProvider]  # The host's own first, then its devices by name.
    # What was made of it, to be found again while the host stays as it is; see `keep`.
    kept: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @property
    def root(self) -> ResourceProvider:
        """The host's own."""
        return self.providers[0]

    def keep(self, key: Hashable, made: object) -> None:
        """Keep what was made of this tree, with a few others: small values, of requests alike."""
        if len(self.kept) >= KEPT_MAX:
            self.kept.clear()
        self.kept[key] = made


@lru_cache(maxsize=1024)  # Of few words, for every device of a fleet.
def custom_name(*words: str) -> str:
    """Return ``CUSTOM_…`` in the letters that names of classes and traits have."""
    return _NOT_IN_NAMES.sub("_", "_".join(["CUSTOM", *words]).upper())


def resource_class(kind: DeviceKind, attributes: Mapping[str, str]) -> str:
    """Return the class that a device counts as.

    The one of its tag `resource_class`, or of its network pool; otherwise a VF of a network is an
    SRIOV_NET_VF, and anything else what Nova calls a PCI device, ``CUSTOM_PCI_VENDOR_PRODUCT``.
    """
    named = attributes.get("e.resource_class")
    if named is not None:
        return named
    pool = attributes.get("network_pool")
    if pool is not None:
        return custom_name("NETWORK_POOL", pool)
    if kind is DeviceKind.VF and "e.physical_network" in attributes:
        return SRIOV_NET_VF
    return custom_name("PCI", attributes["vendor_id"], attributes["product_id"])


def provider_tree(
    host: Host,
    use: HostUse,
    pools: Iterable[DevicePool],
    addresses: Mapping[DeviceId, str],
    bandwidths: Mapping[DeviceId, tuple[Bandwidth, Guarantee]],
    aggregates: Collection[str] = (),
) -> ProviderTree:
    """Make the tree of a host.

    Args:
        host: The root.
        use: What its servers use of it.
        pools: All its devices.
        addresses: Of each PF that is known.
        bandwidths: What PFs can guarantee, and what of it they owe.
        aggregates: That the host is in.
    """
    resources = host.resources
    root = ResourceProvider(
        id=host.id,
        name=host.name,
        host_id=host.id,
        generation=host.generation,
        inventories=_without_empty({
            VCPU: Inventory(total=resources.vcpus, used=use.vcpus),
            MEMORY_MB: Inventory(total=resources.memory_mib, used=use.memory_mib),
            DISK_GB: Inventory(total=resources.disk_gib, used=use.disk_gib),
        }),
        traits=_shared_names(frozenset() if host.enabled else frozenset({HOST_DISABLED})),
        aggregates=_shared_names(frozenset(aggregates)),
    )  # fmt: skip
    by_kin: dict[DeviceId, list[DevicePool]] = {}
    for pool in pools:
        by_kin.setdefault(pool.kin_id, []).append(pool)
    of_devices = [
        ResourceProvider(
            id=kin_id,
            name=f"{host.name}_{addresses.get(kin_id) or of_kin[0].address}",
            host_id=host.id,
            generation=host.generation,
            inventories=_inventories(of_kin, bandwidths.get(kin_id)),
            traits=_shared_names(frozenset().union(*(_traits(pool) for pool in of_kin))),
        )
        for kin_id, of_kin in by_kin.items()
    ]
    of_devices.sort(key=lambda provider: provider.name)
    return ProviderTree((root, *of_devices))


def _inventories(
    pools: Iterable[DevicePool], bandwidth: tuple[Bandwidth, Guarantee] | None
) -> Mapping[str, Inventory]:
    """Count the devices of one kin: a PF and its VFs exclude each other."""
    pools = list(pools)
    given_away = any(pool.taken for pool in pools if pool.kind is DeviceKind.PF)
    vfs_held = any(pool.taken for pool in pools if pool.kind.of_function is DeviceKind.VF)
    found: dict[str, Inventory] = {}
    for pool in pools:
        total = (pool.offered | pool.taken).bit_count()
        kept = (pool.taken & pool.reserved).bit_count()
        used = pool.taken.bit_count() - kept
        blocked = vfs_held if pool.kind is DeviceKind.PF else given_away
        not_to_be_had = blocked or bool(pool.problem)
        reserved = total - used if not_to_be_had else kept
        counted = Inventory(total=total, used=used, reserved=reserved)
        name = resource_class(pool.kind, pool.attributes)
        found[name] = found.get(name, Inventory(total=0)) + counted
    if bandwidth is not None:
        found |= _guarantees(*bandwidth)
    return _without_empty(found)


def _guarantees(has: Bandwidth, owed: Guarantee) -> dict[str, Inventory]:
    return {
        name: Inventory(total=1000 * (mbps or 0), used=1000 * owed_mbps)
        for name, mbps, owed_mbps in (
            (EGRESS, has.egress_mbps, owed.egress_mbps),
            (INGRESS, has.ingress_mbps, owed.ingress_mbps),
        )
    }


def _without_empty(inventories: Mapping[str, Inventory]) -> Mapping[str, Inventory]:
    """Leave out what there is none of: Placement allows no inventory of 0."""
    return _shared(
        tuple((name, each) for name, each in inventories.items() if each.total or each.used)
    )


@lru_cache(maxsize=4096)  # A fleet has many cards, and few that differ in what is left of them.
def _shared(inventories: tuple[tuple[str, Inventory], ...]) -> Mapping[str, Inventory]:
    return dict(inventories)


@lru_cache(maxsize=1024)
def _shared_names(names: frozenset[str]) -> frozenset[str]:
    return names


def _traits(pool: DevicePool) -> frozenset[str]:
    """Return the traits of devices alike: their networks and vnic types as Neutron names them."""
    attributes = pool.attributes
    tagged = attributes.get("e.traits", "").split(",")
    found = {name.strip() for name in tagged} - {""}
    physical_network = attributes.get("e.physical_network")
    if physical_network is not None:
        found.add(custom_name("PHYSNET", physical_network))
        vnic_types = _VNIC_TYPES.get(pool.kind, ("DIRECT", "MACVTAP"))
        found |= {custom_name("VNIC_TYPE", vnic_type) for vnic_type in vnic_types}
    if pool.kind.of_function is DeviceKind.VF:
        found.add(_SRIOV)
        if attributes.get("can.trust") == "true":
            found.add(_SRIOV_TRUSTED)
    return frozenset(found)
