"""What the agent may rely on from any libvirt that hands devices to guests.

One suite for every implementation: a test module imports all of it, and has a fixture `machine`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import pytest

from tests.contract.domains import MAC, ORIGINAL, domain_xml, hostdev, hostdev_nic, macvtap_nic
from tests.contract.guests import A, B
from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import ServerId
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VfChange
from trunkline.reconcile.interfaces import HostRefused, Kernel
from trunkline.reconcile.observed import DomainPower, DomainState


class HypervisorMachine(ABC):
    """A machine with two PFs that are up and have 4 VFs or more; the first is igb's."""

    kernel: Kernel
    pf: PciAddress
    other_pf: PciAddress

    @property
    def vf_0(self) -> PciAddress:
        return self._vf(self.pf, 0)

    @property
    def vf_1(self) -> PciAddress:
        return self._vf(self.pf, 1)

    @property
    def other_vf_0(self) -> PciAddress:
        return self._vf(self.other_pf, 0)

    def _vf(self, pf: PciAddress, vf_index: int) -> PciAddress:
        [found] = (
            each.address
            for each in self.kernel.functions().values()
            if (each.pf_address, each.vf_index) == (pf, vf_index)
        )
        return found

    @abstractmethod
    def domains(self) -> Mapping[ServerId, DomainState]:
        """See `Hypervisor.domains`: power, and what of the host the guests have."""

    @abstractmethod
    def define(self, xml: str) -> None:
        """See `Hypervisor.define`."""

    @abstractmethod
    def start_paused(self, server_id: ServerId) -> None:
        """Start a guest, and wait until it has started.

        Raises:
            HostRefused: It did not start.
        """

    @abstractmethod
    def destroy(self, server_id: ServerId) -> None:
        """End a guest, and wait until it has ended."""

    @abstractmethod
    def set_pf_down(self) -> None:
        """Set the netdev of `pf` down."""

    @abstractmethod
    def netdev_mac(self, ifname: str) -> MacAddress:
        """The MAC of a netdev."""

    @abstractmethod
    def macvtaps(self) -> set[str]:
        """The names of all macvtaps."""


def start(machine: HypervisorMachine, xml: str, server_id: ServerId = A) -> None:
    machine.define(xml)
    machine.start_paused(server_id)


def ifname_of(machine: HypervisorMachine, at: PciAddress) -> str:
    ifname = machine.kernel.functions()[at].ifname
    assert ifname is not None
    return ifname


def test_a_started_guest_has_its_vf_with_mac_and_vlan_and_the_host_has_no_netdev_of_it(
    machine: HypervisorMachine,
) -> None:
    start(machine, domain_xml(hostdev_nic(machine.vf_0)))
    function = machine.kernel.functions()[machine.vf_0]
    assert (function.driver, function.ifname) == ("vfio-pci", None)
    assert machine.domains()[A].devices == {machine.vf_0}
    settings = machine.kernel.vf_settings(machine.pf)[0]
    assert (settings.mac, settings.vlan_id) == (MAC, 100)


def test_an_interface_without_vlan_strips_the_vlan_that_was_set(machine: HypervisorMachine) -> None:
    machine.kernel.set_vf(machine.pf, 0, VfChange(vlan_id=100, vlan_qos=0))
    start(machine, domain_xml(hostdev_nic(machine.vf_0, vlan_id=0)))
    assert machine.kernel.vf_settings(machine.pf)[0].vlan_id == 0
    machine.destroy(A)
    assert machine.kernel.vf_settings(machine.pf)[0].vlan_id == 100


def test_a_plain_hostdev_leaves_mac_and_vlan_alone(machine: HypervisorMachine) -> None:
    machine.kernel.set_vf(machine.pf, 0, VfChange(mac=MAC, vlan_id=100, vlan_qos=0))
    start(machine, domain_xml(hostdev(machine.vf_0)))
    settings = machine.kernel.vf_settings(machine.pf)[0]
    assert (settings.mac, settings.vlan_id) == (MAC, 100)


def test_destroy_gives_the_vf_back_with_the_mac_and_vlan_it_had(machine: HypervisorMachine) -> None:
    machine.kernel.set_vf(machine.pf, 0, VfChange(mac=ORIGINAL, vlan_id=7, vlan_qos=0))
    machine.kernel.reload_vf_driver(machine.vf_0)  # libvirt gives back what its own netdev had.
    start(machine, domain_xml(hostdev_nic(machine.vf_0)))
    machine.destroy(A)
    settings, function = (
        machine.kernel.vf_settings(machine.pf)[0],
        machine.kernel.functions()[machine.vf_0],
    )
    assert (settings.mac, settings.vlan_id) == (ORIGINAL, 7)
    assert function.driver == "igbvf"
    assert function.ifname is not None
    assert machine.domains()[A].devices == frozenset()


def test_a_device_of_a_running_guest_is_refused_to_another(machine: HypervisorMachine) -> None:
    start(machine, domain_xml(hostdev_nic(machine.vf_0)))
    machine.define(domain_xml(hostdev_nic(machine.vf_0), server_id=B, name="b"))
    with pytest.raises(HostRefused, match="in use"):
        machine.start_paused(B)
    assert machine.domains()[B].power is DomainPower.SHUT_OFF
    machine.destroy(A)
    machine.start_paused(B)
    assert machine.domains()[B].devices == {machine.vf_0}


def test_an_interface_of_type_hostdev_is_for_vfs_only(machine: HypervisorMachine) -> None:
    machine.define(domain_xml(hostdev_nic(machine.pf)))
    with pytest.raises(HostRefused, match="Virtual Functions only"):
        machine.start_paused(A)


def test_a_vf_needs_its_pf_to_be_up(machine: HypervisorMachine) -> None:
    machine.set_pf_down()
    machine.define(domain_xml(hostdev_nic(machine.vf_0)))
    with pytest.raises(HostRefused, match="not online"):
        machine.start_paused(A)
    assert machine.kernel.functions()[machine.vf_0].driver == "igbvf"


def test_a_start_that_is_refused_half_way_gives_every_device_back_with_the_vlan_it_had(
    machine: HypervisorMachine,
) -> None:
    """MACs are not compared: what the VF's netdev had, libvirt sets through the PF."""

    def drivers_and_vlans() -> tuple[dict[PciAddress, str | None], dict[int, int]]:
        functions, settings = machine.kernel.functions(), machine.kernel.vf_settings(machine.pf)
        return (
            {address: each.driver for address, each in functions.items()},
            {index: each.vlan_id for index, each in settings.items()},
        )

    before = drivers_and_vlans()
    bad = hostdev_nic(machine.vf_1, mac=MacAddress.parse("02:00:00:00:00:0b"), vlan_id=4095)
    machine.define(domain_xml(hostdev_nic(machine.vf_0), bad, macvtap_nic("nothing")))
    with pytest.raises(HostRefused, match="No such device"):
        machine.start_paused(A)
    assert machine.domains()[A].power is DomainPower.SHUT_OFF
    assert drivers_and_vlans() == before


def test_a_pf_given_away_takes_its_vfs_with_it_and_comes_back_without(
    machine: HypervisorMachine,
) -> None:
    start(machine, domain_xml(hostdev(machine.pf)))
    functions = machine.kernel.functions()
    assert (functions[machine.pf].driver, functions[machine.pf].ifname) == ("vfio-pci", None)
    assert not [each for each in functions.values() if each.pf_address == machine.pf]
    assert machine.domains()[A].devices == {machine.pf}
    with pytest.raises(HostRefused):
        machine.kernel.set_vf_count(machine.pf, 4)
    machine.destroy(A)
    back = machine.kernel.functions()[machine.pf]
    assert (back.driver, back.vf_count) == ("igb", 0)
    assert back.ifname is not None
    machine.kernel.set_vf_count(machine.pf, 4)


def test_a_macvtap_leaves_the_vfs_netdev_on_the_host_with_the_guests_mac(
    machine: HypervisorMachine,
) -> None:
    ifname = ifname_of(machine, machine.vf_0)
    start(machine, domain_xml(macvtap_nic(ifname)))
    assert ifname_of(machine, machine.vf_0) == ifname
    assert machine.domains()[A].ifnames == {ifname}
    assert machine.domains()[A].devices == frozenset()
    assert machine.netdev_mac(ifname) == MAC
    assert machine.kernel.vf_settings(machine.pf)[0].vlan_id == 100
    machine.destroy(A)
    assert machine.kernel.vf_settings(machine.pf)[0].vlan_id == 0


def test_a_netdev_carries_one_macvtap_in_passthrough_mode(machine: HypervisorMachine) -> None:
    ifname = ifname_of(machine, machine.vf_0)
    start(machine, domain_xml(macvtap_nic(ifname)))
    machine.define(domain_xml(macvtap_nic(ifname), server_id=B, name="b"))
    with pytest.raises(HostRefused):
        machine.start_paused(B)
    assert machine.kernel.vf_settings(machine.pf)[0].vlan_id == 100
    machine.destroy(A)
    machine.start_paused(B)


def test_macvtaps_of_several_guests_have_names_of_their_own(machine: HypervisorMachine) -> None:
    start(machine, domain_xml(macvtap_nic(ifname_of(machine, machine.vf_0))))
    start(
        machine, domain_xml(macvtap_nic(ifname_of(machine, machine.vf_1)), server_id=B, name="b"), B
    )
    names = machine.macvtaps()  # libvirt goes on counting, where a simulated one begins anew.
    assert [name.startswith("macvtap") for name in names] == [True, True]


def test_two_guests_on_two_pfs_do_not_touch_each_other(machine: HypervisorMachine) -> None:
    start(machine, domain_xml(hostdev_nic(machine.vf_0)))
    mac = MacAddress.parse("02:00:00:00:00:0b")
    start(
        machine,
        domain_xml(hostdev_nic(machine.other_vf_0, mac=mac, vlan_id=200), server_id=B, name="b"),
        B,
    )
    assert machine.kernel.vf_settings(machine.pf)[0].vlan_id == 100
    assert machine.kernel.vf_settings(machine.other_pf)[0].vlan_id == 200
