"""What the agent may rely on from any libvirt."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from tests.contract.machines import MACHINES, OTHER_PF, PF, Machine
from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import ServerId
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VfChange
from trunkline.reconcile.interfaces import HostRefused
from trunkline.reconcile.observed import DomainPower

A = ServerId(str(UUID(int=0xA)))
B = ServerId(str(UUID(int=0xB)))
VF0 = PciAddress.parse("0000:05:10.0")
VF1 = PciAddress.parse("0000:05:10.2")
MAC = MacAddress.parse("02:00:00:00:00:0a")
ORIGINAL = MacAddress.parse("02:00:00:00:00:99")


def address(at: PciAddress) -> str:
    return (
        f"<address type='pci' domain='0x{at.domain:04x}' bus='0x{at.bus:02x}'"
        f" slot='0x{at.slot:02x}' function='0x{at.function:x}'/>"
    )


def hostdev_nic(at: PciAddress = VF0, *, mac: MacAddress = MAC, vlan_id: int = 100) -> str:
    vlan = f"<vlan><tag id='{vlan_id}'/></vlan>" if vlan_id else ""
    return (
        f"<interface type='hostdev' managed='yes'><mac address='{mac}'/><driver name='vfio'/>"
        f"<source>{address(at)}</source>{vlan}</interface>"
    )


def macvtap_nic(ifname: str, *, mac: MacAddress = MAC, vlan_id: int = 100) -> str:
    return (
        f"<interface type='direct'><mac address='{mac}'/>"
        f"<source dev='{ifname}' mode='passthrough'/><vlan><tag id='{vlan_id}'/></vlan></interface>"
    )


def hostdev(at: PciAddress) -> str:
    return (
        "<hostdev mode='subsystem' type='pci' managed='yes'>"
        f"<source>{address(at)}</source></hostdev>"
    )


def domain_xml(
    *devices: str,
    server_id: ServerId = A,
    name: str = "a",
    ours: bool = True,
    boot_number: int = 1,
    xml_digest: str = "d1",
    vcpu: str = "<vcpu>1</vcpu>",
) -> str:
    metadata = (
        f"<metadata><trunkline:server xmlns:trunkline='urn:trunkline:1'"
        f" boot-number='{boot_number}' xml-digest='{xml_digest}'/></metadata>"
    )
    return (
        f"<domain type='kvm'><name>{name}</name><uuid>{server_id}</uuid>"
        f"{metadata if ours else ''}<memory unit='MiB'>64</memory>{vcpu}"
        f"<os><type>hvm</type></os><devices>{''.join(devices)}</devices></domain>"
    )


@pytest.fixture(params=MACHINES)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    return MACHINES[request.param](tmp_path)


def start(machine: Machine, xml: str, server_id: ServerId = A) -> None:
    machine.hypervisor.define(xml)
    machine.hypervisor.start_paused(server_id)


def ifname_of(machine: Machine, at: PciAddress) -> str:
    ifname = machine.kernel.functions()[at].ifname
    assert ifname is not None
    return ifname


def test_a_domain_goes_from_defined_to_paused_to_running_to_gone(machine: Machine) -> None:
    hypervisor = machine.hypervisor
    powers = []
    hypervisor.define(domain_xml())
    powers.append(hypervisor.domains()[A].power)
    hypervisor.start_paused(A)
    powers.append(hypervisor.domains()[A].power)
    hypervisor.resume(A)
    powers.append(hypervisor.domains()[A].power)
    hypervisor.destroy(A)
    powers.append(hypervisor.domains()[A].power)
    hypervisor.undefine(A)
    assert powers == [
        DomainPower.SHUT_OFF,
        DomainPower.PAUSED,
        DomainPower.RUNNING,
        DomainPower.SHUT_OFF,
    ]
    assert hypervisor.domains() == {}


def test_the_metadata_tells_boot_number_and_digest_and_whose_domain_it_is(
    machine: Machine,
) -> None:
    machine.hypervisor.define(domain_xml(boot_number=3, xml_digest="abc"))
    machine.hypervisor.define(domain_xml(server_id=B, name="b", ours=False))
    domains = machine.hypervisor.domains()
    assert set(domains) == {A}
    assert (domains[A].name, domains[A].boot_number, domains[A].xml_digest) == ("a", 3, "abc")


def test_a_started_guest_has_its_vf_with_mac_and_vlan_and_the_host_has_no_netdev_of_it(
    machine: Machine,
) -> None:
    start(machine, domain_xml(hostdev_nic()))
    function = machine.kernel.functions()[VF0]
    assert (function.driver, function.ifname) == ("vfio-pci", None)
    assert machine.hypervisor.domains()[A].devices == {VF0}
    settings = machine.kernel.vf_settings(PF)[0]
    assert (settings.mac, settings.vlan_id) == (MAC, 100)


def test_an_interface_without_vlan_strips_the_vlan_that_was_set(machine: Machine) -> None:
    machine.kernel.set_vf(PF, 0, VfChange(vlan_id=100, vlan_qos=0))
    start(machine, domain_xml(hostdev_nic(vlan_id=0)))
    assert machine.kernel.vf_settings(PF)[0].vlan_id == 0
    machine.hypervisor.destroy(A)
    assert machine.kernel.vf_settings(PF)[0].vlan_id == 100


def test_a_plain_hostdev_leaves_mac_and_vlan_alone(machine: Machine) -> None:
    machine.kernel.set_vf(PF, 0, VfChange(mac=MAC, vlan_id=100, vlan_qos=0))
    start(machine, domain_xml(hostdev(VF0)))
    settings = machine.kernel.vf_settings(PF)[0]
    assert (settings.mac, settings.vlan_id) == (MAC, 100)


def test_destroy_gives_the_vf_back_with_the_mac_and_vlan_it_had(machine: Machine) -> None:
    machine.kernel.set_vf(PF, 0, VfChange(mac=ORIGINAL, vlan_id=7, vlan_qos=0))
    start(machine, domain_xml(hostdev_nic()))
    machine.hypervisor.destroy(A)
    settings, function = machine.kernel.vf_settings(PF)[0], machine.kernel.functions()[VF0]
    assert (settings.mac, settings.vlan_id) == (ORIGINAL, 7)
    assert function.driver == "igbvf"
    assert function.ifname is not None
    assert machine.hypervisor.domains()[A].devices == frozenset()


def test_a_device_of_a_running_guest_is_refused_to_another(machine: Machine) -> None:
    start(machine, domain_xml(hostdev_nic()))
    machine.hypervisor.define(domain_xml(hostdev_nic(), server_id=B, name="b"))
    with pytest.raises(HostRefused, match="in use"):
        machine.hypervisor.start_paused(B)
    assert machine.hypervisor.domains()[B].power is DomainPower.SHUT_OFF
    machine.hypervisor.destroy(A)
    machine.hypervisor.start_paused(B)
    assert machine.hypervisor.domains()[B].devices == {VF0}


def test_an_interface_of_type_hostdev_is_for_vfs_only(machine: Machine) -> None:
    machine.hypervisor.define(domain_xml(hostdev_nic(PF)))
    with pytest.raises(HostRefused, match="Virtual Functions only"):
        machine.hypervisor.start_paused(A)


def test_a_vf_needs_its_pf_to_be_up(machine: Machine) -> None:
    machine.kernel.set_netdev_up("eth2", up=False)
    machine.hypervisor.define(domain_xml(hostdev_nic()))
    with pytest.raises(HostRefused, match="not online"):
        machine.hypervisor.start_paused(A)
    assert machine.kernel.functions()[VF0].driver == "igbvf"


def test_a_start_that_is_refused_half_way_leaves_every_device_as_it_was(
    machine: Machine,
) -> None:
    before = machine.kernel.functions(), machine.kernel.vf_settings(PF)
    bad = hostdev_nic(VF1, mac=MacAddress.parse("02:00:00:00:00:0b"), vlan_id=4095)
    machine.hypervisor.define(domain_xml(hostdev_nic(), bad, macvtap_nic("nothing")))
    with pytest.raises(HostRefused, match="No such device"):
        machine.hypervisor.start_paused(A)
    assert machine.hypervisor.domains()[A].power is DomainPower.SHUT_OFF
    assert (machine.kernel.functions(), machine.kernel.vf_settings(PF)) == before


def test_a_pf_given_away_takes_its_vfs_with_it_and_comes_back_without(machine: Machine) -> None:
    start(machine, domain_xml(hostdev(PF)))
    functions = machine.kernel.functions()
    assert (functions[PF].driver, functions[PF].ifname) == ("vfio-pci", None)
    assert not [each for each in functions.values() if each.pf_address == PF]
    assert machine.hypervisor.domains()[A].devices == {PF}
    with pytest.raises(HostRefused):
        machine.kernel.set_vf_count(PF, 4)
    machine.hypervisor.destroy(A)
    assert machine.kernel.functions()[PF].ifname == "eth2"
    assert machine.kernel.functions()[PF].vf_count == 0
    machine.kernel.set_vf_count(PF, 4)


def test_a_macvtap_leaves_the_vfs_netdev_on_the_host_with_the_guests_mac(
    machine: Machine,
) -> None:
    ifname = ifname_of(machine, VF0)
    start(machine, domain_xml(macvtap_nic(ifname)))
    assert ifname_of(machine, VF0) == ifname
    assert machine.hypervisor.domains()[A].ifnames == {ifname}
    assert machine.hypervisor.domains()[A].devices == frozenset()
    assert machine.kernel.netdev_mac(ifname) == MAC
    assert machine.kernel.vf_settings(PF)[0].vlan_id == 100
    machine.hypervisor.destroy(A)
    assert machine.kernel.vf_settings(PF)[0].vlan_id == 0


def test_a_netdev_carries_one_macvtap_in_passthrough_mode(machine: Machine) -> None:
    ifname = ifname_of(machine, VF0)
    start(machine, domain_xml(macvtap_nic(ifname)))
    machine.hypervisor.define(domain_xml(macvtap_nic(ifname), server_id=B, name="b"))
    with pytest.raises(HostRefused) as refused:
        machine.hypervisor.start_paused(B)
    assert refused.value.errno_name == "EBUSY"
    assert machine.kernel.vf_settings(PF)[0].vlan_id == 100
    machine.hypervisor.destroy(A)
    machine.hypervisor.start_paused(B)


def test_macvtaps_of_several_guests_have_names_of_their_own(machine: Machine) -> None:
    start(machine, domain_xml(macvtap_nic(ifname_of(machine, VF0))))
    start(machine, domain_xml(macvtap_nic(ifname_of(machine, VF1)), server_id=B, name="b"), B)
    names = {vf.macvtap for pf in machine.kernel.state().pfs for vf in pf.vfs} - {""}
    assert names == {"macvtap0", "macvtap1"}


def test_a_bridge_must_exist(machine: Machine) -> None:
    nic = "<interface type='bridge'><source bridge='{}'/></interface>"
    start(machine, domain_xml(nic.format("br-phy1")))
    machine.hypervisor.define(domain_xml(nic.format("br-no"), server_id=B, name="b"))
    with pytest.raises(HostRefused, match="br-no"):
        machine.hypervisor.start_paused(B)


def on_numa_node(cpuset: str, nodeset: str, mode: str = "strict") -> str:
    return (
        f"<vcpu placement='static' cpuset='{cpuset}'>1</vcpu>"
        f"<numatune><memory mode='{mode}' nodeset='{nodeset}'/></numatune>"
    )


def test_a_guest_starts_on_a_numa_node_that_the_machine_has(machine: Machine) -> None:
    start(machine, domain_xml(vcpu=on_numa_node("4-7,12-15", "1")))


@pytest.mark.parametrize(
    ("vcpu", "said"),
    [
        (on_numa_node("0-3", "2"), "NUMA node 2 is unavailable"),
        (on_numa_node("14-16", "1"), "cpuset.cpus': Invalid argument"),
        ("<vcpu cpuset='64'>1</vcpu>", "cpuset.cpus': Invalid argument"),
    ],
)
def test_nodes_and_cpus_that_the_machine_lacks_are_refused_at_start(
    machine: Machine, vcpu: str, said: str
) -> None:
    machine.hypervisor.define(domain_xml(hostdev_nic(), vcpu=vcpu))
    with pytest.raises(HostRefused, match=said):
        machine.hypervisor.start_paused(A)
    assert machine.hypervisor.domains()[A].power is DomainPower.SHUT_OFF


@pytest.mark.parametrize(
    ("vcpu", "said"),
    [
        (on_numa_node("", "1"), "Invalid value of 'cpuset'"),
        (on_numa_node("4-", "1"), "Invalid value of 'cpuset'"),
        (on_numa_node("4-7", "one"), "Invalid value of 'nodeset'"),
        ("<vcpu>1</vcpu><numatune><memory mode='strict'/></numatune>", "nodeset for NUMA memory"),
    ],
)
def test_malformed_sets_of_cpus_and_nodes_are_refused_when_defined(
    machine: Machine, vcpu: str, said: str
) -> None:
    with pytest.raises(HostRefused, match=said):
        machine.hypervisor.define(domain_xml(vcpu=vcpu))


def test_names_and_uuids_are_unique(machine: Machine) -> None:
    machine.hypervisor.define(domain_xml())
    with pytest.raises(HostRefused, match="already defined"):
        machine.hypervisor.define(domain_xml(server_id=B, name="a"))
    with pytest.raises(HostRefused, match="already defined"):
        machine.hypervisor.define(domain_xml(server_id=A, name="b"))


def test_a_running_guest_keeps_what_it_was_started_with(machine: Machine) -> None:
    start(machine, domain_xml(boot_number=1, xml_digest="old"))
    machine.hypervisor.define(domain_xml(boot_number=2, xml_digest="new"))
    assert machine.hypervisor.domains()[A].boot_number == 1
    machine.hypervisor.destroy(A)
    assert machine.hypervisor.domains()[A].boot_number == 2


def test_what_does_not_fit_the_state_is_refused(machine: Machine) -> None:
    hypervisor = machine.hypervisor
    for act in (
        hypervisor.start_paused,
        hypervisor.resume,
        hypervisor.destroy,
        hypervisor.undefine,
    ):
        with pytest.raises(HostRefused, match="no domain"):
            act(A)
    hypervisor.define(domain_xml())
    for act in (hypervisor.resume, hypervisor.destroy):
        with pytest.raises(HostRefused, match="not running"):
            act(A)
    hypervisor.start_paused(A)
    with pytest.raises(HostRefused, match="already running"):
        hypervisor.start_paused(A)
    with pytest.raises(HostRefused, match="running"):
        hypervisor.undefine(A)
    hypervisor.resume(A)
    with pytest.raises(HostRefused, match="already running"):
        hypervisor.resume(A)


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "no xml",
        "<network/>",
        "<domain/>",
        "<domain><name>a</name><uuid>nonsense</uuid></domain>",
        "<!DOCTYPE d [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>" + domain_xml(),
        domain_xml("<interface type='hostdev'/>"),
        domain_xml(hostdev_nic(mac=MacAddress.parse("01:00:5e:00:00:01"))),
        domain_xml(hostdev_nic(vlan_id=4096)),
        domain_xml("<interface type='direct'><source dev='eth0' mode='bridge'/></interface>"),
    ],
)
def test_a_malformed_definition_is_refused(machine: Machine, xml: str) -> None:
    with pytest.raises(HostRefused):
        machine.hypervisor.define(xml)
    assert machine.hypervisor.domains() == {}


def test_two_guests_on_two_pfs_do_not_touch_each_other(machine: Machine) -> None:
    other = PciAddress.parse("0000:82:10.0")
    start(machine, domain_xml(hostdev_nic()))
    mac = MacAddress.parse("02:00:00:00:00:0b")
    start(machine, domain_xml(hostdev_nic(other, mac=mac, vlan_id=200), server_id=B, name="b"), B)
    assert machine.kernel.vf_settings(PF)[0].vlan_id == 100
    assert machine.kernel.vf_settings(OTHER_PF)[0].vlan_id == 200
