"""Network pools: VFs of one PF that libvirt hands out, from a network of its own.

All VFs of a network pool are alike in what a NIC may ask of its device, since libvirt chooses among
them by itself: they are of one PF, and have the same tags.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

_PREFIX: Final = "trunkline-"
_NOT_IN_NAMES: Final = re.compile("[^A-Za-z0-9_.-]")

Key = TypeVar("Key", bound=Hashable)


class PoolMode(enum.Enum):
    """How VFs of a network pool come to guests: the forward mode of the libvirt network."""

    HOSTDEV = "hostdev"  # The VF itself, for ports of VNIC type `direct`.
    PASSTHROUGH = "passthrough"  # A macvtap on its netdev, for ports of VNIC type `macvtap`.


@dataclass(frozen=True, slots=True)
class NetworkPool:
    """Names a network pool of one host. Hosts with like cards and specs have like names."""

    name: str  # Of the libvirt network.
    mode: PoolMode


@dataclass(frozen=True, slots=True)
class PoolNetwork:
    """What a libvirt network is to hand out, or does."""

    mode: PoolMode
    members: tuple[str, ...]  # HOSTDEV: PCI addresses; PASSTHROUGH: netdevs. In libvirt's order.


def is_pool_name(name: str, physical_network: str) -> bool:
    """Say whether `pool_names` could have named a pool of this physical network so."""
    rest = name.removeprefix(_PREFIX + _NOT_IN_NAMES.sub("_", physical_network))
    return rest != name and re.fullmatch("(-[1-9][0-9]{0,5})?", rest) is not None


def pool_names(wanted: Mapping[Key, str], order: Sequence[Key]) -> dict[Key, str]:
    """Name network pools after their physical networks: ``trunkline-phy1``, ``trunkline-phy1-2``.

    Args:
        wanted: The physical network of each.
        order: All of them; of several on one physical network, in that order.
    """
    names: dict[Key, str] = {}
    taken: set[str] = set()
    for key in order:
        base = _PREFIX + _NOT_IN_NAMES.sub("_", wanted[key])
        number, name = 1, base
        while name in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name)
        names[key] = name
    return names
