"""What goes wrong in a world, one fault at a time, chosen by dice. The auditor is told of each that
excuses something.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from trunkline.domain.device import VFIO_DRIVER
from trunkline.domain.ether import MacAddress
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VfChange, VlanProtocol
from trunkline.host.faults import IgnoreVlan, PfUnreadable, RefuseNext, SlowNext
from trunkline.host.machine import find_pf
from trunkline.reconcile.interfaces import HostRefused
from trunkline.sim.clock import SimClock
from trunkline.sim.lives import Life
from trunkline.sim.machines import Machine
from trunkline.sim.trace import Trace

_AGENT_POINTS_MAX = 14  # A server of two NICs takes about as many.
_CONTROL_POINTS_MAX = 6
_SLOW = 0.3
_EVENTS_LOST = 0.3  # What a machine tells by itself; of 1.
_KERNEL_WRITES = ("set_vf", "set_vf", "set_vf", "set_vf_count", "rename_netdev", "bind_driver")
_LIBVIRT_WRITES = ("define", "start_paused", "resume", "destroy", "undefine", "plug", "unplug")
_SLOW_CALLS = ("start_paused", "destroy", "plug", "unplug")


class Faults:
    """Plants faults in the machines of a world."""

    def __init__(
        self,
        machines: list[Machine],
        control_life: Callable[[], Life | None],
        *,
        dice: random.Random,
        clock: SimClock,
        trace: Trace,
        hear: Callable[[dict[str, Any]], None],
    ) -> None:
        self._machines = machines
        self._control_life = control_life
        self._dice = dice
        self._clock = clock
        self._trace = trace
        self._hear = hear

    def begin(self) -> None:
        """Make some machines slow to start and to stop guests, until all faults stop."""
        for machine in self._machines:
            machine.events_lost = _EVENTS_LOST
            for operation in _SLOW_CALLS:
                if self._dice.random() < _SLOW:
                    machine.hypervisor.plant(SlowNext(operation=operation))
                    self._say(machine, f"{operation} takes its time")

    def plant(self) -> None:
        """Plant one fault somewhere."""
        faults: list[tuple[int, Callable[[Machine], None]]] = [
            (30, self._drop_agent),
            (12, self._drop_control_plane),
            (14, self._refuse_kernel_writes),
            (10, self._refuse_libvirt_writes),
            (8, self._ignore_writes),
            (8, self._drift),
            (5, self._reboot),
            (6, self._end_guest),
            (4, self._silence),
            (5, self._make_unreadable),
            (10, self._move_a_cable),
            (3, self._break_driver),
        ]
        weights, choices = zip(*faults, strict=True)
        fault = self._dice.choices(choices, weights)[0]
        machines = self._machines
        if fault in (self._drift, self._end_guest):
            machines = [machine for machine in machines if _has_guests(machine)] or machines
        machine = self._dice.choice(machines)
        fault(machine)
        machine.wake()

    def stop(self) -> None:
        """Take away every fault that is still to strike; some operator has a last word."""
        if self._dice.random() < 0.5:
            # With nothing else going on, only who looks for drift finds this.
            busy = [machine for machine in self._machines if _has_guests(machine)]
            if busy:
                machine = self._dice.choice(busy)
                self._drift(machine)
                machine.lose_events()
        for machine in self._machines:
            machine.events_lost = 0.0
            for pf in machine.kernel.state().pfs:
                if not pf.link_up:
                    self.move_cable(machine, pf.address, plugged=True)
            machine.kernel.clear_faults()
            machine.hypervisor.clear_faults()
            machine.life.spare()
            machine.silent_until = None
            machine.hypervisor.go_on()
        life = self._control_life()
        if life is not None:
            life.spare()
        self._trace.line("fault", "all faults stop")

    def bind_back(self) -> None:
        """Do what an operator does with devices that libvirt has left bound to vfio-pci."""
        for machine in self._machines:
            self._bind_back(machine)

    def _bind_back(self, machine: Machine) -> None:
        in_use = {
            address
            for domain in machine.hypervisor.state().domains.values()
            if domain.guest is not None
            for address in domain.guest.handed_over.addresses
        }
        for address, function in machine.kernel.functions().items():
            if function.driver == VFIO_DRIVER and address not in in_use:
                machine.kernel.bind_driver(address, str(function.pf_driver))
                self._say(machine, f"an operator binds {address} to its own driver")
                machine.wake()

    def _drop_agent(self, machine: Machine) -> None:
        points = self._dice.randrange(_AGENT_POINTS_MAX)
        machine.life.drop_after(points)
        self._say(machine, f"the agent is dropped at its next point but {points}")

    def _drop_control_plane(self, _: Machine) -> None:
        life = self._control_life()
        if life is not None:
            points = self._dice.randrange(_CONTROL_POINTS_MAX)
            life.drop_after(points)
            self._trace.line(
                "fault", f"the control plane is dropped at its next point but {points}"
            )

    def _refuse_kernel_writes(self, machine: Machine) -> None:
        self._refuse(machine, machine.kernel.plant, self._dice.choice(_KERNEL_WRITES))

    def _refuse_libvirt_writes(self, machine: Machine) -> None:
        self._refuse(machine, machine.hypervisor.plant, self._dice.choice(_LIBVIRT_WRITES))

    def _refuse(
        self, machine: Machine, plant: Callable[[RefuseNext], None], operation: str
    ) -> None:
        dice = self._dice
        fault = RefuseNext(
            operation=operation,
            errno=dice.choice(["EAGAIN", "EBUSY", "EINVAL"]),
            times=dice.choice([1, 1, 2, 6]),
            after=dice.choice([0, 0, 1, 2]),
            applied=dice.random() < 0.25,
        )
        plant(fault)
        self._hear({"op": "fault", "kind": "refusal", "host": machine.name})
        done = ", though done" if fault.applied else ""
        self._say(
            machine,
            f"{operation} is refused {fault.times}× after {fault.after}: {fault.errno}{done}",
        )

    def _ignore_writes(self, machine: Machine) -> None:
        times = self._dice.choice([1, 2, 7])
        machine.kernel.plant(IgnoreVlan(times=times))
        self._say(machine, f"{times} VLAN writes are acknowledged and ignored")

    def _drift(self, machine: Machine) -> None:
        """An operator writes to a VF that a guest has: of no other could anybody tell."""
        held = vfs_in_guests(machine)
        if not held:
            return
        pf, vf_index = self._dice.choice(held)
        changes = [
            VfChange(vlan_id=self._dice.choice([0, 7, 199]), vlan_qos=0),
            VfChange(mac=MacAddress("02:bd:00:00:00:01")),
            VfChange(trust=True),
            VfChange(spoof_check=False),
        ]
        if find_pf(machine.kernel.state(), pf).double_vlan:
            vlan_id = machine.kernel.vf_settings(pf)[vf_index].vlan_id
            other = VlanProtocol.DOT1Q if vlan_id == 150 else VlanProtocol.DOT1AD
            changes.append(VfChange(vlan_id=vlan_id or 7, vlan_qos=0, vlan_protocol=other))
        self.change_vf(machine, pf, vf_index, self._dice.choice(changes))

    def change_vf(self, machine: Machine, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        """Have an operator write to a VF by hand."""
        said = {"host": machine.name, "pf": str(pf), "vf_index": vf_index, "change": str(change)}
        self._hear({"op": "fault", "kind": "drift", **said})
        try:
            machine.kernel.set_vf(pf, vf_index, change)
        except HostRefused as refusal:
            self._say(machine, f"an operator sets VF {vf_index} of {pf}: {refusal}")
        else:
            self._say(machine, f"an operator sets VF {vf_index} of {pf} to {change}")

    def _reboot(self, machine: Machine) -> None:
        self._hear({"op": "fault", "kind": "reboot", "host": machine.name})
        machine.reboot()
        machine.due = self._clock.now() + timedelta(seconds=self._dice.uniform(1, 120))
        self._say(machine, "the host reboots")

    def _end_guest(self, machine: Machine) -> None:
        domains = machine.hypervisor.state().domains
        running = sorted(server_id for server_id in domains if domains[server_id].guest is not None)
        if not running:
            return
        server_id = self._dice.choice(running)
        self._hear({"op": "fault", "kind": "guest ends", "server": server_id})
        crash = self._dice.random() < 0.5
        end = machine.hypervisor.crash_guest if crash else machine.hypervisor.power_off_guest
        end(server_id)
        self._say(machine, f"the guest of {server_id} {'crashes' if crash else 'shuts down'}")

    def _silence(self, machine: Machine) -> None:
        seconds = self._dice.uniform(60, 200)
        machine.silent_until = self._clock.now() + timedelta(seconds=seconds)
        self._say(machine, f"the agent is not heard for {seconds:.0f} s")

    def _make_unreadable(self, machine: Machine) -> None:
        """A PF whose VFs can't be read; or all can again."""
        if self._dice.random() < 0.5:
            machine.kernel.clear_faults()
            self._say(machine, "its kernel is well again")
            return
        pf = PciAddress.parse(self._dice.choice(["0000:05:00.0", "0000:82:00.0"]))
        machine.kernel.plant(PfUnreadable(pf=pf))
        self._say(machine, f"the VFs of {pf} can't be read")

    def _move_a_cable(self, machine: Machine) -> None:
        """Pull the cable of a PF; or plug one in that is out."""
        pfs = machine.kernel.state().pfs
        out = [pf for pf in pfs if not pf.link_up]
        if out and self._dice.random() < 0.6:
            self.move_cable(machine, self._dice.choice(out).address, plugged=True)
        else:
            self.move_cable(machine, self._dice.choice(pfs).address, plugged=False)

    def move_cable(self, machine: Machine, pf: PciAddress, *, plugged: bool) -> None:
        """Have somebody plug a PF's cable in, or pull it."""
        machine.kernel.set_carrier(pf, up=plugged)
        self._say(machine, f"the cable of {pf} is {'plugged in' if plugged else 'pulled'}")

    def _break_driver(self, machine: Machine) -> None:
        """A PF's driver says that it can't work, until its kernel is well again."""
        pf = self._dice.choice(machine.kernel.state().pfs).address
        machine.kernel.meet_error(pf, recovers=False)
        self._say(machine, f"the driver of {pf} is in fault")

    def _say(self, machine: Machine, what: str) -> None:
        self._trace.line("fault", f"{machine.name}: {what}")


def vfs_in_guests(machine: Machine) -> list[tuple[PciAddress, int]]:
    """List the VFs that guests of a machine have: PF, and index."""
    return sorted({
        (each.pf, each.vf_index)
        for domain in machine.hypervisor.state().domains.values()
        if domain.guest is not None
        for each in (
            *domain.guest.handed_over.interfaces,
            *(macvtap.vf for macvtap in domain.guest.handed_over.macvtaps),
        )
    })  # fmt: skip


def _has_guests(machine: Machine) -> bool:
    return any(domain.guest for domain in machine.hypervisor.state().domains.values())
