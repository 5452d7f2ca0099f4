"""The unmodified agent on a real kernel and libvirt: it enrols, makes VFs, and keeps them right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.guest import cards
from lab.machine import VFS_PER_CARD, LabHost
from tests.lab import agent_inside
from tests.lab.site import Site, lab_site
from tests.support.clients import OpenStack
from tests.system.test_up import Session

REPAIR_SECONDS_MAX = 2.0


@pytest.fixture
def site(tmp_path: Path, lab_host: LabHost) -> Iterator[Site]:
    with lab_site(tmp_path, lab_host) as made:
        yield made


def test_a_server_with_a_vf_runs_keeps_its_vlan_and_gives_all_back(
    site: Site, openstack: OpenStack
) -> None:
    call = site.lab_host.channel.call
    site.start_helper()
    agent = site.start_agent()
    session = Session(site.directory, openstack)
    session.prepare()
    site.wait(lambda: len(site.devices(kind="vf")) == 2 * VFS_PER_CARD, "its VFs are told")
    original = call(cards.vf_settings, "pf1")

    session.demo("port", "create", "--network", "blue", "--vnic-type", "direct", "web")
    mac = session.show("port", "show", "web")["mac_address"]
    session.demo("server", "create", "--flavor", "small", "--image", "tiny", "--port", "web", "web")
    site.wait_for_server("web", "ACTIVE")
    assert session.show("server", "show", "web")["status"] == "ACTIVE"
    vf = site.vf_with(mac)
    assert vf["vlan"] == 120
    runs = call(agent_inside.libvirt_ids)

    took = call(agent_inside.seconds_until_repaired, "pf1", vf["vf_index"], wrong=666, right=120)
    assert took < REPAIR_SECONDS_MAX
    site.wait(lambda: site.has_told("device.drift"), "drift is told")

    site.kill(agent)
    site.start_agent()
    site.wait_settled()
    assert call(agent_inside.libvirt_ids) == runs
    assert site.vf_with(mac) == vf

    session.demo("server", "delete", "--wait", "web")
    site.wait(lambda: not site.devices(state="releasing"), "all is back")
    assert call(agent_inside.libvirt_ids).strip() == ""
    assert call(cards.vf_settings, "pf1") == original
