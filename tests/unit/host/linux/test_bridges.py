"""What is beneath the ports of a bridge, by sysfs."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkline.domain.pci import PciAddress
from trunkline.host.linux.bridges import functions_beneath, read_uplinks

PF = "0000:05:00.0"


def netdev(root: Path, ifname: str, port_name: str = "", *, of: str = "") -> Path:
    """A netdev; `of`: of this function."""
    directory = root / f"class/net/{ifname}"
    directory.mkdir(parents=True)
    if of:
        (directory / "device").symlink_to(f"../../../bus/pci/devices/{of}")
    if port_name:
        (directory / "phys_port_name").write_text(f"{port_name}\n")
    return directory


@pytest.mark.parametrize(
    ("port_name", "is_uplink"), [("", True), ("p0", True), ("pf0vf3", False), ("pf0sf88", False)]
)
def test_a_representor_on_a_bridge_is_no_uplink(
    tmp_path: Path, port_name: str, is_uplink: bool
) -> None:
    netdev(tmp_path, "eth2", port_name, of=PF)
    bond = netdev(tmp_path, "bond0")
    (bond / "lower_eth2").symlink_to("../eth2")
    expected = frozenset({PciAddress.parse(PF)}) if is_uplink else None
    for ifname in ("eth2", "bond0"):
        assert functions_beneath(str(tmp_path), ifname) == expected


def test_bridges_are_found_with_what_is_beneath_their_uplinks(tmp_path: Path) -> None:
    netdev(tmp_path, "eth2", of=PF)
    netdev(tmp_path, "tap0")
    for name in ("br-phy1", "br-alone"):
        (netdev(tmp_path, name) / "bridge").mkdir()
        (tmp_path / f"class/net/{name}/bridge/stp_state").write_text("0\n")
    for port in ("eth2", "tap0"):
        (tmp_path / f"class/net/br-phy1/lower_{port}").symlink_to(f"../{port}")
    assert read_uplinks(str(tmp_path)) == {
        "br-alone": frozenset(), "br-phy1": frozenset({PciAddress.parse(PF)}),
    }  # fmt: skip
