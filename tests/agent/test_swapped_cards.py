"""Two cards change slots while the host is off: what sits at an address is not what is meant."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.agent.world import IGB, MLX, World, check
from tests.reconcile.scenes import a_nic, a_server
from trunkline.domain.pci import PciAddress
from trunkline.domain.pf_identity import PfIdentity
from trunkline.reconcile.desired import HeldDevice, ServerConfig
from trunkline.reconcile.report import DeviceCondition, ServerCondition


def meant(world: World, pf: PciAddress, index: int, *, epoch: int = 1) -> HeldDevice:
    """A VF as the control plane names it: with the PF that it is of."""
    identity = PfIdentity.of(world.machine.kernel.functions()[pf])
    return replace(world.device(pf, index, epoch=epoch), pf=identity)


@pytest.fixture
def swapped(tmp_path: Path) -> tuple[World, ServerConfig]:
    """A host whose server had a VF of the igb card, off, with both cards changed over."""
    world = World(tmp_path)
    server = a_server(1, a_nic(1, meant(world, IGB, 0)))
    world.control.want(server)
    world.settle(world.an_agent())
    world.machine.kernel.swap_cards(IGB, MLX)
    world.machine.kernel.reboot()
    world.machine.hypervisor.guests()
    return world, server


def writes_to(world: World, ifname: str) -> list[str]:
    return [write for write in world.writes() if f"ip link set {ifname} vf" in write]


def test_the_card_that_sits_there_now_is_not_touched(
    swapped: tuple[World, ServerConfig],
) -> None:
    world, server = swapped
    before = writes_to(world, "eth3")
    agent = world.an_agent()
    world.run(agent, seconds=120)
    assert writes_to(world, "eth3") == before == []
    assert world.control.server(server) != (ServerCondition.RUNNING, "")
    assert not agent.is_settled


def test_at_its_new_address_the_server_runs_again(swapped: tuple[World, ServerConfig]) -> None:
    world, server = swapped
    agent = world.an_agent()
    world.run(agent, seconds=5)
    (nic,) = server.nics
    moved = replace(server, nics=(replace(nic, device=meant(world, MLX, 0, epoch=9)),))
    world.control.want(moved)
    world.settle(agent)
    check(world, moved)
    assert world.control.server(moved) == (ServerCondition.RUNNING, "")


def test_what_is_not_there_any_more_is_clean_and_nothing_is_written_for_it(
    swapped: tuple[World, ServerConfig],
) -> None:
    world, server = swapped
    device = server.held_devices[0]
    before = writes_to(world, "eth3")
    world.control.want(releases=(device,))
    world.settle(world.an_agent())
    assert world.control.condition(device) == (DeviceCondition.CLEAN, "")
    assert writes_to(world, "eth3") == before
