"""The suite of bridges, on a simulated kernel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.bridge_suite import *  # noqa: F403  # the suite: all of its tests
from tests.contract.bridge_suite import BRIDGE, TAP
from tests.contract.machines import PF, fake_machine
from trunkline.domain.pci import PciAddress
from trunkline.host import fake_bridges
from trunkline.host.fake_kernel import FakeKernel
from trunkline.host.machine import KernelState


@dataclass(frozen=True)
class FakeSite:
    kernel: FakeKernel
    pf: PciAddress = PF
    uplink: str = "eth2"
    loose: str = "eth3"

    def switch_filtering_off(self) -> None:
        def act(state: KernelState) -> None:
            state.unfiltered_bridges.append(BRIDGE)

        self.kernel.write("operator", f"ip link set {BRIDGE} type bridge vlan_filtering 0", act)


@pytest.fixture
def site(tmp_path: Path) -> FakeSite:
    def act(state: KernelState) -> None:
        state.ports.append(fake_bridges.make_port(BRIDGE, "eth2", is_uplink=True))
        fake_bridges.add_tap(state, BRIDGE, TAP)

    kernel = fake_machine(tmp_path).kernel
    kernel.write("operator", "ip link set eth2 master br-phy1", act)
    return FakeSite(kernel)
