"""Domain XML: valid under libvirt's own schemas, the same each time, and complete."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reconcile.scenes import (
    IGB,
    MLX,
    VIF_TYPES,
    a_nic,
    a_server,
    vf,
    whole,
)
from tests.support.libvirt_schemas import LibvirtSchema
from trunkline.domain.device import DeviceKind
from trunkline.domain.pci import PciAddress
from trunkline.domain.port import VnicType
from trunkline.host.libvirt_domain import parse_libvirt_domain
from trunkline.reconcile.desired import GuestNode, HeldDevice, NicConfig
from trunkline.reconcile.domain_xml import DomainOptions, attachment, define

OPTIONS = DomainOptions()


@st.composite
def nics(draw: st.DrawFn) -> tuple[NicConfig, ...]:
    made = []
    kinds = [*VnicType, "mlnx_direct"]
    for number, kind in enumerate(draw(st.lists(st.sampled_from(kinds), max_size=8))):
        vlan_id = draw(st.sampled_from([0, 1, 100, 4094]))
        match kind:
            case VnicType.NORMAL:
                made.append(a_nic(number, None, VnicType.NORMAL, vlan_id=vlan_id))
            case VnicType.DIRECT_PHYSICAL:
                device = replace(whole(IGB), managed=draw(st.booleans()))
                made.append(a_nic(number, device, VnicType.DIRECT_PHYSICAL, vlan_id=vlan_id))
            case VnicType.DIRECT | VnicType.MACVTAP:
                device = replace(vf(MLX, number), managed=draw(st.booleans()))
                made.append(a_nic(number, device, kind, vlan_id=vlan_id))
            case _:
                device = vf(MLX, number)
                made.append(
                    a_nic(number, device, VnicType.MACVTAP, vlan_id=vlan_id, vif_type="mlnx_direct")
                )
    return tuple(made)


@given(
    nics=nics(),
    name=st.text(max_size=60),
    domain_type=st.sampled_from(["kvm", "qemu"]),
    disk_gib=st.sampled_from([0, 10]),
    numa_node=st.sampled_from(
        [None, GuestNode(number=0, cpus="0-7,16-23"), GuestNode(number=1023, cpus="")]
    ),
    consoles=st.sampled_from([None, "/var/log/trunkline/consoles"]),
)
def test_domains_are_valid_under_libvirts_schema_and_always_the_same(
    libvirt_domain_schema: LibvirtSchema,
    nics: tuple[NicConfig, ...],
    name: str,
    domain_type: str,
    disk_gib: int,
    numa_node: GuestNode | None,
    consoles: str | None,
) -> None:
    server = replace(a_server(1, *nics), name=name, disk_gib=disk_gib, numa_node=numa_node)
    options = DomainOptions(domain_type=domain_type, console_directory=consoles)
    made = define(server, VIF_TYPES, options)
    libvirt_domain_schema.check(made.xml)
    assert define(server, VIF_TYPES, options) == made


@given(nics=nics())
def test_what_libvirt_reads_is_what_an_observation_is_compared_with(
    nics: tuple[NicConfig, ...],
) -> None:
    server = a_server(1, *nics)
    read = parse_libvirt_domain(define(server, VIF_TYPES, OPTIONS).xml)
    wanted = attachment(server, VIF_TYPES)
    assert frozenset(read.host_devices) == wanted.devices
    netdevs = {each.ifname for each in read.direct_interfaces}
    assert netdevs | {each.ifname for each in read.bridges} == wanted.ifnames
    written = sorted(
        [(str(each.mac), each.vlan_id) for each in read.hostdev_interfaces]
        + [(str(each.mac), each.vlan_id) for each in read.direct_interfaces]
    )
    vfs = [nic for nic in nics if nic.vnic_type in (VnicType.DIRECT, VnicType.MACVTAP)]
    assert written == sorted((str(nic.mac), nic.vlan_id) for nic in vfs)


@given(count=st.integers(1, 8), nics=nics())
def test_devices_besides_nics_are_handed_over_as_they_are(
    libvirt_domain_schema: LibvirtSchema, count: int, nics: tuple[NicConfig, ...]
) -> None:
    devices = tuple(
        HeldDevice(
            address=PciAddress(0, 0xC0 + number, 0, 0), kind=DeviceKind.PLAIN, epoch=1,
            pf_address=None, vf_index=None,
        )
        for number in range(count)
    )  # fmt: skip
    server = replace(a_server(1, *nics), devices=devices)
    made = define(server, VIF_TYPES, OPTIONS)
    libvirt_domain_schema.check(made.xml)
    read = parse_libvirt_domain(made.xml)
    assert read.hostdevs[-count:] == tuple(held.address for held in devices)
    assert frozenset(read.host_devices) == attachment(server, VIF_TYPES).devices
    assert 'memballoon model="none"' in made.xml  # vfio pins the guest's memory.
    assert define(replace(server, devices=()), VIF_TYPES, OPTIONS).digest != made.digest


def test_a_macvtap_server_has_the_same_xml_on_every_host_and_any_vf() -> None:
    """Another host has its cards in other places, of other makes: nothing of that is in it."""
    here, there = (
        define(a_server(1, a_nic(1, device, VnicType.MACVTAP)), VIF_TYPES, OPTIONS)
        for device in (vf(IGB, 3), vf(MLX, 0, epoch=9))
    )
    assert here == there


def test_a_guest_can_tell_that_its_kernel_has_panicked() -> None:
    assert '<panic model="isa"/>' in define(a_server(1), VIF_TYPES, OPTIONS).xml
    elsewhere = replace(OPTIONS, arch="aarch64")
    assert "<panic" not in define(a_server(1), VIF_TYPES, elsewhere).xml


def test_the_digest_is_of_all_but_the_boot_number() -> None:
    server = a_server(1, a_nic(1, vf(IGB, 0)))
    made = define(server, VIF_TYPES, OPTIONS)
    again = define(replace(server, boot_number=2), VIF_TYPES, OPTIONS)
    assert again.digest == made.digest
    assert again.xml != made.xml
    for other in (
        replace(server, vcpus=3),
        replace(server, name="other"),
        a_server(1, a_nic(1, vf(IGB, 0), vlan_id=101)),
        a_server(1, a_nic(1, vf(IGB, 1))),
    ):
        assert define(other, VIF_TYPES, OPTIONS).digest != made.digest
    read = parse_libvirt_domain(made.xml)
    assert (read.is_ours, read.boot_number, read.xml_digest) == (True, 1, made.digest)


@pytest.mark.parametrize(
    ("broken", "by"),
    [("<vlan>", "<vlans>"), ('mode="passthrough"', 'mode="pass"'), ('bus="0x05"', 'bus="0x555"')],
)
def test_the_schema_does_refuse_what_is_wrong(
    libvirt_domain_schema: LibvirtSchema, broken: str, by: str
) -> None:
    nic = a_nic(2, vf(MLX, 0), VnicType.MACVTAP)
    xml = define(a_server(1, a_nic(1, vf(IGB, 0)), nic), VIF_TYPES, OPTIONS).xml
    assert broken in xml
    wrong = xml.replace(broken, by).replace(broken.replace("<", "</"), by.replace("<", "</"))
    assert libvirt_domain_schema.faults(wrong)


def test_a_confined_guest_has_the_cpus_and_the_memory_of_its_node_and_others_any() -> None:
    server = replace(a_server(1), numa_node=GuestNode(number=1, cpus="4-7,12-15"))
    confined = define(server, VIF_TYPES, OPTIONS)
    assert '<vcpu placement="static" cpuset="4-7,12-15">2</vcpu>' in confined.xml
    assert '<memory mode="strict" nodeset="1"/>' in confined.xml
    read = parse_libvirt_domain(confined.xml)
    assert (read.cpuset, read.numa_nodes) == (
        frozenset({4, 5, 6, 7, 12, 13, 14, 15}),
        frozenset({1}),
    )
    floating = define(a_server(1), VIF_TYPES, OPTIONS)
    assert floating.digest != confined.digest
    read = parse_libvirt_domain(floating.xml)
    assert (read.cpuset, read.numa_nodes) == (frozenset(), frozenset())
