"""The simulated machine that the contract suites run on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trunkline.domain.ether import MacAddress
from trunkline.domain.numa import NumaNode
from trunkline.domain.pci import PciAddress
from trunkline.host.driver_data import drivers
from trunkline.host.fake_hypervisor import FakeHypervisor, create_hypervisor
from trunkline.host.fake_kernel import FakeKernel, create_kernel
from trunkline.host.machine import KernelState, PfRecord, PlainRecord

PF = PciAddress.parse("0000:05:00.0")
OTHER_PF = PciAddress.parse("0000:82:00.0")


def a_pf(
    *,
    driver: str = "igb",
    product_id: str | None = None,
    address: PciAddress = PF,
    ifname: str = "eth2",
    vf_count: int = 4,
    iommu_group: int = 10,
    mac: str = "00:1b:21:00:00:01",
) -> PfRecord:
    """A PF as its card's data sheet has it."""
    known = drivers()[driver]
    product = known.products[0] if product_id is None else known.product(product_id)
    assert product is not None
    return PfRecord(
        address=address,
        driver=driver,
        vendor_id=known.vendor_id,
        product_id=product.product_id,
        vf_product_id=product.vf_product_id,
        ifname=ifname,
        mac=MacAddress.parse(mac),
        speed_mbps=product.speed_mbps,
        vf_count_max=product.vf_count_max,
        vf_offset=known.vf_offset,
        vf_stride=known.vf_stride,
        iommu_group=iommu_group,
        numa_node=0,
        vf_count_at_boot=vf_count,
    )


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A kernel and libvirt, with one igb PF of 4 VFs and one ixgbe PF of 8."""

    kernel: FakeKernel
    hypervisor: FakeHypervisor

    def reopened(self) -> Machine:
        """The same machine, seen by a process that has just started."""
        kernel = FakeKernel(self.kernel.path)
        return Machine(kernel=kernel, hypervisor=FakeHypervisor(self.hypervisor.path, kernel))


def fake_machine(directory: Path, *pfs: PfRecord, plain: tuple[PlainRecord, ...] = ()) -> Machine:
    """Make a simulated machine.

    ::

        0000:05:00.0 eth2 igb    4 VFs 0000:05:10.{0,2,4,6}
        0000:82:00.0 eth3 ixgbe  8 VFs 0000:82:10.{0,2,4,6} 0000:82:11.{0,2,4,6}
        br-phy1
        NUMA nodes 0 (CPUs 0-3, 8-11) and 1 (CPUs 4-7, 12-15)
    """
    records = list(pfs) or [
        a_pf(),
        a_pf(
            driver="ixgbe",
            address=OTHER_PF,
            ifname="eth3",
            vf_count=8,
            iommu_group=40,
            mac="00:1b:21:00:00:02",
        ),
    ]
    directory.mkdir(parents=True, exist_ok=True)
    create_kernel(
        directory / "kernel.json",
        KernelState(
            name="h1",
            pfs=records,
            plain=list(plain),
            bridges=["br-phy1"],
            numa_nodes=[
                NumaNode(number=0, cpus="0-3,8-11", memory_mib=32768),
                NumaNode(number=1, cpus="4-7,12-15", memory_mib=32768),
            ],
        ),
    )
    kernel = FakeKernel(directory / "kernel.json")
    create_hypervisor(directory / "hypervisor.json", kernel)
    return Machine(kernel=kernel, hypervisor=FakeHypervisor(directory / "hypervisor.json", kernel))
