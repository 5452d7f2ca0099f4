"""What the helper lets its callers touch: devices on offer, their PFs, and ports of our bridges.

The device specs are those of the configuration that root owns; which functions they mean is read
here, from sysfs, and never told by the caller. A VF that was set while it was on offer may be set
on when it is off, until it is as it was before: a server may have it. Of a bridge's uplinks, and of
what a card sends to its PF, only that is taken away which was added here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final, Protocol, assert_never

from trunkline.domain.bridge import Bridge
from trunkline.domain.device import DeviceKind, PciFunction, is_vfio_driver
from trunkline.domain.ether import MacAddress
from trunkline.domain.pci import PciAddress
from trunkline.domain.port import is_logical_device_name
from trunkline.domain.vf import VfSettings
from trunkline.host.linux import sysfs
from trunkline.host.privileged.additions import Added, Additions
from trunkline.host.privileged.listed import Listed
from trunkline.host.privileged.requests import (
    ReadConsole,
    ReadVpd,
    ReloadVfDriver,
    RenameNetdev,
    Request,
    SetBridgeVlan,
    SetFdbEntry,
    SetPfUp,
    SetVf,
    SetVfCount,
)
from trunkline.host.privileged.set_vfs import SetVfs
from trunkline.reconcile.interfaces import HostRefused

# A function that is replaced by another at the same address within this time is taken for it.
FRESH_SECONDS: Final = 1.0


class NotAllowed(Exception):
    """The configuration of this host does not allow it."""


class NotAdded(NotAllowed):
    """It was not added by this helper, which therefore does not take it away."""


class KernelReads(Protocol):
    """What of `Kernel` is read here. All may raise `HostRefused`."""

    def functions(self) -> Mapping[PciAddress, PciFunction]:
        """See `Kernel.functions`."""
        ...

    def bridges(self, names: Collection[str]) -> Mapping[str, Bridge]:
        """See `Kernel.bridges`."""
        ...

    def pf_addresses(self, pf: PciAddress) -> frozenset[MacAddress]:
        """See `Kernel.pf_addresses`."""
        ...

    def vf_settings(self, pf: PciAddress) -> Mapping[int, VfSettings]:
        """See `Kernel.vf_settings`."""
        ...


class Permissions:
    """Judges requests by the host's configuration."""

    def __init__(
        self,
        *,
        listed: Listed,
        kernel: KernelReads,
        additions: Additions,
        set_vfs: SetVfs,
        sysfs_root: Path,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Set up; nothing is read yet.

        Args:
            listed: What is on offer, and bridges whose ports may be given VLANs.
            kernel: Reads what the judgement needs.
            additions: What was added to bridges and PFs.
            set_vfs: Which VFs were set.
            sysfs_root: Where sysfs is mounted.
            monotonic: Seconds that pass.
        """
        self._listed = listed
        self._kernel = kernel
        self._additions = additions
        self._set_vfs = set_vfs
        self._sysfs_root = sysfs_root
        self._netdevs = f"{sysfs_root}/class/net"
        self._monotonic = monotonic
        self._read_at: float | None = None
        self._every: Mapping[PciAddress, PciFunction] = {}
        self._vf_addresses: frozenset[PciAddress] = frozenset()
        self._vfs: Mapping[tuple[PciAddress | None, int | None], PciAddress] = {}
        self._pfs: frozenset[PciAddress] = frozenset()

    def check(self, request: Request) -> None:
        """Raise `NotAllowed` unless it may be done.

        Raises:
            HostRefused: sysfs can't be read, or somebody uses what would go.
        """
        if isinstance(request, ReadConsole):
            return  # Of any server: whose it is, the service knows, which let the agent ask.
        self._read(at_once=not isinstance(request, SetVf))
        match request:
            case SetVf(pf=pf, vf_index=vf_index):
                self._require_vf(pf, vf_index)
                self._note_before(pf, vf_index)
            case SetVfCount(pf=pf):
                self._require_pf(pf)
                self._require_unused_vfs(pf)
            case RenameNetdev(old=old):
                # Of VFs alone: a PF is down while it is renamed, and all its VFs with it.
                self._require_netdev(old, self._vf_addresses)
            case ReloadVfDriver(vf=vf):
                _require(vf in self._vf_addresses, f"{vf} is no VF on offer")
                self._require_unused(vf)
            case SetPfUp(pf=pf):
                self._require_pf(pf)
            case ReadVpd(address=address):
                self._require_pf(address)
            case SetBridgeVlan():
                self._check_port(request)
            case SetFdbEntry(ifname=ifname):
                self._require_netdev(ifname, self._pfs)
                self._check_addition(request, is_there=lambda: self._has_address(request))
            case _:
                assert_never(request)

    def note_done(self, request: Request) -> None:
        """Forget what `request` has taken away."""
        if isinstance(request, SetVfCount):
            vfs = (self._every[vf] for vf in self._set_vfs if vf in self._every)
            self._set_vfs.forget({vf.address for vf in vfs if vf.pf_address == request.pf})
        if isinstance(request, SetBridgeVlan) and not request.member:
            self._additions.forget(self._added(request))
        if isinstance(request, SetFdbEntry) and not request.present:
            self._additions.forget(self._added(request))

    def _check_port(self, request: SetBridgeVlan) -> None:
        """A server's tap may be put into any VLAN; of uplinks the untagged VLAN is root's."""
        ifname, vlan_id = request.ifname, request.vlan_id
        bridge = sysfs.find_link_name(f"{self._netdevs}/{ifname}/master")
        _require(bridge in self._listed.bridges, f"{ifname} is no port of a bridge under `bridges`")
        assert bridge is not None
        if self._is_tap(ifname):
            return
        found = self._kernel.bridges([bridge]).get(bridge)
        port = None if found is None else found.ports.get(ifname)
        _require(
            port is not None and port.is_uplink,
            f"{ifname} is neither a server's tap nor an uplink of {bridge}",
        )
        assert port is not None
        _require(not request.untagged, f"{ifname} is an uplink: servers' VLANs leave it tagged")
        is_untagged = bool(port.vlans.get(vlan_id)) or port.pvid == vlan_id
        _require(
            not is_untagged or self._added(request) in self._additions,
            f"VLAN {vlan_id} is the untagged one of {ifname}, an uplink",
        )
        self._check_addition(request, is_there=lambda: vlan_id in port.vlans)

    def _check_addition(
        self, request: SetBridgeVlan | SetFdbEntry, *, is_there: Callable[[], bool]
    ) -> None:
        """Note what comes, and let only that go which came so."""
        added = self._added(request)
        adds = request.member if isinstance(request, SetBridgeVlan) else request.present
        if not adds:
            if added not in self._additions:
                raise NotAdded(f"{added} was not added by this helper")
        elif not is_there():
            self._additions.note(added)

    def _has_address(self, request: SetFdbEntry) -> bool:
        (pf,) = (each for each in self._pfs if self._every[each].ifname == request.ifname)
        return request.mac in self._kernel.pf_addresses(pf)

    def _added(self, request: SetBridgeVlan | SetFdbEntry) -> Added:
        return Added(
            ifname=request.ifname,
            ifindex=sysfs.find_int(f"{self._netdevs}/{request.ifname}/ifindex"),
            vlan_id=request.vlan_id,
            mac=request.mac if isinstance(request, SetFdbEntry) else None,
        )

    def _is_tap(self, ifname: str) -> bool:
        """Whether it is a tap, by a name that only servers' NICs have."""
        return is_logical_device_name(ifname) and (
            sysfs.find_text(f"{self._netdevs}/{ifname}/tun_flags") is not None
        )

    def _read(self, *, at_once: bool) -> None:
        now = self._monotonic()
        if not at_once and self._read_at is not None and now - self._read_at < FRESH_SECONDS:
            return
        self._every = self._kernel.functions()
        offered = self._listed.offered(self._every)
        vfs = frozenset(
            each.function.address
            for each in offered
            if each.on_offer and each.function.kind is DeviceKind.VF
        )
        # Made anew otherwise than by this helper, a VF has been set by nobody here.
        others = {vf for vf in self._set_vfs if self._set_vfs.is_another(vf, self._inode(vf))}
        self._set_vfs.forget(others)
        if self._read_at is None:
            off = [vf for vf in self._set_vfs if vf not in vfs]
            self._set_vfs.forget({vf for vf in off if self._is_back(vf)})
        self._vf_addresses = vfs.union(vf for vf in self._set_vfs if vf in self._every)
        found = (self._every[vf] for vf in self._vf_addresses)
        self._vfs = {(vf.pf_address, vf.vf_index): vf.address for vf in found}
        self._pfs = frozenset(
            each.function.address for each in offered if each.function.kind is DeviceKind.PF
        ) | frozenset(pf for pf, function in self._every.items() if self._would_offer_vfs(function))
        self._read_at = now

    def _is_back(self, address: PciAddress) -> bool:
        """Whether a VF that was set is as it was before, or is gone."""
        vf = self._every.get(address)
        if vf is None or vf.pf_address is None or vf.vf_index is None:
            return True
        if vf.ifname is not None and is_logical_device_name(vf.ifname):
            return False  # It is yet to get its own name back.
        try:
            found = self._kernel.vf_settings(vf.pf_address).get(vf.vf_index)
        except HostRefused:
            return False  # Nobody knows; the other PFs' VFs don't wait for it.
        return found == self._set_vfs.before(address)

    def _inode(self, function: PciAddress) -> int | None:
        """Return what no other function has that is, or was, at its address; None: it is gone."""
        try:
            return (self._sysfs_root / sysfs.DEVICES / str(function)).lstat().st_ino
        except FileNotFoundError:
            return None

    def _would_offer_vfs(self, function: PciFunction) -> bool:
        """Whether VFs of this PF would be on offer, once it has some."""
        if function.kind is not DeviceKind.PF:
            return False
        meant = (
            each
            for each in self._listed.specs
            if each.means(DeviceKind.VF) and each.matches(function)
        )
        spec = next(meant, None)
        return spec is not None and not spec.exclude

    def _require_pf(self, pf: PciAddress) -> None:
        _require(pf in self._pfs, f"{pf} is no PF that is on offer, or has VFs on offer")

    def _require_vf(self, pf: PciAddress, vf_index: int) -> None:
        if (pf, vf_index) not in self._vfs:
            self._read(at_once=True)  # It may have come just now.
        _require((pf, vf_index) in self._vfs, f"VF {vf_index} of {pf} is not on offer")

    def _note_before(self, pf: PciAddress, vf_index: int) -> None:
        """Put on record what a VF is like before it is set for the first time."""
        address = self._vfs[pf, vf_index]
        if address not in self._set_vfs:
            found = self._kernel.vf_settings(pf).get(vf_index)
            if found is not None:  # Else there is nothing to be set, and the kernel says so.
                self._set_vfs.note(address, found, inode=self._inode(address))

    def _require_unused_vfs(self, pf: PciAddress) -> None:
        vfs = (each for each in self._every.values() if each.pf_address == pf)
        in_use = [f"{each.address} ({each.used_by})" for each in vfs if each.used_by]
        if in_use:
            raise HostRefused(
                f"set the VF count of {pf}",
                f"VFs are in use: {', '.join(in_use)}",
                errno_name="EBUSY",
            )

    def _require_unused(self, vf: PciAddress) -> None:
        function = self._every[vf]
        is_away = is_vfio_driver(function.driver)
        use = function.used_by or (f"it is bound to {function.driver}" if is_away else "")
        if use:
            raise HostRefused(f"load the driver of {vf} anew", use, errno_name="EBUSY")

    def _require_netdev(self, ifname: str, addresses: frozenset[PciAddress]) -> None:
        _require(
            any(self._every[address].ifname == ifname for address in addresses),
            f"{ifname} is no netdev of a device on offer",
        )


def _require(holds: bool, problem: str) -> None:  # noqa: FBT001
    if not holds:
        raise NotAllowed(problem)
