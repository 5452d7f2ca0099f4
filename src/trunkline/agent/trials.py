"""When and on which VFs drivers are tried out, and what is remembered of that."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from trunkline.agent.journal import JournalFile
from trunkline.agent.observe import Surroundings, pools_of
from trunkline.domain.device import DeviceKind
from trunkline.domain.pci import PciAddress
from trunkline.domain.pf_identity import PfIdentity
from trunkline.reconcile.desired import HostConfig
from trunkline.reconcile.interfaces import DriverTrials, Kernel, TrialOutcome
from trunkline.reconcile.observed import Journal, OriginalState
from trunkline.reconcile.users import ours_of, without_used_and_unfit


class Trials:
    """Has a host's drivers tried out, once each, as soon as there is a VF to try them on."""

    def __init__(
        self, trials: DriverTrials | None, kernel: Kernel, journal: JournalFile, *, retry: timedelta
    ) -> None:
        """Set up; nothing is done yet.

        Args:
            trials: Who tries them; None: what drivers can do is known.
            kernel: The host's.
            journal: Remembers what tried VFs were like.
            retry: How long after one that failed nothing is tried.
        """
        self._trials = trials
        self._kernel = kernel
        self._journal = journal
        self._retry = retry
        self._due: datetime | None = None  # Set once one has failed.

    def try_out(self, around: Surroundings, config: HostConfig, now: datetime) -> bool:
        """Try out drivers that were not, on VFs that nobody has; say whether anything was learned.

        To be called between steps: what a configuration still to come gives to a server is as it
        was by then.
        """
        if self._trials is None or not self._may_try(now):
            return False
        outcome = self._trials.try_out(
            around.functions,
            lambda: nobodys_vfs(around, config, self._journal.current),
            JournalMemory(self._journal),
        )
        self._note(outcome, now)
        return outcome.learned

    def put_back(self, now: datetime) -> None:
        """Bring back what another run was trying drivers out on, before anything is planned."""
        if self._trials is None or not self._journal.current.tried or not self._may_try(now):
            return
        tried = self._journal.current.of_boot(self._kernel.boot_id()).tried
        memory = JournalMemory(self._journal)
        self._note(self._trials.put_back(self._kernel.functions(), tried, memory), now)

    def _may_try(self, now: datetime) -> bool:
        return self._due is None or self._due <= now

    def _note(self, outcome: TrialOutcome, now: datetime) -> None:
        self._due = now + self._retry if outcome.failed else None


def nobodys_vfs(
    around: Surroundings, config: HostConfig, journal: Journal
) -> frozenset[PciAddress]:
    """Return the VFs on offer that nobody has or is about to have, as far as can be known here.

    Those of network pools are libvirt's to give at any moment, and those of a PF that is to go to a
    server whole will be gone. Nothing is written to a card that sits where another one is meant.
    """
    ours = ours_of(
        config, journal, around.domains.values(), around.functions, pools_of(around.offered)
    )
    kept = ours | journal.tried.keys() | _other_cards(around, config)
    return frozenset(
        each.function.address
        for each in without_used_and_unfit(around.offered)
        if each.on_offer
        and each.function.kind is DeviceKind.VF
        and each.network_pool is None
        and kept.isdisjoint({each.function.address, each.function.pf_address})
    )


def _other_cards(around: Surroundings, config: HostConfig) -> frozenset[PciAddress]:
    """Return the PFs that sit where another one is meant, and those that are meant elsewhere."""
    pfs = {
        address: PfIdentity.of(each)
        for address, each in around.functions.items()
        if each.kind is DeviceKind.PF
    }
    found = set()
    for held in config.held_devices:
        if held.pf is None:
            continue
        meant_at = held.pf_address or held.address
        if meant_at in pfs and not held.pf.agrees(pfs[meant_at]):
            found.add(meant_at)
        if held.pf.mac is not None:
            found.update(at for at, pf in pfs.items() if at != meant_at and pf.mac == held.pf.mac)
    return frozenset(found)


class JournalMemory:
    """Satisfies `TrialMemory`: what is being tried is in the journal, as it was before."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def begin(self, before: OriginalState) -> None:
        """See `TrialMemory.begin`. Raises `JournalUnwritable`."""
        journal = self._file.current
        self._file.save(replace(journal, tried={**journal.tried, before.address: before}))

    def end(self, vf: PciAddress) -> None:
        """See `TrialMemory.end`. Raises `JournalUnwritable`."""
        journal = self._file.current
        left = {address: each for address, each in journal.tried.items() if address != vf}
        self._file.save(replace(journal, tried=left))
