"""What libvirt refuses about a domain before it touches anything, on a simulated machine."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from trunkline.domain.device import DeviceKind, is_vfio_driver
from trunkline.domain.numa import cpu_numbers
from trunkline.domain.pci import PciAddress
from trunkline.host.fake_kernel import FakeKernel
from trunkline.host.libvirt_domain import LibvirtDomain
from trunkline.reconcile.interfaces import HostRefused


def check_start(
    kernel: FakeKernel, domain: LibvirtDomain, in_use: Mapping[PciAddress, str]
) -> None:
    """Raise `HostRefused` unless a domain can be started; `in_use` says which domain has what."""
    _check_free(kernel, domain, in_use)
    _check_numa(kernel, domain)


def _check_free(
    kernel: FakeKernel, domain: LibvirtDomain, in_use: Mapping[PciAddress, str]
) -> None:
    wanted = domain.host_devices
    for address in wanted:
        if wanted.count(address) > 1:
            raise HostRefused("hostdev", f"PCI device {address} is already in use")
        function = kernel.find_function(address)
        if function is None:
            raise HostRefused("hostdev", f"Device {address} not found")
        if address in domain.unmanaged and not is_vfio_driver(function.driver):
            # Source: src/hypervisor/virhostdev.c, virHostdevPreparePCIDevicesImpl().
            raise HostRefused(
                "hostdev",
                f"Unmanaged PCI device {address} must be manually detached from the host",
            )
        if address in in_use:
            raise HostRefused(
                "hostdev",
                f"PCI device {address} is in use by driver QEMU, domain {in_use[address]}",
            )
    for interface in domain.hostdev_interfaces:
        function = kernel.find_function(interface.address)
        if function is None or function.kind is not DeviceKind.VF:
            raise HostRefused(
                "interface",
                "Interface type hostdev is currently supported on SR-IOV Virtual Functions only",
            )
    _check_groups(kernel, wanted)
    bridges = kernel.state().bridges
    for each in domain.bridges:
        if each.bridge not in bridges:
            raise HostRefused(
                "interface", f"Cannot get interface MTU on '{each.bridge}': No such device"
            )
        if each.vlan_id:
            # Source: src/conf/domain_conf.c, virDomainActualNetDefValidate(), before 11.0.
            raise HostRefused(
                "interface",
                "an interface of type 'bridge' is requesting a vlan tag, but that is not"
                " supported for this type of connection",
            )


def _check_groups(kernel: FakeKernel, wanted: Collection[PciAddress]) -> None:
    """Refuse as vfio does. Source: Linux drivers/iommu/iommu.c, iommu_device_claim_dma_owner()."""
    functions = kernel.functions()
    whole = {each for each in wanted if functions[each].kind is DeviceKind.PF}
    for address in wanted:
        group = functions[address].iommu_group
        for other in functions.values():
            is_going = other.address in wanted or other.pf_address in whole
            is_harmless = other.driver is None or is_vfio_driver(other.driver)
            if other.iommu_group != group or is_going or is_harmless:
                continue
            raise HostRefused(
                "hostdev",
                f"qemu unexpectedly closed the monitor: vfio {address}: group {group} is not"
                " viable. Please ensure all devices within the iommu_group are bound to their vfio"
                " bus driver.",
            )


def _check_numa(kernel: FakeKernel, domain: LibvirtDomain) -> None:
    """Refuse nodes and CPUs that the machine does not have; a machine may not tell of any."""
    nodes = {node.number: node for node in kernel.state().numa_nodes}
    missing = sorted(domain.numa_nodes - nodes.keys())
    if missing:  # Source: src/util/virnuma.c, virNumaNodesetIsAvailable().
        raise HostRefused("numatune", f"NUMA node {missing[0]} is unavailable")
    cpus = frozenset[int]().union(*(cpu_numbers(node.cpus) for node in nodes.values()))
    if not domain.cpuset <= cpus:
        # The kernel takes no CPU that the root has not. Source: Linux
        # kernel/cgroup/cpuset.c, update_cpumask().
        raise HostRefused("vcpu", "Unable to write to 'cpuset.cpus': Invalid argument")
