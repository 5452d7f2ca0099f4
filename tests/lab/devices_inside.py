"""Real devices under the simulated libvirt, and the agent's writes to them written down."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pyroute2 import IPRoute, NetlinkError

from lab.guest import cards
from trunkline.domain.device import VFIO_DRIVER, DeviceKind, PciFunction
from trunkline.domain.ether import ZERO_MAC, MacAddress
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VfChange, VfSettings
from trunkline.host.fake_kernel import FakeKernel
from trunkline.host.linux.kernel import LinuxKernel
from trunkline.host.machine import KernelState, PfRecord, VfRecord
from trunkline.host.privileged.direct import DirectWrites
from trunkline.host.privileged.interfaces import PrivilegedWrites
from trunkline.host.refusals import host_refused


class LoggedWrites:
    """Satisfies `PrivilegedWrites`; each write is in a file before it is tried."""

    def __init__(self, writes: PrivilegedWrites, log: Path) -> None:
        self._writes = writes
        self._log = log

    def set_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        self._note(f"{pf} vf {vf_index} {change}")
        self._writes.set_vf(pf, vf_index, change)

    def set_vf_count(self, pf: PciAddress, count: int) -> None:
        self._note(f"{pf} sriov_numvfs {count}")
        self._writes.set_vf_count(pf, count)

    def rename_netdev(self, old: str, new: str) -> None:
        # Of a netdev that has just come, the name is the next that was free.
        function = (cards.NETDEVS / old / "device").resolve().name
        self._note(f"{function} name {new}")
        self._writes.rename_netdev(old, new)

    def set_pf_up(self, pf: PciAddress) -> None:
        self._note(f"{pf} up")
        self._writes.set_pf_up(pf)

    def reload_vf_driver(self, vf: PciAddress) -> None:
        self._note(f"{vf} drivers_probe")
        self._writes.reload_vf_driver(vf)

    def read_vpd(self, address: PciAddress) -> bytes:
        return self._writes.read_vpd(address)

    def set_bridge_vlan(
        self, ifname: str, vlan_id: int, *, untagged: bool = False, member: bool = True
    ) -> None:
        self._note(f"{ifname} vlan {vlan_id} {untagged} {member}")
        self._writes.set_bridge_vlan(ifname, vlan_id, untagged=untagged, member=member)

    def set_fdb_entry(
        self, ifname: str, mac: MacAddress, *, vlan_id: int | None = None, present: bool = True
    ) -> None:
        self._note(f"{ifname} fdb {mac} {vlan_id} {present}")
        self._writes.set_fdb_entry(ifname, mac, vlan_id=vlan_id, present=present)

    def _note(self, write: str) -> None:
        with self._log.open("a") as file:
            file.write(write + "\n")


class CardsBelow(FakeKernel):
    """The lab host's PFs and VFs where the simulated libvirt looks for simulated ones."""

    def __init__(self, path: Path, real: LinuxKernel) -> None:
        super().__init__(path, by="libvirt")
        self._real = real
        self._direct = DirectWrites()

    def acting_as(self, by: str) -> FakeKernel:
        return self

    def functions(self) -> Mapping[PciAddress, PciFunction]:
        return self._real.functions()

    def find_function(self, address: PciAddress) -> PciFunction | None:
        return self._real.functions().get(address)

    def vf_settings(self, pf: PciAddress) -> Mapping[int, VfSettings]:
        return self._real.vf_settings(pf)

    def netdev_mac(self, ifname: str) -> MacAddress:
        return MacAddress.parse(cards.read(cards.NETDEVS / ifname / "address"))

    def is_up(self, pf: PciAddress) -> bool:
        ifname = self._real.functions()[pf].ifname
        return ifname is not None and self._real.is_up(ifname)

    def state(self) -> KernelState:
        """As much of it as libvirt asks for: netdevs of PFs and VFs, and macvtaps on these."""
        functions = self._real.functions().values()
        pfs = [
            PfRecord(
                address=pf.address, driver="igb", vendor_id=pf.vendor_id, product_id=pf.product_id,
                vf_product_id="10ca", ifname=pf.ifname or "", mac=pf.mac or ZERO_MAC,
                speed_mbps=1000, vf_count_max=pf.vf_count_max, vf_offset=128, vf_stride=2,
                iommu_group=pf.iommu_group or 0, in_guest=pf.driver == VFIO_DRIVER,
                vfs=[
                    VfRecord(
                        ifname=vf.ifname or "", in_guest=vf.ifname is None,
                        macvtap=_macvtap(vf.ifname),
                    )
                    for vf in functions
                    if vf.pf_address == pf.address
                ],
            )
            for pf in functions
            if pf.kind is DeviceKind.PF
        ]  # fmt: skip
        return KernelState(name="labhost", pfs=pfs)

    def set_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        self._direct.set_vf(pf, vf_index, change)

    def bind_driver(self, address: PciAddress, driver: str, *, opened: bool = False) -> None:
        """Bind it; nobody opens it here, whatever libvirt's part is."""
        del opened
        cards.bind(str(address), driver)
        if driver != VFIO_DRIVER:
            cards.write(cards.PCI / "devices" / str(address) / "driver_override", "\n")
        if driver == "igb":
            # udev's work goes on beside ours.
            cards.wait_for_operstate(f"pf{address.bus}", "down")

    def reload_vf_driver(self, vf: PciAddress) -> None:
        self._direct.reload_vf_driver(vf)

    def set_netdev_mac(self, ifname: str, mac: MacAddress) -> None:
        self._ask("set", ifname, address=str(mac))

    def add_macvtap(self, ifname: str, name: str) -> None:
        cards.run("ip", "link", "add", "link", ifname, "name", name, "type", "macvtap", "mode",
                  "passthru")  # fmt: skip

    def remove_macvtap(self, name: str) -> None:
        self._ask("del", name)

    def _ask(self, verb: str, ifname: str, **settings: object) -> None:
        try:
            with IPRoute() as netlink:
                [index] = netlink.link_lookup(ifname=ifname)
                netlink.link(verb, index=index, **settings)
        except NetlinkError as refusal:
            problem = OSError(refusal.code, str(refusal))
            raise host_refused(f"ip link {verb} {ifname} {settings}", problem) from refusal


def _macvtap(ifname: str | None) -> str:
    found = (cards.NETDEVS / (ifname or ".")).glob("upper_macvtap*")
    return next((each.name.removeprefix("upper_") for each in found), "")
