"""What the agent may rely on from any kernel, with igb's measured behaviour.

One suite for every implementation: a test module imports all of it, and has a fixture `machine`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import pytest

from trunkline.domain.device import VFIO_DRIVER, DeviceKind, PciFunction
from trunkline.domain.ether import ZERO_MAC, MacAddress
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import LinkState, VfChange, VlanProtocol
from trunkline.reconcile.interfaces import HostRefused, Kernel

MAC = MacAddress.parse("02:00:00:00:00:0a")


class KernelMachine(Protocol):
    """A machine with two PFs that have VFs; the first is igb's, with 7 VFs at most."""

    @property
    def kernel(self) -> Kernel: ...

    @property
    def pf(self) -> PciAddress: ...

    @property
    def other_pf(self) -> PciAddress: ...

    def bind(self, address: PciAddress, driver: str) -> None:
        """Have another driver drive a function, as libvirt does."""
        ...

    def wait_for_link(self, pf: PciAddress) -> None:
        """Return when a PF that was set up has a link."""
        ...

    def set_cable(self, pf: PciAddress, *, plugged: bool) -> None:
        """Plug or pull the cable of a PF, and return when it has a link, or has lost it."""
        ...

    def meet_error(self, pf: PciAddress) -> None:
        """Have a PF meet an uncorrectable error, and return when its kernel has seen that."""
        ...


def is_vf_1(function: PciFunction, pf: PciAddress) -> bool:
    return function.pf_address == pf and function.vf_index == 1


def errno_of(act: Callable[[], object]) -> str:
    with pytest.raises(HostRefused) as refused:
        act()
    return refused.value.errno_name


def test_functions_are_pfs_and_their_vfs_at_the_addresses_igb_gives(machine: KernelMachine) -> None:
    functions = machine.kernel.functions()
    assert functions[machine.pf].kind is DeviceKind.PF
    assert functions[machine.pf].vf_count == 4
    assert functions[machine.pf].vf_count_max == 7
    vfs = [each for each in functions.values() if each.pf_address == machine.pf]
    bus = str(machine.pf).removesuffix("00.0")
    assert [str(each.address) for each in vfs] == [
        f"{bus}10.0", f"{bus}10.2", f"{bus}10.4", f"{bus}10.6",
    ]  # fmt: skip
    assert [each.vf_index for each in vfs] == [0, 1, 2, 3]
    assert {each.pf_driver for each in vfs} == {"igb"}
    assert {each.driver for each in vfs} == {"igbvf"}
    assert len({each.iommu_group for each in (functions[machine.pf], *vfs)}) == 5


def test_a_new_vf_has_no_admin_mac_no_vlan_and_no_limits(machine: KernelMachine) -> None:
    found = machine.kernel.vf_settings(machine.pf)
    assert len(found) == 4
    for settings in found.values():
        assert settings.mac == ZERO_MAC
        assert (settings.vlan_id, settings.vlan_qos) == (0, 0)
        assert settings.max_tx_rate_mbps == 0
        assert settings.spoof_check is True


def test_igb_puts_no_802_1ad_tags_on_and_leaves_the_vlan_as_it_was(machine: KernelMachine) -> None:
    machine.kernel.set_vf(machine.pf, 1, VfChange(vlan_id=100, vlan_qos=0))
    outer = VfChange(vlan_id=200, vlan_qos=0, vlan_protocol=VlanProtocol.DOT1AD)
    assert errno_of(lambda: machine.kernel.set_vf(machine.pf, 1, outer)) == "EPROTONOSUPPORT"
    found = machine.kernel.vf_settings(machine.pf)[1]
    assert (found.vlan_id, found.vlan_protocol) == (100, VlanProtocol.DOT1Q)


def test_what_is_written_is_read_back_and_only_from_that_vf(machine: KernelMachine) -> None:
    before = machine.kernel.vf_settings(machine.pf)
    others = machine.kernel.vf_settings(machine.other_pf)
    machine.kernel.set_vf(
        machine.pf, 2, VfChange(mac=MAC, vlan_id=100, vlan_qos=3, spoof_check=False)
    )
    after = machine.kernel.vf_settings(machine.pf)
    assert after[2].mac == MAC
    assert (after[2].vlan_id, after[2].vlan_qos) == (100, 3)
    assert after[2].spoof_check is False
    assert {index: each for index, each in after.items() if index != 2} == {
        index: each for index, each in before.items() if index != 2
    }
    assert machine.kernel.vf_settings(machine.other_pf) == others


def test_a_vf_that_is_given_no_mac_has_none(machine: KernelMachine) -> None:
    for mac in (MAC, ZERO_MAC):
        machine.kernel.set_vf(machine.pf, 0, VfChange(mac=mac))
        assert machine.kernel.vf_settings(machine.pf)[0].mac == mac


def test_a_change_stops_at_the_first_refused_setting_and_keeps_the_ones_before(
    machine: KernelMachine,
) -> None:
    change = VfChange(mac=MAC, vlan_id=100, vlan_qos=0, link_state=LinkState.ENABLE, trust=True)
    assert errno_of(lambda: machine.kernel.set_vf(machine.pf, 0, change)) == "EOPNOTSUPP"
    after = machine.kernel.vf_settings(machine.pf)[0]
    assert after.mac == MAC  # Before the link state, in the kernel's order.
    assert after.vlan_id == 100
    assert after.trust is False  # After it.


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (VfChange(vlan_id=4096, vlan_qos=0), "EINVAL"),
        (VfChange(min_tx_rate_mbps=10, max_tx_rate_mbps=100), "EINVAL"),
        (VfChange(min_tx_rate_mbps=0, max_tx_rate_mbps=5000), "EINVAL"),
        (VfChange(mac=MacAddress.parse("01:00:5e:00:00:01")), "EINVAL"),
        (VfChange(link_state=LinkState.AUTO), "EOPNOTSUPP"),
    ],
)
def test_igb_refuses_what_it_was_measured_to_refuse(
    machine: KernelMachine, change: VfChange, expected: str
) -> None:
    before = machine.kernel.vf_settings(machine.pf)
    assert errno_of(lambda: machine.kernel.set_vf(machine.pf, 0, change)) == expected
    assert machine.kernel.vf_settings(machine.pf) == before


def test_igb_accepts_vlan_4095_and_rates_up_to_its_link(machine: KernelMachine) -> None:
    machine.kernel.set_vf(machine.pf, 0, VfChange(vlan_id=4095, vlan_qos=0))
    machine.kernel.set_vf(machine.pf, 0, VfChange(min_tx_rate_mbps=0, max_tx_rate_mbps=500))
    after = machine.kernel.vf_settings(machine.pf)[0]
    assert after.vlan_id == 4095
    assert after.max_tx_rate_mbps == 500


def test_settings_that_a_driver_lacks_read_as_none(machine: KernelMachine) -> None:
    settings = machine.kernel.vf_settings(machine.pf)[0]
    assert settings.link_state is None
    assert settings.min_tx_rate_mbps is None


def test_a_vf_out_of_range_is_einval(machine: KernelMachine) -> None:
    assert errno_of(lambda: machine.kernel.set_vf(machine.pf, 4, VfChange(mac=MAC))) == "EINVAL"


def test_a_pf_that_is_not_there_is_enodev(machine: KernelMachine) -> None:
    nowhere = PciAddress.parse("0000:ff:00.0")
    assert errno_of(lambda: machine.kernel.set_vf(nowhere, 0, VfChange(mac=MAC))) == "ENODEV"
    assert errno_of(lambda: machine.kernel.vf_settings(nowhere)) == "ENODEV"
    assert errno_of(lambda: machine.kernel.set_vf_count(nowhere, 1)) == "ENODEV"


def test_the_vf_count_changes_only_through_zero(machine: KernelMachine) -> None:
    kernel = machine.kernel
    assert errno_of(lambda: kernel.set_vf_count(machine.pf, 2)) == "EBUSY"
    assert errno_of(lambda: kernel.set_vf_count(machine.pf, 8)) == "ERANGE"
    kernel.set_vf_count(machine.pf, 4)  # The same again is no change.
    kernel.set_vf(machine.pf, 0, VfChange(mac=MAC))
    kernel.set_vf_count(machine.pf, 0)
    assert kernel.vf_settings(machine.pf) == {}
    assert not [each for each in kernel.functions().values() if each.pf_address == machine.pf]
    kernel.set_vf_count(machine.pf, 2)
    assert [each.mac == MAC for each in kernel.vf_settings(machine.pf).values()] == [False, False]
    assert kernel.functions()[machine.pf].vf_count == 2


def test_a_vf_that_is_bound_to_vfio_has_no_netdev_and_keeps_what_its_pf_was_told(
    machine: KernelMachine,
) -> None:
    kernel = machine.kernel
    [vf] = [each.address for each in kernel.functions().values() if is_vf_1(each, machine.pf)]
    kernel.set_vf(machine.pf, 1, VfChange(mac=MAC, vlan_id=100, vlan_qos=3, trust=True))
    before = kernel.vf_settings(machine.pf)
    for driver in (VFIO_DRIVER, "igbvf"):
        machine.bind(vf, driver)
        found = kernel.functions()[vf]
        assert found.driver == driver
        assert found.pf_driver == "igb"
        assert (found.ifname is None) == (driver == VFIO_DRIVER)
        assert kernel.vf_settings(machine.pf) == before
    kernel.set_vf(machine.pf, 1, VfChange(mac=ZERO_MAC, vlan_id=0, vlan_qos=0, trust=False))


def test_a_pf_that_is_bound_to_vfio_has_no_vfs_and_comes_back_without_any(
    machine: KernelMachine,
) -> None:
    kernel = machine.kernel
    before = kernel.functions()[machine.pf]
    machine.bind(machine.pf, VFIO_DRIVER)
    try:
        found = kernel.functions()
        assert not [each for each in found.values() if each.pf_address == machine.pf]
        pf = found[machine.pf]
        assert (pf.kind, pf.driver, pf.vf_count) == (DeviceKind.PF, VFIO_DRIVER, 0)
        assert pf.pf_driver in ("igb", None), "who has not seen it with its own driver can't tell"
        assert (pf.ifname, pf.mac, pf.link_up, pf.speed_mbps) == (None, None, False, None)
        assert errno_of(lambda: kernel.vf_settings(machine.pf)) == "ENODEV"
        assert errno_of(lambda: kernel.set_vf(machine.pf, 0, VfChange(mac=MAC))) == "ENODEV"
        assert errno_of(lambda: kernel.set_vf_count(machine.pf, 2)) == "ENOENT"
    finally:
        machine.bind(machine.pf, "igb")
    after = kernel.functions()[machine.pf]
    assert after == replace(before, vf_count=0, link_up=False, speed_mbps=None)
    kernel.set_pf_up(machine.pf)
    machine.wait_for_link(machine.pf)
    assert kernel.functions()[machine.pf] == replace(before, vf_count=0)


def test_a_pf_without_a_cable_takes_settings_of_vfs_but_rates(machine: KernelMachine) -> None:
    kernel = machine.kernel
    machine.set_cable(machine.pf, plugged=False)
    pf = kernel.functions()[machine.pf]
    assert (pf.link_up, pf.speed_mbps) == (False, None)
    assert pf.vf_count == 4
    kernel.set_vf(machine.pf, 0, VfChange(mac=MAC, vlan_id=100, vlan_qos=0))
    rate = VfChange(min_tx_rate_mbps=0, max_tx_rate_mbps=100)
    assert errno_of(lambda: kernel.set_vf(machine.pf, 0, rate)) == "EINVAL"
    after = kernel.vf_settings(machine.pf)[0]
    assert (after.mac, after.vlan_id, after.max_tx_rate_mbps) == (MAC, 100, 0)
    machine.set_cable(machine.pf, plugged=True)
    assert kernel.functions()[machine.pf].speed_mbps == 1000


def test_an_uncorrectable_error_of_a_pf_is_counted(machine: KernelMachine) -> None:
    before = machine.kernel.functions()[machine.pf].uncorrectable_errors
    assert before is not None
    machine.meet_error(machine.pf)
    assert machine.kernel.functions()[machine.pf].uncorrectable_errors == before + 1


def test_a_netdev_can_be_renamed_to_a_free_name_of_15_bytes(machine: KernelMachine) -> None:
    kernel = machine.kernel
    functions = kernel.functions()
    [vf] = [each for each in functions if is_vf_1(functions[each], machine.pf)]
    old, taken = functions[vf].ifname, functions[machine.pf].ifname
    assert old is not None
    assert taken is not None
    kernel.rename_netdev(old, "tl0123456789ab")
    assert kernel.functions()[vf].ifname == "tl0123456789ab"
    assert errno_of(lambda: kernel.rename_netdev(old, "other")) == "ENODEV"
    assert errno_of(lambda: kernel.rename_netdev("tl0123456789ab", taken)) == "EEXIST"
    for bad in ("sixteen-bytes-xx", "", ".", "a/b", "a b"):
        assert errno_of(lambda bad=bad: kernel.rename_netdev("tl0123456789ab", bad)) == "EINVAL"  # type: ignore[misc]  # mypy can't infer lambdas with defaults
    kernel.rename_netdev("tl0123456789ab", old)
    assert kernel.functions()[vf].ifname == old


def test_the_netdev_of_a_vf_has_the_mac_of_its_pf_once_its_driver_is_loaded_anew(
    machine: KernelMachine,
) -> None:
    kernel = machine.kernel
    vf = next(at for at, each in kernel.functions().items() if is_vf_1(each, machine.pf))

    def ifname() -> str:
        found = kernel.functions()[vf].ifname
        assert found is not None
        return found

    before = kernel.netdev_mac(ifname())
    kernel.set_vf(machine.pf, 1, VfChange(mac=MAC))
    assert kernel.netdev_mac(ifname()) == before
    kernel.rename_netdev(ifname(), "tl0123456789abc")
    kernel.reload_vf_driver(vf)
    assert ifname() != "tl0123456789abc"
    assert kernel.netdev_mac(ifname()) == MAC
    assert kernel.functions()[vf].driver == "igbvf"


def test_the_mac_of_a_netdev_that_is_not_there_is_a_refusal(machine: KernelMachine) -> None:
    assert errno_of(lambda: machine.kernel.netdev_mac("none0")) in ("ENODEV", "ENOENT")


def test_the_permanent_mac_and_the_link_of_a_pf_are_told(machine: KernelMachine) -> None:
    pf, other = (machine.kernel.functions()[each] for each in (machine.pf, machine.other_pf))
    assert pf.mac is not None
    assert other.mac is not None
    assert pf.mac != other.mac
    assert (pf.link_up, pf.speed_mbps) == (True, 1000)


def test_the_boot_is_the_same_until_the_next_one(machine: KernelMachine) -> None:
    assert machine.kernel.boot_id() == machine.kernel.boot_id() != ""
