"""Servers of the unmodified agent: their guests boot from disks, and reach whom they are to reach.

::

    phy1 ─┬─ pf1 ─┬─ VFs, VLANs 120 and 130 ── web
          │       ├─ br-phy1, VLAN 140 ── web
          │       └─ VFs, VLANs 120, 140 and 150 ── db
          └─ wire-phy1: a peer on each VLAN

Booting them takes a minute or more, so that all tests have the same two guests. Each test leaves
what the others need: db ends itself, web crashes, is started again, and is deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab.build import ensure_root
from lab.channel import Running
from lab.guest import cards
from lab.guest_disk import make_disk
from lab.machine import LabHost
from lab.wire import WrongOnTheWire
from tests.lab import agent_inside, counting_inside, servers_inside
from tests.lab.site import Site, lab_site
from tests.support.clients import OpenStack
from tests.system.test_up import Session

BRIDGE = "br-phy1"
VF_COUNT = 5
OFFER = f"""
bridges = {{ phy1 = "{BRIDGE}" }}
resources = {{ vcpus = 8, disk_gib = 8 }}
device_spec = [{{ ifname = "pf1", physical_network = "phy1", vf_count = {VF_COUNT} }}]
"""
# VLAN, and address of the peer on the wire. Green and teal are told apart by their VLANs alone.
NETWORKS = {
    "blue": (120, "10.1.0.99/24"),
    "green": (130, "10.2.0.99/24"),
    "gray": (140, "10.3.0.99/24"),
    "teal": (150, "10.2.0.99/24"),
}
# Of each NIC: network, VNIC type, address. An emulated PF hears broadcasts of a VLAN only while one
# of its VFs is on it, as a VF of db is on gray: see docs/kernel-notes.md.
SERVERS = {
    "web": (
        ("blue", "direct", "10.1.0.11"),
        ("green", "direct", "10.2.0.11"),
        ("gray", "normal", "10.3.0.11"),
    ),
    "db": (
        ("blue", "direct", "10.1.0.12"),
        ("gray", "direct", "10.3.0.12"),
        ("teal", "direct", "10.2.0.12"),
    ),
}


@dataclass
class Servers:
    """Both servers, whose guests run."""

    site: Site
    session: Session
    agent: Running
    start: int  # Of the capture, before there was any of them.
    macs: dict[tuple[str, str], str] = field(default_factory=dict)  # By server and network.
    # When an agent was killed before it let the last guest run: the guests that did not run, and
    # the VLANs of VFs by MAC.
    paused: list[str] = field(default_factory=list)
    vlans: dict[str, int] = field(default_factory=dict)

    def inside(self, server: str, command: str) -> str:
        """Run a command in a guest, by way of its first NIC; return what it printed."""
        network, _, address = SERVERS[server][0]
        return self.site.lab_host.channel.run(
            "ip", "netns", "exec", network, "busybox", "nc", address, servers_inside.SHELL_PORT,
            given=f"{command}\n",
        )  # fmt: skip

    def end(self, server: str, command: str) -> None:
        """Have a guest run a command that it does not outlive."""
        self.inside(server, f"(sleep 1; {command}) < /dev/null > /dev/null 2>&1 &")

    def reaches(self, server: str, address: str) -> bool:
        said = self.inside(server, f"ping -q -c 1 -W 5 {address} > /dev/null && echo reached")
        return "reached" in said

    def check_wire(self, since: int | None = None) -> None:
        """Hold frames of every NIC, sent from now on or since a mark, to its network's VLAN."""
        capture = self.site.lab_host.capture("phy1")
        mark = capture.mark() if since is None else since
        for server, nics in SERVERS.items():
            for network, _, _ in nics:
                peer, _, _ = NETWORKS[network][1].partition("/")
                assert self.reaches(server, peer), (server, network)
        for server, nics in SERVERS.items():
            for network, _, _ in nics:
                vlan, _ = NETWORKS[network]
                capture.check(self.macs[server, network], vlan=vlan, since=mark)
                with pytest.raises(WrongOnTheWire):
                    capture.check(self.macs[server, network], vlan=vlan + 1, since=mark)

    def console(self, server: str) -> str:
        """What a guest has said on its console, as its owner sees it."""
        return self.session.admin("console", "log", "show", server)

    def tap_is_known_to_the_card(self) -> bool:
        """Whether the PF hears what its VFs send to the MAC of web's tap, rather than the wire."""
        known = self.site.lab_host.channel.call(agent_inside.addresses_of, "pf1")
        return self.macs["web", "gray"] in known

    def kill_agent(self) -> None:
        self.site.kill(self.agent)

    def start_agent(self, **env: str) -> None:
        self.agent = self.site.start_agent(**env)

    def guests(self) -> str:
        """What runs, by the numbers that libvirt gives each start."""
        return self.site.lab_host.channel.call(agent_inside.libvirt_ids)


@pytest.fixture(scope="module")
def site(running_lab_host: LabHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An agent's host with a bridge, and a peer on each network."""
    running_lab_host.reset(vf_count=0)
    call = running_lab_host.channel.call
    call(servers_inside.make_bridge, BRIDGE, "pf1")
    call(servers_inside.make_wires, NETWORKS)
    with lab_site(tmp_path_factory.mktemp("site"), running_lab_host, offer=OFFER) as made:
        made.start_helper()
        yield made
        running_lab_host.channel.end_all()


def make_networks(session: Session, disk: Path) -> None:
    make_disk(ensure_root(), disk)
    session.admin(
        "image", "create", "--disk-format", "raw", "--file", str(disk), "--public", "bootable"
    )
    session.admin("flavor", "create", "--vcpus", "1", "--ram", "144", "--disk", "1", "small")
    for name, (vlan, peer) in NETWORKS.items():
        session.admin(
            "network", "create", name, "--provider-network-type", "vlan",
            "--provider-physical-network", "phy1", "--provider-segment", str(vlan),
        )  # fmt: skip
        subnet = peer.replace(".99", ".0")
        session.admin("subnet", "create", "--network", name, "--subnet-range", subnet, name)


def create_server(servers: Servers, name: str) -> None:
    nics = []
    for network, vnic_type, address in SERVERS[name]:
        port = f"{name}-{network}"
        nics += ["--nic", f"port-id={port},tag=on-{network}"]
        made = servers.session.admin(
            "port", "create", "--network", network, "--vnic-type", vnic_type,
            "--fixed-ip", f"ip-address={address}", port, "-f", "json",
        )  # fmt: skip
        servers.macs[name, network] = json.loads(made)["mac_address"]
    servers.session.admin(
        *("--os-compute-api-version", "2.43", "server", "create"),
        *("--flavor", "small", "--image", "bootable", *nics, name),
    )


@pytest.fixture(scope="module")
def servers(site: Site, openstack: OpenStack) -> Servers:
    """Both guests run; the agent was killed between start and resume of the last, and started."""
    session = Session(site.directory, openstack)
    agent = site.start_agent(TRUNKLINE_KILL_AT="before virsh resume:2")
    made = Servers(site, session, agent, site.lab_host.capture("phy1").mark())
    make_networks(session, site.directory / "disk.img")
    # Its link goes for a moment while the VFs come.
    site.wait(
        lambda: len(site.devices(kind="vf", state="free")) == VF_COUNT, "its VFs are on offer"
    )
    for name in SERVERS:
        create_server(made, name)
    site.wait_killed(made.agent)
    left = made.guests()
    assert len(left.split("\n\n")[0].splitlines()) == len(SERVERS), left
    made.paused = site.lab_host.channel.call(agent_inside.paused)
    found = site.lab_host.channel.call(cards.vf_settings, "pf1")
    made.vlans = {vf["mac"]: vf["vlan"] for vf in found}
    made.start_agent()
    for name, nics in SERVERS.items():
        site.wait_for_server(name, "ACTIVE")
        network, _, address = nics[-1]  # The one that it sets up last.
        site.lab_host.channel.call(
            servers_inside.wait_until_up, network, address,
            seconds=servers_inside.UP_SECONDS_MAX,
        )  # fmt: skip
    assert made.guests() == left
    return made


def test_vfs_have_their_vlans_before_their_guest_runs(servers: Servers) -> None:
    assert len(servers.paused) == 1, "the last one had not run when its agent was killed"
    for (server, network), mac in servers.macs.items():
        if (network, "direct") in [(each, vnic_type) for each, vnic_type, _ in SERVERS[server]]:
            assert servers.vlans[mac] == NETWORKS[network][0]


def test_guests_find_their_nics_as_their_config_drives_say_and_are_heard_on_their_consoles(
    servers: Servers,
) -> None:
    drivers = {"direct": "igbvf", "normal": "virtio_net"}
    for server, nics in SERVERS.items():
        servers.inside(server, "until grep -q 'is up' /tmp/said; do sleep 0.2; done")
        said = servers.console(server)
        assert f"{server} is up" in said
        for number, (network, vnic_type, address) in enumerate(nics):
            place = f"eth{number}, {drivers[vnic_type]}, at 0000:{number + 1:02x}:00.0"
            nic = f'{place}, tags ["on-{network}"], {address}'
            assert f"{servers.macs[server, network]} is {nic}" in said


def test_guests_reach_those_on_their_network_and_nobody_else(servers: Servers) -> None:
    assert servers.reaches("db", "10.1.0.11")
    assert not servers.reaches("db", "10.2.0.11"), "web has its address on another VLAN"
    # A VF and a tap, whose PF is the same.
    assert servers.reaches("db", "10.3.0.11")
    assert servers.reaches("web", "10.3.0.12")
    assert servers.tap_is_known_to_the_card()
    servers.check_wire(since=servers.start)


def test_guests_run_on_under_a_new_agent_and_a_new_libvirtd_that_notice_their_end(
    servers: Servers,
) -> None:
    runs = servers.guests()
    call = servers.site.lab_host.channel.call
    call(counting_inside.start_counting)
    servers.kill_agent()
    servers.start_agent()
    of_db = servers.site.vf_with(servers.macs["db", "blue"])["vf_index"]
    call(agent_inside.seconds_until_repaired, "pf1", of_db, wrong=666, right=120)
    servers.check_wire()
    written = call(counting_inside.stop_counting)
    assert sum(written.values()) == 2, f"by hand, and its repair, and nothing else: {written}"
    assert servers.guests() == runs
    call(servers_inside.restart_libvirtd)
    servers.site.wait(lambda: not servers.site.host().problem, "libvirt answers the agent")
    assert servers.guests() == runs
    servers.check_wire()
    call(agent_inside.suspend, servers.site.api.server_path("web").id)
    servers.site.wait(lambda: servers.site.has_told("server.guest_suspended"), "it is told")
    assert servers.reaches("db", "10.1.0.11"), "it was resumed"
    assert servers.guests() == runs
    servers.end("db", "poweroff -f")
    servers.site.wait_for_server("db", "SHUTOFF")
    assert servers.site.has_told("server.shutoff")


def test_a_guest_that_crashes_is_started_again(servers: Servers) -> None:
    runs = servers.guests()
    servers.end("web", "echo c > /proc/sysrq-trigger")

    def runs_again() -> bool:
        now = servers.guests()
        return now != runs and len(now.split()) == len(runs.split())

    servers.site.wait(runs_again, "web is started again")
    servers.site.wait_settled()


def test_a_server_goes_for_good_though_its_agent_is_killed_between(servers: Servers) -> None:
    call = servers.site.lab_host.channel.call
    servers.kill_agent()
    servers.start_agent(TRUNKLINE_KILL_AT="after virsh destroy")
    mac = servers.macs["web", "green"]
    servers.session.admin("server", "delete", "web")
    servers.site.wait_killed(servers.agent)
    servers.start_agent()
    servers.site.wait(lambda: not servers.site.devices(state="releasing"), "all is back")
    found = call(cards.vf_settings, "pf1")
    assert not servers.tap_is_known_to_the_card()
    assert mac not in [vf["mac"] for vf in found]
    assert 130 not in [vf["vlan"] for vf in found]
