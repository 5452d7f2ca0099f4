"""The kernel of the machine that the agent runs on, and what its drivers were seen to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from trunkline.agent.journal import JournalFile, JournalUnreadable, JournalUnwritable
from trunkline.bootstrap.compute_config import ComputeConfig
from trunkline.domain.device import PciFunction
from trunkline.domain.device_spec import Offering
from trunkline.domain.pci import PciAddress
from trunkline.host.linux import sysfs
from trunkline.host.linux.capabilities import Capabilities
from trunkline.host.linux.kernel import SYSFS, LinuxKernel
from trunkline.host.linux.probing import free_vfs, probe_host, put_back_all
from trunkline.host.privileged.additions import (
    FILE,
    RUNTIME_DIRECTORY,
    found_again,
    read_additions,
)
from trunkline.host.privileged.client import HelperClient
from trunkline.reconcile.interfaces import HostRefused, NotYet
from trunkline.reconcile.observed import Journal, OriginalState, OtherDomain, UplinkVlan

_log = structlog.get_logger(__name__)


def open_real_kernel(
    config: ComputeConfig, *, others: Callable[[], Sequence[OtherDomain]]
) -> LinuxKernel:
    """Open the kernel; drivers that were never tried out are, if a VF is there to try them on.

    To be called while no agent acts on this host: it is they who change what is free. `others`
    asks libvirt for the domains that are not ours: without its answer nothing is tried out.
    """
    state = config.state_dir / config.host
    capabilities = Capabilities(state / "capabilities.json")
    kernel = LinuxKernel(HelperClient(config.helper_socket), capabilities=capabilities)
    file = JournalFile(state / "journal.json")
    memory = JournalMemory(file)
    try:
        functions = kernel.functions()
        file.save(file.current.of_boot(kernel.boot_id()))
        file.save(_with_additions(file.current, functions, config.helper_socket))
        put_back_all(kernel, functions, file.current.tried, memory=memory)
        free = free_vfs(functions, Offering(config.device_specs), file.current, others())
        probe_host(kernel, capabilities, list(functions.values()), memory=memory, free=free)
    except (HostRefused, NotYet, JournalUnreadable, JournalUnwritable) as problem:
        # The agent meets it too, and tells.
        _log.warning("drivers not tried out", problem=str(problem))
    return kernel


def _with_additions(
    journal: Journal, functions: Mapping[PciAddress, PciFunction], helper_socket: Path
) -> Journal:
    """Add what the helper has on record for us: a journal that was lost knows nothing of it."""
    vlans, addresses = set(journal.uplink_vlans), set(journal.pf_addresses)
    for directory in (RUNTIME_DIRECTORY, helper_socket.parent):
        try:
            for each in found_again(read_additions(directory / FILE), functions, SYSFS):
                if isinstance(each, UplinkVlan):
                    vlans.add(each)
                else:
                    addresses.add(each)
        except (OSError, sysfs.BadContent) as problem:
            _log.warning("additions not found again", problem=str(problem))
    return replace(journal, uplink_vlans=frozenset(vlans), pf_addresses=frozenset(addresses))


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
