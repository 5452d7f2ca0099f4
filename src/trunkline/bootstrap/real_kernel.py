"""The kernel of the machine that the agent runs on, and what its drivers were seen to do."""

from __future__ import annotations

import structlog

from trunkline.agent.journal import JournalFile, JournalUnreadable
from trunkline.bootstrap.compute_config import ComputeConfig
from trunkline.domain.device_spec import Offering
from trunkline.host.linux.capabilities import Capabilities
from trunkline.host.linux.kernel import LinuxKernel
from trunkline.host.linux.probing import free_vfs, probe_host
from trunkline.host.privileged.client import HelperClient
from trunkline.reconcile.interfaces import HostRefused

_log = structlog.get_logger(__name__)


def open_real_kernel(config: ComputeConfig) -> LinuxKernel:
    """Open the kernel; drivers that were never tried out are, if a VF is there to try them on.

    To be called while no agent acts on this host: it is they who change what is free.
    """
    state = config.state_dir / config.host
    capabilities = Capabilities(state / "capabilities.json")
    kernel = LinuxKernel(HelperClient(config.helper_socket), capabilities=capabilities)
    try:
        functions = kernel.functions()
        journal = JournalFile(state / "journal.json").current
    except (HostRefused, JournalUnreadable) as problem:
        # The agent meets it too, and tells.
        _log.warning("drivers not tried out", problem=str(problem))
        return kernel
    free = free_vfs(functions, Offering(config.device_specs), journal)
    probe_host(kernel, capabilities, list(functions.values()), free=free)
    return kernel
