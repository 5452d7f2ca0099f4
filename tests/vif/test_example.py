"""The package of examples/acme-vif, installed for a Python of its own, is found and used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.libvirt_schemas import LibvirtSchema
from tests.support.patience import HANGS_SECONDS

EXAMPLE = Path(__file__).parents[2] / "examples" / "acme-vif"

PROGRAM = """
import json
from datetime import UTC, datetime
from tests.reconcile.scenes import IGB, a_nic, a_server, functions, vf
from trunkline.domain.device import OfferedDevice
from trunkline.domain.ids import NetworkId, PhysicalNetwork, ProjectId, SegmentId
from trunkline.domain.network import Network, NetworkType, Segment
from trunkline.domain.port import VnicType
from trunkline.netdrivers.registry import load_network_drivers
from trunkline.reconcile.domain_xml import DomainOptions, define
from trunkline.vif.registry import load_vif_types

registry = load_vif_types()
chosen = registry.choose(VnicType.DIRECT, {VnicType.DIRECT: "acme_teamed"})
nic = a_nic(1, vf(IGB, 0), vif_type=chosen.name)
xml = define(a_server(1, nic), registry, DomainOptions()).xml

(driver,) = load_network_drivers({"acme_fabric": {"prefix": "blue-"}})
start = datetime(2026, 1, 1, tzinfo=UTC)
segment = Segment(
    id=SegmentId("s"),
    network_id=NetworkId("n"),
    network_type=NetworkType.VLAN,
    physical_network=PhysicalNetwork("phy1"),
    segmentation_id=100,
    created_at=start,
    updated_at=start,
)
network = Network(
    id=NetworkId("n"),
    project_id=ProjectId("p"),
    name="blue",
    segments=(segment,),
    created_at=start,
    updated_at=start,
    provider=True,
)
good = OfferedDevice(function=functions()[IGB], tags={"acme_fabric": "blue-phy1"})
bad = OfferedDevice(function=functions()[IGB], tags={"acme_fabric": "red"})
print(json.dumps({
    "xml": xml,
    "requirements": dict(driver.requirements(network, segment).attributes),
    "good": driver.refusal(network, segment, good),
    "bad": driver.refusal(network, segment, bad),
}))
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The example as an installer leaves it: its modules, and its metadata beside them."""
    project: Mapping[str, object] = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())[
        "project"
    ]
    metadata = tmp_path / "acme_vif-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-vif\nVersion: 1.0\n")
    groups = project["entry-points"]
    assert isinstance(groups, dict)
    lines = []
    for group, entries in groups.items():
        lines.append(f"[{group}]")
        lines += [f"{name} = {value}" for name, value in entries.items()]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
    (tmp_path / "acme_vif").symlink_to(EXAMPLE / "src" / "acme_vif")
    return tmp_path


def run(*paths: Path) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    path = os.pathsep.join(map(str, (*paths, root / "src", root)))
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
        timeout=HANGS_SECONDS,
    )


def test_a_package_from_outside_the_tree_is_found_and_used(
    installed: Path, libvirt_domain_schema: LibvirtSchema
) -> None:
    ran = run(installed)
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    libvirt_domain_schema.check(said["xml"])
    assert '<teaming type="transient" persistent="ua-tl000000010000"/>' in said["xml"]
    assert said["requirements"] == {"e.acme_fabric": "blue-phy1"}
    assert said["good"] is None
    assert said["bad"] == "it is on fabric red, not on blue-phy1"


def test_without_the_package_its_name_is_refused_with_those_there_are() -> None:
    ran = run()
    assert ran.returncode != 0
    assert "no VIF type 'acme_teamed' for VNIC type 'direct' is installed" in ran.stderr
