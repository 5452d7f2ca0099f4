"""What is looked at before a host is used. Values only; `checks` judges them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from trunkline.domain.device import PciFunction
from trunkline.domain.device_spec import DeviceSpec
from trunkline.domain.ids import PhysicalNetwork
from trunkline.domain.pci import PciAddress
from trunkline.reconcile.observed import DomainState, NetworkState, OtherDomain


class ModuleState(enum.Enum):
    """Where a kernel module is."""

    LOADED = "loaded"  # Or built into the kernel.
    AVAILABLE = "available"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """CPU, IOMMU and kernel."""

    kernel_release: str
    command_line: tuple[str, ...]  # /proc/cmdline, word by word.
    cpu_vendor: str  # `GenuineIntel`, `AuthenticAMD`; empty: not told, as on other architectures.
    cpu_virtualizes: bool | None  # VMX or SVM among the CPU's flags; None: not told.
    iommus: tuple[str, ...]  # /sys/class/iommu: `dmar0`, `ivhd0`, `smmu3.0x…`.
    iommu_group_count: int
    has_kvm: bool  # /dev/kvm is there.
    vfio_pci: ModuleState
    kvm_problem: str = ""  # Why it does not work, though it is there; empty: nothing is known.
    missing_programs: tuple[str, ...] = ()  # Of those that the agent runs.


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeFacts:
    """A Linux bridge, as sysfs tells it."""

    uplinks: tuple[str, ...] = ()  # Ports that are hardware, or on top of hardware.
    vlan_filtering: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NicFacts:
    """What sysfs tells of a network function, its VFs left out, besides its `PciFunction`."""

    has_sriov: bool  # The kernel shows the SR-IOV capability (sriov_totalvfs is there).
    vf_memory: bool | None  # Whether the firmware gave its VFs addresses; None: can't be read.
    is_up: bool | None  # IFF_UP of its netdev; None: it has none.
    # Whether NetworkManager looks after VFs of it; None: it does not run here.
    vfs_managed: bool | None = None
    product: str | None = None  # Its name in pci.ids; None: that is not installed, or lacks it.


@dataclass(frozen=True, slots=True, kw_only=True)
class LibvirtFacts:
    """What libvirt answers, or why it does not."""

    uri: str
    problem: str = ""  # Empty: it answers.
    fix: str = ""  # Where the problem has one.
    version: int = 0  # major * 1,000,000 + minor * 1,000 + patch.
    hypervisor_version: int = 0  # QEMU's, likewise; 0: not known.
    domain_types: frozenset[str] = frozenset()  # `kvm`, `qemu`.
    ours: tuple[DomainState, ...] = ()
    others: tuple[OtherDomain, ...] = ()  # Domains that are not ours, with devices.
    networks: Mapping[str, NetworkState] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HelperFacts:
    """The privileged helper's socket, as this user sees it."""

    socket: str
    exists: bool
    answers: bool  # It takes connections, of this user.
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerFacts:
    """The service, as this host reaches it."""

    url: str
    problem: str = ""  # Empty: it answers.
    is_tls_problem: bool = False
    clock_ahead_seconds: float | None = None  # This host's clock beside its; None: it does not say.


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFacts:
    """What the agent's own configuration says and has here."""

    file: str
    host: str = ""
    faults: tuple[str, ...] = ()  # Why the file can't be used; what follows is then empty.
    file_problem: str = ""  # Why the helper would refuse the file; empty: it would not.
    file_remedy: str = ""
    device_specs: tuple[DeviceSpec, ...] = ()
    spec_faults: Mapping[int, str] = field(default_factory=dict)  # Of `auto`, by number.
    bridges: Mapping[PhysicalNetwork, str] = field(default_factory=dict)
    bridge_faults: Mapping[PhysicalNetwork, str] = field(default_factory=dict)  # Of `auto`.
    domain_type: str = "kvm"
    has_token: bool = False
    enrolment_problem: str = ""  # Why it could not enrol; empty: it could, or need not.
    state_dir: str = ""
    state_dir_problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that was looked at."""

    user: str
    groups: frozenset[str]  # Its groups; root needs none.
    machine: MachineFacts
    functions: Mapping[PciAddress, PciFunction]
    functions_problem: str = ""
    nics: Mapping[PciAddress, NicFacts] = field(default_factory=dict)
    netdevs: frozenset[str] = frozenset()  # Of the host; bridges are among them.
    bridges: Mapping[str, BridgeFacts] = field(default_factory=dict)
    udev_rules: tuple[str, ...] = ()  # Files that name netdevs, or write sriov_numvfs.
    libvirt: LibvirtFacts | None = None
    helper: HelperFacts | None = None
    controller: ControllerFacts | None = None
    agent: AgentFacts | None = None  # None: without a configuration file.
