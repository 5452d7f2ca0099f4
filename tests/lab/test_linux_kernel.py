"""`LinuxKernel` on a stock kernel with igb: the same suite as the simulated one, and more."""

from __future__ import annotations

import json as std_json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from lab.guest import cards
from lab.machine import LabHost
from tests.contract.kernel_suite import *  # noqa: F403  # the suite: all of its tests
from tests.contract.watch_suite import *  # noqa: F403  # as above
from tests.contract.watch_suite import Change
from tests.lab import kernel_inside
from tests.support.waiting import wait_until
from trunkline.domain.bridge import Bridge
from trunkline.domain.device import PciFunction
from trunkline.domain.ether import MacAddress
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VfChange, VfSettings, difference
from trunkline.domain.vf_capabilities import capability_names, vf_capabilities
from trunkline.reconcile.interfaces import HostNews, HostRefused
from trunkline.wire import json

VF_COUNT = 4
PF = PciAddress.parse(cards.pf_address(1))
OTHER_PF = PciAddress.parse(cards.pf_address(2))


@dataclass(frozen=True)
class KernelInside:
    """The lab host's kernel. Satisfies `Kernel`."""

    host: LabHost

    def boot_id(self) -> str:
        return str(self._call("boot_id", str))

    def functions(self) -> Mapping[PciAddress, PciFunction]:
        found: Mapping[PciAddress, PciFunction] = self._call(
            "functions", dict[PciAddress, PciFunction]
        )
        return found

    def vf_settings(self, pf: PciAddress) -> Mapping[int, VfSettings]:
        found: Mapping[int, VfSettings] = self._call("vf_settings", dict[int, VfSettings], pf)
        return found

    def set_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        self._call("set_vf", None, pf, vf_index, change)

    def set_vf_count(self, pf: PciAddress, count: int) -> None:
        self._call("set_vf_count", None, pf, count)

    def rename_netdev(self, old: str, new: str) -> None:
        self._call("rename_netdev", None, old, new)

    def netdev_mac(self, ifname: str) -> MacAddress:
        found: MacAddress = self._call("netdev_mac", MacAddress, ifname)
        return found

    def set_pf_up(self, pf: PciAddress) -> None:
        self._call("set_pf_up", None, pf)

    def reload_vf_driver(self, vf: PciAddress) -> None:
        self._call("reload_vf_driver", None, vf)

    def bridges(self, names: Collection[str]) -> Mapping[str, Bridge]:
        found: Mapping[str, Bridge] = self._call("bridges", dict[str, Bridge], list(names))
        return found

    def set_port_vlan(self, ifname: str, vlan_id: int, *, untagged: bool, member: bool) -> None:
        self._call("set_port_vlan", None, ifname, vlan_id, untagged, member)

    def pf_addresses(self, pf: PciAddress) -> frozenset[MacAddress]:
        found: frozenset[MacAddress] = self._call("pf_addresses", frozenset[MacAddress], pf)
        return found

    def set_pf_address(self, pf_ifname: str, mac: MacAddress, *, present: bool) -> None:
        self._call("set_pf_address", None, pf_ifname, mac, present)

    def _call(self, method: str, type_: Any, *arguments: object) -> Any:
        said = self.host.channel.call(kernel_inside.call, method, json.encode(arguments).decode())
        if "refused" in said:
            raise HostRefused(
                *said["refused"], errno_name=said["errno_name"], transient=said["transient"]
            )
        return json.decode(said["returned"], type_)


@dataclass
class LabMachine:
    kernel: KernelInside
    pf: PciAddress = PF
    other_pf: PciAddress = OTHER_PF
    has_recovered: bool = False  # Of an error of the PF's, with the VFs that it has.

    def bind(self, address: PciAddress, driver: str) -> None:
        call = self.kernel.host.channel.call
        call(cards.bind, str(address), driver)
        if driver == "igb":
            call(cards.wait_for_operstate, "pf1", "down")

    def wait_for_link(self, pf: PciAddress) -> None:
        self.kernel.host.channel.call(cards.wait_for_operstate, f"pf{pf.bus}", "up")

    def set_cable(self, pf: PciAddress, *, plugged: bool) -> None:
        self.kernel.host.plug_cable(pf.bus, plugged=plugged)
        state = "up" if plugged else "down"
        self.kernel.host.channel.call(cards.wait_for_operstate, f"pf{pf.bus}", state)

    def meet_error(self, pf: PciAddress) -> None:
        def counted() -> int | None:
            return self.kernel.functions()[pf].uncorrectable_errors

        before = counted()
        self.kernel.host.channel.call(cards.meet_error, str(pf))
        wait_until(lambda: counted() != before, "the kernel counts it")
        self.wait_for_link(pf)
        self.has_recovered = True


@pytest.fixture(scope="module")
def fresh(running_lab_host: LabHost) -> LabMachine:
    """Two PFs with 4 VFs each, which igbvf has taken."""
    running_lab_host.reset(vf_count=0)
    running_lab_host.channel.call(cards.keep_names, 1)
    machine = LabMachine(KernelInside(running_lab_host))
    for pf in (machine.pf, machine.other_pf):
        machine.kernel.set_vf_count(pf, VF_COUNT)
    return machine


@pytest.fixture
def machine(fresh: LabMachine, running_lab_host: LabHost) -> Iterator[LabMachine]:
    """The same for each test: making VFs anew takes seconds, so that settings are put back."""
    kernel = fresh.kernel
    before = kernel.vf_settings(fresh.pf)
    yield fresh
    running_lab_host.plug_cable(1, plugged=True)
    after = kernel.vf_settings(fresh.pf)
    # VFs of before a recovery were seen to get no MAC of the PF's when igbvf takes them anew.
    if len(after) != VF_COUNT or fresh.has_recovered:
        fresh.has_recovered = False
        kernel.set_vf_count(fresh.pf, 0)
        kernel.set_vf_count(fresh.pf, VF_COUNT)
        return
    for index, settings in before.items():
        change = difference(desired=settings, observed=after[index])
        if not change.is_empty:
            kernel.set_vf(fresh.pf, index, change)


def test_igb_is_seen_to_do_what_the_table_says(machine: LabMachine) -> None:
    before = [machine.kernel.vf_settings(pf) for pf in (machine.pf, machine.other_pf)]
    functions = json.convert(
        machine.kernel.host.channel.call(kernel_inside.probe), list[PciFunction]
    )
    names = capability_names(vf_capabilities("igb"))
    of_pf = [each for each in functions if machine.pf in (each.address, each.pf_address)]
    assert len(of_pf) == VF_COUNT + 1
    assert {each.pf_can for each in of_pf} == {names}
    assert [machine.kernel.vf_settings(pf) for pf in (machine.pf, machine.other_pf)] == before


_BY_HAND = {
    Change.VLAN_OF_A_VF: "ip link set pf1 vf 1 vlan 77",
    Change.MAC_OF_A_VF: "ip link set pf1 vf 1 mac 52:54:00:01:00:77",
    Change.SET_DOWN: "ip link set pf1 down",
    Change.NO_VFS: f"echo 0 > /sys/bus/pci/devices/{PF}/sriov_numvfs",
}


@dataclass(frozen=True)
class Watched:
    """The first PF, by the kernel's own events."""

    host: LabHost
    pf: PciAddress = PF

    def told_of(self, change: Change) -> HostNews:
        said = self.host.channel.call(kernel_inside.told_of, ["sh", "-c", _BY_HAND[change]])
        if change is Change.SET_DOWN:
            self.host.channel.run("ip", "link", "set", "pf1", "up")
        pfs = frozenset(map(PciAddress.parse, said["pfs"]))
        return HostNews(pfs=pfs, everything=said["everything"])


@pytest.fixture
def watched(machine: LabMachine) -> Watched:
    return Watched(machine.kernel.host)


def test_ports_of_a_bridge_carry_the_vlans_that_they_are_told(running_lab_host: LabHost) -> None:
    run = running_lab_host.channel.run
    run("modprobe", "bridge")
    run(
        "ip",
        "link",
        "add",
        "br0",
        "type",
        "bridge",
        "vlan_filtering",
        "1",
        "vlan_default_pvid",
        "0",
    )
    run("ip", "link", "add", "tl0", "type", "veth", "peer", "name", "tl1")
    run("ip", "link", "set", "tl0", "master", "br0")
    running_lab_host.channel.call(kernel_inside.set_bridge_vlans, "tl0")
    [port] = std_json.loads(run("bridge", "-j", "vlan", "show", "dev", "tl0"))
    assert [(each["vlan"], each.get("flags", [])) for each in port["vlans"]] == [
        (100, []), (200, ["PVID", "Egress Untagged"]),
    ]  # fmt: skip


def test_addresses_are_added_to_the_table_that_iproute2_shows(running_lab_host: LabHost) -> None:
    mac = "02:00:00:00:00:0c"
    for present in (True, False):
        running_lab_host.channel.call(kernel_inside.set_fdb_entry, "pf1", mac, present=present)
        shown = std_json.loads(
            running_lab_host.channel.run("bridge", "-j", "fdb", "show", "dev", "pf1")
        )
        found = [each["mac"] for each in shown if "self" in each["flags"]]
        assert (mac in found) == present
