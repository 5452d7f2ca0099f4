"""Facts of a host on which everything is as it should be.

::

    0000:05:00.0 eth2 igb        2 of 7 VFs  phy1
    0000:82:00.0 eth3 mlx5_core  0 of 8 VFs  phy2
    br-phy1
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from trunkline.domain.device import DeviceKind, PciFunction
from trunkline.domain.device_spec_parsing import parse_device_specs
from trunkline.domain.ids import PhysicalNetwork
from trunkline.domain.pci import PciAddress
from trunkline.host.doctor.facts import (
    AgentFacts,
    BridgeFacts,
    ControllerFacts,
    Facts,
    HelperFacts,
    LibvirtFacts,
    MachineFacts,
    ModuleState,
    NicFacts,
)

IGB: Final = PciAddress.parse("0000:05:00.0")
MLX: Final = PciAddress.parse("0000:82:00.0")
DISK: Final = PciAddress.parse("0000:06:00.0")
IGB_VFS: Final = tuple(PciAddress.parse(f"0000:05:10.{each}") for each in (0, 2))

_PFS = {
    IGB: PciFunction(
        address=IGB, kind=DeviceKind.PF, vendor_id="8086", product_id="10c9", iommu_group=10,
        driver="igb", pf_driver="igb", ifname="eth2", vf_count=2, vf_count_max=7, speed_mbps=1000,
    ),
    MLX: PciFunction(
        address=MLX, kind=DeviceKind.PF, vendor_id="15b3", product_id="1017", iommu_group=40,
        driver="mlx5_core", pf_driver="mlx5_core", ifname="eth3", vf_count_max=8,
        speed_mbps=25000,
    ),
}  # fmt: skip
_VFS = {
    address: PciFunction(
        address=address, kind=DeviceKind.VF, vendor_id="8086", product_id="10ca",
        iommu_group=11 + index, driver="igbvf", pf_driver="igb", ifname=f"eth2v{index}",
        pf_address=IGB, vf_index=index,
    )
    for index, address in enumerate(IGB_VFS)
}  # fmt: skip
_SPECS = parse_device_specs([
    {"address": "0000:05:*.*", "physical_network": "phy1"},
    {"ifname": "eth3", "physical_network": "phy2", "offer": "vfs", "vf_count": 4},
])  # fmt: skip

WELL: Final = Facts(
    user="trunkline",
    groups=frozenset({"trunkline", "libvirt"}),
    machine=MachineFacts(
        kernel_release="6.1.0-30-amd64",
        command_line=("quiet", "intel_iommu=on", "iommu=pt"),
        cpu_vendor="GenuineIntel",
        cpu_virtualizes=True,
        iommus=("dmar0", "dmar1"),
        iommu_group_count=60,
        has_kvm=True,
        vfio_pci=ModuleState.LOADED,
    ),
    functions={**_PFS, **_VFS},
    nics={
        IGB: NicFacts(
            has_sriov=True,
            vf_memory=True,
            is_up=True,
            product="82576 Gigabit Network Connection",
        ),
        MLX: NicFacts(has_sriov=True, vf_memory=True, is_up=True),
    },
    netdevs=frozenset({"lo", "eth2", "eth3", "br-phy1"}),
    bridges={"br-phy1": BridgeFacts(uplinks=("eth2",))},
    libvirt=LibvirtFacts(
        uri="qemu:///system", version=9_000_000, domain_types=frozenset({"kvm", "qemu"})
    ),
    helper=HelperFacts(socket="/run/trunkline/helper.sock", exists=True, answers=True),
    controller=ControllerFacts(url="https://controller:8774", clock_ahead_seconds=0.4),
    agent=AgentFacts(
        file="compute.toml",
        host="h1",
        device_specs=_SPECS,
        bridges={PhysicalNetwork("phy1"): "br-phy1"},
        has_token=True,
        state_dir="/var/lib/trunkline",
    ),
)


def with_machine(**changes: Any) -> Facts:
    return replace(WELL, machine=replace(WELL.machine, **changes))


def with_agent(**changes: Any) -> Facts:
    assert WELL.agent is not None
    return replace(WELL, agent=replace(WELL.agent, **changes))


def with_card(address: PciAddress, nic: dict[str, Any] | None = None, **changes: Any) -> Facts:
    return replace(
        WELL,
        functions={**WELL.functions, address: replace(WELL.functions[address], **changes)},
        nics={**WELL.nics, address: replace(WELL.nics[address], **(nic or {}))},
    )
