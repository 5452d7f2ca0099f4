"""FakeHypervisor: libvirt on one simulated machine, refusing what libvirt refuses.

Like libvirt it writes to the kernel itself, in the order of src/hypervisor/virhostdev.c: it saves
MAC and VLAN, detaches the device, writes its own MAC and then VLAN; and back at the end.

A start or stop that was killed half way leaves the domain in transition in the state file, with
what had been saved. The next call finishes it as a restarted libvirtd does with a guest that has
no process: everything is given back, and the domain is shut off (qemuProcessReconnect()).

Starts and stops are over when the call returns, unless `SlowNext` is planted: then they are only
begun, and under way until `go_on`, whatever becomes of whoever has begun them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from trunkline.domain.ids import ServerId
from trunkline.host import fake_networks
from trunkline.host.device_handover import Handover
from trunkline.host.fake_calls import FakeCalls
from trunkline.host.fake_consoles import FakeConsoles
from trunkline.host.fake_domains import (
    DomainRecord,
    FailedCall,
    Guest,
    HypervisorState,
    devices_in_use,
    end_guests_without_process,
    given_by,
    is_unfinished,
    other_domains,
    our_domains,
)
from trunkline.host.fake_kernel import FakeKernel
from trunkline.host.fake_networks import NetworkRecord
from trunkline.host.fake_plugs import alone, check_port, parted, together, with_nic, without_nic
from trunkline.host.fake_start import check_start
from trunkline.host.faults import is_slow
from trunkline.host.libvirt_domain import parse_libvirt_domain
from trunkline.host.state_file import Held, StateFile
from trunkline.reconcile.interfaces import HostRefused, NotYet
from trunkline.reconcile.nic_steps import PlugNic, UnplugNic
from trunkline.reconcile.observed import DomainPower, Guests, NetworkState

_Held = Held[HypervisorState]


class FakeHypervisor(FakeCalls):
    """Satisfies `reconcile.interfaces.Hypervisor`; see there for what the methods mean."""

    def __init__(self, path: Path, kernel: FakeKernel, *, by: str = "agent") -> None:
        super().__init__(StateFile(path, HypervisorState), kernel.acting_as("libvirt"), by)
        self._handover = Handover(self._kernel)
        self._consoles = FakeConsoles(path.parent / "consoles")

    # Reading

    def guests(self) -> Guests:
        """See `Hypervisor.guests`."""
        state = self._file.read()
        if state.faults and self._takes_time():
            raise NotYet
        state = self._finished(state)
        return Guests(domains=our_domains(state), others=other_domains(state))

    def console(self, server_id: ServerId) -> bytes:
        """See `Hypervisor.console`."""
        return self._consoles.read(server_id)

    def xml(self, server_id: ServerId) -> str:
        """The definition of a domain, as `virsh dumpxml --inactive` shows it."""
        record = self._file.read().domains.get(server_id)
        if record is None:
            raise HostRefused(f"virsh dumpxml {server_id}", "no domain with matching uuid")
        return record.xml

    # Writing

    def define(self, xml: str) -> None:
        """See `Hypervisor.define`."""
        with self._file.held() as held:
            self._finish(held)
            try:
                domain = parse_libvirt_domain(xml)
            except ValueError as fault:
                raise self._refuse(held, "virsh define", str(fault)) from None
            command = f"virsh define {domain.name}"
            for server_id, other in held.state.domains.items():
                if (server_id == domain.server_id) != (other.name == domain.name):
                    problem = f"domain '{other.name}' already exists with uuid {server_id}"
                    raise self._refuse(held, command, problem)
            planted = self._planted(held, "define", command)
            record = held.state.domains.setdefault(
                domain.server_id, DomainRecord(name=domain.name, xml=xml)
            )
            # A running guest keeps what it was started with; the definition is for its next start.
            record.xml, record.is_ours, record.failed = xml, domain.is_ours, None
            record.boot_number, record.xml_digest = domain.boot_number, domain.xml_digest
            record.disk_number = domain.disk_number
            self._answer(held, command, planted)

    def start_paused(self, server_id: ServerId) -> None:
        """See `Hypervisor.start_paused`."""
        with self._file.held() as held:
            self._finish(held)
            record = self._record(held, server_id, "virsh start --paused")
            command = f"virsh start --paused {record.name}"
            self._tell_failure(held, record, "start_paused")
            if record.guest is not None:
                raise self._refuse(held, command, "domain is already running")
            if not self._begins(held, record, "start_paused", command):
                self._start_paused(held, record, command)

    def _start_paused(self, held: _Held, record: DomainRecord, command: str) -> None:
        planted = self._planted(held, "start_paused", command)
        domain = parse_libvirt_domain(record.xml)
        try:
            domain, of_networks = fake_networks.with_devices(
                held.state.networks, domain, last=held.state.takes_last
            )
            check_start(self._kernel, domain, devices_in_use(held.state))
            guest = record.guest = Guest(
                boot_number=record.boot_number,
                xml_digest=record.xml_digest,
                handed_over=self._handover.save(domain),
                given=given_by(domain),
                of_networks=of_networks,
            )
        except HostRefused as refusal:
            raise self._refuse(held, command, str(refusal), cause=refusal) from None
        fake_networks.count(held.state.networks, of_networks)
        record.in_transition = True
        held.save()
        try:
            self._handover.take(guest.handed_over)
        except HostRefused as refusal:
            self._give_back(held.state, guest)
            record.guest, record.in_transition = None, False
            raise self._refuse(held, command, str(refusal), cause=refusal) from None
        record.in_transition, record.power = False, DomainPower.PAUSED
        self._answer(held, command, planted)

    def resume(self, server_id: ServerId) -> None:
        """See `Hypervisor.resume`."""
        with self._file.held() as held:
            self._finish(held)
            record = self._record(held, server_id, "virsh resume")
            command = f"virsh resume {record.name}"
            self._require_idle(held, record, command)
            if record.power is not DomainPower.PAUSED:
                problem = "already running" if record.guest is not None else "not running"
                raise self._refuse(held, command, f"domain is {problem}")
            planted = self._planted(held, "resume", command)
            record.power = DomainPower.RUNNING
            self._consoles.boots(record)
            self._answer(held, command, planted)

    def suspend(self, server_id: ServerId) -> None:
        """See `Hypervisor.suspend`."""
        with self._file.held() as held:
            self._finish(held)
            record = self._record(held, server_id, "virsh suspend")
            command = f"virsh suspend {record.name}"
            self._require_idle(held, record, command)
            if record.power is not DomainPower.RUNNING:
                raise self._refuse(held, command, "domain is not running")
            planted = self._planted(held, "suspend", command)
            record.power = DomainPower.PAUSED
            self._answer(held, command, planted)

    def plug(self, step: PlugNic) -> None:
        """See `Hypervisor.plug`."""
        self._change_nics("plug", step)

    def unplug(self, step: UnplugNic) -> None:
        """See `Hypervisor.unplug`."""
        self._change_nics("unplug", step)

    def _change_nics(self, operation: str, step: PlugNic | UnplugNic) -> None:
        with self._file.held() as held:
            self._finish(held)
            verb = "attach-device" if isinstance(step, PlugNic) else "detach-device"
            record = self._record(held, step.server_id, f"virsh {verb}")
            command = f"virsh {verb} {record.name}"
            self._tell_failure(held, record, operation)
            if record.guest is None:
                raise self._refuse(held, command, "domain is not running")
            record.plug = step if isinstance(step, PlugNic) else None
            record.unplug = step if isinstance(step, UnplugNic) else None
            if not self._begins(held, record, operation, command):
                self._plug_or_unplug(held, record, command)

    def _plug_or_unplug(self, held: _Held, record: DomainRecord, command: str) -> None:
        plug, unplug, record.plug, record.unplug = record.plug, record.unplug, None, None
        if record.guest is None:
            raise self._refuse(held, command, "domain is not running")
        planted = self._planted(held, "plug" if plug else "unplug", command)
        try:
            if plug is not None:
                self._plug(held, record, record.guest, plug)
            elif unplug is not None:
                self._unplug(held, record, record.guest, unplug)
        except HostRefused as refused:
            raise self._refuse(held, command, str(refused), cause=refused) from None
        self._answer(held, command, planted)

    def _plug(self, held: _Held, record: DomainRecord, guest: Guest, step: PlugNic) -> None:
        domain = alone(record.xml, step.xml)
        check_port(record.xml, guest.handed_over)
        check_start(self._kernel, domain, devices_in_use(held.state))
        record.passing = part = self._handover.save(domain)
        held.save()
        try:
            self._handover.take(part)
        except HostRefused:
            self._handover.give_back(part)
            record.passing = None
            raise
        guest.handed_over = together(guest.handed_over, part)
        record.xml, record.passing = with_nic(record.xml, step.xml), None

    def _unplug(self, held: _Held, record: DomainRecord, guest: Guest, step: UnplugNic) -> None:
        if record.power is not DomainPower.RUNNING:
            raise HostRefused("detach-device", "its guest, which is paused, does not let go of it")
        part, rest = parted(self._kernel, guest.handed_over, step)
        record.passing, guest.handed_over = part, rest
        given = str(step.device or step.ifname)
        guest.given = {at: what for at, what in guest.given.items() if what != given}
        held.save()
        self._handover.give_back(part)
        record.xml, record.passing = without_nic(record.xml, step), None

    def destroy(self, server_id: ServerId) -> None:
        """See `Hypervisor.destroy`."""
        with self._file.held() as held:
            self._finish(held)
            record = self._record(held, server_id, "virsh destroy")
            command = f"virsh destroy {record.name}"
            self._tell_failure(held, record, "destroy")
            if record.guest is None:
                raise self._refuse(held, command, "domain is not running")
            if not self._begins(held, record, "destroy", command):
                self._destroy(held, record, command)

    def _destroy(self, held: _Held, record: DomainRecord, command: str) -> None:
        if record.guest is None:
            raise self._refuse(held, command, "domain is not running")
        planted = self._planted(held, "destroy", command)
        self._stop(held, record, DomainPower.SHUT_OFF)
        self._answer(held, command, planted)

    def undefine(self, server_id: ServerId) -> None:
        """See `Hypervisor.undefine`.

        libvirt would make a running domain transient; no caller of ours may want that.
        """
        with self._file.held() as held:
            self._finish(held)
            record = self._record(held, server_id, "virsh undefine")
            command = f"virsh undefine {record.name}"
            self._require_idle(held, record, command)
            if record.guest is not None:
                raise self._refuse(held, command, "domain is running")
            planted = self._planted(held, "undefine", command)
            del held.state.domains[server_id]
            self._consoles.forget(server_id)
            self._answer(held, command, planted)

    # Networks

    def networks(self) -> Mapping[str, NetworkState]:
        """See `Hypervisor.networks`."""
        return fake_networks.network_states(self._finished(self._file.read()).networks)

    def define_network(self, xml: str) -> None:
        """See `Hypervisor.define_network`."""
        with self._file.held() as held:
            self._finish(held)
            planted = self._planted(held, "define_network", "virsh net-define")
            try:
                name = fake_networks.define(held.state.networks, xml, self._kernel.functions())
            except ValueError as fault:
                raise self._refuse(held, "virsh net-define", str(fault)) from None
            self._answer(held, f"virsh net-define {name}", planted)

    def start_network(self, name: str) -> None:
        """See `Hypervisor.start_network`."""
        with self._file.held() as held:
            command, record = self._network(held, "net-start", name)
            if record.live is not None:
                raise self._refuse(held, command, "network is already active")
            planted = self._planted(held, "start_network", command)
            record.live = record.defined
            self._answer(held, command, planted)

    def destroy_network(self, name: str) -> None:
        """See `Hypervisor.destroy_network`."""
        with self._file.held() as held:
            command, record = self._network(held, "net-destroy", name)
            if record.live is None:
                raise self._refuse(held, command, f"network '{name}' is not active")
            planted = self._planted(held, "destroy_network", command)
            record.live, record.counted = None, []
            self._answer(held, command, planted)

    def undefine_network(self, name: str) -> None:
        """See `Hypervisor.undefine_network`.

        libvirt would make an active one transient; no caller of ours may want that.
        """
        with self._file.held() as held:
            command, record = self._network(held, "net-undefine", name)
            if record.live is not None:
                raise self._refuse(held, command, f"network '{name}' is active")
            planted = self._planted(held, "undefine_network", command)
            del held.state.networks[name]
            self._answer(held, command, planted)

    def _network(self, held: _Held, verb: str, name: str) -> tuple[str, NetworkRecord]:
        self._finish(held)
        command, record = f"virsh {verb} {name}", held.state.networks.get(name)
        if record is None:
            problem = f"Network not found: no network with matching name '{name}'"
            raise self._refuse(held, command, problem)
        return command, record

    # From outside

    def go_on(self) -> None:
        """Go on, to the end, with every start and stop that is under way."""
        with self._file.held() as held:
            self._finish(held)
            for record in held.state.domains.values():
                operation, record.under_way = record.under_way, ""
                if not operation:
                    continue
                try:
                    if operation == "start_paused":
                        self._start_paused(held, record, f"virsh start --paused {record.name}")
                    elif operation == "destroy":
                        self._destroy(held, record, f"virsh destroy {record.name}")
                    else:
                        self._plug_or_unplug(held, record, f"virsh {operation} {record.name}")
                except HostRefused as refused:
                    record.failed = FailedCall.of(operation, refused)
            held.save()

    def power_off_guest(self, server_id: ServerId) -> None:
        """The guest shuts itself down."""
        self._end_guest(server_id, DomainPower.POWERED_OFF, "poweroff")

    def suspend_guest(self, server_id: ServerId) -> None:
        """Somebody suspends a running guest: `virsh suspend`."""
        with self._file.held() as held:
            record = self._record(held, server_id, "virsh suspend")
            record.power = DomainPower.PAUSED
            self._log(held, by="operator", command=f"virsh suspend {record.name}", result="OK")

    def crash_guest(self, server_id: ServerId) -> None:
        """The guest's QEMU process dies."""
        self._end_guest(server_id, DomainPower.CRASHED, "crash")

    def _end_guest(self, server_id: ServerId, power: DomainPower, event: str) -> None:
        with self._file.held() as held:
            self._finish(held)
            record = self._record(held, server_id, event)
            command = f"{event} {record.name}"
            if record.guest is None:
                raise self._refuse(held, command, "domain is not running")
            self._stop(held, record, power)
            self._consoles.ends(server_id, power)
            self._log(held, by="guest", command=command, result="OK")

    def _stop(self, held: _Held, record: DomainRecord, power: DomainPower) -> None:
        assert record.guest is not None
        record.in_transition, record.power = True, power
        held.save()
        self._give_back(held.state, record.guest)
        record.guest, record.in_transition = None, False

    def _give_back(self, state: HypervisorState, guest: Guest) -> None:
        self._handover.give_back(guest.handed_over)
        fake_networks.uncount(state.networks, guest.of_networks)

    def _finished(self, state: HypervisorState) -> HypervisorState:
        """Return the state with what is unfinished in it finished."""
        if not is_unfinished(state, self._kernel.boot_id()):
            return state
        with self._file.held() as held:
            self._finish(held)
        return self._file.read()

    def _takes_time(self) -> bool:
        with self._file.held() as held:
            slow = is_slow(held.state.faults, "guests")
            held.save()
        return slow

    def _finish(self, held: _Held) -> None:
        """Do what libvirtd does when it starts: see to guests that a reboot or a crash ended."""
        state, boot_id = held.state, self._kernel.boot_id()
        if not is_unfinished(state, boot_id):
            return
        for guest in end_guests_without_process(state, boot_id):
            self._give_back(state, guest)
        for record in state.domains.values():
            if record.passing is not None:
                self._handover.give_back(record.passing)
                record.passing = None
        if state.boot_id != boot_id:
            fake_networks.restarted(state.networks)
        state.boot_id = boot_id
        held.save()


def create_hypervisor(path: Path, kernel: FakeKernel) -> None:
    """Make a libvirt without domains."""
    StateFile(path, HypervisorState).create(HypervisorState(boot_id=kernel.boot_id()))
