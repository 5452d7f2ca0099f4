"""Doing what a plan says, step by step. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, assert_never

from trunkline.agent.journal import JournalFile
from trunkline.reconcile.interfaces import HostRefused, Hypervisor, Kernel, Storage
from trunkline.reconcile.observed import Journal
from trunkline.reconcile.steps import (
    DefineDomain,
    DeleteDisk,
    Destroy,
    ForgetOriginal,
    JournalStep,
    MakeDisk,
    ReadBack,
    ReadBackName,
    ReadBackVfCount,
    RememberEpoch,
    RememberOriginal,
    RenameNetdev,
    Resume,
    SetVf,
    SetVfCount,
    StartPaused,
    Step,
    StorageStep,
    Undefine,
    WriteConfigDrive,
    differences,
)


class NotAsWritten(HostRefused):
    """What was read back is not what was written, though the write was acknowledged.

    Worth another try: some drivers come to a VF later than they say (i40e, in a VF reset).
    """

    code = "host.not_as_written"

    def __init__(self, operation: str, problem: str) -> None:
        super().__init__(operation, problem, transient=True)


class Probe(Protocol):
    """Is told where the agent stands. Tests end the process there; a demo prints."""

    def reached(self, point: str) -> None:
        """Be told that the agent has come to `point`, e.g. ``before virsh resume …``."""
        ...


class NoProbe:
    """Takes no notice."""

    def reached(self, point: str) -> None:
        """Do nothing."""


def apply_steps(
    steps: Sequence[Step],
    *,
    kernel: Kernel,
    hypervisor: Hypervisor,
    journal: JournalFile,
    probe: Probe,
    storage: Storage | None = None,
) -> None:
    """Apply `steps` in order; the first that fails ends it.

    Journal steps in a row are stored together, before the step that follows them.

    Raises:
        HostRefused: A step was refused, or did not have its effect.
        JournalUnwritable: The journal could not be stored.
    """
    remembered = journal.current
    for step in steps:
        if isinstance(step, RememberEpoch | RememberOriginal | ForgetOriginal):
            remembered = _noted(remembered, step)
            continue
        _store(journal, remembered, probe)
        probe.reached(f"before {step}")
        if isinstance(step, StorageStep):
            assert storage is not None, "a host without storage plans no disks"
            _store_files(step, storage)
        else:
            _apply(step, kernel, hypervisor)
        probe.reached(f"after {step}")
    _store(journal, remembered, probe)


def _store(journal: JournalFile, remembered: Journal, probe: Probe) -> None:
    if remembered != journal.current:
        probe.reached("before journal")
        journal.save(remembered)
        probe.reached("after journal")


def _noted(journal: Journal, step: JournalStep) -> Journal:
    match step:
        case RememberEpoch(address=address, epoch=epoch):
            return replace(journal, epochs={**journal.epochs, address: epoch})
        case RememberOriginal(original):
            return replace(journal, originals={**journal.originals, original.address: original})
        case ForgetOriginal(address):
            kept = {key: value for key, value in journal.originals.items() if key != address}
            return replace(journal, originals=kept, unknown=journal.unknown - {address})
        case _:
            assert_never(step)


def _store_files(step: StorageStep, storage: Storage) -> None:
    match step:
        case MakeDisk():
            storage.make_disk(step)
        case WriteConfigDrive():
            storage.write_config_drive(step)
        case DeleteDisk(server_id):
            storage.delete(server_id)
        case _:
            assert_never(step)


def _apply(step: Step, kernel: Kernel, hypervisor: Hypervisor) -> None:
    match step:
        case SetVf(pf=pf, vf_index=vf_index, change=change):
            kernel.set_vf(pf, vf_index, change)
        case SetVfCount(pf, count):
            kernel.set_vf_count(pf, count)
        case RenameNetdev(old=old, new=new):
            kernel.rename_netdev(old, new)
        case DefineDomain(xml=xml):
            hypervisor.define(xml)
        case StartPaused(server_id):
            hypervisor.start_paused(server_id)
        case Resume(server_id):
            hypervisor.resume(server_id)
        case Destroy(server_id):
            hypervisor.destroy(server_id)
        case Undefine(server_id):
            hypervisor.undefine(server_id)
        case ReadBack():
            _read_back(step, kernel)
        case ReadBackVfCount(pf, count):
            function = kernel.functions().get(pf)
            found = None if function is None else function.vf_count
            _expect(step, f"{pf} has {found} VFs, not {count}", holds=found == count)
        case ReadBackName(address, ifname):
            function = kernel.functions().get(address)
            name = None if function is None else function.ifname
            _expect(step, f"the netdev of {address} is {name}, not {ifname}", holds=name == ifname)
        case (
            RememberEpoch()
            | RememberOriginal()
            | ForgetOriginal()
            | MakeDisk()
            | DeleteDisk()
            | WriteConfigDrive()
        ):
            raise AssertionError("neither journal nor files are kernel or hypervisor")
        case _:
            assert_never(step)


def _read_back(step: ReadBack, kernel: Kernel) -> None:
    found = kernel.vf_settings(step.pf)
    problems = []
    for vf_index, expected in step.expected:
        if vf_index not in found:
            problems.append(f"VF {vf_index} is not reported")
        else:
            wrong = differences(expected=expected, found=found[vf_index])
            problems += [f"VF {vf_index}: {each}" for each in wrong]
    _expect(step, "; ".join(problems), holds=not problems)


def _expect(step: Step, problem: str, *, holds: bool) -> None:
    if not holds:
        raise NotAsWritten(str(step).partition("  #")[0], f"read back after writing: {problem}")
