"""Doing what a plan says, step by step. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, assert_never

from trunkline.agent.journal import JournalFile
from trunkline.domain.bridge import BridgePort, describe_port
from trunkline.domain.pci import PciAddress
from trunkline.reconcile.interfaces import HostRefused, Hypervisor, Kernel, Storage
from trunkline.reconcile.nic_steps import PlugNic, Suspend, UnplugNic
from trunkline.reconcile.observed import Journal, UplinkVlan
from trunkline.reconcile.steps import (
    BridgeCheck,
    DefineDomain,
    DefineNetwork,
    DeleteFiles,
    Destroy,
    DestroyNetwork,
    ForgetAddition,
    ForgetOriginal,
    JournalStep,
    MakeDisk,
    NetworkStep,
    ReadBack,
    ReadBackName,
    ReadBackNetdevMac,
    ReadBackPfAddress,
    ReadBackTap,
    ReadBackUplink,
    ReadBackVfCount,
    ReloadVfDriver,
    RememberAddition,
    RememberEpoch,
    RememberOriginal,
    RenameNetdev,
    Resume,
    SetPfAddress,
    SetPfUp,
    SetPortVlan,
    SetVf,
    SetVfCount,
    StartNetwork,
    StartPaused,
    Step,
    StorageStep,
    Undefine,
    UndefineNetwork,
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
        if isinstance(step, JournalStep):
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
        case RememberAddition(addition):
            if isinstance(addition, UplinkVlan):
                return replace(journal, uplink_vlans=journal.uplink_vlans | {addition})
            return replace(journal, pf_addresses=journal.pf_addresses | {addition})
        case ForgetAddition(addition):
            if isinstance(addition, UplinkVlan):
                return replace(journal, uplink_vlans=journal.uplink_vlans - {addition})
            return replace(journal, pf_addresses=journal.pf_addresses - {addition})
        case _:
            assert_never(step)


def _store_files(step: StorageStep, storage: Storage) -> None:
    match step:
        case MakeDisk():
            storage.make_disk(step)
        case WriteConfigDrive():
            storage.write_config_drive(step)
        case DeleteFiles(server_id):
            storage.delete(server_id)
        case _:
            assert_never(step)


def _apply(step: Step, kernel: Kernel, hypervisor: Hypervisor) -> None:
    match step:
        case SetVf(pf=pf, vf_index=vf_index, change=change):
            kernel.set_vf(pf, vf_index, change)
        case SetVfCount(pf, count):
            kernel.set_vf_count(pf, count)
        case SetPfUp(pf=pf):
            kernel.set_pf_up(pf)
        case RenameNetdev(old=old, new=new):
            kernel.rename_netdev(old, new)
        case ReloadVfDriver(address):
            kernel.reload_vf_driver(address)
        case DefineDomain(xml=xml):
            hypervisor.define(xml)
        case StartPaused(server_id):
            hypervisor.start_paused(server_id)
        case Resume(server_id):
            hypervisor.resume(server_id)
        case Suspend(server_id):
            hypervisor.suspend(server_id)
        case PlugNic():
            hypervisor.plug(step)
        case UnplugNic():
            hypervisor.unplug(step)
        case Destroy(server_id):
            hypervisor.destroy(server_id)
        case Undefine(server_id):
            hypervisor.undefine(server_id)
        case DefineNetwork() | StartNetwork() | DestroyNetwork() | UndefineNetwork():
            _apply_to_network(step, hypervisor)
        case ReadBack():
            _read_back(step, kernel)
        case ReadBackVfCount(pf, count):
            function = kernel.functions().get(pf)
            found = None if function is None else function.vf_count
            _expect(step, f"{pf} has {found} VFs, not {count}", holds=found == count)
        case ReadBackName(address, ifname):
            name = _netdev_of(kernel, address)
            _expect(step, f"the netdev of {address} is {name}, not {ifname}", holds=name == ifname)
        case ReadBackNetdevMac(address, mac):
            name = _netdev_of(kernel, address)
            has = None if name is None else kernel.netdev_mac(name)
            _expect(step, f"the netdev of {address} has MAC {has}, not {mac}", holds=has == mac)
        case SetPortVlan(ifname=ifname, vlan_id=vlan_id, untagged=untagged, member=member):
            kernel.set_port_vlan(ifname, vlan_id, untagged=untagged, member=member)
        case SetPfAddress(pf_ifname=ifname, mac=mac, present=present):
            kernel.set_pf_address(ifname, mac, present=present)
        case ReadBackTap() | ReadBackUplink() | ReadBackPfAddress():
            _read_back_bridge(step, kernel)
        case (
            RememberEpoch()
            | RememberOriginal()
            | ForgetOriginal()
            | RememberAddition()
            | ForgetAddition()
            | MakeDisk()
            | DeleteFiles()
            | WriteConfigDrive()
        ):
            raise AssertionError("neither journal nor files are kernel or hypervisor")
        case _:
            assert_never(step)


def _netdev_of(kernel: Kernel, address: PciAddress) -> str | None:
    function = kernel.functions().get(address)
    return None if function is None else function.ifname


def _apply_to_network(step: NetworkStep, hypervisor: Hypervisor) -> None:
    match step:
        case DefineNetwork(xml=xml):
            hypervisor.define_network(xml)
        case StartNetwork(name):
            hypervisor.start_network(name)
        case DestroyNetwork(name):
            hypervisor.destroy_network(name)
        case UndefineNetwork(name):
            hypervisor.undefine_network(name)


def _read_back_bridge(step: BridgeCheck, kernel: Kernel) -> None:
    match step:
        case ReadBackTap(bridge=bridge, ifname=ifname, vlan_id=vlan_id):
            port = _port(kernel, step, bridge, ifname)
            problem = f"{ifname} has {describe_port(port)}"
            _expect(step, problem, holds=port.carries_alone(vlan_id))
        case ReadBackUplink(vlan, member):
            port = _port(kernel, step, vlan.bridge, vlan.ifname)
            problem = f"{vlan.ifname} has {describe_port(port)}"
            holds = port.carries_tagged(vlan.vlan_id) if member else vlan.vlan_id not in port.vlans
            _expect(step, problem, holds=holds)
        case ReadBackPfAddress(pf=pf, pf_ifname=ifname, mac=mac, present=present):
            there = mac in kernel.pf_addresses(pf)
            problem = f"{mac} is {'still' if there else 'not'} in the table of {ifname}"
            _expect(step, problem, holds=there == present)


def _port(kernel: Kernel, step: Step, bridge: str, ifname: str) -> BridgePort:
    found = kernel.bridges([bridge]).get(bridge)
    port = None if found is None else found.ports.get(ifname)
    if port is None:
        raise NotAsWritten(_command(step), f"{ifname} is no port of {bridge}")
    return port


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
        raise NotAsWritten(_command(step), f"read back after writing: {problem}")


def _command(step: Step) -> str:
    return str(step).partition("  #")[0]
