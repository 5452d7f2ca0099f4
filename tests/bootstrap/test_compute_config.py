"""compute.toml: what ships is accepted, and each mistake is told with its place and remedy."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from trunkline.bootstrap.compute_config import load_compute_config
from trunkline.bootstrap.controller_config import load_controller_config
from trunkline.bootstrap.toml_reading import InvalidConfig
from trunkline.reconcile.report import DriftPolicy

EXAMPLES = Path(__file__).parents[2] / "examples" / "two-networks"

LEAST = """
state_dir = "state"
[controller]
url = "http://controller:8774/"
enrolment_key_file = "key"
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "compute.toml"
    path.write_text(text)
    return path


def test_the_example_cables_two_adapters_to_two_networks() -> None:
    config = load_compute_config(EXAMPLES / "compute.toml", host="h1")
    assert config.host == "h1"
    assert [spec.physical_network for spec in config.device_specs] == ["phy1", "phy2"]
    assert dict(config.bridges) == {"phy1": "br-phy1", "phy2": "br-phy2"}


def test_the_examples_of_controller_and_compute_host_fit_together() -> None:
    compute = load_compute_config(EXAMPLES / "compute.toml", host="h1")
    controller = load_controller_config(EXAMPLES / "controller.toml")
    used = {spec.physical_network for spec in compute.device_specs} | set(compute.bridges)
    assert used == set(controller.networking.vlan_ranges)
    assert compute.enrolment_key_file == controller.enrolment_key_file
    assert compute.controller_url.endswith(f":{controller.listen_port}")


def test_the_host_is_the_machine_unless_it_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, LEAST)
    assert load_compute_config(path).host == socket.gethostname()
    named = written(tmp_path, 'host = "h7"\n' + LEAST)
    assert load_compute_config(named).host == "h7"
    assert load_compute_config(named, host="h8").host == "h8"


def test_drift_is_repaired_unless_it_is_to_be_reported_only(tmp_path: Path) -> None:
    assert load_compute_config(written(tmp_path, LEAST)).drift is DriftPolicy.REPAIR
    told = load_compute_config(written(tmp_path, 'drift = "report"\n' + LEAST))
    assert told.drift is DriftPolicy.REPORT


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load_compute_config(written(tmp_path, LEAST))
    assert (config.state_dir, config.enrolment_key_file) == (tmp_path / "state", tmp_path / "key")
    assert config.controller_url == "http://controller:8774"


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ("bridge = 1\n", "bridge: unknown; did you mean bridges?"),
        ("host = 'a b'\n", "host: 'a b' is no host name"),
        ("[controler]\n", "controler: unknown; did you mean controller?"),
        ("[resources]\nvcpus = -1\n", "resources.vcpus"),
        ("[resources]\nmemory_mib = 2147483648\n", "resources.memory_mib"),
        ("[bridges]\nphy1 = 'a-name-that-is-too-long'\n", "bridges.phy1: "),
        ("[bridges]\nphy1 = 'br/0'\n", "bridges.phy1: "),
        ("[bridges]\nphy9 = 'auto'\n", 'needs a device_spec with physical_network = "phy9"'),
        ("[bridges]\nphy1 = 'br0'\nPhy1 = 'br1'\n", "'Phy1' differs from 'phy1' in case only"),
        ("device_spec = 3\n", "device_spec"),
        ("[[device_spec]]\nphysical_network = 'phy1'\n", "device_spec[0]"),
        ("[[device_spec]]\naddress = '05:00.0'\n", "device_spec[0].address: not a whole"),
        ("[[device_spec]]\naddress = '0000:05:*.*'\ncolour = 'x'\n", "[0].colour: unknown"),
        ("[[device_spec]]\nvendor_id = '80867'\n", "device_spec[0].vendor_id"),
        (("[[device_spec]]\naddress = '0000:05:*.*'\nphysical_network = 'phy1'\n"
         "[[device_spec]]\naddress = '0000:05:*.*'\nphysical_network = 'phy2'\n"),
         "device_spec[1]: matches the same devices as device_spec[0]"),
        (("[[device_spec]]\naddress = '0000:05:*.*'\nphysical_network = 'phy1'\n"
         "[[device_spec]]\naddress = '0000:06:*.*'\nphysical_network = 'PHY1'\n"),
         "device_spec[1].physical_network: physical network 'PHY1' differs from 'phy1'"),
        (("[[device_spec]]\naddress = '0000:05:*.*'\nphysical_network = 'phy1'\n"
         "[bridges]\nPHY1 = 'br0'\n"), "bridges.PHY1: physical network 'PHY1' differs from 'phy1'"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(tmp_path: Path, more: str, fault: str) -> None:
    text = more + LEAST if "=" in more.split("\n", 1)[0] else LEAST + more
    with pytest.raises(InvalidConfig) as refused:
        load_compute_config(written(tmp_path, text))
    assert any(fault in line for line in refused.value.faults), refused.value.faults


@pytest.mark.parametrize("url", ["controller:8774", "ftp://c", "http://", "http://c:99999", "//c"])
def test_a_controller_url_that_is_none_is_told(tmp_path: Path, url: str) -> None:
    text = LEAST.replace("http://controller:8774/", url)
    with pytest.raises(InvalidConfig, match=r"controller.url: not a URL"):
        load_compute_config(written(tmp_path, text))
