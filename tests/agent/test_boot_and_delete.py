"""The agent on a simulated host: boots, stops, deletes, with every kind of NIC."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.agent.world import IGB, MLX, World, check
from tests.reconcile.scenes import a_nic, a_server, whole
from trunkline.domain.ether import MacAddress
from trunkline.domain.port import VnicType
from trunkline.domain.server import PowerState
from trunkline.reconcile.report import DeviceCondition, ServerCondition


def test_a_server_boots_with_what_its_ports_ask_for_and_leaves_everything_as_it_was(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    agent = world.an_agent()
    nics = (
        a_nic(1, world.device(IGB, 0)),
        a_nic(2, world.device(MLX, 3), VnicType.MACVTAP, vlan_id=200),
        a_nic(3, None, VnicType.NORMAL, vlan_id=0),
    )
    server = a_server(1, *nics)
    world.control.want(server)
    world.settle(agent)
    check(world, server)
    assert world.control.server(server) == (ServerCondition.RUNNING, "")
    for nic in nics[:2]:
        assert nic.device is not None
        assert world.control.condition(nic.device) == (DeviceCondition.READY, "")

    stopped = replace(server, power=PowerState.STOPPED)
    world.control.want(stopped)
    world.settle(agent)
    check(world, stopped)
    assert world.control.server(stopped) == (ServerCondition.STOPPED, "")

    held = tuple(nic.device for nic in nics if nic.device is not None)
    world.control.want(releases=held)
    world.settle(agent)
    check(world)
    for device in held:
        assert world.control.condition(device) == (DeviceCondition.CLEAN, "")


def test_the_netdev_below_a_macvtap_has_the_ports_mac_and_its_own_again_afterwards(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    kernel, agent = world.machine.kernel, world.an_agent()
    vf = world.device(IGB, 1)

    def netdev() -> tuple[str, MacAddress]:
        ifname = kernel.functions()[vf.address].ifname
        assert ifname is not None
        return ifname, kernel.netdev_mac(ifname)

    before = netdev()
    nic = a_nic(1, vf, VnicType.MACVTAP)
    server = a_server(1, nic)
    world.control.want(server)
    world.settle(agent)
    check(world, server)
    assert world.control.server(server) == (ServerCondition.RUNNING, "")
    assert netdev() == (nic.logical_name, nic.mac)

    world.control.want(releases=(vf,))
    world.settle(agent)
    check(world)
    assert netdev() == before


def test_a_whole_pf_is_given_away_without_vfs_and_gets_them_back(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = world.an_agent()
    server = a_server(1, a_nic(1, whole(MLX), VnicType.DIRECT_PHYSICAL))
    world.control.want(server)
    world.settle(agent)
    check(world, server)
    world.control.want(releases=(whole(MLX),))
    world.settle(agent)
    check(world)
    assert world.control.condition(whole(MLX)) == (DeviceCondition.CLEAN, "")
    assert world.machine.kernel.functions()[MLX].link_up


def test_a_new_agent_writes_nothing_when_nothing_has_drifted(tmp_path: Path) -> None:
    world = World(tmp_path)
    servers = (
        a_server(1, a_nic(1, world.device(IGB, 0)), a_nic(2, world.device(MLX, 0))),
        a_server(2, a_nic(3, world.device(IGB, 1), VnicType.MACVTAP)),
        a_server(3, a_nic(4, world.device(MLX, 2)), power=PowerState.STOPPED),
    )
    world.control.want(*servers)
    world.settle(world.an_agent())
    before, journal = world.writes(), world.journal_path.read_bytes()
    for _ in range(3):
        agent = world.an_agent()
        world.settle(agent)
        world.run(agent, seconds=300)
    assert world.writes() == before
    assert world.journal_path.read_bytes() == journal
    check(world, *servers)


def test_a_higher_boot_number_starts_the_guest_afresh_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = world.an_agent()
    server = a_server(1, a_nic(1, world.device(IGB, 0)))
    world.control.want(server)
    world.settle(agent)
    again = replace(server, boot_number=2)
    world.control.want(again)
    world.settle(agent)
    check(world, again)
    assert world.resumes() == {server.id: 2}
