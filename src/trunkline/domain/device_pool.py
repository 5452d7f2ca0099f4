"""Devices of a host that no demand can tell apart, as bitmaps: what placement counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from trunkline.domain.device import DeviceKind, DeviceRef
from trunkline.domain.ids import DeviceId


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolMember:
    """One device of a host, with what placement may know of it."""

    ref: DeviceRef
    kind: DeviceKind
    address: str = ""  # The PCI address as text, for messages.
    attributes: Mapping[str, str]  # As `device_attributes` gives.
    taken: bool = False  # It has an owner, or is quarantined. A PF's VFs do not count here.
    offered: bool = True  # False: taken off offer; not to be chosen, with an owner or without.
    problem: str = ""  # Why its PF is out of service.


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePool:
    """Devices of one kin: VFs of one PF, or one device alone.

    Bit i of each bitmap stands for the VF of index i; a device that is its own kin is bit 0.
    """

    kin_id: DeviceId  # The PF of the VFs; any other device itself.
    kind: DeviceKind
    attributes: Mapping[str, str]
    address: str = ""  # "" for VFs of a PF.
    alone: bool = False  # Neither a PF nor a VF of one that is known.
    members: int = 1
    offered: int = 1
    taken: int = 0  # A member off offer stays one while it has an owner: its PF is not free whole.
    # Of those taken: nobody has them, and nobody is to, until an operator frees them. Nothing that
    # placement knows: to it they are taken.
    reserved: int = field(default=0, compare=False)
    # Why the PF is out of service, in all pools of one kin; or why libvirt is not to choose from
    # a network pool. Empty: it is to be had.
    problem: str = ""

    @property
    def choosable(self) -> int:
        """What is on offer and in service, with an owner or without."""
        return 0 if self.problem else self.offered

    @property
    def sort_key(self) -> tuple[object, ...]:
        """An order of a host's pools that depends on nothing but what they are."""
        return self.kin_id, self.kind.value, sorted(self.attributes.items())


def pools_of(members: Iterable[PoolMember]) -> tuple[DevicePool, ...]:
    """Gather the devices of one host, by `sort_key`."""
    pools: dict[object, DevicePool] = {}
    for member in members:
        ref = member.ref
        key = ref.kin_id, member.kind, frozenset(member.attributes.items())
        pool = pools.get(key)
        if pool is None:
            pool = DevicePool(
                kin_id=ref.kin_id,
                kind=member.kind,
                attributes=member.attributes,
                address="" if ref.vf_index is not None else member.address,
                alone=ref.vf_index is None and member.kind is not DeviceKind.PF,
                members=0,
                offered=0,
                problem=member.problem,
            )
        assert not pool.members & ref.bit, f"two devices are {ref}"
        pools[key] = replace(
            pool,
            members=pool.members | ref.bit,
            offered=pool.offered | (ref.bit if member.offered else 0),
            taken=pool.taken | (ref.bit if member.taken else 0),
        )
    return tuple(sorted(pools.values(), key=lambda pool: pool.sort_key))
