"""DirectWrites: writes done by this process, which must be root."""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import ServerId
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VfChange
from trunkline.host.linux import rename, sysfs, tap_queue, udev, vf_count, vf_driver
from trunkline.host.linux.bridge_messages import fdb_entry, port_vlan
from trunkline.host.linux.kernel import SYSFS, pf_ifindex, pf_ifname
from trunkline.host.linux.link_messages import RTM_SETLINK, set_up, set_vf
from trunkline.host.linux.netlink import Malformed
from trunkline.host.linux.rtnetlink import KernelRtnetlink, Rtnetlink, read_link_by_name
from trunkline.host.linux.uevents import News, Uevents
from trunkline.host.linux.vpd import BYTES_MAX
from trunkline.host.privileged.console_files import DIRECTORY, console_file, read_console
from trunkline.host.refusals import host_refused
from trunkline.reconcile.interfaces import HostRefused

# Drivers answer so while a VF is in reset: i40e with EAGAIN, ice with EBUSY.
# Source: Linux drivers/net/ethernet/intel/i40e/i40e_virtchnl_pf.c, i40e_check_vf_init_timeout();
# ice/ice_vf_lib.c, ice_check_vf_ready_for_cfg().
_VF_BUSY: Final = frozenset({errno.EAGAIN, errno.EBUSY, errno.ETIMEDOUT})
# udev may have set the netdev up between two of our requests.
_NETDEV_BUSY: Final = frozenset({errno.EAGAIN, errno.EBUSY})


class DirectWrites:
    """Satisfies `Privileged`."""

    def __init__(
        self,
        *,
        rtnetlink: Rtnetlink | None = None,
        sysfs_root: Path = SYSFS,
        listen: Callable[[], AbstractContextManager[News]] = Uevents,
        is_named: Callable[[str], bool] = udev.is_done_with,
        consoles: Path = DIRECTORY,
    ) -> None:
        self._rtnetlink = rtnetlink or KernelRtnetlink()
        self._sysfs = str(sysfs_root)
        self._listen = listen
        self._is_named = is_named
        self._consoles = consoles

    def set_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        """See `Kernel.set_vf`."""
        operation = f"ip link set {pf} vf {vf_index} {change}"
        try:
            device = self._device(pf)
            ifname = pf_ifname(device)
            operation = f"ip link set {ifname} vf {vf_index} {change}"
            request = set_vf(pf_ifindex(device, ifname), vf_index, change)
            self._rtnetlink.exchange(RTM_SETLINK, request)
        except OSError as refusal:
            raise host_refused(operation, refusal, transient=_VF_BUSY) from refusal

    def set_vf_count(self, pf: PciAddress, count: int) -> None:
        """See `PrivilegedWrites.set_vf_count`."""
        vf_count.set_vf_count(self._device(pf), count, listen=self._listen, is_named=self._is_named)

    def rename_netdev(self, old: str, new: str) -> None:
        """See `Kernel.rename_netdev`."""
        operation = f"ip link set {old} name {new}"
        try:
            rename.rename_netdev(self._rtnetlink, old, new)
        except Malformed as problem:
            raise HostRefused(operation, f"can't read what rtnetlink told: {problem}") from problem
        except OSError as refusal:
            raise host_refused(operation, refusal, transient=_NETDEV_BUSY) from refusal

    def set_pf_up(self, pf: PciAddress) -> None:
        """See `Kernel.set_pf_up`."""
        operation = f"ip link set {pf} up"
        try:
            device = self._device(pf)
            ifname = pf_ifname(device)
            operation = f"ip link set {ifname} up"
            self._rtnetlink.exchange(RTM_SETLINK, set_up(pf_ifindex(device, ifname), up=True))
        except OSError as refusal:
            raise host_refused(operation, refusal, transient=_NETDEV_BUSY) from refusal

    def reload_vf_driver(self, vf: PciAddress) -> None:
        """See `PrivilegedWrites.reload_vf_driver`."""
        vf_driver.reload_vf_driver(
            self._device(vf),
            drivers_probe=f"{self._sysfs}/bus/pci/drivers_probe",
            listen=self._listen,
            is_named=self._is_named,
        )

    def read_vpd(self, address: PciAddress) -> bytes:
        """See `PrivilegedWrites.read_vpd`."""
        path = f"{self._device(address)}/vpd"
        try:
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123
                return file.read(BYTES_MAX)
        except OSError as refusal:
            raise host_refused(f"cat {path}", refusal) from refusal

    def read_console(self, server_id: ServerId) -> bytes:
        """See `Privileged.read_console`."""
        try:
            return read_console(self._consoles, server_id)
        except OSError as refusal:
            path = console_file(self._consoles, server_id)
            raise host_refused(f"tail {path}", refusal) from refusal

    def set_bridge_vlan(
        self, ifname: str, vlan_id: int, *, untagged: bool = False, member: bool = True
    ) -> None:
        """See `PrivilegedWrites.set_bridge_vlan`."""
        operation = f"bridge vlan {'add' if member else 'del'} dev {ifname} vid {vlan_id}"
        operation += " pvid untagged" if untagged and member else ""

        def request(index: int) -> tuple[int, int, bytes]:
            if untagged and member:
                # It is out of the VLANs it had: what came from them is not for its guest.
                tap_queue.drop_waiting(self._rtnetlink, index)
            return port_vlan(index, vlan_id, untagged=untagged, member=member)

        self._exchange(operation, ifname, request)

    def set_fdb_entry(
        self, ifname: str, mac: MacAddress, *, vlan_id: int | None = None, present: bool = True
    ) -> None:
        """See `PrivilegedWrites.set_fdb_entry`."""
        operation = f"bridge fdb {'add' if present else 'del'} {mac} dev {ifname} self"
        operation += "" if vlan_id is None else f" vlan {vlan_id}"
        self._exchange(operation, ifname, lambda index: fdb_entry(
            index, mac, vlan_id=vlan_id, present=present
        ))  # fmt: skip

    def _exchange(
        self, operation: str, ifname: str, request: Callable[[int], tuple[int, int, bytes]]
    ) -> None:
        try:
            rename.check_ifname(ifname)
            type_, flags, payload = request(read_link_by_name(self._rtnetlink, ifname).index)
            self._rtnetlink.exchange(type_, payload, flags=flags)
        except Malformed as problem:
            raise HostRefused(operation, f"can't read what rtnetlink told: {problem}") from problem
        except OSError as refusal:
            raise host_refused(operation, refusal, transient=_NETDEV_BUSY) from refusal

    def _device(self, address: PciAddress) -> str:
        return f"{self._sysfs}/{sysfs.DEVICES}/{address}"
