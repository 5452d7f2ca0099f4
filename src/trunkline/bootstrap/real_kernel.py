"""The kernel of the machine that the agent runs on, and what its drivers were seen to do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import structlog

from trunkline.agent.journal import JournalFile, JournalUnreadable, JournalUnwritable
from trunkline.bootstrap.compute_config import ComputeConfig
from trunkline.domain.device import PciFunction
from trunkline.domain.pci import PciAddress
from trunkline.host.linux import sysfs
from trunkline.host.linux.capabilities import Capabilities
from trunkline.host.linux.card_faults import CardFaults
from trunkline.host.linux.kernel import SYSFS, LinuxKernel
from trunkline.host.linux.pci_ids import PATHS as PCI_IDS
from trunkline.host.privileged.additions import (
    FILE,
    RUNTIME_DIRECTORY,
    found_again,
    read_additions,
)
from trunkline.host.privileged.client import HelperClient
from trunkline.reconcile.interfaces import HostRefused
from trunkline.reconcile.observed import Journal, UplinkVlan

_log = structlog.get_logger(__name__)


def open_real_kernel(config: ComputeConfig, faults: CardFaults) -> LinuxKernel:
    """Open the kernel. To be called while no agent acts on this host: its journal is written.

    Args:
        config: What compute.toml says.
        faults: What is heard of cards.
    """
    state = config.state_dir / config.host
    capabilities = Capabilities(state / "capabilities.json", kernel=os.uname().release)
    kernel = LinuxKernel(
        HelperClient(config.helper_socket),
        capabilities=capabilities,
        faults=faults,
        pci_ids=[Path("/") / path for path in PCI_IDS],
    )
    file = JournalFile(state / "journal.json")
    try:
        functions = kernel.functions()
        file.save(file.current.of_boot(kernel.boot_id()))
        file.save(_with_additions(file.current, functions, config.helper_socket))
    except (HostRefused, JournalUnreadable, JournalUnwritable) as problem:
        # The agent meets it too, and tells.
        _log.warning("what the helper added is not known", problem=str(problem))
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
