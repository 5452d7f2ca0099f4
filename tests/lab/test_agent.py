"""The unmodified agent on a real kernel and libvirt: what it makes, keeps right and gives back.

::

    phy1 ── pf1 ── 3 VFs ── web, direct, VLAN 120, no port security
    phy2 ── pf2 ── 2 VFs ── web, macvtap, VLAN 220

All tests have the same server, in this order; its guest has no system to boot.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from lab.channel import Running
from lab.guest import cards
from lab.machine import LabHost
from tests.lab import agent_inside, counting_inside
from tests.lab.site import CONFIG, PATIENCE_SECONDS, Site, lab_site
from tests.support.clients import OpenStack
from tests.system.test_up import Session

VF_COUNTS = {"pf1": 3, "pf2": 2}
OFFER = """
device_spec = [
    { ifname = "pf1", physical_network = "phy1", vf_count = 3 },
    { ifname = "pf2", physical_network = "phy2", vf_count = 2 },
]
"""
REPAIR_SECONDS_MAX = 10.0  # The kernel tells the agent; its own looks are 60 s apart.
WRONG_VLAN = 666


@dataclass
class Host:
    """The lab host, and its server."""

    site: Site
    session: Session
    agent: Running
    original: dict[str, Any] = field(default_factory=dict)  # Of VFs that nobody has had.
    macs: dict[str, str] = field(default_factory=dict)  # Of web's ports.

    def settings(self) -> dict[str, Any]:
        """What the kernel says of all VFs, by their PF."""
        return {pf: self.site.lab_host.channel.call(cards.vf_settings, pf) for pf in VF_COUNTS}

    def of_web(self) -> dict[str, dict[str, Any]]:
        """What it says of web's VFs, by their PF."""
        return {pf: self.site.vf_with(mac, pf) for pf, mac in self.macs.items()}

    def guests(self) -> str:
        return self.site.lab_host.channel.call(agent_inside.libvirt_ids)

    def drifts(self) -> list[tuple[str, bool]]:
        """The port of each drift of one that was told, newest first; whether it was repaired."""
        return [
            (event.port_id, event.details["repaired"])
            for event in self.site.events()
            if event.action == "device.drift" and event.port_id
        ]

    def create_port(self, name: str, network: str, *options: str) -> dict[str, Any]:
        port: dict[str, Any] = self.session.show(
            "port", "create", "--network", network, *options, name
        )
        return port

    def create_server(self, name: str, *ports: str) -> None:
        nics = [word for port in ports for word in ("--port", port)]
        self.session.demo("server", "create", "--flavor", "small", "--image", "tiny", *nics, name)


@pytest.fixture(scope="module")
def host(
    running_lab_host: LabHost, tmp_path_factory: pytest.TempPathFactory, openstack: OpenStack
) -> Iterator[Host]:
    running_lab_host.reset(vf_count=0)
    with lab_site(tmp_path_factory.mktemp("agent"), running_lab_host, offer=OFFER) as site:
        site.start_helper()
        made = Host(site, Session(site.directory, openstack), site.start_agent())
        made.session.prepare()
        count = sum(VF_COUNTS.values())
        # Their PF's link goes for a moment while they come.
        site.wait(
            lambda: len(site.devices(kind="vf", state="free")) == count, "its VFs are on offer"
        )
        made.original = made.settings()
        made.macs["pf1"] = made.create_port("direct", "blue", "--vnic-type", "direct")[
            "mac_address"
        ]
        made.session.admin(
            "port", "set", "--no-security-group", "--disable-port-security", "direct"
        )
        made.macs["pf2"] = made.create_port("macvtap", "red", "--vnic-type", "macvtap")[
            "mac_address"
        ]
        made.create_server("web", "direct", "macvtap")
        site.wait_for_server("web", "ACTIVE")
        yield made
        running_lab_host.channel.end_all()


def test_the_doctor_finds_all_there_and_the_helper_answers_nobody_but_the_agent(host: Host) -> None:
    found = host.site.doctor()
    # Of the others nobody has said anything.
    others = {f"card {cards.pf_address(card)} (pf{card})" for card in (3, 4)}
    assert {check for check, (verdict, _) in found.items() if verdict != "ok"} == others, found
    told = {check: words for check, (_, words) in found.items()}
    for pf, count in VF_COUNTS.items():
        [card] = [words for check, words in told.items() if check.endswith(f"({pf})")]
        assert f"igb, {count} of 7 VFs, link up at 1000 Mbit/s" in card
    assert told["user"] == "trunkline, in the groups that it needs"
    call = host.site.lab_host.channel.call
    assert call(agent_inside.answer_of_the_helper, "trunkline") == ""
    assert call(agent_inside.answer_of_the_helper, "nobody") == "it hangs up on this user"


def test_a_server_has_its_vfs_as_its_ports_are_and_drift_is_put_right(host: Host) -> None:
    call = host.site.lab_host.channel.call
    vfs = host.of_web()
    assert {pf: (vf["vlan"], vf["spoofchk"]) for pf, vf in vfs.items()} == {
        "pf1": (120, 0), "pf2": (220, 1),
    }  # fmt: skip
    assert call(agent_inside.macvtaps_of, "pf2", vfs["pf2"]["vf_index"]) == 1

    vf_index = vfs["pf1"]["vf_index"]
    took = call(agent_inside.seconds_until_repaired, "pf1", vf_index, wrong=WRONG_VLAN, right=120)
    assert took < REPAIR_SECONDS_MAX
    port = host.session.show("port", "show", "direct")["id"]
    host.site.wait(lambda: host.drifts() == [(port, True)], "drift is told, and of which port")


def test_by_its_policy_an_agent_makes_changes_true_and_leaves_drift_to_the_operator(
    host: Host,
) -> None:
    call = host.site.lab_host.channel.call
    before, runs = host.of_web(), host.guests()
    host.site.kill(host.agent)
    call(agent_inside.set_policy, "report")
    host.agent = host.site.start_agent()
    host.session.admin("port", "set", "--no-security-group", "--disable-port-security", "macvtap")
    host.site.wait_settled()
    before["pf2"]["spoofchk"] = 0
    assert (host.of_web(), host.guests()) == (before, runs)
    vf_index = before["pf2"]["vf_index"]
    call(cards.set_vf, "pf2", vf_index, vlan=WRONG_VLAN)
    port = host.session.show("port", "show", "macvtap")["id"]
    host.site.wait(lambda: host.drifts()[0] == (port, False), "drift is told as not repaired")
    assert host.of_web()["pf2"]["vlan"] == WRONG_VLAN
    call(cards.set_vf, "pf2", vf_index, vlan=220)
    host.site.wait_settled()


def test_a_server_comes_back_by_itself_after_its_host_was_reset(host: Host) -> None:
    before, web = host.of_web(), host.site.api.server_path("web").id
    host.site.reboot()
    assert host.settings() == {"pf1": [], "pf2": []}
    host.site.start_helper()
    host.agent = host.site.start_agent()
    call = host.site.lab_host.channel.call
    call(agent_inside.wait_until_it_runs, web, PATIENCE_SECONDS, seconds=PATIENCE_SECONDS)
    assert host.of_web() == before
    host.site.wait_for_server("web", "ACTIVE")


def test_a_vf_that_does_not_come_back_as_it_was_stays_in_quarantine_until_it_is_mended(
    host: Host,
) -> None:
    site, call = host.site, host.site.lab_host.channel.call
    vf = call(cards.vf_address, "pf1", host.of_web()["pf1"]["vf_index"])
    # Whoever has set this finds VFs without a driver when they come back from guests.
    autoprobe = str(cards.NETDEVS / "pf1/device/sriov_drivers_autoprobe")
    call(cards.write, autoprobe, 0)
    host.session.demo("server", "delete", "--wait", "web")
    site.wait(
        lambda: [each.address for each in site.devices(state="quarantined")] == [vf],
        "the VF without a driver is in quarantine",
    )
    assert not site.devices(state="releasing"), "the other one is back"
    assert host.settings() == host.original, "cleaned all the same"
    assert host.guests().strip() == ""
    call(cards.write, autoprobe, 1)
    call(cards.write, str(cards.PCI / "drivers_probe"), vf)
    # By itself an agent tries such a VF again every five minutes, a new one at once.
    site.kill(host.agent)
    host.agent = site.start_agent()
    site.wait(lambda: not site.devices(state="quarantined"), "it is free again")
    assert host.settings() == host.original


def test_what_a_card_refuses_in_the_midst_of_a_plug_leaves_nothing_behind(host: Host) -> None:
    site, call = host.site, host.site.lab_host.channel.call
    host.session.admin("network", "qos", "policy", "create", "--share", "slow")
    host.session.admin(
        "network", "qos", "rule", "create", "--type", "bandwidth-limit", "--max-kbps", "100000",
        "--egress", "slow",
    )  # fmt: skip
    host.create_port("first", "red", "--vnic-type", "direct")
    host.create_port("limited", "blue", "--vnic-type", "direct", "--qos-policy", "slow")
    host.agent.signal(signal.SIGSTOP)
    host.create_server("late", "first", "limited")
    # The emulated card sets MAC and VLAN, and refuses a limit while it has no link.
    site.lab_host.plug_cable(1, plugged=False)
    call(cards.wait_for_operstate, "pf1", "down")
    call(counting_inside.start_counting)
    host.agent.signal(signal.SIGCONT)
    site.wait(lambda: site.api.server_path("late").status == "ERROR", "its server is refused")
    written = call(counting_inside.stop_counting)
    assert "max_tx_rate" in str(site.api.server_path("late").fault_details)
    assert sum(written.values()) >= 4, f"both VFs were written to, and put back: {written}"
    assert host.settings() == host.original
    site.wait(lambda: not site.devices(state="releasing"), "all is back")


def test_the_doctor_says_what_is_missing_and_how_to_mend_it(host: Host) -> None:
    site, call = host.site, host.site.lab_host.channel.call
    call(cards.unbind, cards.pf_address(2))
    call(agent_inside.end_libvirtd)
    call(cards.run, "chmod", "g+w", CONFIG)
    found = site.doctor()
    wrong = {check: words for check, (verdict, words) in found.items() if verdict == "missing"}
    assert {"config", "libvirt", "device_spec[1]"} <= wrong.keys(), found
    assert f"`chown root {CONFIG} && chmod go-w {CONFIG}`" in wrong["config"]
