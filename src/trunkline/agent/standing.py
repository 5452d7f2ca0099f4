"""Where each server and device of the configuration stands, as far as this run has seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from trunkline.agent.attempts import AttemptBook
from trunkline.agent.limits import Limits
from trunkline.agent.report import Findings, as_desired
from trunkline.domain.ids import ServerId
from trunkline.domain.server import PowerState
from trunkline.reconcile.desired import HeldDevice, HostConfig, ServerConfig
from trunkline.reconcile.observed import DomainPower, DomainState
from trunkline.reconcile.plan import Outcome, Plan, Undo, Unit, UnitKind
from trunkline.reconcile.report import (
    DeviceCondition,
    DriftFact,
    DriftPolicy,
    NicFact,
    ServerCondition,
)

# The outcomes that are no reason to look at a server again.
_AS_IT_WAS: Final = (Outcome.SETTLED, Outcome.UNSEEN, Outcome.FENCED, Outcome.ENDED)
# What waits in these has not been tried: somebody has what is to be changed.
_WAIT_FOR_OTHERS: Final = (UnitKind.MAKE, UnitKind.NETWORK)


@dataclass(frozen=True, slots=True)
class Failure:
    """A server that can't be made so. A changed one is tried anew."""

    server: ServerConfig
    reason: str
    undo: Undo


class Standing:
    """Settled, failed, or neither. All of it can be lost: a new run finds out again."""

    def __init__(
        self, findings: Findings, limits: Limits, drift: DriftPolicy = DriftPolicy.REPAIR
    ) -> None:
        self.attempts = AttemptBook(limits)
        self.failures: dict[ServerId, Failure] = {}
        self.is_settled = False
        self._findings = findings
        self._drift = drift
        self._left_alone: dict[ServerId, tuple[DriftFact, ...]] = {}  # Settled ones, but for that.
        self._networks_left: dict[str, tuple[DriftFact, ...]] = {}  # By name: guests use them.
        self._servers: dict[ServerId, ServerConfig] = {}  # As they were settled last.
        self._reopened: set[ServerId] = set()  # Seen otherwise since: read until settled again.
        self._releases: set[HeldDevice] = set()  # Settled ones.
        self._defined_here: set[ServerId] = set()  # Unknown to libvirt before; never settled.
        self._booted: dict[ServerId, int] = {}  # The boots of which a guest was as desired.

    @property
    def undo(self) -> Mapping[ServerId, Undo]:
        """How far each failed server is to be undone."""
        return {server_id: failure.undo for server_id, failure in self.failures.items()}

    def take_config(self, config: HostConfig) -> None:
        """Drop what a new configuration makes void."""
        servers = {server.id: server for server in config.servers}
        for server_id, failure in list(self.failures.items()):
            if servers.get(server_id) != failure.server:
                del self.failures[server_id]
                # What was told of its devices was told of a refused server: they are looked at
                # again for whatever is wanted of them now.
                self._releases -= set(failure.server.held_devices)
        for server_id in list(self._left_alone):
            if servers.get(server_id) != self._servers.get(server_id):
                del self._left_alone[server_id]
        self._releases &= set(self.releases(config))
        for server_id in self._booted.keys() - servers.keys():
            del self._booted[server_id]
        self._findings.keep_only(config)
        self.is_settled = False

    def forget_settled(self) -> None:
        """Look at everything again."""
        self._servers.clear()
        self._reopened.clear()
        self._releases.clear()
        self._left_alone.clear()

    def settled(self, config: HostConfig) -> frozenset[ServerId]:
        """Return the servers that this run has seen as `config` has them."""
        return frozenset(
            server.id for server in config.servers if self._servers.get(server.id) == server
        )

    def booted(self, config: HostConfig) -> frozenset[ServerId]:
        """Return the servers whose guest this run has seen as desired, in the boot it is now.

        However it was desired then: what is in its memory since is not to be thrown away.
        """
        return frozenset(
            server.id
            for server in config.servers
            if self._booted.get(server.id) == server.boot_number
        )

    def releases(self, config: HostConfig) -> list[HeldDevice]:
        """List the devices to be taken back, those of failed servers among them."""
        undone = [
            device for failure in self.failures.values() for device in failure.server.held_devices
        ]
        return [*config.releases, *undone]

    def open_releases(self, config: HostConfig) -> list[HeldDevice]:
        """List the devices that are not known to be back."""
        return [device for device in self.releases(config) if device not in self._releases]

    def open_servers(
        self, config: HostConfig, domains: Mapping[ServerId, DomainState]
    ) -> list[ServerConfig]:
        """List the servers for which there may be something to do."""
        return [server for server in config.servers if self._is_open(server, domains)]

    def _is_open(self, server: ServerConfig, domains: Mapping[ServerId, DomainState]) -> bool:
        if server.id in self.failures:
            return False
        if not self._is_settled_as(server):
            return True
        domain = domains.get(server.id)
        if domain is None:
            return True
        match server.wanted_power:
            case PowerState.RUNNING:
                return domain.power is not DomainPower.RUNNING
            case PowerState.PAUSED:
                return domain.power is not DomainPower.PAUSED
            case PowerState.STOPPED:
                return domain.power.has_guest

    def _is_settled_as(self, server: ServerConfig) -> bool:
        return self._servers.get(server.id) == server and server.id not in self._reopened

    def was_settled_otherwise(self, unit: Unit) -> bool:
        """Whether the configuration of the unit's server has changed since it was settled."""
        known = self._servers.get(unit.server.id) if unit.server else None
        return known is not None and known != unit.server

    def is_left_alone(self, unit: Unit) -> bool:
        """Whether `unit` would put right what is to be reported only.

        What a run finds at its first look may as well be a change of the configuration that came
        while no agent ran: that is made so under either policy.
        """
        return (
            self._drift is DriftPolicy.REPORT
            and bool(unit.drifts)
            and unit.server is not None
            and self._servers.get(unit.server.id) == unit.server
        )

    def reopen(self, made: Plan) -> None:
        """Have each server that `made` finds unsettled read again until it is seen settled.

        What told of it is told once, and a step may not get to it, or its repair may fail.
        """
        for unit in made.units:
            if unit.server is None or unit.outcome in _AS_IT_WAS:
                continue
            if not self.is_left_alone(unit):
                self._reopened.add(unit.server.id)

    def newly_left_alone(self, made: Plan) -> list[Unit]:
        """Note what is left alone; return the units of which that was not known."""
        news = self._networks_newly_left(made)
        for unit in made.units:
            if unit.server is None or unit.outcome is Outcome.UNSEEN:
                continue
            known = self._left_alone.pop(unit.server.id, None)
            if self.is_left_alone(unit):
                self._left_alone[unit.server.id] = unit.drifts
                if unit.drifts != known:
                    news.append(unit)
        return news

    def _networks_newly_left(self, made: Plan) -> list[Unit]:
        """Return the networks that are not as they should be, and that guests use."""
        left = [unit for unit in made.units if unit.network and unit.outcome is Outcome.WAITING]
        known, self._networks_left = (
            self._networks_left,
            {unit.network: unit.drifts for unit in left},
        )
        return [unit for unit in left if unit.drifts != known.get(unit.network)]

    def note_definition(self, server_id: ServerId) -> None:
        """Note that libvirt did not know this server, and is told of it now."""
        self._defined_here.add(server_id)

    def fail(self, server: ServerConfig, reason: str, *, lacks_disk: bool = False) -> None:
        """Give a server up. One that never ran here leaves nothing behind.

        One that is to be stopped or paused is never given up: there is nothing better to do with it
        than to try again, and a new run, which does not know of the failure, would do so at once.
        Unless it `lacks_disk`, the one that it was rebuilt for: that is to be told.
        """
        if server.wanted_power is not PowerState.RUNNING and not lacks_disk:
            return
        never_ran = server.id in self._defined_here
        undo = Undo.FORGET if never_ran else Undo.STOP
        self.failures[server.id] = Failure(server, reason, undo)
        self._servers.pop(server.id, None)
        self._reopened.discard(server.id)
        self._left_alone.pop(server.id, None)

    def fail_refused(self, made: Plan) -> None:
        """Give up the servers that the plan itself refuses."""
        for unit in made.units:
            if unit.server is not None and unit.outcome is Outcome.REFUSED:
                self.fail(unit.server, unit.reason)

    def conclude(self, config: HostConfig, made: Plan, now: datetime, *, stuck: set[str]) -> None:
        """Draw the facts from the last plan of a step; `stuck` went well and are still to do."""
        for unit in made.units:
            if unit.outcome in (Outcome.SETTLED, Outcome.ENDED) or self.is_left_alone(unit):
                self.attempts.succeeded(unit)
            elif unit.outcome is Outcome.UNSEEN:
                self.attempts.drop_others(unit)
            elif unit.outcome is Outcome.PREPARING:
                self.attempts.begun(unit)
            else:
                self._note_unsettled(unit, now, is_stuck=unit.key in stuck)
        self.attempts.keep_only({unit.key for unit in made.units})
        self._reopened &= {unit.server.id for unit in made.units if unit.server is not None}
        for unit in made.units:
            if unit.kind is UnitKind.SERVE:
                self._conclude_server(unit)
            elif unit.kind is UnitKind.RELEASE:
                self._conclude_release(config, unit)
        self._findings.taken = frozenset(fact for unit in made.units for fact in unit.taken)
        self._findings.nics = frozenset(self._nic_facts(made))
        self._conclude_failures(made)
        self.is_settled = (
            not self.failures
            and all(unit.kind in (UnitKind.RELEASE, UnitKind.SERVE) for unit in made.units)
            and not any(unit.outcome is Outcome.ENDED for unit in made.units)
            and not self._left_alone
            and all(self._is_settled_as(server) for server in config.servers)
            and self._releases.issuperset(config.releases)
        )

    def _nic_facts(self, made: Plan) -> Iterator[NicFact]:
        """Yield the NICs that guests were tried to be given, or to be rid of, to the last."""
        for unit in made.units:
            found = self.attempts.find(unit)
            if unit.nic is None or unit.server_id is None or found is None or not found.gave_up:
                continue
            yield NicFact(
                server_id=unit.server_id,
                boot_number=unit.boot_number,
                port_id=unit.nic.port_id,
                reason=found.reason,
            )

    def _note_unsettled(self, unit: Unit, now: datetime, *, is_stuck: bool) -> None:
        if unit.outcome is Outcome.FENCED or not self.attempts.is_due(unit, now):
            return
        if unit.kind in _WAIT_FOR_OTHERS and unit.outcome is Outcome.WAITING:
            return  # For whoever has the VFs, as long as that takes: nothing was tried.
        if unit.outcome is Outcome.TO_DO and not is_stuck:
            return  # There was no room for it in this step, or it waits for a failed one.
        reason = unit.reason or f"does not settle: {unit.steps[0]}"
        for_good = unit.outcome is Outcome.REFUSED
        found = self.attempts.failed(unit, reason, now, for_good=for_good)
        if found.gave_up and unit.server is not None and not unit.guest_runs:
            self.fail(unit.server, reason)

    def _conclude_server(self, unit: Unit) -> None:
        server = unit.server
        assert server is not None
        if server.id in self.failures or unit.outcome in (Outcome.UNSEEN, Outcome.FENCED):
            return
        if unit.outcome is Outcome.SETTLED or self.is_left_alone(unit):
            self._servers[server.id] = server
            self._reopened.discard(server.id)
            self._defined_here.discard(server.id)
            if server.wanted_power is not PowerState.STOPPED:
                self._booted[server.id] = server.boot_number
            self._findings.note_server(server, as_desired(server), DeviceCondition.READY)
            return
        if unit.outcome is Outcome.ENDED:
            # It stays among those that ran: what is told of it may be answered late.
            ended, pending = ServerCondition.STOPPED, DeviceCondition.PENDING
            self._findings.note_server(server, ended, pending)
            return
        if self._servers.get(server.id) != server:
            # Something may have been done already: the way back to what it was is no drift.
            self._servers.pop(server.id, None)
        found = self.attempts.find(unit)
        begun = unit.outcome is Outcome.PREPARING
        reason = found.reason if found and not begun else unit.reason
        pending = DeviceCondition.PENDING
        self._findings.note_server(server, ServerCondition.PENDING, pending, reason)

    def _conclude_release(self, config: HostConfig, unit: Unit) -> None:
        device = unit.device
        assert device is not None
        if unit.outcome is Outcome.SETTLED:
            self._releases.add(device)
        elif unit.outcome is not Outcome.UNSEEN:
            self._releases.discard(device)
        if device not in config.releases:
            return  # Of a failed server: told with it.
        if unit.outcome is Outcome.SETTLED:
            self._findings.note_device(device, DeviceCondition.CLEAN)
        elif unit.outcome not in (Outcome.UNSEEN, Outcome.FENCED):
            found = self.attempts.find(unit)
            gave_up = found is not None and found.gave_up
            condition = DeviceCondition.DIRTY if gave_up else DeviceCondition.PENDING
            self._findings.note_device(device, condition, found.reason if found else unit.reason)

    def _conclude_failures(self, made: Plan) -> None:
        """Tell that a server failed once nothing of it is left, or what is can't be removed."""
        removals = {unit.server_id for unit in made.units if unit.kind is UnitKind.REMOVE}
        releases = {unit.device: unit for unit in made.units if unit.device is not None}
        for failure in self.failures.values():
            reason, pending = failure.reason, failure.server.id in removals
            for device in failure.server.held_devices:
                if device in self._releases:
                    continue
                unit = releases.get(device)
                found = self.attempts.find(unit) if unit is not None else None
                if found is not None and found.gave_up:
                    reason += f"; {device.address} is not restored: {found.reason}"
                elif unit is None or unit.outcome is not Outcome.FENCED:
                    pending = True
            condition = ServerCondition.PENDING if pending else ServerCondition.FAILED
            devices = DeviceCondition.PENDING if pending else DeviceCondition.REFUSED
            self._findings.note_server(failure.server, condition, devices, reason)
