"""Network pools on real VFs: a guest of the agent has what libvirt gave it, tagged before it ran.

::

    phy2 ─┬─ pf2 ─── 3 VFs in trunkline-phy2 (hostdev)        ─┬─ pooled
          └─ pf4 ─── 2 VFs in trunkline-phy2-2 (passthrough)  ─┘
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.guest import cards
from lab.machine import LabHost
from tests.lab import agent_inside
from tests.lab.site import Site, lab_site
from tests.support.clients import OpenStack
from tests.system.test_up import Session

VF_COUNTS = {"pf2": 3, "pf4": 2}
HOSTDEV_POOL, PASSTHROUGH_POOL = "trunkline-phy2", "trunkline-phy2-2"
OFFER = """
device_spec = [
    { ifname = "pf2", physical_network = "phy2", vf_count = 3, network_pool = "hostdev" },
    { ifname = "pf4", physical_network = "phy2", vf_count = 2, network_pool = "passthrough" },
]
"""


@pytest.fixture
def site(tmp_path: Path, lab_host: LabHost) -> Iterator[Site]:
    with lab_site(tmp_path, lab_host, offer=OFFER) as made:
        yield made


def pools(site: Site) -> dict[str, tuple[int, int]]:
    """How many VFs of each network pool there are, and how many are free."""
    return {pool.name: (pool.vfs, pool.free) for pool in site.api.network_pools()}


def test_a_server_has_what_libvirt_gives_it_of_pools_and_gives_it_back(
    site: Site, openstack: OpenStack
) -> None:
    call = site.lab_host.channel.call
    site.start_helper()
    agent = site.start_agent(TRUNKLINE_KILL_AT="before virsh resume")
    free = {HOSTDEV_POOL: (3, 3), PASSTHROUGH_POOL: (2, 2)}
    site.wait(lambda: pools(site) == free, "the pools are told of")
    original = {pf: call(cards.vf_settings, pf) for pf in VF_COUNTS}
    site.wait_settled()

    session = Session(site.directory, openstack)
    session.prepare()
    # Placement chooses VF 0. Let libvirt choose another one.
    call(agent_inside.hold_vf, HOSTDEV_POOL, call(cards.vf_address, "pf2", 0))
    macs = {}
    for pf, vnic_type in (("pf2", "direct"), ("pf4", "macvtap")):
        session.demo("port", "create", "--network", "red", "--vnic-type", vnic_type, pf)
        macs[pf] = session.show("port", "show", pf)["mac_address"]
    session.demo(
        "server", "create", "--flavor", "small", "--image", "tiny",
        "--port", "pf2", "--port", "pf4", "pooled",
    )  # fmt: skip

    def is_exchanged() -> bool:
        server = site.api.server_path("pooled")
        assert server.status == "BUILD", f"{server.fault}: {server.fault_details}"
        return site.has_told("device.exchange")

    site.wait(is_exchanged, "libvirt's choice is on record")
    site.wait_killed(agent)
    # The guest is there, and has not run.
    runs = call(agent_inside.libvirt_ids)
    pooled = {pf: site.vf_with(mac, pf) for pf, mac in macs.items()}
    assert [each["vlan"] for each in pooled.values()] == [220, 220]
    assert pooled["pf2"]["vf_index"] != 0
    assert pools(site) == {HOSTDEV_POOL: (3, 2), PASSTHROUGH_POOL: (2, 1)}

    site.start_agent()
    site.wait_for_server("pooled", "ACTIVE")
    site.wait_settled()
    assert call(agent_inside.libvirt_ids) == runs
    assert {pf: site.vf_with(mac, pf) for pf, mac in macs.items()} == pooled

    session.demo("server", "delete", "--wait", "pooled")
    site.wait(lambda: pools(site) == free, "all is back")
    assert call(agent_inside.libvirt_ids).strip() == ""
    assert {pf: call(cards.vf_settings, pf) for pf in VF_COUNTS} == original

    call(agent_inside.let_go, HOSTDEV_POOL)
    call(agent_inside.stop_network, HOSTDEV_POOL)
    site.wait(lambda: call(agent_inside.is_active, HOSTDEV_POOL), "libvirt hands out VFs again")
