"""What the agent may rely on from any libvirt that hands devices to guests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.domains import (
    MAC,
    ORIGINAL,
    VF0,
    VF1,
    domain_xml,
    hostdev,
    hostdev_nic,
    macvtap_nic,
)
from tests.contract.guests import A, B
from tests.contract.machines import MACHINES, OTHER_PF, PF, Machine
from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import ServerId
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VfChange
from trunkline.reconcile.interfaces import HostRefused
from trunkline.reconcile.observed import DomainPower


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
    machine.kernel.reload_vf_driver(VF0)  # libvirt gives back what the VF's own netdev had.
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


def test_two_guests_on_two_pfs_do_not_touch_each_other(machine: Machine) -> None:
    other = PciAddress.parse("0000:82:10.0")
    start(machine, domain_xml(hostdev_nic()))
    mac = MacAddress.parse("02:00:00:00:00:0b")
    start(machine, domain_xml(hostdev_nic(other, mac=mac, vlan_id=200), server_id=B, name="b"), B)
    assert machine.kernel.vf_settings(PF)[0].vlan_id == 100
    assert machine.kernel.vf_settings(OTHER_PF)[0].vlan_id == 200
