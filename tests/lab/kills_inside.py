"""The agent killed at each of its points, on the kernel and the cards of the lab host.

What needs root the agent has the helper do, which lives on. Guests are the simulated libvirt's: it
hands real VFs over as libvirt does, and runs nothing.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from lab.guest import cards
from tests.agent.world import RESOURCES, START, Control, Ids, UnsyncedFiles
from tests.lab.devices_inside import CardsBelow, LoggedWrites
from tests.lab.helper_inside import start_helper
from tests.reconcile.scenes import HOST, VIF_TYPES, a_nic, a_server, whole
from tests.support.probes import Killer, Recorder
from trunkline.agent.apply import Probe
from trunkline.agent.journal import JournalFile
from trunkline.agent.loop import Agent, AgentHost
from trunkline.domain.device import DeviceKind, OfferedDevice
from trunkline.domain.pci import PciAddress
from trunkline.domain.port import VnicType
from trunkline.host.fake_hypervisor import FakeHypervisor, create_hypervisor
from trunkline.host.fake_kernel import create_kernel
from trunkline.host.linux.kernel import LinuxKernel
from trunkline.host.machine import KernelState
from trunkline.host.privileged.direct import DirectWrites
from trunkline.reconcile.desired import HeldDevice, ServerConfig

DIRECTORY = Path("/tmp/kills")  # Emptied before each test.
PF_1, PF_2 = (PciAddress.parse(cards.pf_address(card)) for card in (1, 2))
ROUNDS_MAX = 100
VAIN_ROUNDS = 20
# As libvirt sees them; it outlives agents.
BELOW = LinuxKernel(DirectWrites())


class Host:
    """The lab host, with what outlives an agent: journal, log of writes, simulated libvirt."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.journal = directory / "journal.json"
        self.log = directory / "writes"
        self.log.touch()
        self.control = Control()
        self._helper = start_helper(directory / "helper.sock")
        self._below = directory / "kernel.json"
        self._domains = directory / "hypervisor.json"
        create_kernel(self._below, KernelState(name="labhost"))
        create_hypervisor(self._domains, CardsBelow(self._below, BELOW))
        self._told = 0  # Of libvirt's log.

    def _libvirt(self) -> FakeHypervisor:
        return FakeHypervisor(self._domains, CardsBelow(self._below, BELOW))

    def _agent(self, probe: Probe | None = None) -> Agent:
        host = AgentHost(
            name=HOST,
            kernel=LinuxKernel(LoggedWrites(self._helper, self.log)),
            hypervisor=self._libvirt(),
            resources=RESOURCES,
            offer=lambda functions: tuple(OfferedDevice(function=f) for f in functions.values()),
            vif_types=VIF_TYPES,
        )
        journal = JournalFile(self.journal, UnsyncedFiles())
        return Agent(host, journal=journal, transport=self.control, ids=Ids(), probe=probe)

    def run_agent(self, probe: Probe | None = None) -> None:
        """Run a new agent until all is true; fail with what it said last."""
        agent, now = self._agent(probe), START
        for _ in range(ROUNDS_MAX):
            due = agent.step(now)
            if agent.is_settled and agent.config == self.control.config and due > now:
                return
            now = max(due, now + timedelta(milliseconds=1))
        told = [
            fact for report in self.control.reports for fact in (*report.devices, *report.servers)
        ]
        raise AssertionError(f"not settled: {told[-5:]}; wrote {self.take_writes()}")

    def run_agent_in_vain(self) -> None:
        """Run a new agent that can't make all true, for longer than any that can."""
        agent, now = self._agent(), START
        for _ in range(VAIN_ROUNDS):
            now = max(agent.step(now), now + timedelta(milliseconds=1))
        assert agent.config == self.control.config
        assert not agent.is_settled

    def run_killed_agent(self, number: int) -> None:
        """Run an agent in a process of its own that is killed at the nth point."""
        child = os.fork()
        if child == 0:
            try:
                self.run_agent(Killer(number))
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), f"point {number} was not reached"
        assert os.WTERMSIG(status) == signal.SIGKILL

    def state(self) -> dict[str, Any]:
        """Return all that an agent may leave behind, as the kernel tells it, and its files."""
        domains = msgspec.json.decode(self._domains.read_bytes()).get("domains", {})
        journal = msgspec.json.decode(self.journal.read_bytes())["journal"]
        functions = [each for card in (1, 2) for each in _functions(cards.pf_address(card))]
        netdevs = {name: sorted(each.name for each in (cards.PCI / "devices" / name).glob("net/*"))
                   for name in functions}  # fmt: skip
        return {
            "vfs": {
                name: cards.vf_settings(netdev)
                for name in map(cards.pf_address, (1, 2))
                for netdev in netdevs[name]
            },
            "drivers": {name: cards.driver_of(name) for name in functions},
            "netdevs": netdevs,
            "links": sorted(each.name for each in cards.NETDEVS.iterdir()),
            "domains": {name: each.get("power", "shut off") for name, each in domains.items()},
            # Epochs and generations go on rising.
            "journal": {key: journal[key] for key in journal if key in ("originals", "unknown")},
        }

    def take_writes(self) -> list[str]:
        """Return what agents have tried to write since last asked, to kernel and libvirt."""
        lines = self.log.read_text().splitlines()
        self.log.write_text("")
        log = [each for each in self._libvirt().log() if each.by == "agent"]
        lines += [f"{each.command}: {each.result}" for each in log[self._told :]]
        self._told = len(log)
        return lines


def _functions(pf: str) -> list[str]:
    device = cards.PCI / "devices" / pf
    return [pf, *sorted(each.resolve().name for each in device.glob("virtfn*"))]


Make = Callable[[int], ServerConfig]  # Of an epoch.


@dataclass(frozen=True)
class Change:
    """Plugging or unplugging, with what an unkilled agent makes of it."""

    points: list[str]
    writes: list[str]
    state: dict[str, Any]

    def kills(self, only: str) -> list[int]:
        """Return the numbers of the points at which to kill: see `kill_everywhere`."""
        return [
            number
            for number, point in enumerate(self.points)
            if point.startswith("after ") and " # expect" not in point and only in point
        ]


class Trial:
    """A server plugged and unplugged again and again on one host."""

    def __init__(self, name: str, make: Make) -> None:
        self.host = Host(DIRECTORY / name)
        self._make = make
        self._epoch = 0

    def want_plugged(self) -> None:
        self._epoch += 1
        self.host.control.want(self._make(self._epoch))

    def want_unplugged(self) -> None:
        self.host.control.want(releases=self._make(self._epoch).held_devices)

    def unkilled(self, want: Callable[[], None]) -> Change:
        want()
        recorder = Recorder()
        self.host.run_agent(recorder)
        return Change(recorder.points, self.host.take_writes(), self.host.state())

    def killed(self, want: Callable[[], None], number: int, expected: Change) -> None:
        """Have an agent killed at a point, and hold what the next one makes of it to `expected`."""
        want()
        self.host.run_killed_agent(number)
        self.host.run_agent()
        at = f"killed at: {expected.points[number]}"
        writes = self.host.take_writes()
        assert writes == expected.writes, f"{at}: {writes}, not {expected.writes}"
        assert self.host.state() == expected.state, f"{at}: {self.host.state()}"

    def torn_down_late(self) -> None:
        """Have what an earlier owner had given back once more, while another has it."""
        earlier = self._make(self._epoch).held_devices
        self.want_plugged()
        self.host.run_agent()
        self.host.take_writes()
        before = self.host.state()
        self.host.control.want(self._make(self._epoch), releases=earlier)
        self.host.run_agent_in_vain()
        assert self.host.take_writes() == []
        assert self.host.state() == before
        self.want_unplugged()
        self.host.run_agent()


def kill_everywhere(trial: Trial, *, only: str = "") -> dict[str, list[str]]:
    """Kill an agent at each step of plugging a server and of unplugging it; return the points.

    That is after each step that leaves something behind. The points before a step and after what
    only reads are left out: to the kernel, to libvirt and in the journal all is there as it was at
    the point before.

    Args:
        trial: Nothing is plugged yet; nor is it in the end.
        only: What the points have in their names at which it is killed.

    Raises:
        AssertionError: After one of the kills, the next agent did not end where an unkilled one
            does, or wrote something twice; or a third one wrote something.
    """
    plugged = trial.unkilled(trial.want_plugged)
    unplugged = trial.unkilled(trial.want_unplugged)
    ways = ((trial.want_plugged, plugged), (trial.want_unplugged, unplugged))
    turns = itertools.zip_longest(*(change.kills(only) for _, change in ways), fillvalue=0)
    for numbers in turns:
        for (want, expected), number in zip(ways, numbers, strict=True):
            trial.killed(want, number, expected)
    trial.host.run_agent()
    assert trial.host.take_writes() == [], "all was as desired"
    return {"plug": plugged.points, "unplug": unplugged.points}


def _vf(pf: str, vf_index: int, epoch: int) -> HeldDevice:
    return HeldDevice(
        address=PciAddress.parse(cards.vf_address(pf, vf_index)),
        kind=DeviceKind.VF,
        epoch=epoch,
        pf_address=PF_1,
        vf_index=vf_index,
    )


def with_vfs(epoch: int) -> ServerConfig:
    """A server with a VF that has priority, rate and trust, and with a macvtap on another."""
    direct = a_nic(1, _vf("pf1", 0, epoch))
    direct = replace(direct, vlan_qos=5, trust=True, max_tx_rate_mbps=500)
    return a_server(1, direct, a_nic(2, _vf("pf1", 2, epoch), VnicType.MACVTAP, vlan_id=200))


def with_a_pf(epoch: int) -> ServerConfig:
    """A server with a whole PF."""
    return a_server(2, a_nic(4, whole(PF_2, epoch=epoch), VnicType.DIRECT_PHYSICAL))


def kill_with_vfs() -> dict[str, list[str]]:
    """See `kill_everywhere` and `Trial.torn_down_late`. VFs have the names that udev gives."""
    DIRECTORY.mkdir(exist_ok=True)
    writes = DirectWrites()
    for vf_index, _ in enumerate(cards.vf_settings("pf1")):
        writes.rename_netdev(cards.vf_netdev("pf1", vf_index), f"pf1v{vf_index}")
    trial = Trial("vfs", with_vfs)
    points = kill_everywhere(trial)
    trial.torn_down_late()
    return points


def kill_with_a_pf() -> dict[str, list[str]]:
    """See `kill_everywhere`; only where VFs come and go, since each turn takes many seconds."""
    DIRECTORY.mkdir(exist_ok=True)
    cards.keep_names(2)
    return kill_everywhere(Trial("pf", with_a_pf), only="sriov_numvfs")
