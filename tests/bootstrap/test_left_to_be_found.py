"""What an agent uses that its file leaves to be found: bridges and PFs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.agent.world import World
from tests.reconcile.scenes import IGB, MLX, VIF_TYPES, functions
from trunkline.bootstrap.auto_specs import with_found_pfs
from trunkline.bootstrap.bridges import bridges_of, with_bridges
from trunkline.bootstrap.compute_config import ComputeConfig, load_compute_config
from trunkline.bootstrap.simulated import open_simulated_host
from trunkline.cli.context import Failed
from trunkline.domain.device_spec_parsing import parse_device_specs
from trunkline.domain.host import HostResources
from trunkline.domain.ids import PhysicalNetwork
from trunkline.domain.pci import PciAddress

EXAMPLE = Path(__file__).parents[2] / "examples/two-networks/compute.toml"
PHY1, PHY2 = PhysicalNetwork("phy1"), PhysicalNetwork("phy2")


@pytest.fixture
def config(tmp_path: Path) -> ComputeConfig:
    config = load_compute_config(EXAMPLE, host="h1")
    return replace(config, state_dir=tmp_path, bridges={PHY1: "auto", PHY2: "br-two"})


def test_what_is_left_to_be_found_is_looked_up_on_the_machine(config: ComputeConfig) -> None:
    found = bridges_of(config, functions=functions, uplinks=lambda: {"br-one": {IGB}})
    assert found == {PHY1: "br-one", PHY2: "br-two"}
    with pytest.raises(Failed, match=r"bridges.phy1: br-a and br-b have PFs on phy1 as uplinks"):
        bridges_of(config, functions=functions, uplinks=lambda: {"br-b": {IGB}, "br-a": {IGB}})


def test_pfs_that_are_left_to_be_found_are_those_of_the_machine(config: ComputeConfig) -> None:
    raw = [{"address": "auto", "vendor_id": "15b3", "physical_network": "phy1"}]
    auto = replace(config, device_specs=parse_device_specs(raw, allow_auto=True))
    (spec,) = with_found_pfs(auto, functions).device_specs
    assert spec.address is not None
    assert spec.address.text == str(MLX)
    raw = [{"address": "auto", "physical_network": "phy1"}]
    several = replace(config, device_specs=parse_device_specs(raw, allow_auto=True))
    with pytest.raises(Failed, match=r"device_spec\[0\].address: .* fit; write the address of one"):
        with_found_pfs(several, functions)


def test_nothing_is_looked_up_where_all_is_named(config: ComputeConfig) -> None:
    def unexpected() -> dict[PciAddress, object]:
        raise AssertionError("nothing is to be read")

    named = replace(config, bridges={PHY1: "br-one"})
    assert with_found_pfs(named, unexpected) == named  # type: ignore[arg-type]  # it never returns
    assert bridges_of(named, functions=unexpected, uplinks=unexpected) == {PHY1: "br-one"}  # type: ignore[arg-type]  # it never returns


def test_bridges_that_keep_no_vlans_apart_are_told(tmp_path: Path) -> None:
    machine = World(tmp_path).machine
    resources = HostResources(vcpus=1, memory_mib=1, disk_gib=1)
    bridges = {PHY1: "br-phy1", PHY2: "br-none"}
    told = with_bridges(resources, bridges, machine.kernel)
    assert (told.bridges, told.unfiltered_bridges) == (bridges, ())
    machine.kernel.acting_as("operator").write(
        "by_hand", "by hand", lambda state: state.unfiltered_bridges.append("br-phy1")
    )
    assert with_bridges(resources, bridges, machine.kernel).unfiltered_bridges == ("br-phy1",)


def test_a_simulated_host_has_them_from_its_fleet_file(config: ComputeConfig) -> None:
    with open_simulated_host(config, VIF_TYPES, "scenario", on_news=lambda: None) as machine:
        assert machine.resources.bridges == {PHY1: "br-phy1", PHY2: "br-two"}
    lost = replace(config, bridges={PhysicalNetwork("phy9"): "auto"})
    with (
        pytest.raises(Failed, match=r"bridges.phy9: h1 has no bridge on it by its fleet file"),
        open_simulated_host(lost, VIF_TYPES, "scenario", on_news=lambda: None),
    ):
        pass
