"""The agent and libvirt's network pools: networks kept, what libvirt took told, nothing unclean.

0000:05:00.0  eth2  igb        4 VFs in network pool trunkline-phy1 (hostdev)
0000:82:00.0  eth3  mlx5_core  4 VFs in network pool trunkline-phy2 (passthrough)
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.agent.world import IGB, MLX, ZERO, World
from tests.reconcile.scenes import a_config, a_nic, a_server
from trunkline.agent.loop import Agent
from trunkline.domain.device_spec_parsing import parse_device_specs
from trunkline.domain.network_pool import PoolMode, PoolNetwork
from trunkline.domain.pci import PciAddress
from trunkline.domain.port import VnicType
from trunkline.domain.server import PowerState
from trunkline.host.faults import RefuseNext, SlowNext
from trunkline.reconcile.desired import HeldDevice, ServerConfig
from trunkline.reconcile.network_pools import network_xml
from trunkline.reconcile.report import DeviceCondition, HostReport, ReportAck, ServerCondition

PHY1, PHY2 = "trunkline-phy1", "trunkline-phy2"
SPECS = (
    {"address": "0000:05:*.*", "physical_network": "phy1", "network_pool": "hostdev"},
    {"address": "0000:82:*.*", "physical_network": "phy2", "network_pool": "passthrough"},
)
MODES = [
    pytest.param(IGB, VnicType.DIRECT, id="hostdev"),
    pytest.param(MLX, VnicType.MACVTAP, id="passthrough"),
]


class Pools(World):
    """A host with network pools, and a control plane that agrees to what libvirt took."""

    def __init__(self, directory: Path, specs: tuple[Any, ...] = SPECS, **given: Any) -> None:
        super().__init__(directory, specs=parse_device_specs(specs), **given)
        self.agrees = True
        self.epoch = 100
        told = self.control.report

        def report(news: HostReport) -> ReportAck:
            ack = told(news)
            if self.agrees:
                self._agree(news)
            return ack

        self.control.report = report  # type: ignore[method-assign,assignment]  # It agrees, too.

    def _agree(self, news: HostReport) -> None:
        for fact in news.taken:
            config = self.control.config
            assert config is not None
            held = {held for server in config.servers for held in server.held_devices}
            if (fact.chosen, fact.epoch) not in {(each.address, each.epoch) for each in held}:
                continue  # Another fact has made it right.
            places = {fact.chosen: fact.taken, fact.taken: fact.chosen}

            def moved(held: HeldDevice, places: Any = places) -> HeldDevice:
                if held.address not in places:
                    return held
                self.epoch += 1
                there = self.machine.kernel.functions()[places[held.address]]
                return replace(
                    held, address=there.address, vf_index=there.vf_index, epoch=self.epoch
                )

            servers = tuple(
                replace(
                    server,
                    nics=tuple(
                        replace(nic, device=nic.device and moved(nic.device)) for nic in server.nics
                    ),
                )
                for server in config.servers
            )
            self.control.want(*servers, releases=tuple(map(moved, config.releases)))

    def network(self, name: str = PHY1) -> Any:
        return self.machine.hypervisor.networks().get(name)

    def server(self, number: int) -> ServerConfig:
        """A server as the control plane has it now."""
        assert self.control.config is not None
        wanted = a_server(number).id
        return next(each for each in self.control.config.servers if each.id == wanted)

    def members(self, pf: PciAddress) -> tuple[str, ...]:
        vfs = [f for f in self.machine.kernel.functions().values() if f.pf_address == pf]
        vfs.sort(key=lambda vf: vf.vf_index or 0)
        return tuple(str(vf.address) if pf == IGB else str(vf.ifname) for vf in vfs)

    def given(self) -> dict[str, str]:
        """Which VF's settings carry which MAC, of those that are not as they were."""
        return {
            f"{record['address']} vf {index}": vf["mac"]
            for record in self.raw_kernel()["pfs"]
            for index, vf in enumerate(record["vfs"])
            if vf.get("mac", ZERO) != ZERO or vf.get("vlan_id")
        }


@pytest.fixture
def world(tmp_path: Path) -> Pools:
    return Pools(tmp_path)


@pytest.fixture
def agent(world: Pools) -> Agent:
    agent = world.an_agent()
    world.control.want()
    world.settle(agent)
    return agent


def pooled(world: Pools, number: int, index: int, pf: PciAddress = IGB) -> ServerConfig:
    """A server with one NIC whose place in the pool is VF `index`."""
    vnic_type = VnicType.DIRECT if pf == IGB else VnicType.MACVTAP
    epoch = world.epoch = world.epoch + 1
    return a_server(number, a_nic(number, world.device(pf, index, epoch=epoch), vnic_type))


@pytest.mark.usefixtures("agent")
def test_each_pool_has_a_libvirt_network_that_starts_with_libvirt(world: Pools) -> None:
    for name, pf, mode in ((PHY1, IGB, PoolMode.HOSTDEV), (PHY2, MLX, PoolMode.PASSTHROUGH)):
        state = world.network(name)
        wanted = PoolNetwork(mode, world.members(pf))
        assert (state.is_ours, state.autostarts) == (True, True)
        assert (state.live, state.defined) == (wanted, wanted)
    written = len(world.writes())
    again = world.an_agent()
    world.settle(again)
    assert len(world.writes()) == written


@pytest.mark.parametrize("how", ["stopped", "undefined", "changed"])
def test_a_network_that_nobody_uses_is_put_right_and_that_is_told(
    world: Pools, agent: Agent, how: str
) -> None:
    libvirt, before = world.machine.hypervisor, world.network()
    libvirt.destroy_network(PHY1)
    if how == "undefined":
        libvirt.undefine_network(PHY1)
    if how == "changed":
        fewer = replace(before.defined, members=before.defined.members[:1])
        libvirt.define_network(network_xml(PHY1, fewer))
        libvirt.start_network(PHY1)
    world.run(agent, seconds=90)
    assert world.network() == before
    drifts = [drift for report in world.control.reports for drift in report.drifts]
    assert [(drift.ifname, drift.repaired) for drift in drifts] == (
        [] if how == "undefined" else [(PHY1, True)]
    )


def test_a_network_that_a_guest_uses_is_left_until_it_is_not(world: Pools, agent: Agent) -> None:
    world.control.want(pooled(world, 1, 0))
    world.settle(agent)
    world.machine.hypervisor.destroy_network(PHY1)
    world.run(agent, seconds=90)
    assert world.network().live is None
    assert not agent.is_settled
    drifts = [drift for report in world.control.reports for drift in report.drifts]
    assert [(drift.ifname, drift.repaired) for drift in drifts] == [(PHY1, False)]
    assert "restart libvirt" in drifts[0].found
    world.control.want(releases=world.server(1).held_devices)
    world.settle(agent)
    assert world.network().live is not None


def test_a_network_goes_when_no_spec_asks_for_it_and_no_guest_has_a_vf_of_it(
    world: Pools, agent: Agent
) -> None:
    world.control.want(pooled(world, 1, 0))
    world.settle(agent)
    world.specs = parse_device_specs([{"address": "0000:05:*.*", "physical_network": "phy1"}])
    later = world.an_agent()
    world.run(later, seconds=5)
    assert set(world.machine.hypervisor.networks()) == {PHY1}
    assert world.control.server(world.server(1)) == (ServerCondition.RUNNING, "")
    world.control.want(releases=world.server(1).held_devices)
    world.settle(later)
    assert world.machine.hypervisor.networks() == {}


def test_a_network_that_libvirt_refuses_is_told_once_and_tried_again(tmp_path: Path) -> None:
    world = Pools(tmp_path)
    world.machine.hypervisor.plant(RefuseNext(operation="define_network", errno="EIO", times=4))
    agent = world.an_agent()
    world.control.want()
    world.settle(agent, minutes=30)
    assert set(world.machine.hypervisor.networks()) == {PHY1, PHY2}
    drifts = [drift for report in world.control.reports for drift in report.drifts]
    assert {drift.ifname for drift in drifts} == {PHY1, PHY2}
    assert all("net-define" in drift.found for drift in drifts)
    assert len(drifts) == 2


def test_a_network_of_somebody_else_is_never_touched(tmp_path: Path) -> None:
    world = Pools(tmp_path)
    network = PoolNetwork(PoolMode.PASSTHROUGH, ("eth9",))
    theirs = network_xml(PHY1, network).replace("trunkline:network", "trunkline:other")
    world.machine.hypervisor.define_network(theirs)
    before = world.network()
    agent = world.an_agent()
    world.control.want(pooled(world, 1, 0))
    world.run(agent, seconds=60)
    assert world.network() == before
    condition, reason = world.control.server(world.server(1)) or (None, "")
    assert condition is ServerCondition.FAILED
    assert "trunkline-phy1 is not ready" in reason


@pytest.mark.parametrize(("pf", "vnic_type"), MODES)
def test_the_vf_that_libvirt_took_becomes_the_nics_and_its_guest_runs_only_then(
    world: Pools, agent: Agent, pf: PciAddress, vnic_type: VnicType
) -> None:
    world.agrees = False
    server = pooled(world, 1, 2, pf)
    world.control.want(server)
    world.run(agent, seconds=60)
    chosen = server.held_devices[0]
    (fact,) = {fact for report in world.control.reports for fact in report.taken}
    assert (fact.chosen, fact.epoch) == (chosen.address, chosen.epoch)
    assert fact.taken == world.device(pf, 0).address
    assert world.resumes() == {}
    assert world.control.server(server) != (ServerCondition.RUNNING, "")

    world.agrees = True
    world.control.reports[-1:] = []
    world._agree(
        HostReport(host=a_config().host, run_id="r", number=1, generation=1, taken=(fact,))
    )
    world.settle(agent)
    server = world.server(1)
    assert server.nics[0].vnic_type is vnic_type
    assert world.control.condition(server.held_devices[0]) == (DeviceCondition.READY, "")
    assert world.given() == {f"{pf} vf 0": str(server.nics[0].mac)}
    world.control.want(releases=server.held_devices)
    world.settle(agent)
    assert world.given() == {}
    assert world.control.condition(server.held_devices[0]) == (DeviceCondition.CLEAN, "")


def test_servers_that_start_at_once_get_what_libvirt_gives_each(world: Pools, agent: Agent) -> None:
    world.control.want(*(pooled(world, number, 3 - number) for number in range(4)))
    world.settle(agent)
    assert len(world.given()) == 4
    for number in range(4):
        server = world.server(number)
        (held,) = server.held_devices
        where = f"{IGB} vf {held.vf_index}"
        assert world.given()[where] == str(server.nics[0].mac)


def test_a_server_that_is_stopped_gives_its_vf_back_and_gets_any_at_its_next_start(
    world: Pools, agent: Agent
) -> None:
    world.control.want(pooled(world, 1, 0), pooled(world, 2, 1))
    world.settle(agent)
    one, two = world.server(1), world.server(2)
    world.control.want(replace(one, power=PowerState.STOPPED), two)
    world.settle(agent)
    assert world.given() == {f"{IGB} vf 1": str(two.nics[0].mac)}
    # The place that the stopped one holds is taken by another that starts.
    world.control.want(replace(one, power=PowerState.STOPPED), two, pooled(world, 3, 3))
    world.settle(agent)
    assert world.server(3).held_devices[0].vf_index == 0
    assert world.server(1).held_devices[0].vf_index == 3
    world.control.want(
        replace(world.server(1), power=PowerState.RUNNING, boot_number=2), two, world.server(3)
    )
    world.settle(agent)
    assert world.server(1).held_devices[0].vf_index == 2
    assert set(world.given()) == {f"{IGB} vf {index}" for index in range(3)}


def test_nothing_is_started_from_a_pool_while_a_vf_of_it_is_not_as_it_was(
    world: Pools, agent: Agent
) -> None:
    world.control.want(pooled(world, 1, 0))
    world.settle(agent)
    (held,) = world.server(1).held_devices
    # libvirt can't bind it back, and says so only in its log.
    world.machine.kernel.plant(RefuseNext(operation="bind_driver", errno="EBUSY", times=99))
    world.control.want(pooled(world, 2, 1), releases=(held,))
    world.run(agent, seconds=60)
    condition, reason = world.control.server(world.server(2)) or (None, "")
    assert condition is ServerCondition.FAILED
    assert "still being taken back" in reason
    world.machine.kernel.clear_faults()


def test_a_pool_without_a_device_left_refuses_the_start(world: Pools, agent: Agent) -> None:
    world.control.want(*(pooled(world, number, number) for number in range(4)))
    world.settle(agent)
    running = [world.server(number) for number in range(4)]
    # One more than there are: the control plane never asks for it.
    one_more = a_server(9, a_nic(9, world.device(IGB, 0, epoch=900)))
    world.control.want(*running, one_more)
    world.run(agent, seconds=60)
    condition, _ = world.control.server(one_more) or (None, "")
    assert condition is not ServerCondition.RUNNING
    assert len(world.given()) == 4


@pytest.mark.parametrize(("pf", "vnic_type"), MODES)
@pytest.mark.parametrize("operation", ["start_paused", "destroy"])
def test_what_libvirt_is_slowly_taking_or_giving_back_is_left_to_it(
    world: Pools, agent: Agent, operation: str, pf: PciAddress, vnic_type: VnicType
) -> None:
    """One guest starts or ends slowly; another one of its pool is wanted, and the first goes."""
    first = pooled(world, 1, 0, pf)
    assert first.nics[0].vnic_type is vnic_type
    world.control.want(first)
    if operation == "destroy":
        world.settle(agent)
        first = world.server(1)
    world.machine.hypervisor.plant(SlowNext(operation=operation, times=1))
    if operation == "start_paused":
        world.run(agent, seconds=60)
    world.control.want(pooled(world, 2, 1, pf), releases=first.held_devices)
    world.run(agent, seconds=60)
    before = world.writes(), world.given()
    world.run(agent, seconds=600)
    assert (world.writes(), world.given()) == before
    told = world.control.server(world.server(2))
    assert told is not None
    assert told[0] is ServerCondition.PENDING
    world.machine.hypervisor.go_on()
    world.settle(agent)
    assert list(world.given().values()) == [str(world.server(2).nics[0].mac)]


def attach(world: Pools, server: ServerConfig, address: PciAddress) -> None:
    """As libvirt keeps it: `virsh attach-interface SERVER network trunkline-phy1`."""
    path = world.machine.hypervisor.path
    raw = msgspec.json.decode(path.read_bytes())
    guest = raw["domains"][server.id]["guest"]
    guest["handed_over"]["own_drivers"][str(address)] = "igbvf"
    guest["given"]["0000:0a:00.0"] = str(address)
    guest["of_networks"].append([PHY1, str(address)])
    raw["networks"][PHY1]["counted"].append(str(address))
    path.write_bytes(msgspec.json.encode(raw))


def test_a_guest_keeps_a_vf_that_was_attached_to_it_from_a_pool_and_others_start_from_it(
    world: Pools, agent: Agent
) -> None:
    world.control.want(pooled(world, 1, 0))
    world.settle(agent)
    one, extra = world.server(1), world.device(IGB, 1).address
    attach(world, one, extra)
    network = world.network()
    for each in (agent, world.an_agent()):
        world.run(each, seconds=130)
        assert world.resumes() == {one.id: 1}
        (told,) = (
            offered
            for offered in next(r.inventory for r in reversed(world.control.reports) if r.inventory)
            if offered.function.address == extra
        )
        assert told.function.used_by == (f"server {one.id}, whose guest it was attached to by hand")
        assert not told.on_offer
    world.control.want(one, pooled(world, 2, 3))
    world.settle(agent)
    two = world.server(2)
    assert world.resumes() == {one.id: 1, two.id: 1}
    assert two.held_devices[0].vf_index == 2
    assert world.network() == network
