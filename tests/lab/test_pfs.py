"""PFs of a real host by the unmodified agent: four cards, 28 VFs; counted, lost, moved, given away.

::

    pf1, pf3 ── phy1
    pf2, pf4 ── phy2

Making a VF takes half a second, so that pf4, whose VFs come anew again and again, soon has two.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from lab.guest import cards
from lab.machine import VFS_PER_CARD, LabHost
from tests.lab.site import Site, lab_site
from tests.support.clients import OpenStack
from tests.support.processes import ask
from tests.system.test_up import Session
from trunkline.agent.link_hold import MET_ERROR
from trunkline.domain.device import NOT_RECOVERED, RECOVERING
from trunkline.wire.v1 import DeviceItem

# By name and by address: each of these may change, of one card or the other.
OFFER = """
device_spec = [
    { ifname = "pf1", physical_network = "phy1", vf_count = 7 },
    { address = "0000:02:00.0", physical_network = "phy2", vf_count = 7 },
    { ifname = "pf3", physical_network = "phy1", vf_count = 7 },
    { ifname = "pf4", physical_network = "phy2", vf_count = 7 },
]
"""
PF_1, PF_2, PF_3, PF_4, PF_5 = map(cards.pf_address, (1, 2, 3, 4, 5))  # The last is a free slot.
FEW = 2  # VFs of pf4, from the first test on.


class Pfs:
    """The site, with its agent running."""

    def __init__(self, site: Site, openstack: OpenStack) -> None:
        self.site = site
        self.call = site.lab_host.channel.call
        self.user = Session(site.directory, openstack)
        site.start_helper()
        self.agent = site.start_agent()

    def devices(self, pf: str) -> list[DeviceItem]:
        """A PF and its VFs."""
        return [each for each in self.site.devices() if pf in (each.address, each.pf_address)]

    def vfs(self, pf: str, state: str = "free") -> list[DeviceItem]:
        """The VFs of a PF that are in a state."""
        return [each for each in self.devices(pf) if each.pf_address and each.state == state]

    def problems(self, pf: str) -> set[str | None]:
        """What is wrong with a PF."""
        return {each.problem for each in self.devices(pf)}

    def errors(self, pf: str) -> int:
        """How many uncorrectable errors a PF is said to have met."""
        shown = json.loads(self.trunkline("pf", "show", "h1", pf, "--json").stdout)
        count: int = shown["uncorrectable_errors"]
        return count

    def ids(self, pf: str) -> dict[int | None, str]:
        """The IDs of a PF and of its VFs by index."""
        return {each.vf_index: each.id for each in self.devices(pf)}

    def wait_for_vfs(self, pf: str, count: int, state: str = "free") -> None:
        self.site.wait(
            lambda: len(self.vfs(pf, state)) == count, f"{pf} has {count} VFs that are {state}"
        )

    def explain(self, network: str) -> dict[str, Any]:
        """Say whether a VF can be had on a network, and why not."""
        done = self.trunkline("explain", "--nic", f"network={network},vnic-type=direct", "--json")
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def trunkline(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run a command that may be refused."""
        try:
            return subprocess.CompletedProcess(args, 0, ask(self.site.directory, *args), "")
        except subprocess.CalledProcessError as refused:
            return subprocess.CompletedProcess(
                args, refused.returncode, refused.stdout, refused.stderr
            )

    def claim(self, name: str, network: str, address: str) -> None:
        """Have a port hold a VF, as an admin does who writes where it is bound."""
        profile = json.dumps({"pci_slot": address})
        self.user.admin(
            "port", "create", "--network", network, "--vnic-type", "direct", "--host", "h1",
            "--binding-profile", profile, name,
        )  # fmt: skip

    def set_up(self, pf: str) -> None:
        """Set a PF up that has come: it is down then, as whoever brings it knows."""
        self.call(cards.wait_for_operstate, pf, "down")
        self.call(cards.run, "ip", "link", "set", pf, "up")

    def held_by(self, name: str) -> str:
        """Where the VF is that a port holds."""
        shown = json.loads(self.user.admin("port", "show", name, "-f", "json"))
        address: str = shown["binding_profile"]["pci_slot"]
        return address


@pytest.fixture(scope="module")
def pfs(
    running_lab_host: LabHost, tmp_path_factory: pytest.TempPathFactory, openstack: OpenStack
) -> Iterator[Pfs]:
    """The agent at work: VFs were made on cards that had none."""
    running_lab_host.reset(vf_count=0)
    running_lab_host.channel.call(cards.keep_names, len(running_lab_host.cards))
    with lab_site(tmp_path_factory.mktemp("pfs"), running_lab_host, offer=OFFER) as site:
        made = Pfs(site, openstack)
        made.user.prepare()
        for pf in (PF_1, PF_2, PF_3, PF_4):
            made.wait_for_vfs(pf, VFS_PER_CARD)
        yield made
        running_lab_host.channel.end_all()


def test_another_count_of_vfs_waits_for_those_in_use_and_then_stays(pfs: Pfs) -> None:
    pfs.claim("one", "red", cards_vf(4, 0))
    plan = json.loads(pfs.trunkline("pf", "set-vfs", "h1", "pf4", "2", "--json").stdout)
    assert [each["address"] for each in plan["in_the_way"]] == [cards_vf(4, 0)]
    refused = pfs.trunkline("pf", "set-vfs", "h1", "pf4", "2", "--apply")
    assert refused.returncode == 1
    assert len(pfs.call(cards.vf_settings, "pf4")) == VFS_PER_CARD
    pfs.user.admin("port", "delete", "one")
    pfs.wait_for_vfs(PF_4, VFS_PER_CARD)
    assert pfs.trunkline("pf", "set-vfs", "h1", "pf4", "2", "--apply").returncode == 0
    pfs.wait_for_vfs(PF_4, FEW)
    assert pfs.call(cards.vf_settings, "pf4") == [cards.UNTOUCHED] * FEW

    # As after a reboot, or by another's hand.
    pfs.call(cards.set_vf_count, "pf4", 0)
    drift = re.compile("has (no|[01]) VFs, not 2")  # It may be seen while VFs are still going.
    pfs.site.wait(
        lambda: any(drift.search(str(event.details)) for event in pfs.site.events()), drift.pattern
    )
    pfs.wait_for_vfs(PF_4, FEW)


def test_a_pf_in_fault_or_without_a_link_or_a_driver_is_out_of_service_until_it_is_well(
    pfs: Pfs,
) -> None:
    pfs.call(cards.meet_error, PF_3)
    # A function that has no driver is not recovered, nor is any below the same port then.
    pfs.call(cards.unbind, cards_vf(4, 0))
    pfs.call(cards.meet_error, PF_4)
    pfs.wait_for_vfs(PF_3, VFS_PER_CARD, "out_of_service")
    failed = {f"pf4: {NOT_RECOVERED}"}
    pfs.site.wait(lambda: pfs.problems(PF_4) == failed, "the recovery of pf4 has failed")
    # By then it may be well again but for its link, which takes its time after a reset.
    on_its_way = {f"pf3: {MET_ERROR}", f"pf3: {RECOVERING}", "pf3 has no link"}
    assert pfs.problems(PF_3) <= on_its_way
    assert pfs.errors("pf3") == pfs.errors("pf4") == 1
    subjects = [event.subject for event in pfs.site.events() if event.action == "pf.errors"]
    assert set(subjects) == {f"pf {PF_3} on h1", f"pf {PF_4} on h1"}
    pfs.wait_for_vfs(PF_3, VFS_PER_CARD)
    assert pfs.problems(PF_4) == failed

    pfs.site.lab_host.plug_cable(2, plugged=False)
    pfs.call(cards.unbind, PF_4)
    pfs.wait_for_vfs(PF_2, VFS_PER_CARD, "out_of_service")
    pfs.site.wait(lambda: not pfs.vfs(PF_4), "VFs go with their PF's driver")
    assert pfs.problems(PF_2) == {"pf2 has no link"}
    told = pfs.explain("red")
    assert not told["fits"]
    assert "out_of_service" in json.dumps(told)
    assert pfs.explain("blue")["fits"], "the other physical network is as it was"

    pfs.site.lab_host.plug_cable(2, plugged=True)
    pfs.call(cards.bind, PF_4, "igb")
    pfs.set_up("pf4")
    pfs.wait_for_vfs(PF_2, VFS_PER_CARD)
    pfs.wait_for_vfs(PF_4, FEW)
    assert pfs.explain("red")["fits"]


def test_a_pf_of_another_name_or_in_another_slot_is_the_same(pfs: Pfs) -> None:
    before = pfs.ids(PF_2)
    pfs.call(cards.rename, "pf2", "uplink2")
    pfs.site.wait(
        lambda: "uplink2" in {each.ifname for each in pfs.devices(PF_2)}, "its new name is told"
    )
    assert pfs.ids(PF_2) == before
    pfs.call(cards.rename, "uplink2", "pf2")

    before = {index: pfs.ids(PF_3)[index] for index in (None, 3)}
    pfs.claim("held", "blue", cards_vf(3, 3))
    pfs.site.lab_host.move_card(3, slot=5)
    try:
        pfs.set_up("pf3")
        pfs.wait_for_vfs(PF_5, VFS_PER_CARD - 1)
        assert before.items() <= pfs.ids(PF_5).items(), "its PF, and the VF that is held"
        assert pfs.held_by("held") == cards_vf(5, 3)
    finally:
        pfs.site.lab_host.move_card(3, slot=3)
    pfs.set_up("pf3")
    pfs.wait_for_vfs(PF_3, VFS_PER_CARD - 1)
    assert before.items() <= pfs.ids(PF_3).items()
    assert pfs.held_by("held") == cards_vf(3, 3)
    pfs.user.admin("port", "delete", "held")
    pfs.wait_for_vfs(PF_3, VFS_PER_CARD)
    pfs.wait_for_vfs(PF_2, VFS_PER_CARD)


def test_a_whole_pf_goes_to_a_server_and_comes_back_with_its_mac_and_vfs(pfs: Pfs) -> None:
    user = pfs.user
    pfs.claim("one", "red", cards_vf(2, 0))
    user.demo("port", "create", "--network", "red", "--vnic-type", "direct-physical", "whole")
    user.demo("server", "create", "--flavor", "small", "--image", "tiny", "--port", "whole", "web")
    pfs.site.wait_for_server("web", "ACTIVE")
    assert pfs.vfs(PF_2), "of this PF a VF is held"
    assert pfs.call(cards.driver_of, PF_4) == "vfio-pci"
    assert not pfs.vfs(PF_4), "a PF is given away whole or by VFs"
    assert pfs.call(cards.read, f"/sys/bus/pci/devices/{PF_4}/sriov_numvfs") == "0"
    told = pfs.trunkline("explain", "--nic", "network=red,vnic-type=direct-physical", "--json")
    assert told.returncode == 1, "of one PF a VF is held, the other is held whole"
    user.admin("port", "delete", "one")

    user.demo("server", "delete", "--wait", "web")
    pfs.wait_for_vfs(PF_4, FEW)
    assert pfs.call(cards.driver_of, PF_4) == "igb"
    assert pfs.call(cards.read, "/sys/class/net/pf4/address") == cards.pf_mac(4)


def test_what_igb_was_seen_not_to_do_is_a_reason_of_placement(pfs: Pfs) -> None:
    for ability, fits in (("trust", True), ("min_tx_rate", False), ("802.1ad", False)):
        profile = json.dumps({"capabilities": [ability]})
        pfs.user.admin(
            "port", "create", "--network", "red", "--vnic-type", "direct",
            "--binding-profile", profile, ability,
        )  # fmt: skip
        done = pfs.trunkline("explain", "--port", ability, "--json")
        assert (done.returncode == 0) == fits, done.stdout
        name = ability.replace("802.1ad", "vlan_8021ad")
        assert fits or f"can.{name}" in done.stdout, done.stdout
        pfs.user.admin("port", "delete", ability)
    # Not by a table: by the only agent that ever was here, which made the VFs itself.
    seen = json.loads(pfs.call(cards.read, "/run/agent/state/h1/capabilities.json"))["seen"]
    assert [
        (name.split()[0], each["trust"], each["vlan_8021ad"]) for name, each in seen.items()
    ] == [("igb", True, False)]
    pfs.user.admin(
        "network", "create", "--share", "--qinq-vlan", "--provider-network-type", "vlan",
        "--provider-physical-network", "phy1", "--provider-segment", "150", "outer",
    )  # fmt: skip
    told = pfs.explain("outer")
    assert not told["fits"]
    assert "can.vlan_8021ad" in json.dumps(told)
    pfs.user.admin("network", "delete", "outer")


def cards_vf(slot: int, vf_index: int) -> str:
    """Where a VF is of the card in a slot."""
    routing_id = (slot << 8) + 128 + 2 * vf_index
    return f"0000:{routing_id >> 8:02x}:{routing_id >> 3 & 31:02x}.{routing_id & 7}"
