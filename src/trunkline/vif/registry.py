"""The VIF types that are installed, found by name and VNIC type.

A VIF type's name may stand for several ways of realising a NIC: Neutron shows `hw_veb` for a VF
handed to the guest and for a macvtap on a VF alike. So the key is (name, VNIC type), and each key
belongs to one VIF type only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Final

from trunkline.domain.device import DeviceKind
from trunkline.domain.errors import ErrorKind, TrunklineError
from trunkline.domain.ether import MacAddress
from trunkline.domain.pci import PciAddress
from trunkline.domain.port import VnicType
from trunkline.vif.base import VIF_TYPE_GROUP, VifRequest, VifType

# What a port gets when the configuration prefers nothing else.
DEFAULT_VIF_TYPES: Final[Mapping[VnicType, str]] = MappingProxyType({
    VnicType.NORMAL: "bridge",
    VnicType.DIRECT: "hw_veb",
    VnicType.MACVTAP: "hw_veb",
    VnicType.DIRECT_PHYSICAL: "hostdev_physical",
})  # fmt: skip


class UnknownVifType(TrunklineError):
    """No installed VIF type has this name for this VNIC type."""

    code = "vif.unknown"
    kind = ErrorKind.CONFLICT

    def __init__(self, name: str, vnic_type: VnicType, known: Iterable[str]) -> None:
        listing = ", ".join(sorted(known)) or "none"
        super().__init__(
            f"no VIF type {name!r} for VNIC type {vnic_type.value!r} is installed "
            f"(entry points of group {VIF_TYPE_GROUP!r} give: {listing})"
        )
        self.name = name
        self.vnic_type = vnic_type


class DuplicateVifType(TrunklineError):
    """Two VIF types claim the same name for the same VNIC type."""

    code = "vif.duplicate"
    kind = ErrorKind.CONFLICT

    def __init__(self, name: str, vnic_type: VnicType, first: VifType, second: VifType) -> None:
        super().__init__(
            f"VIF type {name!r} for VNIC type {vnic_type.value!r} is given twice, "
            f"by {_origin(first)} and by {_origin(second)}: uninstall one of them"
        )
        self.name = name
        self.vnic_type = vnic_type


class BrokenVifType(TrunklineError):
    """An entry point could not be loaded, or what it names is no VIF type."""

    code = "vif.broken"
    kind = ErrorKind.CONFLICT

    def __init__(self, entry_point: EntryPoint, problem: str) -> None:
        package = entry_point.dist.name if entry_point.dist else "an unknown package"
        super().__init__(
            f"the VIF type {entry_point.name!r} ({entry_point.value}) of {package} "
            f"is not usable: {problem}"
        )


# A NIC in a network pool, as good as any.
_POOLED: Final = VifRequest(
    vnic_type=VnicType.DIRECT,
    mac=MacAddress.parse("02:00:00:00:00:01"),
    logical_name="tl000000000001",
    vlan_id=1,
    device_kind=DeviceKind.VF,
    device_address=PciAddress.parse("0000:00:00.0"),
    bridge=None,
    mtu=1500,
    network_pool="trunkline-phy1",
)


def names_network(vif_type: VifType, request: VifRequest) -> bool:
    """Whether the XML of a NIC in a network pool names its libvirt network, as it must."""
    source = vif_type.interface(request).find("source")
    return source is not None and source.get("network") == request.network_pool


class VifRegistry:
    """VIF types by (name, VNIC type)."""

    def __init__(self, vif_types: Iterable[VifType]) -> None:
        """Take `vif_types` in.

        Raises:
            DuplicateVifType: Two of them claim one key.
        """
        self._by_key: dict[tuple[str, VnicType], VifType] = {}
        for vif_type in vif_types:
            for vnic_type in vif_type.vnic_types:
                first = self._by_key.setdefault((vif_type.name, vnic_type), vif_type)
                if first is not vif_type:
                    raise DuplicateVifType(vif_type.name, vnic_type, first, vif_type)

    def get(self, name: str, vnic_type: VnicType) -> VifType:
        """Return the VIF type that realises `vnic_type` under `name`.

        Raises:
            UnknownVifType: None is installed.
        """
        try:
            return self._by_key[name, vnic_type]
        except KeyError:
            raise UnknownVifType(name, vnic_type, self.names()) from None

    def choose(
        self, vnic_type: VnicType, preferred: Mapping[VnicType, str] = DEFAULT_VIF_TYPES
    ) -> VifType:
        """Return the VIF type that a port asking for `vnic_type` gets.

        Raises:
            UnknownVifType: The preferred one is not installed.
        """
        return self.get(preferred.get(vnic_type, DEFAULT_VIF_TYPES[vnic_type]), vnic_type)

    def problem_in_pools(
        self, vnic_type: VnicType, preferred: Mapping[VnicType, str] = DEFAULT_VIF_TYPES
    ) -> str:
        """Say why no port that asks for `vnic_type` can be in a network pool; empty: it can.

        Raises:
            UnknownVifType: The preferred one is not installed.
        """
        chosen = self.choose(vnic_type, preferred)
        if names_network(chosen, replace(_POOLED, vnic_type=vnic_type)):
            return ""
        return (
            f"VIF type {chosen.name}, which ports of VNIC type {vnic_type.value} get, does not"
            " serve network pools: its XML names no libvirt network"
        )

    def names(self) -> frozenset[str]:
        """Return the names that are known."""
        return frozenset(name for name, _ in self._by_key)


def load_vif_types(found: Iterable[EntryPoint] | None = None) -> VifRegistry:
    """Load every installed VIF type; `found` stands in for the installed entry points.

    Raises:
        BrokenVifType: One can't be imported, or is no VIF type.
        DuplicateVifType: Two of them claim one key.
    """
    chosen = entry_points(group=VIF_TYPE_GROUP) if found is None else found
    # One distribution can be seen twice (an editable install beside its wheel): by value, once.
    distinct = {(entry.name, entry.value): entry for entry in chosen}
    return VifRegistry(_load(distinct[key]) for key in sorted(distinct))


def _load(entry_point: EntryPoint) -> VifType:
    try:
        loaded = entry_point.load()
    except (ImportError, AttributeError) as problem:
        raise BrokenVifType(entry_point, str(problem)) from problem
    vif_type = loaded() if isinstance(loaded, type) else loaded
    if not isinstance(vif_type, VifType):
        raise BrokenVifType(entry_point, "it lacks a part of trunkline.vif.base.VifType")
    return vif_type


def _origin(vif_type: VifType) -> str:
    return f"{type(vif_type).__module__}.{type(vif_type).__qualname__}"
