"""FakeKernel: one simulated machine's kernel, as strict as Linux and the PF drivers.

Its state is one file, its writes are a log beside it (`host.state_file`). Agent, libvirt and
operator write through the same door; `acting_as` says who it is. Where the real kernel would wait
without end for a guest to let go of a function, this one answers EBUSY.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from trunkline.domain.bridge import Bridge
from trunkline.domain.device import NOT_RECOVERED, VFIO_DRIVER, PciFunction
from trunkline.domain.ether import ZERO_MAC, MacAddress
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VfChange, VfSettings
from trunkline.host import fake_bridges, faults, machine, vf_writes
from trunkline.host.driver_data import split
from trunkline.host.faults import Fault, PfBroken, PfUnreadable
from trunkline.host.machine import KernelState, PfRecord, VfRecord, refused
from trunkline.host.refusals import errno_name
from trunkline.host.state_file import LogEntry, StateFile
from trunkline.reconcile.interfaces import HostRefused

_IFNAME_BYTES_MAX = 15  # IFNAMSIZ less the final NUL, linux/if.h.


class FakeKernel:
    """Satisfies `reconcile.interfaces.Kernel`; see there for what the methods mean."""

    def __init__(self, path: Path, *, by: str = "agent") -> None:
        self._file = StateFile(path, KernelState)
        self._by = by
        self._reads: Counter[PciAddress] = Counter()
        self._functions: tuple[KernelState, Mapping[PciAddress, PciFunction]] | None = None

    @property
    def path(self) -> Path:
        """The state file."""
        return self._file.path

    def acting_as(self, by: str) -> FakeKernel:
        """The same kernel, with its writes logged as somebody else's."""
        return FakeKernel(self._file.path, by=by)

    # Reading

    def boot_id(self) -> str:
        """See `Kernel.boot_id`."""
        return machine.boot_id(self._file.read())

    def functions(self) -> Mapping[PciAddress, PciFunction]:
        """See `Kernel.functions`."""
        state = self._file.read()
        if self._functions is None or self._functions[0] is not state:
            self._functions = (state, machine.functions(state))
        return self._functions[1]

    def vf_settings(self, pf: PciAddress) -> Mapping[int, VfSettings]:
        """See `Kernel.vf_settings`. Each call is counted in `reads`."""
        self._reads[pf] += 1
        state = self._file.read()
        command = f"ip -d link show dev {_pf_name(state, pf)}"
        for fault in state.faults:
            if isinstance(fault, PfUnreadable) and fault.pf == pf:
                raise _host_refused(command, getattr(errno, fault.errno), planted=True)
        try:
            record = _with_netdev(machine.find_pf(state, pf))
        except OSError as refusal:
            raise _host_refused(command, refusal.errno) from None
        return {
            index: machine.vf_settings(
                record, faults.swapped(state.faults, pf, index, reading=True)
            )
            for index in range(len(record.vfs))
        }

    def bridges(self, names: Collection[str]) -> Mapping[str, Bridge]:
        """See `Kernel.bridges`."""
        return fake_bridges.bridges(self._file.read(), names)

    def pf_addresses(self, pf: PciAddress) -> frozenset[MacAddress]:
        """See `Kernel.pf_addresses`."""
        try:
            return fake_bridges.addresses(machine.find_pf(self._file.read(), pf))
        except OSError as refusal:
            raise _host_refused(f"bridge fdb show dev {pf}", refusal.errno) from None

    def find_function(self, address: PciAddress) -> PciFunction | None:
        """Read one PCI function; None where there is none."""
        return machine.find_function(self._file.read(), address)

    def netdev_mac(self, ifname: str) -> MacAddress:
        """Read /sys/class/net/IFNAME/address."""
        try:
            record, index = machine.find_netdev(self._file.read(), ifname)
        except OSError as refusal:
            raise _host_refused(f"cat /sys/class/net/{ifname}/address", refusal.errno) from None
        return record.mac if index is None else machine.effective_mac(record, index)

    def is_up(self, pf: PciAddress) -> bool:
        """Whether a PF's netdev is set up (IFF_UP); its cable may be out."""
        record = machine.find_pf(self._file.read(), pf)
        return record.admin_up and not record.in_guest

    @property
    def reads(self) -> Mapping[PciAddress, int]:
        """How often the VFs of each PF were read through this object."""
        return self._reads

    def log(self) -> tuple[LogEntry, ...]:
        """Every attempted write since the machine was made, oldest first."""
        return self._file.log()

    def state(self) -> KernelState:
        """The state as it is now, to look at."""
        return self._file.read()

    # Writing

    def set_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        """See `Kernel.set_vf`."""

        def act(state: KernelState) -> None:
            record = _with_netdev(machine.find_pf(state, pf))
            if not 0 <= vf_index < len(record.vfs):
                raise refused(errno.EINVAL)
            lands_on = faults.swapped(state.faults, pf, vf_index, reading=False)
            for setting, part in split(change):
                vf_writes.set_one(state, record, lands_on, setting, part)

        self._write(
            "set_vf",
            lambda state: f"ip link set {_pf_name(state, pf)} vf {vf_index} {change}",
            act,
        )

    def set_vf_count(self, pf: PciAddress, count: int) -> None:
        """See `Kernel.set_vf_count`."""
        self._write(
            "set_vf_count",
            lambda _: f"echo {count} > /sys/bus/pci/devices/{pf}/sriov_numvfs",
            lambda state: vf_writes.set_vf_count(state, machine.find_pf(state, pf), count),
        )

    def rename_netdev(self, old: str, new: str) -> None:
        """See `Kernel.rename_netdev`."""

        def act(state: KernelState) -> None:
            record, index = machine.find_netdev(state, old)
            _check_ifname(new)
            if new == old:
                return
            if machine.netdev_exists(state, new):
                raise refused(errno.EEXIST)
            if index is None:
                record.ifname = new
            else:
                record.vfs[index].ifname = new

        self._write("rename_netdev", lambda _: f"ip link set {old} name {new}", act)

    def set_port_vlan(self, ifname: str, vlan_id: int, *, untagged: bool, member: bool) -> None:
        """See `Kernel.set_port_vlan`."""

        def act(state: KernelState) -> None:
            fake_bridges.set_port_vlan(state, ifname, vlan_id, untagged=untagged, member=member)

        verb, how = "add" if member else "del", " pvid untagged" if untagged and member else ""
        self.write("set_port_vlan", f"bridge vlan {verb} dev {ifname} vid {vlan_id}{how}", act)

    def set_pf_address(self, pf_ifname: str, mac: MacAddress, *, present: bool) -> None:
        """See `Kernel.set_pf_address`."""
        self.write(
            "set_pf_address",
            f"bridge fdb {'add' if present else 'del'} {mac} dev {pf_ifname} self",
            lambda state: fake_bridges.set_address(state, pf_ifname, mac, present=present),
        )

    # What libvirt does besides

    def bind_driver(self, address: PciAddress, driver: str, *, opened: bool = False) -> None:
        """Unbind a function from its driver and bind it to `vfio-pci`, or back to its own.

        `opened`: who asks has it from then on; else it is idle.
        """
        self._write(
            "bind_driver",
            lambda _: f"driverctl --nosave set-override {address} {driver}",
            lambda state: vf_writes.bind(
                state, address, to_guest=driver == VFIO_DRIVER, opened=opened
            ),
        )

    def set_pf_up(self, pf: PciAddress) -> None:
        """See `Kernel.set_pf_up`."""

        def act(state: KernelState) -> None:
            _with_netdev(machine.find_pf(state, pf)).admin_up = True

        self._write("set_pf_up", lambda state: f"ip link set {_pf_name(state, pf)} up", act)

    def reload_vf_driver(self, vf: PciAddress) -> None:
        """See `Kernel.reload_vf_driver`."""

        def act(state: KernelState) -> None:
            found = machine.find_vf(state, vf)
            if found is None:
                raise refused(errno.ENODEV)
            pf, index = found
            if pf.vfs[index].in_guest:
                raise refused(errno.EBUSY)
            vf_writes.bind(state, vf, to_guest=True)
            vf_writes.bind(state, vf, to_guest=False)

        self._write("reload_vf_driver", lambda _: f"echo {vf} > /sys/bus/pci/drivers_probe", act)

    def set_netdev_mac(self, ifname: str, mac: MacAddress) -> None:
        """Give a VF's netdev another MAC; a MAC set through the PF may forbid it."""

        def act(state: KernelState) -> None:
            record, index = machine.find_netdev(state, ifname)
            if index is None or mac.is_multicast or mac.is_zero:
                raise refused(errno.EADDRNOTAVAIL)
            vf, locked = record.vfs[index], machine.driver_of(record).own_mac_locked_errno
            if locked and not vf.trust and not vf.mac.is_zero and vf.mac != mac:
                raise refused(getattr(errno, locked))
            vf.own_mac, vf.old_mac = mac, ZERO_MAC

        self._write("set_netdev_mac", lambda _: f"ip link set {ifname} address {mac}", act)

    def add_macvtap(self, ifname: str, name: str) -> None:
        """Put a macvtap in passthrough mode on a VF's netdev: one at most."""

        def act(state: KernelState) -> None:
            record, index = machine.find_netdev(state, ifname)
            if index is None or record.vfs[index].macvtap:
                raise refused(errno.EBUSY)
            if machine.netdev_exists(state, name):
                raise refused(errno.EEXIST)
            record.vfs[index].macvtap = name

        self._write(
            "add_macvtap",
            lambda _: f"ip link add link {ifname} name {name} type macvtap mode passthru",
            act,
        )

    def remove_macvtap(self, name: str) -> None:
        """Take a macvtap away."""

        def act(state: KernelState) -> None:
            for record in state.pfs:
                for vf in record.vfs:
                    if name and vf.macvtap == name:
                        vf.macvtap = ""
                        return
            raise refused(errno.ENODEV)

        self._write("remove_macvtap", lambda _: f"ip link del {name}", act)

    def set_netdev_up(self, ifname: str, *, up: bool) -> None:
        """Set a PF's netdev up or down."""

        def act(state: KernelState) -> None:
            record, index = machine.find_netdev(state, ifname)
            if index is None:
                record.admin_up = up

        self._write(
            "set_netdev_up", lambda _: f"ip link set {ifname} {'up' if up else 'down'}", act
        )

    # From outside

    def plant(self, fault: Fault) -> None:
        """Plant a fault; it lasts until it is used up or `clear_faults`, over reboots too."""
        with self._file.held() as held:
            held.state.faults.append(fault)
            held.save()

    def clear_faults(self) -> None:
        """Take all planted faults away."""
        with self._file.held() as held:
            held.state.faults.clear()
            held.save()

    def set_carrier(self, pf: PciAddress, *, up: bool) -> None:
        """Plug or pull a PF's cable."""
        with self._file.held() as held:
            machine.find_pf(held.state, pf).link_up = up
            held.save()

    def meet_error(self, pf: PciAddress, *, recovers: bool = True) -> None:
        """Have a PF meet an uncorrectable error of PCI Express, from which its driver `recovers`.

        If not, the PF is broken until `clear_faults`.
        """
        with self._file.held() as held:
            machine.find_pf(held.state, pf).uncorrectable_errors += 1
            if not recovers:
                held.state.faults.append(PfBroken(pf=pf, problem=NOT_RECOVERED))
            held.save()

    def swap_cards(self, one: PciAddress, other: PciAddress) -> None:
        """Put each of two cards, of one PF each, into the other's slot; then `reboot`."""
        with self._file.held() as held:
            first, second = machine.find_pf(held.state, one), machine.find_pf(held.state, other)
            first.address, second.address = second.address, first.address
            first.iommu_group, second.iommu_group = second.iommu_group, first.iommu_group
            held.save()

    def reboot(self) -> None:
        """Boot the machine again: VF settings and names are lost, VF counts as configured."""
        with self._file.held() as held:
            held.state.boots += 1
            for pf in held.state.pfs:
                pf.in_guest = pf.opened = False
                pf.admin_up = True
                pf.uncorrectable_errors = 0
                pf.vfs = [VfRecord() for _ in range(pf.vf_count_at_boot)]
            for plain in held.state.plain:
                plain.in_guest = plain.opened = False
            fake_bridges.reboot(held.state)
            held.commit(by="boot", command="reboot", result="OK")

    def write(self, operation: str, command: str, act: Callable[[KernelState], None]) -> None:
        """Attempt a write that is in the log as `command`."""
        self._write(operation, lambda _: command, act)

    def _write(
        self,
        operation: str,
        command_of: Callable[[KernelState], str],
        act: Callable[[KernelState], None],
    ) -> None:
        with self._file.held() as held:
            command = command_of(held.state)
            planted = faults.refusal(held.state.faults, operation)
            number = 0
            try:
                if planted is None or planted.applied:
                    act(held.state)
                if planted is not None:
                    raise refused(getattr(errno, planted.errno))
            except OSError as refusal:
                number = refusal.errno or errno.EIO
            result = errno_name(number) if number else "OK"
            held.commit(by=self._by, command=command, result=result)
        if number:
            raise _host_refused(command, number, planted=planted is not None)


def create_kernel(path: Path, state: KernelState) -> None:
    """Make a simulated machine, as it is after its first boot."""
    for pf in state.pfs:
        pf.vfs = [VfRecord() for _ in range(pf.vf_count_at_boot)]
    StateFile(path, KernelState).create(state)


def _host_refused(command: str, number: int | None, *, planted: bool = False) -> HostRefused:
    number = number or errno.EIO
    return HostRefused(
        command,
        os.strerror(number),
        errno_name=errno_name(number),
        # EBUSY is for ever where the kernel's own rules give it; a planted one passes.
        transient=number == errno.EAGAIN or (planted and number == errno.EBUSY),
    )


def _pf_name(state: KernelState, address: PciAddress) -> str:
    """The PF's netdev, or its address where it has none: the command can't be typed then."""
    for pf in state.pfs:
        if pf.address == address and not pf.in_guest:
            return pf.ifname
    return str(address)


def _with_netdev(pf: PfRecord) -> PfRecord:
    if pf.in_guest:
        raise refused(errno.ENODEV)
    return pf


def _check_ifname(name: str) -> None:
    """Source: net/core/dev.c, dev_valid_name()."""
    if (
        not 0 < len(name.encode()) <= _IFNAME_BYTES_MAX
        or name in (".", "..")
        or any(each in "/:" or each.isspace() for each in name)
    ):
        raise refused(errno.EINVAL)
