"""Agents for simulated hosts: the real agent, on a kernel and a libvirt that are files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from trunkline.agent.apply import Probe
from trunkline.agent.journal import JournalFile
from trunkline.agent.limits import Limits
from trunkline.agent.loop import Agent, AgentHost
from trunkline.agent.transport import Transport
from trunkline.bootstrap.real import RandomIds
from trunkline.domain.device_spec import DeviceSpec, Offering, vf_counts
from trunkline.domain.host import HostResources
from trunkline.host.simulated_host import SimulatedHost
from trunkline.host.simulated_watch import SimulatedWatch
from trunkline.reconcile.report import DriftPolicy
from trunkline.vif.registry import VifRegistry

# Whoever runs these agents wakes them when there is news; looking for it every second besides
# would cost a thousand hosts a third of a core.
WOKEN: Final = Limits(poll=Limits().heartbeat)


def simulated_agent(
    host: SimulatedHost,
    *,
    journal: Path,
    transport: Transport,
    vif_types: VifRegistry,
    device_specs: Sequence[DeviceSpec] | None = None,
    resources: HostResources | None = None,
    drift: DriftPolicy = DriftPolicy.REPAIR,
    probe: Probe | None = None,
) -> Agent:
    """Make the agent of a simulated host.

    Args:
        host: The host, which outlives its agents.
        journal: Where the agent remembers what can't be observed.
        transport: How it reaches the control plane.
        vif_types: How NICs are realised.
        device_specs: What is on offer; None: what the host's fleet file says.
        resources: What the host gives to servers; None: likewise.
        drift: What is done about devices that were changed behind its back.
        probe: Told of each point that the agent reaches.
    """
    return agent_of(
        simulated_host(
            host,
            vif_types=vif_types,
            device_specs=device_specs,
            resources=resources,
            drift=drift,
        ),
        journal=journal,
        transport=transport,
        probe=probe,
    )


def simulated_host(
    host: SimulatedHost,
    *,
    vif_types: VifRegistry,
    device_specs: Sequence[DeviceSpec] | None = None,
    resources: HostResources | None = None,
    drift: DriftPolicy = DriftPolicy.REPAIR,
) -> AgentHost:
    """Make what an agent acts on of a simulated host; see `simulated_agent`."""
    specs = host.device_specs if device_specs is None else device_specs
    return AgentHost(
        name=host.name,
        kernel=host.kernel,
        hypervisor=host.hypervisor,
        resources=resources or host.resources,
        offer=Offering(specs),
        vf_counts=lambda functions: vf_counts(functions, specs),
        vif_types=vif_types,
        watches=(SimulatedWatch(host.kernel, host.hypervisor),),
        drift=drift,
    )


def agent_of(
    host: AgentHost, *, journal: Path, transport: Transport, probe: Probe | None = None
) -> Agent:
    """Make the agent of a host, simulated or not."""
    return Agent(
        host,
        journal=JournalFile(journal),
        transport=transport,
        ids=RandomIds(),
        limits=WOKEN,
        probe=probe,
    )
