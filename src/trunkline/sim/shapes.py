"""The flavors of a simulated world: what its servers ask of hosts besides NICs."""

from __future__ import annotations

from typing import Final

from trunkline.control.asking import NUMA_KEY
from trunkline.control.flavors import FlavorCreate
from trunkline.domain.ids import FlavorId
from trunkline.domain.nic_rules import NumaPolicy


def _flavor(name: str, vcpus: int, memory_mib: int, numa: NumaPolicy | None) -> FlavorCreate:
    return FlavorCreate(
        name=name,
        vcpus=vcpus,
        memory_mib=memory_mib,
        disk_gib=1,
        id=FlavorId(name),
        extra_specs={} if numa is None else {NUMA_KEY: numa.value},
    )


# A "wide" or a "deep" server leaves too little of a node (8 CPUs, 32 GiB) for another like it: what
# is not counted shows.
FLAVORS: Final = (
    _flavor("small", 1, 512, None),
    _flavor("wide", 5, 1024, NumaPolicy.REQUIRED),
    _flavor("deep", 1, 20480, NumaPolicy.SOCKET),
    _flavor("near", 2, 2048, NumaPolicy.LEGACY),
    _flavor("rather", 2, 2048, NumaPolicy.PREFERRED),
)
FLAVOR_WEIGHTS: Final = (6, 2, 1, 1, 1)
# Of a port, where it has any.
POLICIES: Final = tuple(NumaPolicy)
POLICY_CHANCE: Final = 0.3
