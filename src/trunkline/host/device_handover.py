"""How libvirt gives host devices to a guest and takes them back, on a simulated kernel.

Source: libvirt, src/hypervisor/virhostdev.c, virHostdevPreparePCIDevicesImpl() and
virHostdevReAttachPCIDevices(); src/util/virnetdev.c, virNetDevSetNetConfig();
src/util/virnetdevmacvlan.c, virNetDevMacVLanCreateWithVPortProfile().
"""

from __future__ import annotations

from contextlib import suppress

import msgspec

from trunkline.domain.device import VFIO_DRIVER, PciFunction
from trunkline.domain.ether import MacAddress
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VfChange
from trunkline.host import fake_bridges, machine
from trunkline.host.fake_kernel import FakeKernel
from trunkline.host.libvirt_domain import LibvirtDomain
from trunkline.reconcile.interfaces import HostRefused


class VfNetConfig(msgspec.Struct, kw_only=True, frozen=True):
    """What libvirt will write for a VF, and what it found there."""

    pf: PciAddress
    vf_index: int
    mac: MacAddress | None
    vlan_id: int
    saved_admin_mac: MacAddress
    saved_vlan_id: int
    saved_mac: MacAddress | None  # Of its netdev; None: it had none.


class Macvtap(msgspec.Struct, kw_only=True, frozen=True):
    """A macvtap, and the VF below it."""

    name: str
    ifname: str
    vf: VfNetConfig


class Tap(msgspec.Struct, kw_only=True, frozen=True):
    """A tap on a bridge."""

    ifname: str
    bridge: str


class HandedOver(msgspec.Struct, kw_only=True, frozen=True):
    """All that a guest has of its host."""

    own_drivers: dict[PciAddress, str]  # Functions given away, and what they were bound to.
    interfaces: list[VfNetConfig]
    macvtaps: list[Macvtap]
    taps: list[Tap] = msgspec.field(default_factory=list)
    missing: str = ""  # A netdev for a macvtap that there is not, which is found out last.

    @property
    def addresses(self) -> frozenset[PciAddress]:
        """The PCI functions given away."""
        return frozenset(self.own_drivers)


class Handover:
    """Hands devices over and takes them back. What it does can be repeated after a crash."""

    def __init__(self, kernel: FakeKernel) -> None:
        self._kernel = kernel

    def save(self, domain: LibvirtDomain) -> HandedOver:
        """Look up everything that is about to be changed; writes nothing."""
        macvtaps, missing = self._macvtaps(domain)
        return HandedOver(
            missing=missing,
            own_drivers={
                address: self._function(address).driver or "" for address in domain.host_devices
            },
            interfaces=[
                self._net_config(self._function(each.address), each.mac, each.vlan_id)
                for each in domain.hostdev_interfaces
            ],
            macvtaps=macvtaps,
            taps=self._taps(domain),
        )

    def take(self, handed_over: HandedOver) -> None:
        """Give the devices to the guest."""
        kernel = self._kernel
        for address in handed_over.own_drivers:
            kernel.bind_driver(address, VFIO_DRIVER, opened=True)
        for vf in handed_over.interfaces:
            if vf.mac is not None:
                kernel.set_vf(vf.pf, vf.vf_index, VfChange(mac=vf.mac))
            kernel.set_vf(vf.pf, vf.vf_index, VfChange(vlan_id=vf.vlan_id, vlan_qos=0))
        if handed_over.missing:
            raise HostRefused(
                "interface", f"Cannot get interface MAC on '{handed_over.missing}': No such device"
            )
        for macvtap in handed_over.macvtaps:
            vf = macvtap.vf
            if vf.mac is not None:
                self._set_mac(macvtap.ifname, vf, vf.mac)
            kernel.set_vf(vf.pf, vf.vf_index, VfChange(vlan_id=vf.vlan_id, vlan_qos=0))
            kernel.add_macvtap(macvtap.ifname, macvtap.name)
        for tap in handed_over.taps:
            self._add_tap(tap)

    def give_back(self, handed_over: HandedOver) -> None:
        """Give the devices back to the host. libvirt logs what is refused, and goes on."""
        kernel = self._kernel
        for tap in handed_over.taps:
            port = fake_bridges.find_port(kernel.state(), tap.ifname)
            if port is not None and not port.is_uplink:
                self._remove_tap(tap)
        for macvtap in handed_over.macvtaps:
            if machine.netdev_exists(kernel.state(), macvtap.name):
                with suppress(HostRefused):
                    kernel.remove_macvtap(macvtap.name)
            if macvtap.vf.saved_mac is not None:
                with suppress(HostRefused):
                    self._set_mac(macvtap.ifname, macvtap.vf, macvtap.vf.saved_mac)
            self._restore(macvtap.vf, macvtap.vf.saved_admin_mac)
        for vf in handed_over.interfaces:
            # The VF has no netdev now, so what that had is set through the PF.
            self._restore(vf, vf.saved_mac or vf.saved_admin_mac)
        for address, driver in handed_over.own_drivers.items():
            with suppress(HostRefused):
                kernel.bind_driver(address, driver)

    def _restore(self, vf: VfNetConfig, mac: MacAddress) -> None:
        for change in (VfChange(mac=mac), VfChange(vlan_id=vf.saved_vlan_id, vlan_qos=0)):
            with suppress(HostRefused):
                self._kernel.set_vf(vf.pf, vf.vf_index, change)

    def _set_mac(self, ifname: str, vf: VfNetConfig, mac: MacAddress) -> None:
        try:
            self._kernel.set_netdev_mac(ifname, mac)
        except HostRefused as refusal:
            if refusal.errno_name not in ("EADDRNOTAVAIL", "EPERM"):
                raise
            # The PF has fixed another MAC: so it is changed there, and the driver loaded anew. The
            # netdev that comes then is looked for under the name that the old one had.
            self._kernel.set_vf(vf.pf, vf.vf_index, VfChange(mac=mac))
            address = machine.find_vf_of_netdev(self._kernel.state(), ifname)
            assert address is not None
            self._kernel.reload_vf_driver(address)
            if not machine.netdev_exists(self._kernel.state(), ifname):
                raise HostRefused(
                    "interface", f"Unable to get index for interface {ifname}: No such device"
                ) from refusal

    def _net_config(
        self, function: PciFunction, mac: MacAddress | None, vlan_id: int
    ) -> VfNetConfig:
        pf, vf_index = function.pf_address, function.vf_index
        assert pf is not None
        assert vf_index is not None
        pf_function = self._function(pf)
        if pf_function.ifname is None:
            raise HostRefused(
                "interface", f"The PF device for VF {function.address} has no network device name"
            )
        if not self._kernel.is_up(pf):
            raise HostRefused(
                "interface",
                f"Unable to configure VF {vf_index} of PF '{pf_function.ifname}' because the PF is"
                " not online. Please change host network config to put the PF online.",
            )
        found = self._kernel.vf_settings(pf)[vf_index]
        return VfNetConfig(
            pf=pf,
            vf_index=vf_index,
            mac=mac,
            vlan_id=vlan_id,
            saved_admin_mac=found.mac,
            saved_vlan_id=found.vlan_id,
            saved_mac=None if function.ifname is None else self._kernel.netdev_mac(function.ifname),
        )

    def _function(self, address: PciAddress) -> PciFunction:
        function = self._kernel.find_function(address)
        if function is None:
            raise HostRefused("hostdev", f"Device {address} not found")
        return function

    def _macvtaps(self, domain: LibvirtDomain) -> tuple[list[Macvtap], str]:
        missing = ""
        made: list[Macvtap] = []
        for interface in domain.direct_interfaces:
            address = machine.find_vf_of_netdev(self._kernel.state(), interface.ifname)
            if address is None:
                missing = interface.ifname
                continue
            made.append(
                Macvtap(
                    name=self._free_name("macvtap", {each.name for each in made}),
                    ifname=interface.ifname,
                    vf=self._net_config(self._function(address), interface.mac, interface.vlan_id),
                )
            )
        return made, missing

    def _add_tap(self, tap: Tap) -> None:
        self._kernel.write(
            "add_tap",
            f"ip tuntap add {tap.ifname} mode tap && ip link set {tap.ifname} master {tap.bridge}",
            lambda state: fake_bridges.add_tap(state, tap.bridge, tap.ifname),
        )

    def _remove_tap(self, tap: Tap) -> None:
        with suppress(HostRefused):
            self._kernel.write(
                "remove_tap",
                f"ip link del {tap.ifname}",
                lambda state: fake_bridges.remove_tap(state, tap.ifname),
            )

    def _taps(self, domain: LibvirtDomain) -> list[Tap]:
        made: list[Tap] = []
        for each in domain.bridges:
            ifname = each.ifname or self._free_name("vnet", {tap.ifname for tap in made})
            if machine.netdev_exists(self._kernel.state(), ifname):
                raise HostRefused(
                    "interface", f"Unable to create tap device {ifname}: Device or resource busy"
                )
            made.append(Tap(ifname=ifname, bridge=each.bridge))
        return made

    def _free_name(self, prefix: str, taken: set[str]) -> str:
        state, number = self._kernel.state(), 0
        while (name := f"{prefix}{number}") in taken or machine.netdev_exists(state, name):
            number += 1
        return name
