"""From plans to what the control plane is told, and what of it still has to be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from trunkline.agent.limits import Limits
from trunkline.agent.transport import ShutOut, Transport, TransportFailed
from trunkline.domain.console import ConsoleFact
from trunkline.domain.device import DeviceKind, OfferedDevice, PciFunction
from trunkline.domain.host import HostResources
from trunkline.domain.ids import HostName, ServerId
from trunkline.domain.pci import PciAddress
from trunkline.domain.server import PowerState
from trunkline.reconcile.desired import HeldDevice, HostConfig, NicConfig, ServerConfig
from trunkline.reconcile.report import (
    DeviceCondition,
    DeviceFact,
    DriftFact,
    GuestFact,
    HostReport,
    NicFact,
    ReportAck,
    ServerCondition,
    ServerFact,
    TakenFact,
)

Offer = Callable[[Mapping[PciAddress, PciFunction]], tuple[OfferedDevice, ...]]

DRIFTS_MAX: Final = 1000  # Unreported drifts that are kept; older ones are dropped first.


@dataclass(slots=True)
class Findings:
    """The facts about one configuration, each with the part of it that it answers.

    The same fact about a changed part is news: its NIC has another VLAN now, and has it.
    """

    devices: dict[tuple[PciAddress, int], tuple[DeviceFact, NicConfig | HeldDevice]]
    servers: dict[ServerId, tuple[ServerFact, ServerConfig]]
    taken: frozenset[TakenFact] = frozenset()
    nics: frozenset[NicFact] = frozenset()

    def note_device(
        self,
        held: HeldDevice,
        condition: DeviceCondition,
        reason: str = "",
        *,
        subject: NicConfig | None = None,
    ) -> None:
        """Note what was found about a device."""
        fact = DeviceFact(
            address=held.address, epoch=held.epoch, condition=condition, reason=reason
        )
        self.devices[held.address, held.epoch] = fact, subject or held

    def note_server(
        self,
        server: ServerConfig,
        condition: ServerCondition,
        devices: DeviceCondition,
        reason: str = "",
    ) -> None:
        """Note what was found about a server, and with it about its devices."""
        fact = ServerFact(
            id=server.id,
            boot_number=server.boot_number,
            condition=condition,
            reason=reason,
            disk_number=server.disk_number,
        )
        self.servers[server.id] = fact, server
        for nic in server.nics:
            if nic.device is not None:
                self.note_device(nic.device, devices, reason, subject=nic)
        for held in server.devices:
            self.note_device(held, devices, reason)

    def keep_only(self, config: HostConfig) -> None:
        """Drop the facts about what `config` does not name, or names otherwise."""
        named = {server.id: server for server in config.servers}
        for server_id, (_, subject) in list(self.servers.items()):
            if named.get(server_id) != subject:
                del self.servers[server_id]
        self.nics = frozenset(each for each in self.nics if each.server_id in self.servers)
        held = {(device.address, device.epoch) for device in config.releases}
        for server in config.servers:
            held |= {(device.address, device.epoch) for device in server.held_devices}
        for key in self.devices.keys() - held:
            del self.devices[key]


def as_desired(server: ServerConfig) -> ServerCondition:
    """Return the condition of a server of which everything is as desired."""
    return _CONDITIONS[server.wanted_power]


_CONDITIONS: Final = {
    PowerState.RUNNING: ServerCondition.RUNNING,
    PowerState.PAUSED: ServerCondition.PAUSED,
    PowerState.STOPPED: ServerCondition.STOPPED,
}


class Reporter:
    """Tells the control plane what it does not know yet. Reports may be lost: it says it again."""

    def __init__(
        self, *, host: HostName, run_id: str, resources: HostResources, limits: Limits
    ) -> None:
        self.findings = Findings({}, {})
        self.inventory: tuple[OfferedDevice, ...] | None = None  # None: not read yet.
        self.drifts: list[DriftFact] = []
        self.guests: list[GuestFact] = []  # What befell guests, unreported.
        self.consoles: list[ConsoleFact] = []  # That were asked for; a few at a time.
        self.shut_out = ""  # Why the control plane does not listen; empty: it did last.
        self.problem = ""  # Why the host can't be read or acted on at all.
        self.deaf = ""  # Why not all is heard that the host tells by itself.
        self._host = host
        self._run_id = run_id
        self._resources = resources
        self._limits = limits
        self._number = 0
        self._told = Findings({}, {})
        self._told_inventory: tuple[OfferedDevice, ...] | None = None
        self._told_settled: tuple[int, bool] | None = None
        self._told_problem = ""
        self._due: datetime | None = None  # None: at once.
        self._unanswered = False

    def next_due(self, now: datetime) -> datetime:
        """Return when a report is due, if nothing new is found before."""
        return now if self._due is None else self._due

    def report(
        self, transport: Transport, *, generation: int, settled: bool, now: datetime
    ) -> ReportAck | None:
        """Send what is new, or a heartbeat when one is due. None: nothing was sent, or arrived."""
        report = self._compose(generation, settled=settled)
        is_news = (
            report.devices
            or report.servers
            or report.drifts
            or report.taken
            or report.nics
            or report.guests
            or report.consoles
            or report.inventory is not None
            or report.problem != self._told_problem
            or self._told_settled != (generation, settled)
        )
        waiting = self._due is not None and now < self._due
        if waiting and (self._unanswered or not is_news):
            return None
        self._number += 1
        try:
            ack = transport.report(report)
        except TransportFailed as problem:
            if isinstance(problem, ShutOut):
                self.shut_out = str(problem)
            self._unanswered = True
            self._due = now + self._limits.report_retry
            return None
        self._unanswered = False
        self.shut_out = ""
        self._due = now + self._limits.heartbeat
        self._note_told(report, generation, settled=settled)
        if ack.send_all:
            self.forget_told()
            if self.inventory is None:
                self._due = now + self._limits.heartbeat  # There is nothing to tell yet.
        return ack

    def forget_told(self) -> None:
        """Tell everything again."""
        self._told = Findings({}, {})
        self._told_inventory = None
        self._due = None

    def note_drift(self, drift: DriftFact) -> None:
        """Take in a drift for the next report."""
        self.drifts.append(drift)
        del self.drifts[:-DRIFTS_MAX]

    def note_guest(self, server: ServerConfig, fact: GuestFact) -> None:
        """Take in what befell a guest; how its server stands then is told as news."""
        self.guests.append(fact)
        del self.guests[:-DRIFTS_MAX]
        if fact.event.is_end:
            pending = DeviceCondition.PENDING
            self.findings.note_server(server, ServerCondition.PENDING, pending, fact.found)
            self._told.servers.pop(server.id, None)

    def _compose(self, generation: int, *, settled: bool) -> HostReport:
        known, told = self.findings, self._told
        return HostReport(
            host=self._host,
            run_id=self._run_id,
            number=self._number + 1,
            generation=generation,
            resources=self._resources if self._told_inventory is None else None,
            inventory=self.inventory if self._inventory_is_news() else None,
            devices=tuple(
                fact
                for key, (fact, subject) in known.devices.items()
                if told.devices.get(key) != (fact, subject)
            ),
            servers=tuple(
                fact
                for key, (fact, subject) in known.servers.items()
                if told.servers.get(key) != (fact, subject)
            ),
            drifts=tuple(self.drifts),
            taken=tuple(sorted(known.taken - told.taken, key=lambda fact: fact.chosen)),
            nics=tuple(sorted(known.nics - told.nics, key=lambda fact: fact.port_id)),
            guests=tuple(self.guests),
            consoles=tuple(self.consoles),
            problem=self.problem or self.deaf,
            settled=settled,
        )

    def _inventory_is_news(self) -> bool:
        if self.inventory is self._told_inventory:
            return False
        if self.inventory is None or self._told_inventory is None:
            return True
        if not _say_the_same(self.inventory, self._told_inventory):
            return True
        self._told_inventory = self.inventory  # Compared once; the next step finds the same one.
        return False

    def _note_told(self, report: HostReport, generation: int, *, settled: bool) -> None:
        known = self.findings
        self._told = Findings(dict(known.devices), dict(known.servers), known.taken, known.nics)
        del self.drifts[: len(report.drifts)]
        del self.guests[: len(report.guests)]
        self.consoles = []
        if report.inventory is not None:
            self._told_inventory = report.inventory
        self._told_settled = generation, settled
        self._told_problem = report.problem


def _say_the_same(one: tuple[OfferedDevice, ...], other: tuple[OfferedDevice, ...]) -> bool:
    return len(one) == len(other) and all(
        a is b or _lasting(a) == _lasting(b) for a, b in zip(one, other, strict=True)
    )


def _lasting(device: OfferedDevice) -> OfferedDevice:
    """Leave out what changes with every start of a guest: driver and netdev, but of a PF.

    (A PF that is in a guest has lost its VFs, which is news.)
    """
    if device.function.kind is DeviceKind.PF:
        return device
    return replace(device, function=replace(device.function, driver=None, ifname=None))
