"""The kernel of the machine that the agent runs on, and what its drivers were seen to do."""

from __future__ import annotations

from dataclasses import replace

import structlog

from trunkline.agent.journal import JournalFile, JournalUnreadable, JournalUnwritable
from trunkline.bootstrap.compute_config import ComputeConfig
from trunkline.domain.device_spec import Offering
from trunkline.domain.pci import PciAddress
from trunkline.host.linux.capabilities import Capabilities
from trunkline.host.linux.kernel import LinuxKernel
from trunkline.host.linux.probing import free_vfs, probe_host, put_back_all
from trunkline.host.privileged.client import HelperClient
from trunkline.reconcile.interfaces import HostRefused
from trunkline.reconcile.observed import OriginalState

_log = structlog.get_logger(__name__)


def open_real_kernel(config: ComputeConfig) -> LinuxKernel:
    """Open the kernel; drivers that were never tried out are, if a VF is there to try them on.

    To be called while no agent acts on this host: it is they who change what is free.
    """
    state = config.state_dir / config.host
    capabilities = Capabilities(state / "capabilities.json")
    kernel = LinuxKernel(HelperClient(config.helper_socket), capabilities=capabilities)
    file = JournalFile(state / "journal.json")
    memory = JournalMemory(file)
    try:
        functions = kernel.functions()
        file.save(file.current.of_boot(kernel.boot_id()))
        put_back_all(kernel, functions, file.current.tried, memory=memory)
        free = free_vfs(functions, Offering(config.device_specs), file.current)
        probe_host(kernel, capabilities, list(functions.values()), memory=memory, free=free)
    except (HostRefused, JournalUnreadable, JournalUnwritable) as problem:
        # The agent meets it too, and tells.
        _log.warning("drivers not tried out", problem=str(problem))
    return kernel


class JournalMemory:
    """Satisfies `probing.Memory`: what was tried is in the agent's journal."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def begin(self, before: OriginalState) -> None:
        """See `Memory.begin`. Raises `JournalUnwritable`."""
        journal = self._file.current
        self._file.save(replace(journal, tried={**journal.tried, before.address: before}))

    def end(self, vf: PciAddress) -> None:
        """See `Memory.end`. Raises `JournalUnwritable`."""
        journal = self._file.current
        left = {address: each for address, each in journal.tried.items() if address != vf}
        self._file.save(replace(journal, tried=left))
