"""Agents for simulated hosts: the real agent, on a kernel and a libvirt that are files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from trunkline.agent.apply import Probe
from trunkline.agent.loop import Agent, AgentHost
from trunkline.agent.transport import Transport
from trunkline.bootstrap.agents import agent_of
from trunkline.bootstrap.auto_specs import with_found_pfs
from trunkline.bootstrap.bridges import with_bridges
from trunkline.bootstrap.compute_config import ComputeConfig
from trunkline.bootstrap.real_host import given
from trunkline.cli.context import Failed
from trunkline.cli.exit_codes import ExitCode
from trunkline.domain.auto_bridges import AUTO
from trunkline.domain.device_spec import DeviceSpec, Offering, vf_counts
from trunkline.domain.host import HostResources
from trunkline.domain.ids import PhysicalNetwork
from trunkline.host.fleet import find_fleet, load_fleet
from trunkline.host.simulated_host import SimulatedHost, create_hosts, open_host
from trunkline.host.simulated_watch import ChangeTeller, SimulatedWatch
from trunkline.reconcile.report import DriftPolicy
from trunkline.vif.registry import VifRegistry


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


@contextmanager
def open_simulated_host(
    config: ComputeConfig, vif_types: VifRegistry, simulate: str, *, on_news: Callable[[], None]
) -> Iterator[AgentHost]:
    """Open what an agent with a configuration of its own acts on.

    Args:
        config: Goes before what the host's fleet file says.
        vif_types: How NICs are realised.
        simulate: A fleet file, the name of a shipped one, or a directory of simulated hosts.
        on_news: Called when a file of the host has changed.
    """
    host = _host_in(config, simulate)
    config = with_found_pfs(config, host.kernel.functions)
    resources = with_bridges(host.resources, _bridges(config, host), host.kernel)
    machine = simulated_host(
        host,
        vif_types=vif_types,
        device_specs=config.device_specs,
        resources=given(config.resources, resources),
        drift=config.drift,
    )
    with ChangeTeller({config.host: host.state_files}, lambda _: on_news()):
        yield machine


def _bridges(config: ComputeConfig, host: SimulatedHost) -> dict[PhysicalNetwork, str]:
    """Of the uplinks of a simulated host nothing is a card's: its fleet file says what they are."""
    known = host.resources.bridges
    unknown = [each for each, name in config.bridges.items() if name == AUTO and each not in known]
    if unknown:
        raise Failed(
            f"bridges.{unknown[0]}: {config.host} has no bridge on it by its fleet file",
            ExitCode.USAGE,
        )
    return {each: known[each] if name == AUTO else name for each, name in config.bridges.items()}


def _host_in(config: ComputeConfig, simulate: str) -> SimulatedHost:
    directory = Path(simulate)
    if not directory.is_dir():
        fleet = load_fleet(find_fleet(simulate))
        directory = config.state_dir / "simulated"
        create_hosts(fleet, directory, only=[config.host])
    return open_host(directory, config.host)
