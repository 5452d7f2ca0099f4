"""PCI functions as a host reports them, and what the operator puts on offer."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from trunkline.domain.bandwidth import Bandwidth
from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import DeviceId, PhysicalNetwork
from trunkline.domain.network_pool import NetworkPool, PoolMode
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf_capabilities import capability_attributes

PHYSICAL_NETWORK_TAG = "physical_network"
VFS_MAX = 2**16 - 1  # TotalVFs is a 16-bit register.
SWITCH_TAG = "switch"  # The top-of-rack switch at the other end of the cable.
VFIO_DRIVER = "vfio-pci"  # What a function is bound to while a guest has it.
_VFIO_SUFFIX: Final = "vfio_pci"  # mlx5_vfio_pci, qat_vfio_pci…: Linux drivers/vfio/pci/.
OPENED = "a guest or a program has it through vfio-pci"  # Of one that is, and that is in use.
# What becomes of a PF that met an error of PCI Express.
RECOVERING: Final = "it recovers from an error of PCI Express"
NOT_RECOVERED: Final = (
    "it has not recovered from an error of PCI Express: unbind its driver and bind it again, or"
    " reboot the host"
)


class DeviceKind(enum.Enum):
    """What a PCI function is in SR-IOV's terms; and, to placement, who hands a VF out."""

    PF = "pf"  # Has the SR-IOV capability; may be given away whole (`direct-physical`).
    VF = "vf"  # A slice of a PF.
    PLAIN = "plain"  # Neither.
    # VFs of network pools. No function is of these kinds: see `OfferedDevice.placement_kind`.
    HOSTDEV_VF = "vf_hdev"
    PASSTHROUGH_VF = "vf_pass"

    @property
    def of_function(self) -> DeviceKind:
        """What a function is that placement knows as this."""
        return DeviceKind.VF if self in _POOLED else self


FUNCTION_KINDS: Final = (DeviceKind.PF, DeviceKind.VF, DeviceKind.PLAIN)
_POOLED: Final = (DeviceKind.HOSTDEV_VF, DeviceKind.PASSTHROUGH_VF)
_POOLED_BY_MODE: Final = {
    PoolMode.HOSTDEV: DeviceKind.HOSTDEV_VF,
    PoolMode.PASSTHROUGH: DeviceKind.PASSTHROUGH_VF,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PciFunction:
    """Facts about one PCI function, as sysfs and rtnetlink tell them."""

    address: PciAddress
    kind: DeviceKind
    vendor_id: str  # Four lower-case hex digits.
    product_id: str
    vendor_name: str | None = None  # By pci.ids; None: it does not know, or is not there.
    product_name: str | None = None
    numa_node: int | None = None  # None: the kernel does not know (-1 in sysfs).
    iommu_group: int | None = None
    driver: str | None = None  # None: no driver is bound.
    ifname: str | None = None  # None: no netdev (not bound to a network driver, or in a guest).
    mac: MacAddress | None = None  # PF: the permanent MAC. VF: None.
    pf_address: PciAddress | None = None  # VF only.
    vf_index: int | None = None  # VF only; counts from 0.
    vf_count: int = 0  # PF only: sriov_numvfs.
    vf_count_max: int = 0  # PF only: sriov_totalvfs.
    link_up: bool = True  # PF only: carrier.
    speed_mbps: int | None = None  # PF only; None: unknown.
    # PF only: why it can't be used, and after a colon what to do; empty: nothing is known.
    fault: str = ""
    # PF only: of PCI Express, since the function came. None: nobody counts.
    uncorrectable_errors: int | None = None
    serial: str | None = None  # PF only: the card's serial number (PCI VPD).
    switch_id: str | None = None  # PF only: of the switch that its netdev is a port of, in hex.
    used_by: str = ""  # Who has it who is no server of ours; empty: nobody that can be seen.
    is_bridge: bool = False  # A host bridge or a PCI bridge, root ports among them.
    unfit: str = ""  # Why no guest may be given it; empty: nothing is known against it.
    pf_driver: str | None = None  # The driver whose VF operations apply: the PF's own, or its PF's.
    # What that driver was seen to set for VFs, by `capability_names`. None: it was not tried.
    pf_can: tuple[str, ...] | None = None


def is_vfio_driver(driver: str | None) -> bool:
    """Whether a function that is bound to it can be a guest's: vfio-pci, or one of a vendor's."""
    return driver is not None and driver.replace("-", "_").endswith(_VFIO_SUFFIX)


def not_bound_to_vfio(function: PciFunction) -> str:
    """Say why a function that libvirt is not to bind can't be a guest's; empty: it can."""
    if is_vfio_driver(function.driver):
        return ""
    return (
        f"is bound to {function.driver or 'no driver'}, and its device spec says managed = false:"
        f" `driverctl set-override {function.address} vfio-pci` binds it, or remove managed"
    )


def switchdev_fault(pf: PciAddress) -> str:
    """Say why a PF in switchdev mode is of no use here: what its VFs carry is not its to set."""
    return (
        "its eswitch is in switchdev mode, which is not served: `devlink dev eswitch set"
        f" pci/{pf} mode legacy`, with its VFs in no guest"
    )


def service_problem(pf: PciFunction) -> str:
    """Say why nothing of a PF can be used; empty: it can. Bound to vfio, nobody can tell."""
    name = pf.ifname or str(pf.address)
    if pf.kind is not DeviceKind.PF or is_vfio_driver(pf.driver):
        return ""
    if pf.fault:
        return f"{name}: {pf.fault}"
    if pf.driver is None:
        return f"{name} has no driver"
    return "" if pf.link_up else f"{name} has no link"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedDevice:
    """A function that a device spec puts on offer, with the tags the spec gives it."""

    function: PciFunction
    tags: Mapping[str, str] = field(default_factory=dict)  # Without the `e.` prefix.
    on_offer: bool = True  # False: a PF that is told of only because VFs of it are on offer.
    bandwidth: Bandwidth | None = None  # PF only: what it can guarantee; None: nothing.
    network_pool: NetworkPool | None = None  # VF only: that libvirt hands it out from.
    managed: bool = True  # False: the operator binds it to vfio, and libvirt leaves that alone.
    one_time_use: bool = False  # Once it was somebody's it is nobody's until an operator frees it.

    @property
    def placement_kind(self) -> DeviceKind:
        """What placement knows it as: one VF of a network pool can't be had by itself."""
        pool = self.network_pool
        return self.function.kind if pool is None else _POOLED_BY_MODE[pool.mode]

    @property
    def physical_network(self) -> PhysicalNetwork | None:
        """The physical network the device is cabled to; None when no tag says so."""
        value = self.tags.get(PHYSICAL_NETWORK_TAG)
        return None if value is None else PhysicalNetwork(value)


@dataclass(frozen=True, slots=True)
class DeviceRef:
    """Names a device of a host by what does not take a lookup: its kin, and its number there."""

    kin_id: DeviceId  # The PF of a VF; of any other device, itself.
    vf_index: int | None = None

    @property
    def bit(self) -> int:
        """Its bit in a bitmap of its kin's devices of one kind."""
        return 1 << (self.vf_index or 0)


def device_attributes(device: OfferedDevice) -> dict[str, str]:
    """Flatten a device into the attributes that requirements and flavors match on.

    Hardware facts have their own names, what a PF can set for its VFs begins with ``can.``, and the
    operator's tags with ``e.``, so that a tag can never pass for a fact. Addresses and host names
    are no attributes, on purpose: matching on them would tie a request to one host.
    """
    function = device.function
    facts = {
        "vendor_id": function.vendor_id,
        "product_id": function.product_id,
        "dev_type": function.kind.value,
    }
    if function.numa_node is not None:
        facts["numa_node"] = str(function.numa_node)
    if function.pf_driver is not None:
        facts["driver"] = function.pf_driver
    if function.kind is DeviceKind.VF:
        facts |= capability_attributes(function.pf_driver, function.pf_can)
    if device.network_pool is not None:
        facts["network_pool"] = device.network_pool.name
    return facts | {f"e.{key}": value for key, value in device.tags.items()}
