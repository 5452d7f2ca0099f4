"""Trying drivers out: of the simulated ones is seen what the table says, and nothing stays."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.machines import PF, a_pf, fake_machine
from trunkline.domain.device import PciFunction
from trunkline.domain.device_spec import Offering
from trunkline.domain.device_spec_parsing import parse_device_specs
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import LinkState, VfChange, VfSettings
from trunkline.domain.vf_capabilities import (
    VfCapabilities,
    capability_attributes,
    capability_names,
    vf_capabilities,
)
from trunkline.host.driver_data import drivers
from trunkline.host.fake_kernel import FakeKernel
from trunkline.host.linux.capabilities import Capabilities
from trunkline.host.linux.ethtool import version_in
from trunkline.host.linux.inventory import PfDriver
from trunkline.host.linux.probing import VfOfPf, free_vfs, probe, probe_host, put_back_all
from trunkline.reconcile.interfaces import HostRefused
from trunkline.reconcile.observed import Journal, OriginalState, OtherDomain

IGB = PfDriver("igb", "1.2")


def kernel_with(tmp_path: Path, driver: str) -> FakeKernel:
    return fake_machine(tmp_path, a_pf(driver=driver)).kernel


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


def vf_of(kernel: FakeKernel) -> VfOfPf:
    return VfOfPf(lambda pf: raw(kernel, pf), kernel.set_vf, PF, 1)


@pytest.mark.parametrize("driver", sorted(drivers()))
def test_every_known_driver_is_seen_to_do_what_the_table_says(tmp_path: Path, driver: str) -> None:
    kernel = kernel_with(tmp_path, driver)
    before = kernel.vf_settings(PF)
    able = vf_capabilities(driver)
    assert probe(vf_of(kernel)) == able
    assert kernel.vf_settings(PF) == before


@dataclass
class BusyKernel:
    """A VF in reset: every write is refused, and may succeed later."""

    kernel: FakeKernel
    written: list[VfChange] = field(default_factory=list)

    def read(self) -> VfSettings:
        return self.kernel.vf_settings(PF)[1]

    def write(self, change: VfChange) -> None:
        self.written.append(change)
        raise HostRefused("set vf", "in reset", errno_name="EAGAIN", transient=True)


def test_of_a_vf_in_reset_nothing_is_learned(tmp_path: Path) -> None:
    busy = BusyKernel(kernel_with(tmp_path, "i40e"))
    with pytest.raises(HostRefused):
        probe(busy)
    assert len(busy.written) == 1


@dataclass
class ForbiddenVf:
    """The helper's configuration does not put it on offer."""

    def read(self) -> VfSettings:
        return VfSettings()

    def write(self, change: VfChange) -> None:
        raise HostRefused("ask the host helper", "not on offer", errno_name="EPERM")


def test_a_helper_that_forbids_says_nothing_of_the_driver() -> None:
    with pytest.raises(HostRefused):
        probe(ForbiddenVf())


@dataclass
class Kept:
    """What is remembered over the end of a process."""

    tried: dict[PciAddress, OriginalState] = field(default_factory=dict)

    def begin(self, before: OriginalState) -> None:
        self.tried[before.address] = before

    def end(self, vf: PciAddress) -> None:
        self.tried.pop(vf, None)


def test_a_pf_without_a_link_waits(tmp_path: Path) -> None:
    kernel = kernel_with(tmp_path, "ixgbe")
    kernel.set_carrier(PF, up=False)
    functions = functions_of(kernel)
    free = {each.address for each in functions if each.pf_address}
    capabilities = Capabilities(None)
    probe_host(HostKernel(kernel), capabilities, functions, memory=Kept(), free=free)
    assert not capabilities.has(PfDriver("ixgbe", "1.2"))
    assert kernel.log() == ()


def test_free_is_what_is_on_offer_and_not_in_the_journal(tmp_path: Path) -> None:
    kernel = kernel_with(tmp_path, "igb")
    functions = kernel.functions()
    vfs = [address for address, each in functions.items() if each.pf_address]
    offering = Offering(
        parse_device_specs(
            [{"address": str(vfs[3]), "exclude": True}, {"vendor_id": "8086"}], path="device_spec"
        )
    )
    journal = Journal(
        originals={vfs[0]: OriginalState(address=vfs[0])}, unknown=frozenset({vfs[1]})
    )
    assert free_vfs(functions, offering, journal, ()) == {vfs[2]}


def test_what_the_host_or_a_domain_uses_is_not_free(tmp_path: Path) -> None:
    functions = dict(kernel_with(tmp_path, "igb").functions())
    vfs = [address for address, each in functions.items() if each.pf_address]
    functions[vfs[0]] = replace(functions[vfs[0]], used_by="eth2v0 is below br0")
    others = (OtherDomain(name="theirs", is_active=False, devices=frozenset({vfs[1]})),)
    offering = Offering(parse_device_specs([{"vendor_id": "8086"}], path="device_spec"))
    assert free_vfs(functions, offering, Journal(), others) == set(vfs[2:])


@dataclass
class StubbornVf:
    """Takes a VLAN, and never gives it up."""

    settings: VfSettings = field(default_factory=VfSettings)

    def read(self) -> VfSettings:
        return self.settings

    def write(self, change: VfChange) -> None:
        if change.vlan_id:
            self.settings = VfSettings(vlan_id=change.vlan_id, vlan_qos=change.vlan_qos or 0)
        else:
            raise HostRefused("set vf", "no", errno_name="EINVAL")


def test_a_vf_that_can_not_be_put_back_is_told(tmp_path: Path) -> None:
    with pytest.raises(HostRefused):
        probe(StubbornVf())


@dataclass
class HostKernel:
    """A simulated kernel as `probe_host` sees a real one."""

    kernel: FakeKernel
    up: frozenset[str] = frozenset()

    def pf_driver(self, pf: PciAddress) -> PfDriver:
        return PfDriver(self.kernel.functions()[pf].pf_driver, "1.2")

    def raw_vf_settings(self, pf: PciAddress) -> dict[int, VfSettings]:
        return raw(self.kernel, pf)

    def set_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        self.kernel.set_vf(pf, vf_index, change)

    def is_up(self, ifname: str) -> bool:
        return ifname in self.up


def functions_of(kernel: FakeKernel) -> list[PciFunction]:
    return list(kernel.functions().values())


def test_a_driver_is_tried_out_once_and_remembered_over_restarts(tmp_path: Path) -> None:
    kernel = kernel_with(tmp_path, "igb")
    functions = functions_of(kernel)
    free = {each.address for each in functions if each.pf_address}
    path = tmp_path / "capabilities.json"
    probe_host(HostKernel(kernel), Capabilities(path), functions, memory=Kept(), free=free)
    again = Capabilities(path)
    assert again.has(IGB)
    assert again.of(IGB) == vf_capabilities("igb")
    assert again.seen_names(IGB) == capability_names(vf_capabilities("igb"))
    assert not again.has(PfDriver("igb", "1.3"))
    writes = len(kernel.log())
    probe_host(HostKernel(kernel), again, functions, memory=Kept(), free=free)
    assert len(kernel.log()) == writes


def test_only_a_vf_that_nobody_has_is_tried_out(tmp_path: Path) -> None:
    kernel = kernel_with(tmp_path, "igb")
    functions = functions_of(kernel)
    vfs = [each for each in functions if each.pf_address]
    kernel.bind_driver(vfs[0].address, "vfio-pci")
    functions = functions_of(kernel)
    writes = len(kernel.log())
    host = HostKernel(kernel, up=frozenset({vfs[1].ifname or ""}))
    for free in (set(), {vfs[0].address}, {vfs[1].address}):
        capabilities = Capabilities(None)
        probe_host(host, capabilities, functions, memory=Kept(), free=free)
        assert not capabilities.has(IGB)
    assert len(kernel.log()) == writes
    probe_host(host, capabilities, functions, memory=Kept(), free={vfs[2].address})
    assert capabilities.has(IGB)
    assert {f"vf {vfs[2].vf_index} " in entry.command for entry in kernel.log()[writes:]} == {True}


@pytest.mark.parametrize("driver", ["igbvf", "igb_uio"])
def test_a_vf_whose_driver_has_no_netdev_here_is_not_tried_out(tmp_path: Path, driver: str) -> None:
    kernel = kernel_with(tmp_path, "igb")
    functions = functions_of(kernel)
    free = {each.address for each in functions if each.pf_address}
    elsewhere = [
        replace(each, driver=driver, ifname=None) if each.pf_address else each for each in functions
    ]
    capabilities = Capabilities(None)
    probe_host(HostKernel(kernel), capabilities, elsewhere, memory=Kept(), free=free)
    assert not capabilities.has(IGB)
    assert kernel.log() == ()
    without = [replace(each, driver=None) if each.pf_address else each for each in elsewhere]
    probe_host(HostKernel(kernel), capabilities, without, memory=Kept(), free=free)
    assert capabilities.has(IGB)


class _Killed(BaseException):
    """The process ends: nothing that comes after is done."""


@dataclass
class KilledKernel(HostKernel):
    """Ends the process after so many writes, and does nothing any more after that."""

    writes_left: int = 0

    def set_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        if self.writes_left <= 0:
            raise _Killed
        super().set_vf(pf, vf_index, change)
        self.writes_left -= 1

    def raw_vf_settings(self, pf: PciAddress) -> dict[int, VfSettings]:
        if self.writes_left <= 0:
            raise _Killed
        return super().raw_vf_settings(pf)


def test_wherever_it_is_killed_the_vf_is_brought_back_at_the_next_start(tmp_path: Path) -> None:
    for count in itertools.count(1):
        kernel = kernel_with(tmp_path / str(count), "ixgbe")
        before = kernel.vf_settings(PF)
        functions = kernel.functions()
        free = {address for address, each in functions.items() if each.pf_address}
        kept = Kept()
        killed = KilledKernel(kernel, writes_left=count)
        try:
            probe_host(killed, Capabilities(None), functions_of(kernel), memory=kept, free=free)
        except _Killed:
            assert kernel.vf_settings(PF) == before or kept.tried
            put_back_all(HostKernel(kernel), functions, kept.tried.copy(), memory=kept)
            assert kernel.vf_settings(PF) == before
            assert kept.tried == {}
        else:
            assert kept.tried == {}
            assert count > 8
            return


def test_a_vf_that_can_not_be_brought_back_stays_remembered_and_is_not_free(tmp_path: Path) -> None:
    kernel = kernel_with(tmp_path, "igb")
    functions = kernel.functions()
    vf = next(each for each in functions.values() if each.pf_address)
    was = OriginalState(address=vf.address, settings=VfSettings(vlan_id=5000))
    kept = Kept({vf.address: was})
    put_back_all(HostKernel(kernel), functions, kept.tried.copy(), memory=kept)
    assert kept.tried == {vf.address: was}
    offering = Offering(parse_device_specs([{"vendor_id": "8086"}], path="device_spec"))
    assert vf.address not in free_vfs(functions, offering, Journal(tried=kept.tried), ())


def test_what_was_seen_is_what_demands_match_on() -> None:
    assert capability_attributes("igb", ("link_state",)) == {"can.link_state": "true"}
    assert capability_attributes("igb", ()) == {}
    assert capability_attributes("igb") == capability_attributes(
        "anything", capability_names(vf_capabilities("igb"))
    )


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_that_is_damaged_is_as_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "capabilities.json"
    path.write_bytes(content)
    assert Capabilities(path).of(IGB) == vf_capabilities("igb")


def test_a_file_of_another_version_is_as_none(tmp_path: Path) -> None:
    path = tmp_path / "capabilities.json"
    stored = Capabilities(path)
    stored.remember(IGB, VfCapabilities(link_states=frozenset(LinkState)))
    assert Capabilities(path).has(IGB)
    path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":2'))
    assert not Capabilities(path).has(IGB)


@pytest.mark.parametrize(
    ("firmware", "said"),
    [(b"3.25, 0x80000000", "3.25, 0x80000000"), (b"", None), (b"N/A", None), (b"\xff\xfe", None)],
)
def test_the_firmware_is_what_can_be_printed(firmware: bytes, said: str | None) -> None:
    info = b"\3\0\0\0" + b"igb".ljust(32, b"\0") + bytes(32) + firmware.ljust(32, b"\0")
    assert version_in(info + bytes(32 + 32 + 12 + 20)) == said


@given(st.binary(min_size=196, max_size=196))
def test_any_bytes_of_a_driver_are_a_version_or_none(info: bytes) -> None:
    version = version_in(info)
    assert version is None or version.isprintable()
