"""Guests confined to NUMA nodes, on the host."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.agent.world import IGB, World, check
from tests.reconcile.scenes import a_nic, a_server
from trunkline.domain.server import PowerState
from trunkline.host.libvirt_domain import parse_libvirt_domain
from trunkline.reconcile.desired import GuestNode, ServerConfig
from trunkline.reconcile.report import ServerCondition


def confined(world: World, number: int, cpus: str) -> ServerConfig:
    server = a_server(1, a_nic(1, world.device(IGB, 0)))
    return replace(server, numa_node=GuestNode(number=number, cpus=cpus))


def test_a_confined_guest_is_started_on_its_node(tmp_path: Path) -> None:
    world = World(tmp_path)
    server = confined(world, 1, "4-7,12-15")
    world.control.want(server)
    world.settle(world.an_agent())
    check(world, server)
    assert world.control.server(server) == (ServerCondition.RUNNING, "")
    domain = parse_libvirt_domain(world.machine.hypervisor.xml(server.id))
    assert domain.numa_nodes == {1}
    assert domain.cpuset == {4, 5, 6, 7, 12, 13, 14, 15}


def test_a_guest_for_a_node_that_the_host_lacks_is_refused_with_libvirts_reason(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    server = confined(world, 2, "")
    world.control.want(server)
    world.run(world.an_agent(), seconds=60)
    told = world.control.server(server)
    assert told is not None
    assert told[0] is ServerCondition.FAILED
    assert "NUMA node 2 is unavailable" in told[1]


def test_other_cpus_of_its_node_reach_a_guest_when_it_next_starts(tmp_path: Path) -> None:
    world = World(tmp_path)
    server = confined(world, 1, "4-7,12-15")
    world.control.want(server)
    agent = world.an_agent()
    world.settle(agent)
    log = world.machine.hypervisor.log()
    fewer = replace(server, numa_node=GuestNode(number=1, cpus="4-7"))
    world.control.want(fewer)
    world.settle(agent)
    assert world.machine.hypervisor.log() == log  # A guest that runs is left alone.
    world.control.want(replace(fewer, power=PowerState.STOPPED))
    world.settle(agent)
    domain = parse_libvirt_domain(world.machine.hypervisor.xml(server.id))
    assert domain.cpuset == {4, 5, 6, 7}
