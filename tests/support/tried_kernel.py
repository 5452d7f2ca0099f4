"""A simulated kernel whose drivers are tried out, as a real one's are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from trunkline.domain.device import PciFunction
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import LinkState, VfChange, VfSettings
from trunkline.host.fake_kernel import FakeKernel
from trunkline.host.linux.capabilities import Capabilities
from trunkline.host.linux.inventory import PfDriver
from trunkline.reconcile.observed import OriginalState

FIRMWARE = "1.2"


def raw(kernel: FakeKernel, pf: PciAddress) -> dict[int, VfSettings]:
    """What rtnetlink tells: 0 and `auto` where the driver has nothing to tell."""
    return {
        index: replace(
            each,
            link_state=each.link_state or LinkState.AUTO,
            min_tx_rate_mbps=each.min_tx_rate_mbps or 0,
            max_tx_rate_mbps=each.max_tx_rate_mbps or 0,
        )
        for index, each in kernel.vf_settings(pf).items()
    }


@dataclass
class HostKernel:
    """What is tried is this. Satisfies `ProbedKernel`."""

    kernel: FakeKernel
    up: frozenset[str] = frozenset()  # Netdevs that somebody has set up.

    def pf_driver(self, pf: PciAddress) -> PfDriver:
        return PfDriver(self.kernel.functions()[pf].pf_driver, FIRMWARE)

    def raw_vf_settings(self, pf: PciAddress) -> dict[int, VfSettings]:
        return raw(self.kernel, pf)

    def set_raw_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        self.kernel.set_vf(pf, vf_index, change)

    def is_up(self, ifname: str) -> bool:
        return ifname in self.up


class Killed(BaseException):
    """The process ends: nothing that comes after is done."""


@dataclass
class KilledKernel(HostKernel):
    """Ends the process after so many writes, and does nothing any more after that."""

    writes_left: int = 0

    def set_raw_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        if self.writes_left <= 0:
            raise Killed
        super().set_raw_vf(pf, vf_index, change)
        self.writes_left -= 1

    def raw_vf_settings(self, pf: PciAddress) -> dict[int, VfSettings]:
        if self.writes_left <= 0:
            raise Killed
        return super().raw_vf_settings(pf)


class TellingKernel(FakeKernel):
    """Tells of drivers what they were seen to do, and nothing else."""

    def __init__(self, path: Path, seen: Capabilities) -> None:
        super().__init__(path)
        self.seen = seen

    def functions(self) -> Mapping[PciAddress, PciFunction]:
        return {
            address: replace(each, pf_can=self.seen.seen_names(PfDriver(each.pf_driver, FIRMWARE)))
            for address, each in super().functions().items()
        }


@dataclass
class Kept:
    """What is remembered over the end of a process. Satisfies `TrialMemory`."""

    tried: dict[PciAddress, OriginalState] = field(default_factory=dict)

    def begin(self, before: OriginalState) -> None:
        self.tried[before.address] = before

    def end(self, vf: PciAddress) -> None:
        self.tried.pop(vf, None)
