"""A real host is taken over, as it was recorded, with guests of others: nothing is written.

The lab's card, recorded with its seven VFs, under `LinuxKernel`; VF 0 is below a bond, and a domain
of an operator's own has VF 1.
"""

from __future__ import annotations

from pathlib import Path

from tests.agent.world import RESOURCES, START, Control, Ids, UnsyncedFiles
from tests.contract.domains import domain_xml, hostdev_nic
from tests.contract.machines import fake_machine
from tests.reconcile.scenes import HOST, VIF_TYPES
from tests.support.lab_recordings import RECORDINGS
from tests.support.sysfs_trees import replay
from tests.unit.host.helper_scene import Recorder
from trunkline.agent.journal import JournalFile
from trunkline.agent.loop import Agent, AgentHost
from trunkline.domain.device_spec import Offering
from trunkline.domain.device_spec_parsing import parse_device_specs
from trunkline.domain.pci import PciAddress
from trunkline.host.linux.kernel import LinuxKernel

PF = PciAddress.parse("0000:01:00.0")


class SilentRtnetlink:
    """Nothing is known of any netdev but what sysfs tells."""

    def exchange(self, type_: int, payload: bytes, *, flags: int = 0) -> list[memoryview]:
        if flags:
            return []  # A dump, of no addresses.
        raise OSError(19, "No such device")


def test_a_recorded_host_with_other_users_is_taken_over_and_nothing_is_written(
    tmp_path: Path,
) -> None:
    root = replay((RECORDINGS / "vfs.sysfs").read_text(), tmp_path / "sys")
    boot_id = tmp_path / "proc/sys/kernel/random/boot_id"
    boot_id.parent.mkdir(parents=True)
    boot_id.write_text("c0ffee\n")
    writes = Recorder()
    kernel = LinuxKernel(
        writes,
        rtnetlink=SilentRtnetlink(),
        sysfs_root=root,
        proc_root=tmp_path / "proc",
        firmware=lambda _ifname: None,
    )
    vfs = {each.vf_index: each for each in kernel.functions().values() if each.pf_address == PF}
    assert len(vfs) == 7
    netdev = root / f"bus/pci/devices/{vfs[0].address}/net/eth7"
    netdev.mkdir(parents=True)
    (netdev / "upper_bond0").symlink_to("../../../bond0")
    hypervisor = fake_machine(tmp_path).hypervisor
    theirs = domain_xml(hostdev_nic(vfs[1].address), name="vintage", ours=False)
    hypervisor.define(theirs)
    specs = parse_device_specs([{"address": str(PF), "physical_network": "p"}], path="device_spec")
    host = AgentHost(
        name=HOST,
        kernel=kernel,
        hypervisor=hypervisor,
        resources=RESOURCES,
        offer=Offering(specs),
        vif_types=VIF_TYPES,
    )
    control = Control()
    control.want()
    journal = JournalFile(tmp_path / "journal.json", UnsyncedFiles())
    agent = Agent(host, journal=journal, transport=control, ids=Ids())
    now = START
    for _ in range(5):
        now = agent.step(now)
    assert agent.is_settled
    (inventory,) = [each.inventory for each in control.reports if each.inventory is not None]
    assert {
        each.function.vf_index: each.function.used_by for each in inventory if not each.on_offer
    } == {
        None: f"its VF 0 ({vfs[0].address}): eth7 is below bond0",
        0: "eth7 is below bond0",
        1: "libvirt domain vintage (shut off)",
    }
    assert [each.function.vf_index for each in inventory if each.on_offer] == [2, 3, 4, 5, 6]
    assert {each[0] for each in writes.done} <= {"read_vpd"}
    assert len(hypervisor.log()) == 1, "the operator's own definition"
