"""One simulated host with a real agent, and a control plane of a few lines.

0000:05:00.0  eth2  igb        VFs 0000:05:10.0, .2, .4, .6
0000:82:00.0  eth3  mlx5_core  VFs 0000:82:00.2 .. .5
0000:c1:00.0  a GPU (nvidia)
br-phy1
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import msgspec

from tests.contract.machines import OTHER_PF, PF, Machine, a_pf, fake_machine
from tests.reconcile.scenes import HOST, VIF_TYPES, a_config, a_nic, a_server
from tests.support.tried_kernel import TellingKernel
from trunkline.agent.apply import Probe
from trunkline.agent.journal import Files, JournalFile, RealFiles
from trunkline.agent.limits import Limits
from trunkline.agent.loop import Agent, AgentHost
from trunkline.agent.transport import ShutOut, TransportFailed
from trunkline.domain.device import DeviceKind, OfferedDevice, PciFunction
from trunkline.domain.device_spec import DeviceSpec, Offering
from trunkline.domain.host import HostResources
from trunkline.domain.ids import HostName
from trunkline.domain.pci import PciAddress
from trunkline.domain.server import PowerState
from trunkline.host.fake_hypervisor import FakeHypervisor
from trunkline.host.fake_kernel import FakeKernel
from trunkline.host.linux.capabilities import Capabilities
from trunkline.host.linux.probing import LinuxTrials, ProbedKernel
from trunkline.host.machine import PlainRecord
from trunkline.host.simulated_watch import SimulatedWatch
from trunkline.reconcile.desired import HeldDevice, HostConfig, NicConfig, ServerConfig
from trunkline.reconcile.interfaces import HostWatch, Storage
from trunkline.reconcile.report import (
    DeviceCondition,
    DriftPolicy,
    HostReport,
    ReportAck,
    ServerCondition,
)

IGB, MLX = PF, OTHER_PF
GPU = PciAddress.parse("0000:c1:00.0")
START = datetime(2026, 1, 1, tzinfo=UTC)
RESOURCES = HostResources(vcpus=16, memory_mib=65536, disk_gib=500)
ZERO = "00:00:00:00:00:00"


class Control:
    """Holds the newest configuration, keeps the reports. Loses what it is told to lose."""

    def __init__(self) -> None:
        self.config: HostConfig | None = None
        self.late: list[HostConfig] = []  # Answered first, whatever was asked for.
        self.reports: list[HostReport] = []
        self.lose_reports = False
        self.shuts_out = False
        self.lose_fetches = False

    def fetch(
        self, host: HostName, after_generation: int, consoles_asked: int
    ) -> HostConfig | None:
        if self.lose_fetches:
            raise TransportFailed("planted")
        if self.late:
            return self.late.pop(0)
        if self.config is None or (
            self.config.generation <= after_generation
            and self.config.consoles_asked == consoles_asked
        ):
            return None
        return self.config

    def report(self, report: HostReport) -> ReportAck:
        # JSON and back, as it would travel.
        if self.shuts_out:
            raise ShutOut("planted")
        if self.lose_reports:
            raise TransportFailed("planted")
        self.reports.append(report)
        return ReportAck(generation=self.config.generation if self.config else 0)

    def want(self, *servers: ServerConfig, releases: tuple[HeldDevice, ...] = ()) -> None:
        generation = self.config.generation + 1 if self.config else 1
        self.config = a_config(*servers, releases=releases, generation=generation)

    def condition(self, device: HeldDevice) -> tuple[DeviceCondition, str] | None:
        """The newest fact told about a device."""
        for report in reversed(self.reports):
            for fact in report.devices:
                if (fact.address, fact.epoch) == (device.address, device.epoch):
                    return fact.condition, fact.reason
        return None

    def server(self, server: ServerConfig) -> tuple[ServerCondition, str] | None:
        """The newest fact told about a server."""
        for report in reversed(self.reports):
            for fact in report.servers:
                if (fact.id, fact.boot_number) == (server.id, server.boot_number):
                    return fact.condition, fact.reason
        return None


class Ids:
    """IDs in a row."""

    _numbers = itertools.count(1)

    def new_id(self) -> str:
        return f"00000000-0000-4000-8000-{next(self._numbers):012x}"

    def new_secret(self) -> str:
        return "s" * 43


def _a_machine(directory: Path) -> Machine:
    return fake_machine(
        directory,
        a_pf(vf_count=4),
        a_pf(
            driver="mlx5_core",
            product_id="1017",
            address=OTHER_PF,
            ifname="eth3",
            iommu_group=40,
            mac="00:1b:21:00:00:02",
            vf_count=4,
        ),
        plain=(
            PlainRecord(
                address=GPU, vendor_id="10de", product_id="20b0", iommu_group=90, driver="nvidia"
            ),
        ),
    )


def _offer_all(functions: Mapping[PciAddress, PciFunction]) -> tuple[OfferedDevice, ...]:
    return tuple(OfferedDevice(function=function) for function in functions.values())


class WatchedStorage(Storage, HostWatch, Protocol):
    """Keeps guests' files, and tells what came of making them."""


class UnsyncedFiles(RealFiles):
    """Saves the waiting for the disk; what syncing is for is tested in test_journal.py."""

    def sync(self, path: Path) -> None:
        pass


class World:
    """The machine, the control plane and the journal outlive each agent."""

    def __init__(
        self,
        directory: Path,
        *,
        machine: Machine | None = None,
        limits: Limits | None = None,
        watched: bool = True,
        vf_counts: Mapping[PciAddress, int] | None = None,
        specs: Sequence[DeviceSpec] | None = None,
        trials: Callable[[FakeKernel], ProbedKernel] | None = None,
    ) -> None:
        self.specs = specs  # What is on offer; None: everything.
        self.trials = trials  # By which agents try drivers out; None: they don't.
        self.directory = directory
        self.limits = limits
        self.vf_counts = vf_counts or {}  # How many VFs PFs are to have that have none.
        self.watched = watched  # Whether agents are told of what changes.
        self.machine = machine or _a_machine(directory)
        self.control = Control()
        self.now = START

    @classmethod
    def existing(cls, directory: Path) -> World:
        """The host whose files are in `directory`."""
        kernel = FakeKernel(directory / "kernel.json")
        hypervisor = FakeHypervisor(directory / "hypervisor.json", kernel)
        return cls(directory, machine=Machine(kernel=kernel, hypervisor=hypervisor))

    @property
    def gpu(self) -> HeldDevice:
        return HeldDevice(
            address=GPU, kind=DeviceKind.PLAIN, epoch=1, pf_address=None, vf_index=None
        )

    @property
    def journal_path(self) -> Path:
        return self.directory / "journal.json"

    def an_agent(
        self,
        probe: Probe | None = None,
        files: Files | None = None,
        *,
        drift: DriftPolicy = DriftPolicy.REPAIR,
        storage: WatchedStorage | None = None,
        kernel: type[FakeKernel] = FakeKernel,
    ) -> Agent:
        """Start one; it has its kernel by way of `kernel`."""
        machine = self.machine.reopened()
        if kernel is not FakeKernel:
            machine = replace(machine, kernel=kernel(machine.kernel.path))
        watches = (SimulatedWatch(machine.kernel, machine.hypervisor),) if self.watched else ()
        trials = None
        if self.trials is not None:
            seen = Capabilities(self.directory / "capabilities.json")
            machine = replace(machine, kernel=TellingKernel(machine.kernel.path, seen))
            trials = LinuxTrials(self.trials(machine.kernel), seen)
        host = AgentHost(
            name=HOST,
            kernel=machine.kernel,
            trials=trials,
            hypervisor=machine.hypervisor,
            resources=RESOURCES,
            offer=_offer_all if self.specs is None else Offering(self.specs),
            vif_types=VIF_TYPES,
            storage=storage,
            watches=(*watches, *(() if storage is None else (storage,))),
            vf_counts=lambda _: self.vf_counts,
            drift=drift,
        )
        journal = JournalFile(self.journal_path, files or UnsyncedFiles())
        return Agent(
            host,
            journal=journal,
            transport=self.control,
            ids=Ids(),
            limits=self.limits,
            probe=probe,
        )

    def settle(self, agent: Agent, *, minutes: float = 2) -> None:
        """Let `agent` work until it reports that all is true; fail with what it said last."""
        end = self.now + timedelta(minutes=minutes)
        while True:
            due = agent.step(self.now)
            if agent.is_settled and agent.config == self.control.config and due > self.now:
                return
            assert self.now < end, f"not settled: {self.control.reports[-1:]}"
            self.now = max(due, self.now + timedelta(milliseconds=1))

    def with_a_server(self) -> tuple[Agent, ServerConfig]:
        """Let an agent start a server with a VF of igb, until all is true."""
        server = a_server(1, a_nic(1, self.device(IGB, 0)))
        self.control.want(server)
        agent = self.an_agent()
        self.settle(agent)
        return agent, server

    def change_domain(self, server: ServerConfig, change: Callable[[dict[str, Any]], None]) -> None:
        """Change what libvirt keeps of a domain, past libvirt."""
        path = self.machine.hypervisor.path
        raw = msgspec.json.decode(path.read_bytes())
        change(raw["domains"][server.id])
        path.write_bytes(msgspec.json.encode(raw))

    def run(self, agent: Agent, *, seconds: float) -> None:
        """Let `agent` work for so long."""
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            self.now = max(agent.step(self.now), self.now + timedelta(milliseconds=1))

    def device(self, pf: PciAddress, index: int, *, epoch: int = 1) -> HeldDevice:
        for function in self.machine.kernel.functions().values():
            if function.pf_address == pf and function.vf_index == index:
                return HeldDevice(
                    address=function.address,
                    kind=DeviceKind.VF,
                    epoch=epoch,
                    pf_address=pf,
                    vf_index=index,
                )
        raise AssertionError(f"{pf} has no VF {index}")

    # What the machine holds, read from the raw files of the simulated kernel and libvirt.

    def raw_kernel(self) -> dict[str, Any]:
        raw: dict[str, Any] = msgspec.json.decode(self.machine.kernel.path.read_bytes())
        return raw

    def raw_domains(self) -> dict[str, Any]:
        raw = msgspec.json.decode(self.machine.hypervisor.path.read_bytes())
        domains: dict[str, Any] = raw.get("domains", {})
        return domains

    def raw_vf(self, pf: PciAddress, index: int) -> dict[str, Any]:
        for record in self.raw_kernel()["pfs"]:
            if record["address"] == str(pf):
                vf: dict[str, Any] = record["vfs"][index]
                return vf
        raise AssertionError(f"no PF {pf}")

    def writes(self) -> list[str]:
        """Every attempted write to kernel and libvirt, whoever made it, by machine part."""
        kernel = [f"{e.by}: {e.command}: {e.result}" for e in self.machine.kernel.log()]
        libvirt = [f"{e.by}: {e.command}: {e.result}" for e in self.machine.hypervisor.log()]
        return kernel + libvirt

    def agent_writes(self) -> list[str]:
        """The writes that the agent itself attempted, without libvirt's."""
        return [write for write in self.writes() if write.startswith("agent: ")]

    def resumes(self) -> Counter[str]:
        """How often each guest was let run."""
        return Counter(
            entry.command.split()[-1]
            for entry in self.machine.hypervisor.log()
            if entry.command.startswith("virsh resume") and entry.result == "OK"
        )


def check(world: World, *servers: ServerConfig) -> None:
    """Compare the raw state of kernel and libvirt with what should be there, and nothing else.

    Knows nothing of plans: VFs of `servers` carry their NICs' settings, every other VF is as the
    driver started it, but that one given away besides NICs is in its guest, as plain functions are;
    and exactly the guests that should run do.
    """
    given = {
        str(held.address)
        for server in servers
        if server.power is PowerState.RUNNING
        for held in server.devices
    }
    for plain in world.raw_kernel().get("plain", []):
        assert plain.get("in_guest", False) == (plain["address"] in given), plain
    wanted: dict[str, NicConfig] = {
        str(nic.device.address): nic for server in servers for nic in server.nics if nic.device
    }
    kernel = world.machine.kernel
    addresses = {
        (f.pf_address, f.vf_index): str(f.address)
        for f in kernel.functions().values()
        if f.kind is DeviceKind.VF
    }
    for record in world.raw_kernel()["pfs"]:
        pf = PciAddress.parse(record["address"])
        whole = wanted.get(str(pf))
        assert record.get("in_guest", False) == (whole is not None and _runs(servers, whole)), (
            f"{pf} is in a guest or not"
        )
        assert len(record.get("vfs", [])) == (0 if whole else 4), f"VF count of {pf}"
        for index, vf in enumerate(record.get("vfs", [])):
            nic = wanted.get(addresses[pf, index])
            where = f"VF {index} of {pf}: {vf}"
            if nic is None:
                assert vf.get("mac", ZERO) == ZERO, where
                assert vf.get("vlan_id", 0) == 0, where
                assert vf.get("vlan_qos", 0) == 0, where
                assert vf.get("vlan_protocol", "802.1Q") == "802.1Q", where
                assert not vf.get("trust", False), where
                assert vf.get("min_tx_rate_mbps", 0) == 0, where
                assert vf.get("max_tx_rate_mbps", 0) == 0, where
                assert vf.get("link_state", "auto") == "auto", where
                assert vf.get("in_guest", False) == (addresses[pf, index] in given), where
                assert vf.get("ifname", "") in ("", f"{record['ifname']}v{index}"), where
            else:
                assert vf["mac"] == str(nic.mac), where
                assert vf.get("vlan_id", 0) == nic.vlan_id, where
                assert vf.get("vlan_qos", 0) == nic.vlan_qos, where
                assert vf.get("vlan_protocol", "802.1Q") == nic.vlan_protocol.value, where
                assert vf.get("trust", False) == nic.trust, where
                assert vf.get("min_tx_rate_mbps", 0) == (nic.min_tx_rate_mbps or 0), where
                assert vf.get("max_tx_rate_mbps", 0) == (nic.max_tx_rate_mbps or 0), where
                direct = nic.vnic_type.value == "direct"
                assert vf.get("in_guest", False) == (direct and _runs(servers, nic)), where
                if not direct:
                    assert vf["ifname"] == nic.logical_name, where
    domains = world.raw_domains()
    assert set(domains) == {server.id for server in servers}
    for server in servers:
        power = domains[server.id].get("power", "shut off")
        assert (power == "running") == (server.power is PowerState.RUNNING), power
        assert domains[server.id]["boot_number"] == server.boot_number


def _runs(servers: tuple[ServerConfig, ...], nic: NicConfig) -> bool:
    return any(nic in server.nics and server.power is PowerState.RUNNING for server in servers)
