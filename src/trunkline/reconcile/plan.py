"""plan(desired, observed): what a host should do next, in a safe order; nothing when they agree.

A plan is made of units. Each belongs to one server or one device; when a step of a unit fails, the
rest of that unit is not tried, and the other units are. VFs that are not there yet are made first.
Guests that don't belong here go, then devices are taken back, then servers get theirs.

A plan ends where something is begun that takes its time (a disk, the start or the end of a guest).
As long as it is under way there is nothing to do; the plan after that goes on from what is there.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from trunkline.domain.device import DeviceKind
from trunkline.domain.errors import ErrorKind, TrunklineError
from trunkline.domain.ids import ServerId
from trunkline.domain.pci import PciAddress
from trunkline.reconcile.desired import HeldDevice, HostConfig, NicConfig, ServerConfig
from trunkline.reconcile.domain_xml import NO_POOLS, DomainOptions, Pools
from trunkline.reconcile.network_pools import plan_networks, wanted_networks
from trunkline.reconcile.nic_steps import Suspend
from trunkline.reconcile.observed import Addition, DomainState, HostState
from trunkline.reconcile.plugging import plan_plug, plan_unplug
from trunkline.reconcile.pool_devices import plan_strays
from trunkline.reconcile.release import plan_release, plan_stray
from trunkline.reconcile.report import DriftFact, TakenFact
from trunkline.reconcile.serve import plan_server
from trunkline.reconcile.steps import (
    DeleteFiles,
    Destroy,
    ReadBack,
    Resume,
    SetVf,
    Step,
    Undefine,
)
from trunkline.reconcile.taps import plan_leftovers
from trunkline.reconcile.vf_counts import plan_making, plan_vf_count
from trunkline.reconcile.view import Outcome, Undo, Verdict, View
from trunkline.vif.registry import VifRegistry

__all__ = ["OlderGeneration", "Outcome", "Plan", "Undo", "Unit", "UnitKind", "plan"]


class OlderGeneration(TrunklineError):
    """The configuration is older than one that this host has acted on."""

    code = "host.older_generation"
    kind = ErrorKind.CONFLICT

    def __init__(self, *, generation: int, seen_generation: int) -> None:
        super().__init__(
            f"generation {generation} is refused: this host has seen {seen_generation}"
        )
        self.generation = generation
        self.seen_generation = seen_generation


class UnitKind(enum.Enum):
    """What a unit is for."""

    MAKE = "make"  # The VFs of a PF that has none.
    REMOVE = "remove"  # A guest that does not belong here, or whose server failed.
    RELEASE = "release"  # A device on its way back to its original state.
    NETWORK = "network"  # A libvirt network that makes a network pool.
    TIDY = "tidy"  # What was added to bridges and PFs for servers, and none needs any more.
    SERVE = "serve"  # A server that belongs here.
    PLUG = "plug"  # A NIC that a running guest lacks.
    UNPLUG = "unplug"  # A NIC that a running guest is to lose.


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What is to be done for one server or one device."""

    kind: UnitKind
    outcome: Outcome
    steps: tuple[Step, ...] = ()
    reason: str = ""  # Of WAITING, REFUSED and FENCED.
    server_id: ServerId | None = None
    server: ServerConfig | None = None  # SERVE only.
    device: HeldDevice | None = None  # RELEASE; MAKE: the PF.
    devices: frozenset[PciAddress] = frozenset()  # What it touches: a failure stops later units.
    guest_runs: bool = False  # SERVE: the guest was seen running, and may go on.
    drifts: tuple[DriftFact, ...] = ()
    taken: tuple[TakenFact, ...] = ()
    network: str = ""  # NETWORK: its name.
    addition: Addition | None = None  # TIDY: what goes.
    nic: NicConfig | None = None  # PLUG and UNPLUG.
    boot_number: int = 0  # PLUG and UNPLUG: of the guest.

    @property
    def key(self) -> str:
        """Names the unit from one plan to the next."""
        if self.device is not None:
            return f"{self.kind.value} {self.device.address} epoch {self.device.epoch}"
        if self.nic is not None:
            return f"{self.kind.value} port {self.nic.port_id} of server {self.server_id}"
        if self.kind is UnitKind.NETWORK:
            return f"{self.kind.value} {self.network}"
        if self.kind is UnitKind.TIDY:
            return f"{self.kind.value} {self.addition}"
        return f"{self.kind.value} server {self.server_id}"

    @property
    def leaves_guests_alone(self) -> bool:
        """Whether a guest runs as it does, whatever comes of this: what it has is put right."""
        return self.guest_runs and not any(
            isinstance(step, Resume | Suspend) for step in self.steps
        )

    @property
    def changes_rates_alone(self) -> bool:
        """Whether it writes nothing but minimum and maximum rates of VFs."""
        writes = [step for step in self.steps if not isinstance(step, ReadBack)]
        return bool(writes) and all(
            isinstance(step, SetVf)
            and replace(step.change, min_tx_rate_mbps=None, max_tx_rate_mbps=None).is_empty
            for step in writes
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """Units in the order in which they may be done."""

    units: tuple[Unit, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return the steps of all units."""
        return tuple(step for unit in self.units for step in unit.steps)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do: all is as desired, or can't be acted on."""
        return not any(unit.steps for unit in self.units)

    def __str__(self) -> str:
        return "\n".join(_lines(unit) for unit in self.units if unit.steps or unit.reason)


def plan(
    desired: HostConfig,
    observed: HostState,
    *,
    vif_types: VifRegistry,
    options: DomainOptions | None = None,
    failed: Mapping[ServerId, Undo] | None = None,
    ran: Collection[ServerId] = (),
    booted: Collection[ServerId] = (),
    vf_counts: Mapping[PciAddress, int] | None = None,
    pools: Pools = NO_POOLS,
) -> Plan:
    """Return what turns `observed` into `desired`.

    Args:
        desired: What should be true on this host.
        observed: One observation. VFs of PFs that were not read are left out of account: what
            depends on them comes out as UNSEEN.
        vif_types: How each NIC is realised.
        options: What the host's domains have in common.
        failed: Servers of `desired` that can't be made so: they are undone, their devices taken
            back as if `desired` released them.
        ran: Servers of `desired` that have been seen to run as they are there. If the guest of one
            has powered itself off since, it is not started again.
        booted: Servers whose guest has been seen as desired since it was started, whatever was
            desired then. One that is suspended is never ended because it can't go on just now.
        vf_counts: How many VFs PFs are to have that have none.
        pools: The network pools that VFs are in.

    Raises:
        OlderGeneration: The journal has seen a newer generation.
    """
    if desired.generation < observed.journal.generation:
        raise OlderGeneration(
            generation=desired.generation, seen_generation=observed.journal.generation
        )
    view = View.of(
        desired, observed, vif_types, options or DomainOptions(), failed or {}, ran, booted,
        pools, wanted_networks(observed.functions, pools, observed.domains.values()),
    )  # fmt: skip
    units = [*_vf_counts(view, desired, vf_counts or {})]
    units += [_removal(view, server_id, undo) for server_id, undo in view.removals.items()]
    units += [_orphan(server_id) for server_id in view.orphans]
    # VFs before PFs: a PF may have to wait for the last of its VFs. What belongs to nobody first: a
    # release of a pool's VF waits for it.
    for device in plan_strays(view):
        units.append(_release(view, device, plan_stray(view, device)))
    for device in sorted(view.releases, key=lambda held: (held.vf_index is None, held.address)):
        units.append(_release(view, device, plan_release(view, device)))
    units += [
        Unit(kind=UnitKind.TIDY, outcome=Outcome.TO_DO, steps=steps, addition=addition)
        for addition, steps in plan_leftovers(view)
    ]
    units += [
        Unit(
            kind=UnitKind.NETWORK,
            outcome=verdict.outcome,
            steps=verdict.steps,
            reason=verdict.reason,
            network=name,
            drifts=verdict.drifts,
        )
        for name, verdict in plan_networks(view)
    ]
    for server in view.servers:
        units += _service(view, server)
    settled = (UnitKind.REMOVE, Outcome.SETTLED)
    return Plan(tuple(unit for unit in units if (unit.kind, unit.outcome) != settled))


def _release(view: View, device: HeldDevice, verdict: Verdict) -> Unit:
    if verdict.outcome is not Outcome.SETTLED:
        view.unsettled[device.address] = verdict.outcome
    return Unit(
        kind=UnitKind.RELEASE,
        outcome=verdict.outcome,
        steps=verdict.steps,
        reason=verdict.reason,
        device=device,
        devices=frozenset({device.address}),
    )


def _service(view: View, server: ServerConfig) -> Iterator[Unit]:
    verdict = plan_server(view, server)
    yield Unit(
        kind=UnitKind.SERVE,
        outcome=verdict.outcome,
        steps=verdict.steps,
        reason=verdict.reason,
        server_id=server.id,
        server=server,
        devices=frozenset(held.address for held in server.held_devices),
        guest_runs=verdict.guest_runs,
        drifts=verdict.drifts,
        taken=verdict.taken,
    )
    for nic in verdict.to_unplug:
        yield _of_nic(view, server, nic, UnitKind.UNPLUG, plan_unplug)
    for nic in verdict.to_plug:
        yield _of_nic(view, server, nic, UnitKind.PLUG, plan_plug)


def _of_nic(
    view: View,
    server: ServerConfig,
    nic: NicConfig,
    kind: UnitKind,
    plan_nic: Callable[[View, ServerConfig, NicConfig, DomainState], Verdict],
) -> Unit:
    verdict = plan_nic(view, server, nic, view.observed.domains[server.id])
    return Unit(
        kind=kind,
        outcome=verdict.outcome,
        steps=verdict.steps,
        reason=verdict.reason,
        server_id=server.id,
        devices=frozenset({nic.device.address} if nic.device is not None else ()),
        nic=nic,
        boot_number=server.boot_number,
    )


def _vf_counts(
    view: View, desired: HostConfig, by_spec: Mapping[PciAddress, int]
) -> Iterator[Unit]:
    """Give PFs their VFs: as many as an operator has said; a PF with none, as a spec says."""
    said = {each.pf: each for each in desired.vf_counts}
    for address in sorted({*said, *by_spec}):
        each = said.get(address)
        if each is None:
            verdict = plan_making(view, address, by_spec[address])
        else:
            verdict = plan_vf_count(view, each)
        if verdict.outcome is Outcome.SETTLED:
            continue
        held = HeldDevice(
            address=address, kind=DeviceKind.PF, epoch=0, pf_address=None, vf_index=None
        )
        yield Unit(
            kind=UnitKind.MAKE,
            outcome=verdict.outcome,
            steps=verdict.steps,
            reason=verdict.reason,
            device=held,
            devices=frozenset({address}),
            drifts=verdict.drifts,
        )


def _removal(view: View, server_id: ServerId, undo: Undo) -> Unit:
    domain = view.observed.domains[server_id]
    steps: tuple[Step, ...] = ()
    outcome = Outcome.SETTLED
    if domain.doing:
        outcome = Outcome.PREPARING
    elif domain.power.has_guest:
        outcome, steps = Outcome.TO_DO, (Destroy(server_id),)
    elif undo is Undo.FORGET:
        outcome, steps = Outcome.TO_DO, (Undefine(server_id),)
    return Unit(
        kind=UnitKind.REMOVE,
        outcome=outcome,
        steps=steps,
        reason=domain.doing,
        server_id=server_id,
        devices=view.held_by(domain),
    )


def _orphan(server_id: ServerId) -> Unit:
    """Take away what was made for a server which has gone before it was defined."""
    return Unit(
        kind=UnitKind.REMOVE,
        outcome=Outcome.TO_DO,
        steps=(DeleteFiles(server_id),),
        server_id=server_id,
    )


def _lines(unit: Unit) -> str:
    subject = unit.server_id if unit.device is None else unit.device.address
    title = f"# {unit.kind.value} {subject or unit.network or 'bridges'}"
    if unit.reason:
        title += f": {unit.outcome.value}, {unit.reason}"
    return "\n".join([title, *map(str, unit.steps)])
