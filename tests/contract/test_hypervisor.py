"""The simulated libvirt, held to what libvirt does; `tests/lab` holds a real one to the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.contract.hypervisor_suite import *  # noqa: F403  # the suite: all of its tests
from tests.contract.hypervisor_suite import HypervisorMachine
from tests.contract.machines import OTHER_PF, PF, fake_machine
from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import ServerId
from trunkline.host.fake_hypervisor import FakeHypervisor
from trunkline.host.fake_kernel import FakeKernel
from trunkline.reconcile.observed import DomainState


class FakeMachine(HypervisorMachine):
    pf, other_pf = PF, OTHER_PF

    def __init__(self, directory: Path) -> None:
        machine = fake_machine(directory)
        self.kernel: FakeKernel = machine.kernel
        self.hypervisor: FakeHypervisor = machine.hypervisor

    def domains(self) -> Mapping[ServerId, DomainState]:
        return self.hypervisor.guests().domains

    def define(self, xml: str) -> None:
        self.hypervisor.define(xml)

    def start_paused(self, server_id: ServerId) -> None:
        self.hypervisor.start_paused(server_id)

    def destroy(self, server_id: ServerId) -> None:
        self.hypervisor.destroy(server_id)

    def set_pf_down(self) -> None:
        self.kernel.set_netdev_up("eth2", up=False)

    def netdev_mac(self, ifname: str) -> MacAddress:
        return self.kernel.netdev_mac(ifname)

    def macvtaps(self) -> set[str]:
        return {vf.macvtap for pf in self.kernel.state().pfs for vf in pf.vfs} - {""}


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path)
