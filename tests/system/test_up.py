"""`trunkline up` as a user has it: one process, real agents, the unmodified clients."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import OpenStack, client_environment
from tests.support.patience import HANGS_SECONDS
from tests.support.processes import trunkline

pytestmark = pytest.mark.slow

VLANS = {"blue": ("phy1", 120), "red": ("phy2", 220)}


class Session:
    """A user at a terminal, beside a running `trunkline up`."""

    def __init__(self, directory: Path, openstack: OpenStack) -> None:
        self.directory = directory
        self._openstack = openstack

    def admin(self, *args: str) -> str:
        return self._openstack(self.directory, *args, check=True).stdout

    def demo(self, *args: str) -> str:
        return self._openstack(self.directory, *args, cloud="trunkline-demo", check=True).stdout

    def show(self, *args: str) -> Any:
        return json.loads(self.demo(*args, "-f", "json"))

    def prepare(self) -> None:
        for name, (physical_network, vlan) in VLANS.items():
            self.admin(
                "network", "create", name, "--share", "--provider-network-type", "vlan",
                "--provider-physical-network", physical_network, "--provider-segment", str(vlan),
            )  # fmt: skip
        self.admin("subnet", "create", "--network", "blue", "--subnet-range", "10.1.0.0/24", "b")
        self.admin("flavor", "create", "--vcpus", "1", "--ram", "512", "--disk", "1", "small")
        disk = self.directory / "disk.img"
        disk.write_bytes(b"disk" * 1000)
        self.admin("image", "create", "--disk-format", "raw", "--file", str(disk), "--public",
                   "tiny")  # fmt: skip

    def boot(self, name: str, *nics: str) -> Any:
        return self.show(
            "server", "create", "--flavor", "small", "--image", "tiny", *nics, "--wait", name
        )


def vf_on_the_card(directory: Path, mac: str) -> tuple[str, dict[str, Any]]:
    """Find the VF with this MAC in the simulated kernels' files: its PF's netdev, its settings."""
    for file in sorted(directory.glob("hosts/*/kernel.json")):
        for pf in json.loads(file.read_text())["pfs"]:
            for vf in pf.get("vfs", []):
                if vf.get("mac") == mac:
                    return pf["ifname"], vf
    raise AssertionError(f"no VF has the MAC {mac}")


def attempted_writes(directory: Path) -> int:
    """Count what was written, or tried, to the simulated kernels and libvirts."""
    return sum(len(log.read_text().splitlines()) for log in directory.glob("hosts/*/*.log"))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory, openstack: OpenStack) -> Iterator[Session]:
    directory = tmp_path_factory.mktemp("up")
    with trunkline(directory, "up", "--data", ".", "--port", "0"):
        session = Session(directory, openstack)
        session.prepare()
        yield session


def test_a_server_on_both_networks_has_the_right_vlans_on_the_cards(session: Session) -> None:
    session.demo("port", "create", "--network", "blue", "--vnic-type", "direct", "web-blue")
    session.demo("port", "create", "--network", "red", "--vnic-type", "direct", "web-red")
    server = session.boot("web", "--port", "web-blue", "--port", "web-red")
    assert server["status"] == "ACTIVE"
    for name, vlan in (("web-blue", 120), ("web-red", 220)):
        port = session.show("port", "show", name)
        assert port["status"] == "ACTIVE"
        _, settings = vf_on_the_card(session.directory, port["mac_address"])
        assert settings["vlan_id"] == vlan
    listed = {row["Name"]: row for row in session.show("server", "list")}
    assert listed["web"]["Status"] == "ACTIVE"
    assert "10.1.0." in str(listed["web"]["Networks"])
    said = session.demo("console", "log", "show", "web", "--lines", "4")
    for number, name in enumerate(("web-blue", "web-red")):
        assert f"eth{number}: {session.show('port', 'show', name)['mac_address']}" in said


def test_macvtap_whole_pf_and_network_only_servers_boot(session: Session) -> None:
    session.demo("port", "create", "--network", "blue", "--vnic-type", "macvtap", "tap")
    session.demo("port", "create", "--network", "red", "--vnic-type", "direct-physical", "whole")
    assert session.boot("macvtap", "--port", "tap")["status"] == "ACTIVE"
    assert session.boot("whole", "--port", "whole")["status"] == "ACTIVE"
    assert session.boot("plain", "--network", "blue")["status"] == "ACTIVE"


def test_a_server_is_stopped_started_rebooted_and_deleted(session: Session) -> None:
    session.demo("port", "create", "--network", "blue", "--vnic-type", "direct", "cycle")
    server = session.boot("cycle", "--port", "cycle")
    mac = session.show("port", "show", "cycle")["mac_address"]
    session.demo("server", "stop", "cycle")
    wait_for_status(session, "cycle", "SHUTOFF")
    assert vf_on_the_card(session.directory, mac)
    session.demo("server", "start", "cycle")
    wait_for_status(session, "cycle", "ACTIVE")
    session.demo("server", "reboot", "--wait", "cycle")
    wait_for_status(session, "cycle", "ACTIVE")
    session.demo("server", "delete", "--wait", "cycle")
    names = [row["Name"] for row in session.show("server", "list")]
    assert server["name"] not in names
    wait_for_clean(session, mac)


def test_the_sdk_does_the_same(session: Session, run_with_sdk: Callable[..., Any]) -> None:
    script = """
import openstack
cloud = openstack.connect()
port = cloud.network.create_port(
    network_id=cloud.network.find_network("red").id, binding_vnic_type="direct"
)
server = cloud.compute.create_server(
    name="sdk", flavor_id=cloud.compute.find_flavor("small").id,
    image_id=cloud.image.find_image("tiny").id, networks=[{"port": port.id}],
)
server = cloud.compute.wait_for_server(server, wait=60)
print(server.status, cloud.network.get_port(port.id).status)
cloud.compute.delete_server(server)
cloud.compute.wait_for_delete(server, wait=60)
cloud.network.delete_port(port)
"""
    done = run_with_sdk(session.directory, script, cloud="trunkline-demo")
    assert done.stdout.split() == ["ACTIVE", "ACTIVE"], done.stderr


def test_operators_see_hypervisors_services_and_agents(session: Session) -> None:
    hypervisors = json.loads(session.admin("hypervisor", "list", "-f", "json"))
    assert {row["Hypervisor Hostname"] for row in hypervisors} == {f"h{n}" for n in range(1, 7)}
    assert {row["State"] for row in hypervisors} == {"up"}
    assert "h3" in session.admin("hypervisor", "show", "h3")
    services = json.loads(session.admin("compute", "service", "list", "-f", "json"))
    assert len(services) == 6
    agents = json.loads(session.admin("network", "agent", "list", "-f", "json"))
    assert all(row["Alive"] for row in agents)


def test_a_second_start_goes_on_and_writes_nothing(tmp_path: Path, openstack: OpenStack) -> None:
    session = Session(tmp_path, openstack)
    with trunkline(tmp_path, "up", "--data", ".", "--port", "0") as first:
        session.prepare()
        session.demo("port", "create", "--network", "blue", "--vnic-type", "direct", "p")
        before = session.boot("web", "--port", "p")
        first.kill()
    written = attempted_writes(tmp_path)
    with trunkline(tmp_path, "up", "--data", ".", "--port", "0") as second:
        assert not any("new password" in line for line in second.said)
        after = session.show("server", "show", "web")
        assert (after["id"], after["status"]) == (before["id"], "ACTIVE")
        wait_until_every_host_is_settled(session)
        assert attempted_writes(tmp_path) == written


def test_ctrl_c_ends_it_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with trunkline(tmp_path, "up", "--data", "d", "--port", "0") as up:
        assert up.interrupt() in (0, 130)
    left = {path.name for path in (tmp_path / "d").iterdir()}
    assert left == {"clouds.yaml", "enrolment.key", "fleet.toml", "hosts", "images", "lock",
                    "trunkline.db"}  # fmt: skip


def test_the_file_with_the_passwords_is_its_owners_alone(tmp_path: Path) -> None:
    with trunkline(tmp_path, "up", "--data", ".", "--port", "0"):
        for name in ("clouds.yaml", "enrolment.key"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_second_process_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    with trunkline(tmp_path, "up", "--data", ".", "--port", "0"):
        try:
            with trunkline(tmp_path, "up", "--data", ".", "--port", "0"):
                raise RuntimeError("a second process was let in")
        except AssertionError as refused:
            assert "another trunkline is running on it" in str(refused)  # noqa: PT017


def wait_for_status(session: Session, name: str, wanted: str) -> None:
    """Ask until the server has this status; each question takes the client a second."""
    seen = ""
    for _ in range(30):
        seen = session.show("server", "show", name)["status"]
        if seen == wanted:
            return
    raise AssertionError(f"server {name} is {seen}, not {wanted}")


def wait_for_clean(session: Session, mac: str) -> None:
    """Ask until no device is on its way back; then no card has the MAC any more."""
    for _ in range(30):
        releasing = json.loads(run_cli(session, "device", "list", "--state", "releasing"))
        if not releasing:
            break
    with pytest.raises(AssertionError, match="no VF has the MAC"):
        vf_on_the_card(session.directory, mac)


def wait_until_every_host_is_settled(session: Session) -> None:
    for _ in range(60):
        hosts = json.loads(run_cli(session, "host", "list"))
        if all(host["up"] and host["generation"] == host["applied_generation"] for host in hosts):
            return
    raise AssertionError(hosts)


def run_cli(session: Session, *args: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "trunkline", *args, "--json"],
        cwd=session.directory,
        env=client_environment(session.directory, "trunkline"),
        text=True,
        capture_output=True,
        check=True,
        timeout=HANGS_SECONDS,
    )
    return done.stdout
