"""Devices that an operator attaches to the guest of a server: `virsh attach-device`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.agent.world import GPU, IGB, MLX, World, check
from tests.reconcile.scenes import a_nic, a_server
from trunkline.domain.pci import PciAddress
from trunkline.reconcile.desired import ServerConfig
from trunkline.reconcile.nic_steps import UnplugNic


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def attach(world: World, server: ServerConfig, address: PciAddress, driver: str) -> None:
    """As libvirt keeps it of a guest that runs."""

    def change(domain: dict[str, Any]) -> None:
        domain["guest"]["handed_over"]["own_drivers"][str(address)] = driver

    world.change_domain(server, change)


def told_of(world: World, address: PciAddress) -> str:
    """Who has it, as it was told last."""
    inventory = next(each.inventory for each in reversed(world.control.reports) if each.inventory)
    (told,) = (each for each in inventory if each.function.address == address)
    assert not (told.on_offer and told.function.used_by)
    return told.function.used_by


@pytest.mark.parametrize("what", ["a GPU", "a VF"])
def test_a_guest_keeps_what_was_attached_to_it_and_it_is_off_offer_meanwhile(
    what: str, world: World
) -> None:
    address, driver = (GPU, "nvidia") if what == "a GPU" else (world.device(MLX, 1).address, "")
    agent, server = world.with_a_server()
    attach(world, server, address, driver)
    for each in (agent, world.an_agent()):
        world.run(each, seconds=130)
        assert world.resumes() == {server.id: 1}
        assert told_of(world, address) == (
            f"server {server.id}, whose guest it was attached to by hand"
        )
    world.machine.hypervisor.destroy(server.id)
    world.settle(agent)
    assert told_of(world, address) == ""
    check(world, server)


def test_a_guest_does_not_keep_the_vf_of_another_server(world: World) -> None:
    """It was given away since, by mistake: its owner gets it."""
    (agent, server), other = world.with_a_server(), world.device(IGB, 1)
    attach(world, server, other.address, "igbvf")
    world.control.want(server, a_server(2, a_nic(2, other)))
    world.settle(agent, minutes=5)
    check(world, server, a_server(2, a_nic(2, other)))


def test_a_guest_that_lacks_a_vf_of_its_server_is_given_it_while_it_runs(world: World) -> None:
    agent, server = world.with_a_server()
    (nic,) = server.nics
    (held,) = server.held_devices
    unplug = UnplugNic(server_id=server.id, port_id=nic.port_id, device=held.address)
    world.machine.hypervisor.unplug(unplug)
    world.run(agent, seconds=130)
    check(world, server)
    assert world.resumes() == {server.id: 1}


def test_what_was_attached_stays_off_offer_while_libvirt_is_at_the_guest(world: World) -> None:
    agent, server = world.with_a_server()
    vf = world.device(MLX, 1).address
    attach(world, server, vf, "")
    world.run(agent, seconds=70)
    words = told_of(world, vf)
    world.change_domain(server, lambda domain: domain.update(under_way="destroy"))
    for each in (agent, world.an_agent()):
        world.run(each, seconds=70)
        assert told_of(world, vf) == words != ""
    world.change_domain(server, lambda domain: domain.pop("under_way"))
    world.run(agent, seconds=70)
    assert world.resumes() == {server.id: 1}


def test_what_was_attached_is_off_offer_before_an_agent_has_heard_what_is_wanted(
    world: World,
) -> None:
    agent, server = world.with_a_server()
    vf = world.device(MLX, 1).address
    attach(world, server, vf, "")
    world.run(agent, seconds=70)
    words, world.control.lose_fetches = told_of(world, vf), True
    agent, world.control.reports = world.an_agent(), []
    agent.step(world.now)
    assert told_of(world, vf) == words != ""
    assert told_of(world, server.held_devices[0].address) == ""
