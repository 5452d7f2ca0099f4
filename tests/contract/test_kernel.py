"""The simulated kernel, held to what igb was seen to do; `tests/lab` holds the real one to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.kernel_suite import *  # noqa: F403  # the suite: all of its tests
from tests.contract.machines import OTHER_PF, PF, fake_machine
from trunkline.domain.pci import PciAddress
from trunkline.host.fake_kernel import FakeKernel


@dataclass(frozen=True)
class FakeMachine:
    kernel: FakeKernel
    pf: PciAddress = PF
    other_pf: PciAddress = OTHER_PF

    def bind(self, address: PciAddress, driver: str) -> None:
        self.kernel.bind_driver(address, driver)

    def wait_for_link(self, pf: PciAddress) -> None:
        pass  # It comes at once.

    def set_cable(self, pf: PciAddress, *, plugged: bool) -> None:
        self.kernel.set_carrier(pf, up=plugged)

    def meet_error(self, pf: PciAddress) -> None:
        self.kernel.meet_error(pf)


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    return FakeMachine(fake_machine(tmp_path).kernel)
