"""View: desired and observed side by side, with the questions that plans ask of both."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from trunkline.domain.device import DeviceKind, PciFunction
from trunkline.domain.ids import ServerId
from trunkline.domain.network_pool import PoolNetwork
from trunkline.domain.pci import PciAddress
from trunkline.domain.pf_identity import PfIdentity
from trunkline.domain.vf import VfSettings
from trunkline.reconcile.desired import HeldDevice, HostConfig, NicConfig, ServerConfig
from trunkline.reconcile.domain_xml import NO_POOLS, DomainOptions, Pools
from trunkline.reconcile.observed import DomainState, HostState
from trunkline.reconcile.report import DriftFact, TakenFact
from trunkline.reconcile.steps import Step
from trunkline.vif.registry import VifRegistry


class Outcome(enum.Enum):
    """What planning for one server or device came to."""

    SETTLED = "settled"  # As desired; there is nothing to do.
    TO_DO = "to do"
    WAITING = "waiting"  # For something that should change by itself, or by another unit.
    PREPARING = "preparing"  # For something slow that is under way here, and will be news.
    REFUSED = "refused"  # Can't be made so.
    FENCED = "fenced"  # Of an older epoch than this host has acted on: not to be touched.
    ENDED = "ended"  # Its guest has powered itself off: that is to be told, not undone.
    UNSEEN = "unseen"  # Not looked at in this observation.


class Undo(enum.Enum):
    """How far the domain of a failed server is taken away."""

    STOP = "stop"  # Stopped; its definition and its disk stay: it had run before.
    FORGET = "forget"  # Undefined, its new disk deleted.


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """An outcome with what belongs to it."""

    outcome: Outcome
    steps: tuple[Step, ...] = ()
    reason: str = ""
    guest_runs: bool = False
    drifts: tuple[DriftFact, ...] = ()
    taken: tuple[TakenFact, ...] = ()
    to_plug: tuple[NicConfig, ...] = ()  # What the guest, which runs, is yet to get,
    to_unplug: tuple[NicConfig, ...] = ()  # and what it is to lose.


class Unplanned(Exception):
    """Planning can't go on. For use between the planning modules only."""

    outcome: ClassVar[Outcome]

    @property
    def verdict(self) -> Verdict:
        """What planning came to by it, unless the planner knows better."""
        return Verdict(outcome=self.outcome, reason=str(self))


class Waiting(Unplanned):
    """Something should change first."""

    outcome = Outcome.WAITING


class Preparing(Unplanned):
    """Something slow is under way."""

    outcome = Outcome.PREPARING


class Refused(Unplanned):
    """It can't be done."""

    outcome = Outcome.REFUSED


class Unseen(Unplanned):
    """What is needed was not read."""

    outcome = Outcome.UNSEEN


@dataclass(slots=True)
class View:
    """One plan's working space. Nothing outside `reconcile` sees it."""

    observed: HostState
    vif_types: VifRegistry
    options: DomainOptions
    servers: tuple[ServerConfig, ...]  # To be served.
    releases: tuple[HeldDevice, ...]  # To be taken back, those of failed servers among them.
    removals: Mapping[ServerId, Undo]  # Domains to be taken away.
    orphans: tuple[ServerId, ...]  # Disks of no domain, made for a server that is not to be here.
    fences: Mapping[PciAddress, int]  # The epoch below which a device must not be touched.
    owners: Mapping[PciAddress, ServerId]  # Of the devices of `servers`.
    ran: Collection[ServerId] = ()  # Whose guests this run has seen run as they should.
    booted: Collection[ServerId] = ()  # Likewise, however they were to run then.
    pools: Pools = field(default_factory=dict)  # The network pools that VFs are in.
    networks: Mapping[str, PoolNetwork] = field(default_factory=dict)  # That make these pools.
    # Releases that are not done yet.
    unsettled: dict[PciAddress, Outcome] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        desired: HostConfig,
        observed: HostState,
        vif_types: VifRegistry,
        options: DomainOptions,
        failed: Mapping[ServerId, Undo],
        ran: Collection[ServerId],
        booted: Collection[ServerId],
        pools: Pools = NO_POOLS,
        networks: Mapping[str, PoolNetwork] | None = None,
    ) -> View:
        """Sort out who is to have what."""
        servers = tuple(server for server in desired.servers if server.id not in failed)
        undone = (
            held
            for server in desired.servers
            if server.id in failed
            for held in server.held_devices
        )
        wanted = {server.id for server in servers}
        fences = dict(observed.journal.epochs)
        for held in desired.held_devices:
            fences[held.address] = max(fences.get(held.address, 0), held.epoch)
        owners: dict[PciAddress, ServerId] = {}
        for server in servers:
            for held in server.held_devices:
                if held.epoch >= fences[held.address]:
                    owners.setdefault(held.address, server.id)
        return cls(
            observed=observed,
            vif_types=vif_types,
            options=options,
            servers=servers,
            releases=(*desired.releases, *undone),
            removals={
                server_id: failed.get(server_id, Undo.FORGET)
                for server_id in sorted(observed.domains)
                if server_id not in wanted
            },
            orphans=_orphaned_files(desired, observed, failed),
            fences=fences,
            owners=owners,
            ran=ran,
            booted=booted,
            pools=pools,
            networks=networks or {},
        )

    def function(self, held: HeldDevice) -> PciFunction | None:
        """Return the function that `held` names; None: the host does not have it (there).

        Raises:
            Refused: It is of another kind.
            Waiting: Others have it, or a VF of it.
        """
        function = self.observed.functions.get(held.address)
        if self.is_another_card(held.pf_address or held.address, held.pf):
            return None  # It sits where the one that is meant was.
        if function is not None and function.kind is not held.kind:
            raise Refused(f"{held.address} is a {function.kind.name}, not a {held.kind.name}")
        if function is not None and function.used_by:
            raise Waiting(f"{held.address} is in use by others: {function.used_by}")
        return function

    def is_another_card(self, address: PciAddress, meant: PfIdentity | None) -> bool:
        """Whether the PF at an address is known not to be the one that is meant."""
        pf = self.observed.functions.get(address)
        return meant is not None and pf is not None and not meant.agrees(PfIdentity.of(pf))

    def pf_and_settings(self, vf: PciFunction) -> tuple[PciFunction, int, VfSettings]:
        """Return a VF's PF, its index there as sysfs tells it, and its settings.

        Raises:
            Waiting: They could not be read.
            Unseen: They were not read.
        """
        assert vf.pf_address is not None
        assert vf.vf_index is not None
        problem = self.observed.unreadable_pfs.get(vf.pf_address)
        if problem is not None:
            raise Waiting(f"the VFs of {vf.pf_address} can't be read: {problem}")
        read = self.observed.vf_settings.get(vf.pf_address)
        if read is None:
            raise Unseen
        if vf.vf_index not in read:
            raise Waiting(f"{vf.pf_address} does not report its VF {vf.vf_index}")
        return self.observed.functions[vf.pf_address], vf.vf_index, read[vf.vf_index]

    def held_by(self, domain: DomainState) -> frozenset[PciAddress]:
        """Return the devices that the guest of `domain` has, or that its macvtaps are on."""
        under_macvtaps = (
            function.address
            for function in self.observed.functions.values()
            if function.ifname is not None and function.ifname in domain.ifnames
        )
        return domain.devices.union(domain.coming, under_macvtaps if domain.ifnames else ())

    def holder(self, address: PciAddress, *, besides: ServerId | None = None) -> DomainState | None:
        """Return the domain whose guest has this device."""
        for domain in self.observed.domains.values():
            if domain.server_id != besides and address in self.held_by(domain):
                return domain
        return None

    def require_free(self, address: PciAddress, *, besides: ServerId | None = None) -> None:
        """Pass if no guest has this device, but that of `besides`.

        Raises:
            Preparing: One has it that is to go, or is going.
            Waiting: Another one has it.
        """
        pool = self.pools.get(address)
        busy = None if pool is None else self.busy_with(pool.name, besides=besides)
        if busy is not None:
            raise Preparing(f"{address} may be server {busy.server_id}'s: {busy.doing}")
        domain = self.holder(address, besides=besides)
        if domain is None:
            return
        reason = f"{address} is still held by the guest of server {domain.server_id}"
        if domain.doing:
            raise Preparing(f"{reason}: {domain.doing}")
        if domain.server_id in self.removals:
            raise Preparing(f"{reason}, which is to go")
        raise Waiting(reason)

    def require_settled(self, address: PciAddress, name: str) -> None:
        """Pass unless a device is still to be taken back; `name` names it in the reason.

        Raises:
            Preparing: What has it is coming to its end.
            Waiting: It is not as it was.
        """
        outcome = self.unsettled.get(address)
        if outcome is None:
            return
        reason = f"{name} is still being taken back"
        raise Preparing(reason) if outcome is Outcome.PREPARING else Waiting(reason)

    def busy_with(self, network: str, *, besides: ServerId | None = None) -> DomainState | None:
        """Return a domain of which libvirt starts or ends the guest, with NICs of a network pool.

        Which devices of the pool it has next is not to be known meanwhile.
        """
        for domain in self.observed.domains.values():
            if not domain.doing or domain.server_id == besides:
                continue
            held = (self.pools.get(address) for address in self.held_by(domain))
            if network in domain.networks or any(pool and pool.name == network for pool in held):
                return domain
        return None

    def may_have_guest(self, server_id: ServerId) -> bool:
        """See `DomainState.may_have_guest`; without a domain there is no guest."""
        domain = self.observed.domains.get(server_id)
        return domain is not None and domain.may_have_guest

    def vfs_of(self, pf: PciAddress) -> Iterator[PciFunction]:
        """Yield the VFs that a PF has."""
        for function in self.observed.functions.values():
            if function.kind is DeviceKind.VF and function.pf_address == pf:
                yield function

    def is_fenced(self, held: HeldDevice) -> bool:
        """Whether a newer owner than the one `held` speaks of has had the device."""
        return held.epoch < self.fences.get(held.address, 0)


def fenced(held: HeldDevice, view: View) -> Verdict:
    """Return the verdict about a device that has a newer owner."""
    newest = view.fences[held.address]
    return Verdict(
        outcome=Outcome.FENCED,
        reason=f"epoch {held.epoch} of {held.address} is over, it is at {newest}",
    )


def _orphaned_files(
    desired: HostConfig, observed: HostState, failed: Mapping[ServerId, Undo]
) -> tuple[ServerId, ...]:
    kept = {each.id for each in desired.servers if failed.get(each.id) is not Undo.FORGET}
    return tuple(
        server_id
        for server_id, files in sorted((observed.files or {}).items())
        if not files.doing and server_id not in kept and server_id not in observed.domains
    )
