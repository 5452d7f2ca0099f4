"""Trying drivers out: of the simulated ones is seen what the table says, and nothing stays."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.machines import PF, a_pf, fake_machine
from tests.support.tried_kernel import HostKernel, Kept, Killed, KilledKernel, raw
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
from trunkline.host.faults import PfUnreadable
from trunkline.host.linux.capabilities import Capabilities
from trunkline.host.linux.ethtool import version_in
from trunkline.host.linux.inventory import PfDriver
from trunkline.host.linux.probing import LinuxTrials, VfOfPf, probe
from trunkline.reconcile.interfaces import HostRefused, TrialOutcome
from trunkline.reconcile.observed import OriginalState

IGB = PfDriver("igb", "1.2")


def kernel_with(tmp_path: Path, driver: str) -> FakeKernel:
    return fake_machine(tmp_path, a_pf(driver=driver)).kernel


def free_of(kernel: FakeKernel) -> Callable[[], frozenset[PciAddress]]:
    """All VFs."""
    functions = kernel.functions().items()
    return lambda: frozenset(address for address, each in functions if each.pf_address)


def nobody_asks() -> frozenset[PciAddress]:
    raise AssertionError("there is nothing to try out")


def vf_of(kernel: FakeKernel) -> VfOfPf:
    return VfOfPf(lambda pf: raw(kernel, pf), kernel.set_vf, PF, 1)


@pytest.mark.parametrize("driver", sorted(drivers()))
def test_every_known_driver_is_seen_to_do_what_the_table_says(tmp_path: Path, driver: str) -> None:
    kernel = kernel_with(tmp_path, driver)
    before = kernel.vf_settings(PF)
    able = vf_capabilities(driver)
    assert probe(vf_of(kernel)) == able
    assert kernel.vf_settings(PF) == before


@pytest.mark.parametrize("driver", ["ice", "mlx4_core"])
def test_802_1ad_is_seen_where_the_firmware_has_it(tmp_path: Path, driver: str) -> None:
    pf = a_pf(driver=driver)
    pf.double_vlan = True
    kernel = fake_machine(tmp_path, pf).kernel
    before = kernel.vf_settings(PF)
    seen = probe(vf_of(kernel))
    assert seen == replace(vf_capabilities(driver), vlan_8021ad=True)
    assert capability_attributes(driver, capability_names(seen))["can.vlan_8021ad"] == "true"
    assert kernel.vf_settings(PF) == before


def test_a_driver_that_takes_802_1ad_for_802_1q_has_none(tmp_path: Path) -> None:
    assert not probe(Indifferent(kernel_with(tmp_path, "ice"))).vlan_8021ad


@dataclass
class Indifferent:
    """Acknowledges any protocol, and tags with 802.1Q."""

    kernel: FakeKernel

    def read(self) -> VfSettings:
        return vf_of(self.kernel).read()

    def write(self, change: VfChange) -> None:
        vf_of(self.kernel).write(replace(change, vlan_protocol=None))


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
    """The helper is started with a configuration that does not put it on offer, in the middle."""

    allowed: int

    def read(self) -> VfSettings:
        return VfSettings()

    def write(self, change: VfChange) -> None:
        self.allowed -= 1
        if self.allowed < 0:
            raise HostRefused("ask the helper", "not on offer", errno_name="EPERM", unasked=True)


@pytest.mark.parametrize("allowed", [0, 1, 5])
def test_a_helper_that_forbids_says_nothing_of_the_driver(allowed: int) -> None:
    with pytest.raises(HostRefused):
        probe(ForbiddenVf(allowed))


def test_a_pf_without_a_link_waits(tmp_path: Path) -> None:
    kernel = kernel_with(tmp_path, "ixgbe")
    kernel.set_carrier(PF, up=False)
    capabilities = Capabilities(None)
    trials = LinuxTrials(HostKernel(kernel), capabilities)
    assert trials.try_out(kernel.functions(), free_of(kernel), Kept()) == TrialOutcome()
    assert not capabilities.has(PfDriver("ixgbe", "1.2"))
    assert kernel.log() == ()


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


def test_a_driver_is_tried_out_once_and_remembered_over_restarts(tmp_path: Path) -> None:
    kernel = kernel_with(tmp_path, "igb")
    path = tmp_path / "capabilities.json"
    first = LinuxTrials(HostKernel(kernel), Capabilities(path))
    outcome = first.try_out(kernel.functions(), free_of(kernel), Kept())
    assert outcome == TrialOutcome(learned=True)
    again = Capabilities(path)
    assert again.has(IGB)
    assert again.of(IGB) == vf_capabilities("igb")
    assert again.seen_names(IGB) == capability_names(vf_capabilities("igb"))
    assert not again.has(PfDriver("igb", "1.3"))
    writes = len(kernel.log())
    second = LinuxTrials(HostKernel(kernel), again)
    assert second.try_out(kernel.functions(), nobody_asks, Kept()) == TrialOutcome()
    assert len(kernel.log()) == writes


def test_only_a_vf_that_nobody_has_is_tried_out(tmp_path: Path) -> None:
    kernel = kernel_with(tmp_path, "igb")
    vfs = [each for each in kernel.functions().values() if each.pf_address]
    kernel.bind_driver(vfs[0].address, "vfio-pci")
    functions = kernel.functions()
    writes = len(kernel.log())
    capabilities = Capabilities(None)
    trials = LinuxTrials(HostKernel(kernel, up=frozenset({vfs[1].ifname or ""})), capabilities)
    for free in (set(), {vfs[0].address}, {vfs[1].address}):
        assert trials.try_out(functions, functools.partial(set, free), Kept()) == TrialOutcome()
        assert not capabilities.has(IGB)
    assert len(kernel.log()) == writes
    trials.try_out(functions, lambda: {vfs[2].address}, Kept())
    assert capabilities.has(IGB)
    assert {f"vf {vfs[2].vf_index} " in entry.command for entry in kernel.log()[writes:]} == {True}


@pytest.mark.parametrize("driver", ["igbvf", "igb_uio"])
def test_a_vf_whose_driver_has_no_netdev_here_is_not_tried_out(tmp_path: Path, driver: str) -> None:
    kernel = kernel_with(tmp_path, "igb")
    elsewhere = {
        address: replace(each, driver=driver, ifname=None) if each.pf_address else each
        for address, each in kernel.functions().items()
    }
    capabilities = Capabilities(None)
    trials = LinuxTrials(HostKernel(kernel), capabilities)
    assert trials.try_out(elsewhere, free_of(kernel), Kept()) == TrialOutcome()
    assert kernel.log() == ()
    without = {
        address: replace(each, driver=None) if each.pf_address else each
        for address, each in elsewhere.items()
    }
    trials.try_out(without, free_of(kernel), Kept())
    assert capabilities.has(IGB)


def test_one_driver_of_which_nothing_is_learned_stops_no_other(tmp_path: Path) -> None:
    kernel = fake_machine(tmp_path).kernel
    kernel.plant(PfUnreadable(pf=PF, errno="EIO"))
    capabilities = Capabilities(None)
    trials = LinuxTrials(HostKernel(kernel), capabilities)
    outcome = trials.try_out(kernel.functions(), free_of(kernel), Kept())
    assert outcome == TrialOutcome(learned=True, failed=True)
    assert not capabilities.has(IGB)
    assert capabilities.has(PfDriver("ixgbe", "1.2"))


def test_wherever_it_is_killed_the_vf_is_brought_back_at_the_next_start(tmp_path: Path) -> None:
    for count in itertools.count(1):
        kernel = kernel_with(tmp_path / str(count), "ixgbe")
        before = kernel.vf_settings(PF)
        functions = kernel.functions()
        kept = Kept()
        killed = LinuxTrials(KilledKernel(kernel, writes_left=count), Capabilities(None))
        try:
            killed.try_out(functions, free_of(kernel), kept)
        except Killed:
            assert kernel.vf_settings(PF) == before or kept.tried
            trials = LinuxTrials(HostKernel(kernel), Capabilities(None))
            assert trials.put_back(functions, kept.tried.copy(), kept) == TrialOutcome()
            assert kernel.vf_settings(PF) == before
            assert kept.tried == {}
        else:
            assert kept.tried == {}
            assert count > 8
            return


def test_a_vf_that_can_not_be_brought_back_stays_remembered(tmp_path: Path) -> None:
    kernel = kernel_with(tmp_path, "igb")
    functions = kernel.functions()
    vf = next(each for each in functions.values() if each.pf_address)
    was = OriginalState(address=vf.address, settings=VfSettings(vlan_id=5000))
    kept = Kept({vf.address: was})
    trials = LinuxTrials(HostKernel(kernel), Capabilities(None))
    outcome = trials.put_back(functions, kept.tried.copy(), kept)
    assert outcome == TrialOutcome(failed=True)
    assert kept.tried == {vf.address: was}


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


def test_another_kernel_has_a_driver_tried_again_and_what_was_seen_holds_until_then(
    tmp_path: Path,
) -> None:
    path = tmp_path / "capabilities.json"
    able = VfCapabilities(link_states=frozenset(LinkState))
    Capabilities(path, kernel="6.1.0-28").remember(IGB, able)
    upgraded = Capabilities(path, kernel="6.1.0-31")
    assert not upgraded.has(IGB)
    assert upgraded.of(IGB) == able
    assert upgraded.seen_names(IGB) == capability_names(able)
    upgraded.remember(IGB, VfCapabilities())
    again = Capabilities(path, kernel="6.1.0-31")
    assert again.has(IGB)
    assert again.of(IGB) == VfCapabilities()


@pytest.mark.parametrize("version", [1, 2])
def test_what_earlier_versions_wrote_holds_until_it_is_tried_again(
    tmp_path: Path, version: int
) -> None:
    path = tmp_path / "capabilities.json"
    seen = {"igb 1.2": {"trust": True, "link_states": ["auto"]}}
    path.write_text(json.dumps({"version": version, "seen": seen}))
    stored = Capabilities(path, kernel="6.1.0-28")
    assert not stored.has(IGB)
    assert stored.of(IGB) == VfCapabilities(trust=True, link_states=frozenset({LinkState.AUTO}))
    stored.remember(PfDriver("ice"), VfCapabilities())
    assert Capabilities(path, kernel="6.1.0-28").of(IGB) == stored.of(IGB)


def test_a_file_of_a_later_version_is_as_none(tmp_path: Path) -> None:
    path = tmp_path / "capabilities.json"
    Capabilities(path).remember(IGB, VfCapabilities(link_states=frozenset(LinkState)))
    path.write_bytes(path.read_bytes().replace(b'"version":3', b'"version":4'))
    assert Capabilities(path).of(IGB) == vf_capabilities("igb")


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
