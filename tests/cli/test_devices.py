"""The commands about devices: those for one use, and how many VFs a PF has."""

from __future__ import annotations

from dataclasses import replace

from tests.cli.terminal import Terminal
from tests.support.two_networks import TwoNetworks
from tests.support.world import AgentByHand, a_card
from trunkline.control.servers import delete_server
from trunkline.domain.pci import PciAddress
from trunkline.domain.port import VnicType
from trunkline.reconcile.report import DeviceCondition, DeviceFact


def test_who_is_in_the_way_of_another_vf_count_is_told_with_what_helps(
    world: TwoNetworks, terminal: Terminal
) -> None:
    pf, vf, *vfs = a_card(5, "phy1", serial=9)
    used = replace(vf.function, used_by="libvirt domain theirs")
    AgentByHand(world.site.svc, "h3", (pf, replace(vf, function=used, on_offer=False), *vfs))
    said = [
        terminal.run(f"pf set-vfs {host} 0000:05:00.0 0").output.splitlines()[-1]
        for host in ("h2", "h3")
    ]
    rest = " first: nothing is done while anybody has devices."
    assert said == ["Move or delete these servers" + rest, "Have others give up theirs" + rest]


def test_a_device_for_one_use_is_freed_once_it_is_reserved(
    world: TwoNetworks, terminal: Terminal
) -> None:
    card = [replace(device, one_time_use=True) for device in a_card(5, "phy1", serial=9)]
    agent = AgentByHand(world.site.svc, "h3", card)
    server = world.server("once", world.port(world.blue, "once", VnicType.DIRECT))
    (had,) = terminal.json("device list --server once")
    assert (had["host"], had["one_time_use"]) == ("h3", True)
    free = f"device free h3 {had['address']}"
    refused = terminal.run(free)
    assert refused.exit_code == 1
    assert f"server {server.server.id} has it; delete that first" in refused.output
    delete_server(world.site.svc, world.demo, server.server.id)
    clean = DeviceFact(
        address=PciAddress.parse(had["address"]), epoch=had["epoch"],
        condition=DeviceCondition.CLEAN,
    )  # fmt: skip
    agent.report(devices=[clean])
    (reserved,) = terminal.json("device list --state reserved")
    assert (reserved["address"], reserved["owner"]) == (had["address"], None)
    blocked = terminal.run("pf set-vfs h3 0000:05:00.0 0").output.splitlines()[-1]
    assert blocked.startswith("Free what is reserved (`trunkline device free`) first:")
    assert terminal.run(free).output == f"{had['address']} on h3 can be given away again.\n"
    assert terminal.json("device list --state reserved") == []
    assert terminal.run(f"{free} --os-cloud trunkline-demo").exit_code == 1


def test_a_pf_that_servers_have_vfs_of_is_drained(world: TwoNetworks, terminal: Terminal) -> None:
    asked = terminal.run("pf set-vfs h1 0000:05:00.0 0 --drain").output
    assert asked.splitlines()[-1].startswith("The host has been told: nothing of the PF is given")
    assert "web" in asked
    assert terminal.json("pf set-vfs h1 0000:05:00.0 0 --drain")["applied"]
    assert terminal.run("pf set-vfs h1 0000:05:00.0 0 --drain --apply").exit_code == 2
    assert terminal.run("pf set-vfs h1 0000:05:00.0 --cancel").exit_code == 0


def test_a_vf_count_that_is_taken_back_is_told_as_json(
    world: TwoNetworks, terminal: Terminal
) -> None:
    AgentByHand(world.site.svc, "h3", a_card(5, "phy1", serial=9))
    assert terminal.json("pf set-vfs h3 0000:05:00.0 2 --apply")["applied"]
    told = terminal.json("pf set-vfs h3 0000:05:00.0 --cancel")
    assert told == {"host": "h3", "pf": "0000:05:00.0", "wanted": None}
    assert terminal.run("pf set-vfs h3 0000:05:00.0 --cancel").exit_code == 1
