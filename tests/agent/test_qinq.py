"""A VF on a QinQ network: its outer tag is of 802.1ad whenever its guest runs.

0000:05:00.0  eth2  ice, whose firmware has it    VFs 0000:05:01.0 .. .3
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.agent.world import World, check
from tests.contract.machines import PF, a_pf, fake_machine
from tests.reconcile.scenes import a_nic, a_server
from trunkline.domain.vf import VfChange, VlanProtocol
from trunkline.reconcile.desired import ServerConfig
from trunkline.reconcile.report import DeviceCondition, ServerCondition

AD = VlanProtocol.DOT1AD
OUTER = "vlan 100 proto 802.1ad"


def a_world(directory: Path, *, double_vlan: bool = True) -> World:
    pf = a_pf(driver="ice")
    pf.double_vlan = double_vlan
    return World(directory, machine=fake_machine(directory, pf))


def a_qinq_server(world: World) -> ServerConfig:
    return a_server(1, replace(a_nic(1, world.device(PF, 0)), vlan_protocol=AD))


def commands(world: World, by: str) -> list[str]:
    return [each.command for each in world.machine.kernel.log() if each.by == by]


def test_the_guest_runs_only_with_the_outer_tag_that_libvirt_does_not_know(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    server = a_qinq_server(world)
    before = world.machine.kernel.vf_settings(PF)
    world.control.want(server)
    world.settle(world.an_agent())
    check(world, server)
    found = world.machine.kernel.vf_settings(PF)[0]
    assert (found.vlan_id, found.vlan_protocol) == (100, AD)
    # libvirt has written the VLAN as one of 802.1Q meanwhile: it was put right before the resume.
    assert [OUTER in each for each in commands(world, "agent") if "vlan" in each] == [True, True]
    assert [each for each in commands(world, "libvirt") if "vlan 100" in each]

    writes = world.writes()
    world.settle(world.an_agent())
    assert world.writes() == writes

    world.control.want(releases=server.held_devices)
    world.settle(world.an_agent())
    assert world.machine.kernel.vf_settings(PF) == before
    assert world.control.condition(server.held_devices[0]) == (DeviceCondition.CLEAN, "")


@pytest.mark.parametrize("protocol", [None, VlanProtocol.DOT1Q])
def test_a_protocol_that_was_changed_by_hand_is_put_right(
    tmp_path: Path, protocol: VlanProtocol | None
) -> None:
    world = a_world(tmp_path)
    server = a_qinq_server(world)
    world.control.want(server)
    agent = world.an_agent()
    world.settle(agent)
    operator = world.machine.kernel.acting_as("operator")
    operator.set_vf(PF, 0, VfChange(vlan_id=100, vlan_qos=0, vlan_protocol=protocol))
    world.run(agent, seconds=2)
    assert world.machine.kernel.vf_settings(PF)[0].vlan_protocol is AD
    (drift,) = [drift for report in world.control.reports for drift in report.drifts]
    assert drift.repaired
    assert "vlan_protocol is 802.1Q, not 802.1ad" in drift.found


def test_an_ordinary_vlan_that_was_made_an_outer_one_by_hand_is_put_right(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    world.control.want(a_server(1, a_nic(1, world.device(PF, 0))))
    agent = world.an_agent()
    world.settle(agent)
    operator = world.machine.kernel.acting_as("operator")
    operator.set_vf(PF, 0, VfChange(vlan_id=100, vlan_qos=0, vlan_protocol=AD))
    world.run(agent, seconds=2)
    assert world.machine.kernel.vf_settings(PF)[0].vlan_protocol is VlanProtocol.DOT1Q


def test_what_was_there_before_is_there_again_with_its_protocol(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    kernel = world.machine.kernel
    kernel.acting_as("operator").set_vf(PF, 0, VfChange(vlan_id=7, vlan_qos=1, vlan_protocol=AD))
    before = kernel.vf_settings(PF)
    server = a_server(1, a_nic(1, world.device(PF, 0)))
    world.control.want(server)
    world.settle(world.an_agent())
    assert kernel.vf_settings(PF)[0].vlan_protocol is VlanProtocol.DOT1Q
    world.control.want(releases=server.held_devices)
    world.settle(world.an_agent())
    assert kernel.vf_settings(PF) == before


def test_a_card_that_can_not_is_told_by_its_errno_and_restored(tmp_path: Path) -> None:
    world = a_world(tmp_path, double_vlan=False)
    server = a_qinq_server(world)
    before = world.machine.kernel.vf_settings(PF)
    world.control.want(server)
    world.run(world.an_agent(), seconds=5)
    found = world.control.server(server)
    assert found is not None
    assert found[0] is ServerCondition.FAILED
    assert "EPROTONOSUPPORT" in found[1]
    assert world.machine.kernel.vf_settings(PF) == before
