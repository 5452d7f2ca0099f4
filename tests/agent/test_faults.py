"""A host that lies, changes behind the agent's back, reboots or loses the agent's memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.agent.world import IGB, MLX, World, check
from tests.reconcile.scenes import a_nic, a_server
from tests.reconcile.scenes import whole as whole_pf
from trunkline.domain.pci import PciAddress
from trunkline.domain.port import VnicType
from trunkline.domain.server import PowerState
from trunkline.domain.vf import LinkState, VfChange
from trunkline.host.fake_kernel import FakeKernel
from trunkline.host.faults import IgnoreVlan, PfUnreadable, RefuseNext, SwapVfs
from trunkline.host.privileged.client import HelperClient
from trunkline.reconcile.interfaces import HostRefused
from trunkline.reconcile.report import DeviceCondition, ServerCondition


@pytest.mark.parametrize("vnic_type", [VnicType.DIRECT, VnicType.MACVTAP])
def test_a_vlan_that_is_acknowledged_and_ignored_keeps_the_guest_from_running(
    vnic_type: VnicType, tmp_path: Path
) -> None:
    world = World(tmp_path)
    world.machine.kernel.plant(IgnoreVlan())
    server = a_server(1, a_nic(1, world.device(IGB, 0), vnic_type))
    world.control.want(server)
    agent = world.an_agent()
    world.run(agent, seconds=120)
    told = world.control.server(server)
    assert told is not None
    assert told[0] is ServerCondition.FAILED
    assert "vlan_id is 0, not 100" in told[1]
    assert not world.resumes()
    check(world)


def test_what_libvirts_start_changes_is_read_back_before_the_guest_runs(tmp_path: Path) -> None:
    """libvirt writes the VLAN with priority 0; the write that brings it back is then ignored."""
    world = World(tmp_path)
    server = a_server(1, replace(a_nic(1, world.device(IGB, 0)), vlan_qos=3))
    world.control.want(server)

    class AfterStart:
        def reached(self, point: str) -> None:
            if point.startswith("after virsh start"):
                world.machine.kernel.plant(IgnoreVlan(times=1))

    world.run(world.an_agent(AfterStart()), seconds=0.5)
    assert [entry.command for entry in world.machine.hypervisor.log()][-1].startswith(
        "virsh start --paused"
    )
    told = world.control.server(server)
    assert told is not None
    assert told[0] is ServerCondition.PENDING
    assert "vlan_qos is 0, not 3" in told[1]
    world.settle(world.an_agent())
    check(world, server)
    assert world.resumes() == {server.id: 1}


def test_vfs_whose_writes_land_on_each_other_never_carry_a_guest(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.machine.kernel.plant(SwapVfs(pf=IGB, a=0, b=1))
    world.control.want(a_server(1, a_nic(1, world.device(IGB, 0))))
    world.run(world.an_agent(), seconds=120)
    assert not world.resumes()


def test_drift_is_repaired_and_told_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    device = world.device(IGB, 0)
    server = a_server(1, a_nic(1, device))
    world.control.want(server)
    agent = world.an_agent()
    world.settle(agent)
    operator = world.machine.kernel.acting_as("operator")
    operator.set_vf(IGB, 0, VfChange(vlan_id=666, vlan_qos=0, trust=True))
    world.run(agent, seconds=300)
    check(world, server)
    drifts = [drift for report in world.control.reports for drift in report.drifts]
    assert [(drift.address, drift.repaired) for drift in drifts] == [(device.address, True)]
    assert drifts[0].found == "vlan_id is 666, not 100; trust is on, not off"
    assert world.resumes() == {server.id: 1}


def test_a_port_that_is_put_down_is_cut_off_and_comes_back_when_it_is_put_up(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    nic = a_nic(1, world.device(MLX, 0))
    agent = world.an_agent()
    for state in (LinkState.AUTO, LinkState.DISABLE, LinkState.AUTO):
        server = a_server(1, replace(nic, link_state=state))
        world.control.want(server)
        world.settle(agent)
        assert world.machine.kernel.vf_settings(MLX)[0].link_state is state
    assert world.resumes() == {server.id: 1}
    assert not [drift for report in world.control.reports for drift in report.drifts]


def test_a_link_that_is_set_down_by_hand_is_drift(tmp_path: Path) -> None:
    world = World(tmp_path)
    server = a_server(1, a_nic(1, world.device(MLX, 0)))
    world.control.want(server)
    agent = world.an_agent()
    world.settle(agent)
    operator = world.machine.kernel.acting_as("operator")
    operator.set_vf(MLX, 0, VfChange(link_state=LinkState.DISABLE))
    world.run(agent, seconds=2)
    assert world.machine.kernel.vf_settings(MLX)[0].link_state is LinkState.AUTO
    drifts = [drift for report in world.control.reports for drift in report.drifts]
    assert [(drift.found, drift.repaired) for drift in drifts] == [
        ("link_state is disable, not auto", True)
    ]


@pytest.mark.parametrize("pf", [IGB, MLX])
def test_drift_of_a_server_with_vfs_on_two_pfs_is_repaired(pf: PciAddress, tmp_path: Path) -> None:
    world = World(tmp_path)
    server = a_server(1, a_nic(1, world.device(IGB, 0)), a_nic(2, world.device(MLX, 0)))
    world.control.want(server)
    agent = world.an_agent()
    world.settle(agent)
    world.machine.kernel.acting_as("operator").set_vf(pf, 0, VfChange(vlan_id=666, vlan_qos=0))
    world.run(agent, seconds=130)
    check(world, server)


def test_a_guest_that_crashed_is_started_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    server = a_server(1, a_nic(1, world.device(IGB, 0)))
    world.control.want(server)
    agent = world.an_agent()
    world.settle(agent)
    world.machine.hypervisor.crash_guest(server.id)
    world.run(agent, seconds=130)
    check(world, server)
    assert world.resumes() == {server.id: 2}


def test_a_server_whose_guest_crashed_can_be_deleted(tmp_path: Path) -> None:
    world = World(tmp_path)
    device = world.device(IGB, 0)
    server = a_server(1, a_nic(1, device))
    world.control.want(server)
    agent = world.an_agent()
    world.settle(agent)
    world.machine.hypervisor.crash_guest(server.id)
    world.control.want(releases=(device,))
    world.settle(agent)
    check(world)


def test_a_server_that_is_stopped_after_its_guest_crashed_settles(tmp_path: Path) -> None:
    world = World(tmp_path)
    server = a_server(1, a_nic(1, world.device(IGB, 0)))
    world.control.want(server)
    agent = world.an_agent()
    world.settle(agent)
    world.machine.hypervisor.crash_guest(server.id)
    stopped = replace(server, power=PowerState.STOPPED)
    world.control.want(stopped)
    world.settle(agent)
    assert world.control.server(stopped) == (ServerCondition.STOPPED, "")
    assert not world.raw_domains()[server.id].get("guest")


@pytest.mark.parametrize("whole", [False, True])
def test_a_device_that_libvirt_left_bound_to_vfio_is_dirty_until_it_is_bound_back(
    whole: bool, tmp_path: Path
) -> None:
    world = World(tmp_path)
    device = whole_pf(MLX) if whole else world.device(MLX, 0)
    vnic_type = VnicType.DIRECT_PHYSICAL if whole else VnicType.DIRECT
    world.control.want(a_server(1, a_nic(1, device, vnic_type)))
    agent = world.an_agent()
    world.settle(agent)
    world.machine.kernel.plant(RefuseNext(operation="bind_driver", errno="ENODEV", times=1))
    world.control.want(releases=(device,))
    world.run(agent, seconds=60)
    found = world.control.condition(device)
    assert found is not None
    assert found[0] is DeviceCondition.DIRTY
    assert "is bound to vfio-pci, not to mlx5_core" in found[1]
    world.machine.kernel.acting_as("operator").bind_driver(device.address, "mlx5_core")
    world.run(agent, seconds=400)
    assert world.control.condition(device) == (DeviceCondition.CLEAN, "")
    check(world)


def test_a_vlan_changed_by_its_network_is_no_drift(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = world.an_agent()
    server = a_server(1, a_nic(1, world.device(IGB, 0)))
    world.control.want(server)
    world.settle(agent)
    changed = a_server(1, a_nic(1, world.device(IGB, 0), vlan_id=101))
    told = len(world.control.reports)
    world.control.want(changed)
    world.settle(agent)
    check(world, changed)
    assert world.resumes() == {server.id: 1}
    assert not any(report.drifts for report in world.control.reports)
    # READY was told of VLAN 100 before; that it now holds of 101 is news.
    assert any(report.devices for report in world.control.reports[told:])


def test_after_a_reboot_of_the_host_everything_is_made_so_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = world.an_agent()
    servers = (
        a_server(1, a_nic(1, world.device(IGB, 0))),
        a_server(2, a_nic(2, world.device(MLX, 0), VnicType.MACVTAP)),
        a_server(3, a_nic(3, world.device(MLX, 1)), power=PowerState.STOPPED),
    )
    world.control.want(*servers)
    world.settle(agent)
    world.machine.kernel.reboot()
    fresh = world.an_agent()
    world.settle(fresh)
    check(world, *servers)
    world.control.want(
        releases=tuple(nic.device for s in servers for nic in s.nics if nic.device is not None)
    )
    world.settle(fresh)
    check(world)


def test_a_lost_journal_does_not_make_a_tenants_settings_the_original_ones(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    kept = a_server(1, a_nic(1, world.device(IGB, 0)))
    deleted = a_server(2, a_nic(2, world.device(MLX, 0), vlan_id=200))
    world.control.want(kept, deleted)
    world.settle(world.an_agent())
    world.journal_path.unlink()
    before = world.writes()
    world.settle(world.an_agent())
    assert world.writes() == before
    world.journal_path.unlink()
    held = (world.device(IGB, 0), world.device(MLX, 0))
    world.control.want(kept, releases=held[1:])
    agent = world.an_agent()
    world.settle(agent)
    check(world, kept)
    world.control.want(releases=held)
    world.settle(agent)
    check(world)


def test_what_a_driver_cannot_do_is_refused_only_if_asked_for(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = world.an_agent()
    nic = a_nic(1, world.device(IGB, 0))  # igb has no link state.
    asking = a_server(1, replace(nic, link_state=LinkState.ENABLE))
    other = a_server(2, a_nic(2, world.device(IGB, 1)))
    world.control.want(asking, other)
    world.run(agent, seconds=5)
    told = world.control.server(asking)
    assert told is not None
    assert told[0] is ServerCondition.FAILED
    assert told[1] == "igb of 0000:05:00.0 can't set link state for its VFs"
    assert world.control.server(other) == (ServerCondition.RUNNING, "")
    check(world, other)


def test_a_pf_that_cannot_be_read_stops_no_guest_that_runs(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = world.an_agent()
    running = a_server(1, a_nic(1, world.device(IGB, 0)))
    world.control.want(running)
    world.settle(agent)
    world.machine.kernel.plant(PfUnreadable(pf=IGB))
    new = a_server(2, a_nic(2, world.device(IGB, 1)))
    world.control.want(running, new)
    world.run(world.an_agent(), seconds=120)
    told = world.control.server(new)
    assert told is not None
    assert "can't be read" in told[1]
    assert set(world.raw_domains()) == {running.id}
    world.machine.kernel.clear_faults()
    world.settle(world.an_agent(), minutes=10)
    check(world, running, new)


def test_a_stop_that_cannot_be_finished_is_tried_until_it_can(tmp_path: Path) -> None:
    world = World(tmp_path)
    server = a_server(1, a_nic(1, world.device(IGB, 0)))
    world.control.want(server)
    agent = world.an_agent()
    world.settle(agent)
    world.machine.kernel.plant(PfUnreadable(pf=IGB))
    stopped = replace(server, power=PowerState.STOPPED)
    world.control.want(stopped)
    world.run(agent, seconds=120)
    told = world.control.server(stopped)
    assert told is not None
    assert told[0] is ServerCondition.PENDING
    world.machine.kernel.clear_faults()
    world.settle(agent, minutes=10)
    check(world, stopped)
    before = world.writes()
    world.settle(world.an_agent())
    assert world.writes() == before


def test_lost_reports_are_told_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = world.an_agent()
    device = world.device(IGB, 0)
    server = a_server(1, a_nic(1, device))
    world.control.want(server)
    world.control.lose_reports = True
    world.run(agent, seconds=10)
    check(world, server)
    assert not world.control.reports
    world.control.lose_reports = False
    world.control.lose_fetches = True
    world.run(agent, seconds=5)
    assert world.control.condition(device) == (DeviceCondition.READY, "")
    assert world.control.reports[0].inventory is not None
    assert [report.number for report in world.control.reports] == sorted(
        {report.number for report in world.control.reports}
    )


def test_a_quiet_host_sends_heartbeats_and_reads_one_pf_in_turn(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = world.an_agent()
    world.control.want(
        a_server(1, a_nic(1, world.device(IGB, 0))), a_server(2, a_nic(2, world.device(MLX, 0)))
    )
    world.settle(agent)
    host_kernel = agent._host.kernel
    reads = dict(host_kernel.reads)  # type: ignore[attr-defined]  # The fake counts them.
    told = len(world.control.reports)
    world.run(agent, seconds=600)
    heartbeats = world.control.reports[told:]
    assert 19 <= len(heartbeats) <= 21
    assert not any(r.devices or r.servers or r.inventory or r.drifts for r in heartbeats)
    assert all(report.settled for report in heartbeats)
    after = dict(host_kernel.reads)  # type: ignore[attr-defined]  # the fake counts its reads
    checks = sorted(after[pf] - reads[pf] for pf in (IGB, MLX))
    assert checks in ([4, 5], [5, 5])


class WithoutHelper(FakeKernel):
    """What an agent has whose helper is away; what is read needs none."""

    def set_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        HelperClient(Path("/nonexistent/host-helper.sock")).set_vf(pf, vf_index, change)


class WithStrictHelper(FakeKernel):
    """What an agent has whose helper is started with a list that lacks its VFs."""

    def set_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        raise HostRefused("ask the host helper", "not on offer", errno_name="EPERM", unasked=True)


class InReset(FakeKernel):
    """A PF whose driver asks to be asked later."""

    def set_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        raise HostRefused("ip link set", "try again", errno_name="EAGAIN", transient=True)


class BeingRenamed(FakeKernel):
    """A PF whose netdev comes and goes, as while its driver recovers."""

    def set_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        raise HostRefused("ip link set", "No such device", errno_name="ENODEV")


@pytest.mark.parametrize("unable", [WithoutHelper, WithStrictHelper, InReset, BeingRenamed])
def test_a_guest_runs_on_while_nobody_can_put_its_drift_right(
    unable: type[FakeKernel], tmp_path: Path
) -> None:
    world = World(tmp_path)
    server = a_server(1, a_nic(1, world.device(IGB, 0)))
    world.control.want(server)
    world.settle(world.an_agent())
    world.machine.kernel.acting_as("operator").set_vf(IGB, 0, VfChange(trust=True))
    agent = world.an_agent(kernel=unable)
    world.run(agent, seconds=600)
    assert world.resumes() == {server.id: 1}
    told = world.control.server(server)
    assert told is not None
    assert told[0] is ServerCondition.PENDING
    drifts = [drift for report in world.control.reports for drift in report.drifts]
    assert {drift.repaired for drift in drifts} == {False}
    world.settle(world.an_agent())
    check(world, server)
    assert world.resumes() == {server.id: 1}


class NotYetNamed(FakeKernel):
    """What an agent has whose helper goes by a name that a PF has only a moment later."""

    refusals = 2

    def set_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        if self.refusals:
            self.refusals -= 1
            raise HostRefused("ask the helper", "not on offer", errno_name="EPERM", unasked=True)
        super().set_vf(pf, vf_index, change)


def test_a_new_server_is_not_given_up_because_the_helper_does_not_know_its_pf_yet(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    server = a_server(1, a_nic(1, world.device(IGB, 0)))
    world.control.want(server)
    world.settle(world.an_agent(kernel=NotYetNamed))
    check(world, server)
