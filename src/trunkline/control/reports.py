"""Taking in what an agent reports: what it found true of what was desired.

A fact about a device counts if and only if it names the device's current epoch; a fact about a
server, if the server is still on that host and was started as often. Within one run of an agent,
an older report than one taken in is dropped. Inventory and the sign of life always count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from trunkline.control import audit
from trunkline.control.audit import Actor
from trunkline.control.binding import halt_bindings
from trunkline.control.building import replace_server
from trunkline.control.generations import raise_generation
from trunkline.control.giving_back import give_back_device
from trunkline.control.interface_reports import settle_nics, take_nic_fact
from trunkline.control.inventory import InventoryNews, take_inventory
from trunkline.control.network_pools import follow_choice
from trunkline.control.races import deciding_again
from trunkline.control.services import Services
from trunkline.domain.allocation import ALLOCATION, Allocation, AllocationEvent, AllocationState
from trunkline.domain.binding import BINDING, BindingEvent, BindingState
from trunkline.domain.device import DeviceKind
from trunkline.domain.errors import TwoAgents
from trunkline.domain.host import RUNS_ALTERNATING, Host, take_turns
from trunkline.domain.ids import ServerId
from trunkline.domain.server import SERVER, Fault, PowerState, Server, ServerEvent, ServerState
from trunkline.reconcile.report import (
    DeviceCondition,
    DeviceFact,
    DriftFact,
    HostReport,
    ReportAck,
    ServerCondition,
    ServerFact,
)
from trunkline.store.devices import DeviceRecord
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction


def take_report(svc: Services, report: HostReport) -> ReportAck:
    """Take a report in; the answer names the host's newest generation.

    Raises:
        NotFound: The host was never enrolled.
        TwoAgents: Another agent reports for it, too.
    """
    # A server that the report has refused may lose a race while it is placed anew.
    ack = deciding_again(svc, lambda tx: _Intake(tx, svc, report).run())
    if ack is None:
        raise TwoAgents(report.host)
    return ack


@dataclass(frozen=True, slots=True)
class _Known:
    """A device that a fact names, with its allocation."""

    record: DeviceRecord
    allocation: Allocation


class _Intake:
    """One report in one transaction."""

    def __init__(self, tx: Transaction, svc: Services, report: HostReport) -> None:
        self._tx = tx
        self._svc = svc
        self._report = report
        self._actor = Actor(f"agent {report.host}")
        self._now = svc.clock.now()
        self._send_all = False

    def run(self) -> ReportAck | None:
        """Take it in; None, and only this is noted, if two agents take turns."""
        host = self._tx.hosts.get_by_name(self._report.host, Lock.EXCLUSIVE)
        if self._is_one_of_two(host):
            return None
        if host.run_id == self._report.run_id and self._report.number <= host.report_number:
            return ReportAck(generation=host.generation)
        if host.run_id != self._report.run_id and self._report.inventory is None:
            # The full report that began this run never got here, or was lost with a database; or
            # the host can't be read, and there is none.
            self._note_problem(host, self._report.problem)
            return ReportAck(generation=host.generation, send_all=True)
        host = self._take_host_facts(host)
        choices = self._take_choices(host)
        devices = self._take_device_facts(host)
        self._take_guest_facts(host)
        self._take_server_facts(host, choices, devices)
        self._take_nic_facts(host)
        self._take_drifts(host)
        self._take_consoles(host)
        generation = self._tx.hosts.get(host.id).generation
        return ReportAck(generation=generation, send_all=self._send_all)

    def _is_one_of_two(self, host: Host) -> bool:
        run, two_agents = self._report.run_id, str(TwoAgents(host.name))
        if host.problem == two_agents and run in (host.run_id, *host.former_runs):
            return True
        is_turn = run != host.run_id and self._report.inventory is not None
        if not is_turn or not take_turns((*host.former_runs, host.run_id, run)):
            return False
        self._note_problem(host, two_agents)
        audit.record(
            self._tx, self._actor, self._now, "host.two_agents", f"host {host.name}",
            host=host.name, details={"runs": sorted({run, host.run_id})},
        )  # fmt: skip
        return True

    def _take_host_facts(self, host: Host) -> Host:
        report, tx = self._report, self._tx
        was_up = self._svc.fleet.is_up(host)
        changed = report.resources is not None and report.resources != host.resources
        if changed and report.resources is not None:
            nodes_changed = report.resources.numa_nodes != host.resources.numa_nodes
            host = replace(host, resources=report.resources, updated_at=self._now)
            tx.hosts.update(host)
            if nodes_changed and tx.hosts.use_of(host.id).numa:
                # CPUs of guests that are confined are other ones.
                raise_generation(tx, self._svc, host)
        changed |= self._note_problem(host, report.problem)
        news = InventoryNews.NONE
        if report.inventory is not None:
            news = take_inventory(tx, self._svc, self._actor, host, report.inventory)
            changed |= news is InventoryNews.DEVICES
        tx.hosts.touch(
            host.id,
            at=self._now,
            run_id=report.run_id,
            former_runs=self._former_runs(host),
            report_number=report.number,
            applied_generation=report.generation if report.settled else host.applied_generation,
        )
        if changed:
            self._svc.fleet.reload_after(tx, host.id)
        else:
            self._svc.fleet.note_heard(tx, host.id, at=self._now, problem=report.problem)
            if not was_up or news is InventoryNews.SERVICE:
                tx.hosts.note_status_change(host.id)
        return host

    def _former_runs(self, host: Host) -> tuple[str, ...]:
        """Return what of the agent's runs is remembered; a new one after two in turn ends that."""
        if host.run_id in ("", self._report.run_id):
            return host.former_runs
        if host.problem == str(TwoAgents(host.name)):
            return ()
        return (*host.former_runs, host.run_id)[-RUNS_ALTERNATING:]

    def _note_problem(self, host: Host, problem: str) -> bool:
        """Note what stands in the agent's way; say whether that is news. Placement heeds it."""
        if problem == host.problem:
            return False
        self._tx.hosts.set_problem(host.id, problem)
        self._svc.fleet.reload_after(self._tx, host.id)
        return True

    def _take_choices(self, host: Host) -> dict[ServerId, str]:
        """Follow what libvirt took of network pools; return whose choice can't be followed."""
        refused: dict[ServerId, str] = {}
        for fact in self._report.taken:
            # Read each time: what was followed before may have made it right.
            found = self._known_devices(host).get(str(fact.chosen))
            if found is None or found.allocation.epoch != fact.epoch or fact.taken == fact.chosen:
                continue
            if found.allocation.state not in (AllocationState.CLAIMED, AllocationState.ACTIVE):
                continue
            problem = follow_choice(
                self._tx, self._svc, self._actor, host, chosen=found.record,
                allocation=found.allocation, taken_at=fact.taken,
            )  # fmt: skip
            if not problem:
                raise_generation(self._tx, self._svc, host)
            elif found.allocation.server_id is not None:
                refused[found.allocation.server_id] = problem
        return refused

    def _take_device_facts(self, host: Host) -> dict[ServerId, str]:
        """Take them in; return the servers one of whose devices was refused, and why."""
        refused: dict[ServerId, str] = {}
        if not self._report.devices:
            return refused
        known = self._known_devices(host)
        for fact in self._report.devices:
            found = known.get(str(fact.address))
            if found is None or found.allocation.epoch != fact.epoch:
                # Of an earlier owner, or of none: no news about this one. Perhaps it was taken in
                # before and the answer lost, with what it asked for.
                self._send_all |= fact.condition is DeviceCondition.CLEAN
                continue
            self._take_device_fact(host, found, fact, refused)
        return refused

    def _known_devices(self, host: Host) -> dict[str, _Known]:
        allocations = {a.device_id: a for a in self._tx.allocations.of_host(host.id)}
        records = self._tx.devices.get_many(allocations)
        return {
            str(record.device.function.address): _Known(record, allocations[record.id])
            for record in records.values()
        }

    def _take_device_fact(
        self, host: Host, found: _Known, fact: DeviceFact, refused: dict[ServerId, str]
    ) -> None:
        state, condition = found.allocation.state, fact.condition
        if condition is DeviceCondition.READY and state is AllocationState.CLAIMED:
            self._confirm(host, found)
        elif condition is DeviceCondition.CLEAN and state in (
            AllocationState.RELEASING,
            AllocationState.QUARANTINED,
        ):
            self._free(host, found)
        elif condition is DeviceCondition.DIRTY and state is AllocationState.RELEASING:
            self._quarantine(host, found, fact.reason)
        elif condition is DeviceCondition.REFUSED and found.allocation.server_id is not None:
            refused.setdefault(found.allocation.server_id, f"{fact.address}: {fact.reason}")

    def _confirm(self, host: Host, found: _Known) -> None:
        state = ALLOCATION.advance(found.allocation.state, AllocationEvent.CONFIRM)
        self._tx.allocations.advance(found.allocation, state)
        self._audit(host, found, "device.confirm")

    def _free(self, host: Host, found: _Known) -> None:
        is_used_up = found.record.device.one_time_use
        event = AllocationEvent.RESERVE if is_used_up else AllocationEvent.CLEAN
        ALLOCATION.advance(found.allocation.state, event)
        self._audit(host, found, "device.reserve" if is_used_up else "device.clean")
        ref, guarantee = found.record.ref, found.allocation.guarantee
        if guarantee:
            self._tx.bandwidths.owe(ref.kin_id, -guarantee, host_id=host.id)
            self._svc.fleet.note_owed(self._tx, host.id, ref.kin_id, -guarantee)
        # Its VFs are to be seen again: whether they are on the list nobody could tell till now.
        self._send_all |= found.record.kind is DeviceKind.PF
        raise_generation(self._tx, self._svc, host)
        if is_used_up:
            self._tx.allocations.reserve(found.allocation)
            return
        was_withdrawn = give_back_device(self._tx, self._svc, host, found.record, found.allocation)
        self._send_all |= was_withdrawn
        if found.allocation.state is AllocationState.QUARANTINED:
            self._note_pool(host, found)

    def _quarantine(self, host: Host, found: _Known, reason: str) -> None:
        state = ALLOCATION.advance(found.allocation.state, AllocationEvent.SOIL)
        self._tx.allocations.advance(found.allocation, state, failure=reason)
        self._note_pool(host, found)
        self._audit(host, found, "device.quarantine", reason=reason)

    def _note_pool(self, host: Host, found: _Known) -> None:
        """Let placement see that a network pool has one VF more, or less, in quarantine."""
        if found.record.device.network_pool is not None:
            self._svc.fleet.reload_after(self._tx, host.id)

    def _take_guest_facts(self, host: Host) -> None:
        """Put on record what befell guests; one that has ended does not run until it is seen to."""
        facts = self._report.guests
        servers = self._tx.servers.get_many({fact.server_id for fact in facts}, Lock.EXCLUSIVE)
        for fact in facts:
            server = servers.get(fact.server_id)
            if server is None or server.host_id != host.id:
                continue
            if fact.boot_number != server.boot_number:
                continue
            audit.record(
                self._tx, self._actor, self._now, f"server.guest_{fact.event.value}",
                f"server {server.id}", project_id=server.project_id, host=host.name,
                server_id=server.id, details={"found": fact.found, "done": fact.done},
            )  # fmt: skip
            if fact.event.is_end and SERVER.allows(server.state, ServerEvent.RESTART):
                state = SERVER.advance(server.state, ServerEvent.RESTART)
                servers[server.id] = replace(server, state=state, updated_at=self._now)
                self._tx.servers.update(servers[server.id])

    def _take_server_facts(
        self, host: Host, choices: dict[ServerId, str], devices: dict[ServerId, str]
    ) -> None:
        """Take them in; `choices` and `devices`: why those of a server can't be had."""
        facts = {fact.id: fact for fact in self._report.servers}
        servers = self._tx.servers.get_many({*facts, *choices, *devices}, Lock.EXCLUSIVE)
        settled = set()
        for server in servers.values():
            if server.host_id != host.id:
                continue
            fact = facts.get(server.id)
            is_news = fact is None or _is_of(server, fact)
            problem = choices.get(server.id, "")
            if not problem and is_news:  # A device is of the same epoch in every boot.
                problem = devices.get(server.id, "")
            if problem:
                self._refuse(server, problem)
            elif fact is not None and is_news:
                self._take_server_fact(host, server, fact)
                if fact.condition in (ServerCondition.RUNNING, ServerCondition.STOPPED):
                    settled.add(server.id)
        if settled:
            settle_nics(
                self._tx, self._svc, self._actor, host, settled, generation=self._report.generation
            )

    def _take_nic_facts(self, host: Host) -> None:
        for fact in self._report.nics:
            take_nic_fact(
                self._tx, self._svc, self._actor, host, fact, generation=self._report.generation
            )

    def _take_server_fact(self, host: Host, server: Server, fact: ServerFact) -> None:
        if fact.condition is ServerCondition.FAILED:
            self._refuse(server, fact.reason)
        elif fact.condition is ServerCondition.RUNNING:
            # A guest has its password by now, or never takes it; see docs/secrets.md.
            told = replace(server, admin_password=None)
            if not SERVER.allows(server.state, ServerEvent.RUN):
                if server.admin_password is not None:
                    self._tx.servers.update(told)
            elif self._confirm_bindings(server):
                self._advance(told, ServerEvent.RUN)
        elif fact.condition is ServerCondition.PAUSED and SERVER.allows(
            server.state, ServerEvent.FREEZE
        ):
            self._advance(server, ServerEvent.FREEZE)
        elif fact.condition is ServerCondition.STOPPED and SERVER.allows(
            server.state, ServerEvent.HALT
        ):
            halt_bindings(self._tx, server.id)
            if server.power is not PowerState.STOPPED:
                # Its guest has ended. So it is to stay, whoever looks at the host next.
                server = replace(server, power=PowerState.STOPPED, admin_password=None)
                raise_generation(self._tx, self._svc, host)
            self._advance(server, ServerEvent.HALT)
        elif (
            fact.condition is ServerCondition.STOPPED
            and server.state is ServerState.ERROR
            and server.power is not PowerState.STOPPED
        ):
            # Marked as in error while it had a guest: that can't be taken back any more.
            halt_bindings(self._tx, server.id)
            self._tx.servers.update(replace(server, power=PowerState.STOPPED))
            raise_generation(self._tx, self._svc, host)

    def _confirm_bindings(self, server: Server) -> bool:
        """Confirm the bindings of a server that runs; say whether all its devices are ready.

        A NIC that its guest was not started with, or is to lose, is seen to when it comes or goes.
        """
        bindings = self._tx.bindings.of_server(server.id)
        apart = {
            binding.port_id
            for binding in bindings
            if binding.state is BindingState.DETACHING
            or binding.generation > self._report.generation
        }
        held = self._tx.allocations.of_server(server.id)
        if any(a.state is AllocationState.CLAIMED and a.port_id not in apart for a in held):
            return False
        for binding in bindings:
            if binding.port_id not in apart and BINDING.allows(binding.state, BindingEvent.CONFIRM):
                state = BINDING.advance(binding.state, BindingEvent.CONFIRM)
                self._tx.bindings.update(replace(binding, state=state))
        return True

    def _advance(self, server: Server, event: ServerEvent) -> None:
        state = SERVER.advance(server.state, event)
        first_run = event is ServerEvent.RUN and server.launched_at is None
        self._tx.servers.update(
            replace(
                server,
                state=state,
                updated_at=self._now,
                launched_at=self._now if first_run else server.launched_at,
            )
        )
        audit.record(
            self._tx, self._actor, self._now, f"server.{state.value.lower()}",
            f"server {server.id}", project_id=server.project_id, host=self._report.host,
            server_id=server.id,
        )  # fmt: skip

    def _refuse(self, server: Server, reason: str) -> None:
        if server.state is ServerState.BUILD:
            server = replace_server(self._tx, self._svc, self._actor, server, reason=reason)
            self._tx.servers.update(server)
            return
        if not SERVER.allows(server.state, ServerEvent.FAIL):
            return
        # It has run here: it keeps its host and devices, and a reboot tries again. Until then it is
        # to stay stopped: another run of the agent knows nothing of what failed.
        halt_bindings(self._tx, server.id)
        fault = Fault(code=500, message=reason, at=self._now)
        self._tx.servers.update(
            replace(
                server,
                state=SERVER.advance(server.state, ServerEvent.FAIL),
                power=PowerState.STOPPED,
                fault=fault,
                updated_at=self._now,
            )
        )
        audit.record(
            self._tx, self._actor, self._now, "server.error", f"server {server.id}",
            project_id=server.project_id, host=self._report.host, server_id=server.id,
            details={"reason": reason},
        )  # fmt: skip
        if server.host_id is not None:
            raise_generation(self._tx, self._svc, self._tx.hosts.get(server.host_id))

    def _take_drifts(self, host: Host) -> None:
        known = self._known_devices(host) if self._report.drifts else {}
        for drift in self._report.drifts:
            self._take_drift(host, drift, known.get(str(drift.address)))

    def _take_drift(self, host: Host, drift: DriftFact, found: _Known | None) -> None:
        audit.record(
            self._tx, self._actor, self._now, "device.drift",
            f"{drift.subject} on {host.name}", host=host.name,
            server_id=found.allocation.server_id if found else None,
            port_id=found.allocation.port_id if found else None,
            device_id=found.record.id if found else None,
            details={"found": drift.found, "repaired": drift.repaired},
        )  # fmt: skip

    def _take_consoles(self, host: Host) -> None:
        answered = [self._tx.consoles.answer(host.id, fact) for fact in self._report.consoles]
        if any(answered):
            self._tx.hosts.note_status_change(host.id)  # By which other replicas wake who waits.
            self._tx.on_commit(lambda: self._svc.wake_host(host.name))

    def _audit(self, host: Host, found: _Known, action: str, **details: str) -> None:
        function = found.record.device.function
        audit.record(
            self._tx, self._actor, self._now, action,
            f"{found.record.kind.value} {function.address} on {host.name}", host=host.name,
            server_id=found.allocation.server_id, port_id=found.allocation.port_id,
            device_id=found.record.id, details={"epoch": found.allocation.epoch, **details},
        )  # fmt: skip


def _is_of(server: Server, fact: ServerFact) -> bool:
    return (fact.boot_number, fact.disk_number) == (server.boot_number, server.disk_number)
