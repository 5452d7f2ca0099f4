"""The bridges that compute.toml names, or leaves to be found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from trunkline.bootstrap.compute_config import ComputeConfig
from trunkline.cli.context import Failed
from trunkline.cli.exit_codes import ExitCode
from trunkline.domain.auto_bridges import AUTO, Uplinks, find_bridges
from trunkline.domain.device import PciFunction
from trunkline.domain.host import HostResources
from trunkline.domain.ids import PhysicalNetwork
from trunkline.domain.pci import PciAddress
from trunkline.reconcile.interfaces import Kernel


def with_bridges(
    resources: HostResources, bridges: Mapping[PhysicalNetwork, str], kernel: Kernel
) -> HostResources:
    """Return what a host has to give with these bridges, and which of them keep no VLANs apart.

    Raises:
        HostRefused: They can't be read.
    """
    found = kernel.bridges(sorted(set(bridges.values()))) if bridges else {}
    unfiltered = tuple(sorted(name for name, each in found.items() if not each.vlan_filtering))
    return replace(resources, bridges=bridges, unfiltered_bridges=unfiltered)


def bridges_of(
    config: ComputeConfig,
    *,
    functions: Callable[[], Mapping[PciAddress, PciFunction]],
    uplinks: Callable[[], Uplinks],
) -> dict[PhysicalNetwork, str]:
    """Return the host's bridge of each physical network that is to have one.

    Args:
        config: What compute.toml says.
        functions: Reads the machine's, if one is to be found.
        uplinks: Reads its bridges likewise.

    Raises:
        Failed: One that is to be found is not there, or there are several.
    """
    if AUTO not in config.bridges.values():
        return dict(config.bridges)
    found, faults = find_bridges(config.bridges, functions(), config.device_specs, uplinks())
    if faults:
        told = "; ".join(f"bridges.{network}: {fault}" for network, fault in faults.items())
        raise Failed(told, ExitCode.USAGE)
    return found
