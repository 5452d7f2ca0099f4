"""The PFs that compute.toml leaves to be found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from trunkline.bootstrap.compute_config import ComputeConfig
from trunkline.cli.context import Failed
from trunkline.cli.exit_codes import ExitCode
from trunkline.domain.auto_specs import find_pfs
from trunkline.domain.device import PciFunction
from trunkline.domain.pci import PciAddress


def with_found_pfs(
    config: ComputeConfig, functions: Callable[[], Mapping[PciAddress, PciFunction]]
) -> ComputeConfig:
    """Return the configuration with the addresses of these PFs.

    Args:
        config: What compute.toml says.
        functions: Reads the machine's, if one is to be found.

    Raises:
        Failed: None fits, or several do.
    """
    if not any(spec.is_auto for spec in config.device_specs):
        return config
    specs, faults = find_pfs(config.device_specs, functions())
    if faults:
        told = "; ".join(f"device_spec[{at}].address: {fault}" for at, fault in faults.items())
        raise Failed(told, ExitCode.USAGE)
    return replace(config, device_specs=specs)
