"""docs/install-host.md, followed to the letter in a fresh Debian 12 with two igb cards.

What the page has somebody type is read out of it; but for addresses, nothing is typed otherwise.
The tests are in order: each goes on with the host of the one before.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import installed, needs
from lab.installed import Block, Installed
from tests.lab.site import server_is, write_controller
from tests.support.clients import OpenStack
from tests.support.processes import ask, trunkline
from tests.support.waiting import wait_until
from tests.system.test_up import Session
from trunkline.client.api import TrunklineApi
from trunkline.client.clouds import find_cloud
from trunkline.client.session import Session as ApiSession

PAGE = installed.PAGE.read_text()
BLOCKS = list(installed.blocks(PAGE))
PF = "0000:01:00.0"
INTERFACES = "allow-hotplug {name}\niface {name} inet manual\n"  # As the page's, of eth2.
PATIENCE_SECONDS = 900.0  # All of it is emulated, systemd too.
CONFIG = "/etc/trunkline/compute.toml"
ENDED = "inactive"


def block(section: str, *, as_root: bool = True) -> Block:
    """The block of a section of the page."""
    [found] = [each for each in BLOCKS if (each.section, each.as_root) == (section, as_root)]
    return found


class Place:
    """The service outside, and the installed host."""

    def __init__(self, host: Installed, directory: Path, api: TrunklineApi, url: str) -> None:
        self.host = host
        self.directory = directory
        self.api = api
        self.url = url

    def follow(self, section: str, *, given: str = "") -> str:
        """Run what a section of the page has root type; return what all of it printed."""
        said = [self.run(command, given=given) for command in block(section).commands]
        return "".join(said)

    def run(self, command: str, *, given: str = "") -> str:
        return self.host.channel.run("sh", "-ec", command, given=given, seconds=PATIENCE_SECONDS)

    def wait(self, holds: Callable[[], object], what: str) -> None:
        try:
            wait_until(holds, what, seconds=PATIENCE_SECONDS, look_seconds=1)
        except AssertionError as late:
            journal = self.run("journalctl --no-pager -u 'trunkline*' -u libvirtd | tail -80")
            raise AssertionError(
                f"{late}\n{ask(self.directory, 'host', 'show', 'h1')}{journal}"
            ) from late

    def wait_for_server(self, name: str, status: str) -> None:
        self.wait(lambda: server_is(self.api, name, status), f"{name} is {status}")

    def vf_count(self, state: str) -> int:
        return len(list(self.api.devices({"host": "h1", "kind": "vf", "state": state})))

    def show(self, unit: str, what: str) -> str:
        return self.run(f"systemctl show --value -p {what} {unit}").strip()

    def qemu(self) -> str:
        """The process of the one guest; empty: there is none."""
        return self.run("cat /run/libvirt/qemu/*-*-*.pid 2> /dev/null || true").strip()

    def vlans(self) -> list[int]:
        """Of the VFs of the PF, as the kernel tells them, in order."""
        [ifname] = self.run(f"ls /sys/bus/pci/devices/{PF}/net").split()
        [link] = json.loads(self.run(f"ip -j -d link show {ifname}"))
        # One of them is without its VLAN where it has none.
        return [vf["vlan_list"][0].get("vlan", 0) for vf in link["vfinfo_list"]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A host on which the page was followed up to the doctor."""
    if lacking := needs.install():
        pytest.fail(lacking)
    directory = tmp_path_factory.mktemp("install")
    write_controller(directory)
    with (
        installed.installed_host(block("Install it").commands) as host,
        trunkline(directory, "server", "--config", "controller.toml", "--port", "0") as server,
    ):
        shutil.copyfile(directory / "state/controller/clouds.yaml", directory / "clouds.yaml")
        with ApiSession(find_cloud({}, name="trunkline", cwd=directory)) as session:
            url = server.url.replace("127.0.0.1", "10.0.2.2")
            yield Place(host, directory, TrunklineApi(session), url)


def test_the_page_is_followed_up_to_the_doctor_which_finds_nothing_missing(place: Place) -> None:
    [ifname] = place.run(f"ls /sys/bus/pci/devices/{PF}/net").split()
    place.run("cat >> /etc/network/interfaces", given=INTERFACES.format(name=ifname))
    place.run(f"ifup {ifname}; hostname h1; echo h1 > /etc/hostname")

    place.follow("Say what is cabled where")
    text = installed.file_block(PAGE, "toml")
    for theirs, ours in (
        ("https://controller.example.org:8774", place.url),
        ("0000:05:00.*", "0000:01:00.*"),
    ):
        assert theirs in text
        text = text.replace(theirs, ours)
    place.run(f"cat > {CONFIG}", given=text)

    [command] = block("Enrol it", as_root=False).commands
    words = command.replace('"$(ssh h1 hostname)"', "h1").split()[1:]
    token = json.loads(ask(place.directory, *words, "--json"))["token"]
    place.follow("Enrol it", given=f"{token}\n")

    said = place.follow("Start it")
    assert not re.search(r"^missing\b", said, flags=re.MULTILINE), said
    [unused] = re.findall(r"^warning +(.*)$", said, flags=re.MULTILINE)
    assert "0000:02:00.0" in unused
    assert "no device spec puts it on offer" in unused
    place.wait(lambda: [host.name for host in place.api.hosts() if host.up], "a host is up")


def test_the_agent_runs_without_privilege_and_makes_its_vfs(place: Place) -> None:
    place.wait(lambda: place.vf_count("free") == 7, "7 VFs are free")
    assert place.api.host("h1").up
    process = place.show("trunkline-agent", "MainPID")
    status = dict(
        line.split(":\t", 1) for line in place.run(f"cat /proc/{process}/status").splitlines()
    )
    uid = place.run("id -u trunkline").strip()
    assert uid != "0"
    assert status["Uid"].split() == [uid] * 4
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    helper = place.show("trunkline-host-helper", "MainPID")
    assert "Uid:\t0\t" in place.run(f"cat /proc/{helper}/status")
    # CAP_NET_ADMIN alone; see include/uapi/linux/capability.h.
    assert f"CapEff:\t{1 << 12:016x}" in place.run(f"cat /proc/{helper}/status")


def test_a_user_of_no_group_is_not_let_to_the_helper(place: Place) -> None:
    said = place.run(
        "runuser -u nobody -- python3 -c 'import socket; s = socket.socket(socket.AF_UNIX);"
        ' s.connect("/run/trunkline/host-helper.sock")\' 2>&1 || true'
    )
    assert "PermissionError" in said


def test_a_server_gets_a_vf_and_is_confined(place: Place, openstack: OpenStack) -> None:
    session = Session(place.directory, openstack)
    session.prepare()
    session.demo("port", "create", "--network", "blue", "--vnic-type", "direct", "web")
    session.demo("server", "create", "--flavor", "small", "--image", "tiny", "--port", "web", "web")
    place.wait_for_server("web", "ACTIVE")
    assert sorted(place.vlans()) == [0] * 6 + [120]
    process = place.qemu()
    assert place.run(f"cat /proc/{process}/attr/current").startswith("libvirt-")
    assert "(enforce)" in place.run(f"cat /proc/{process}/attr/current")


def test_a_guest_outlives_agent_helper_and_libvirtd(place: Place) -> None:
    before = place.qemu()
    place.run("systemctl restart trunkline-host-helper trunkline-agent libvirtd")
    place.run("systemctl kill -s KILL trunkline-agent")
    place.wait(lambda: place.show("trunkline-agent", "SubState") == "running", "the agent is back")
    place.wait(lambda: place.api.host("h1").up, "h1 is up")
    place.wait_for_server("web", "ACTIVE")
    assert place.qemu() == before
    assert sorted(place.vlans()) == [0] * 6 + [120]


def test_a_host_whose_power_was_cut_comes_back_with_its_vfs_and_its_server(place: Place) -> None:
    booted = place.run("cat /proc/sys/kernel/random/boot_id")
    place.host.cut_power()
    place.host.power_on()
    assert place.run("cat /proc/sys/kernel/random/boot_id") != booted
    place.wait(place.qemu, "a guest runs")
    place.wait_for_server("web", "ACTIVE")
    assert sorted(place.vlans()) == [0] * 6 + [120]
    assert place.vf_count("free") == 6


def test_a_deleted_servers_vf_comes_back_and_the_agent_stops_in_order(
    place: Place, openstack: OpenStack
) -> None:
    session = Session(place.directory, openstack)
    session.demo("server", "delete", "--wait", "web")
    place.wait(lambda: place.vf_count("free") == 7, "its VF is back")
    assert place.vlans() == [0] * 7
    place.run("systemctl stop trunkline-agent")
    assert place.show("trunkline-agent", "ActiveState") == ENDED
    assert place.show("trunkline-agent", "Result") == "success"
