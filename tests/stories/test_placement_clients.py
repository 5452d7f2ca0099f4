"""What there is and who holds it, in the hands of operators: `openstack resource provider …`.

h1, h2: as `compute_site` has them, each with a card of 4 VFs on phy1 and one on phy2.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.stories.desk import BLANK, Desk, Desks

ADMIN = "trunkline"
NEWEST = ("--os-placement-api-version", "1.39")
PHY1_CARD = "0000:05:00.0"


@pytest.fixture(scope="module")
def desk(desks: Desks) -> Iterator[Desk]:
    with desks.set_up() as opened:
        yield opened


def show(desk: Desk, *args: str, version: tuple[str, ...] = NEWEST) -> Any:
    return desk.show(*version, *args, cloud=ADMIN)


def test_a_servers_vf_is_found_from_the_provider_and_from_the_server(desk: Desk) -> None:
    providers = show(desk, "resource", "provider", "list")
    by_name = {each["name"]: each for each in providers}
    assert set(by_name) == {
        f"{host}{card}" for host in ("h1", "h2")
        for card in ("", f"_{PHY1_CARD}", "_0000:82:00.0")
    }  # fmt: skip
    desk.run("server", "create", "--flavor", "small", "--network", "blue", *BLANK, "plain")
    port = desk.show("port", "create", "--network", "blue", "--vnic-type", "direct", "p-direct")
    server = desk.show("server", "create", "--flavor", "small", "--nic",
                       f"port-id={port['id']}", *BLANK, "web")  # fmt: skip
    desk.wait_for_status("web", "ACTIVE")
    host = desk.show("server", "show", server["id"], cloud=ADMIN)["OS-EXT-SRV-ATTR:host"]
    card = by_name[f"{host}_{PHY1_CARD}"]["uuid"]
    held = {
        each["resource_provider"]: each["resources"]
        for each in show(desk, "resource", "provider", "allocation", "show", server["id"])
    }
    assert held[card] == {"SRIOV_NET_VF": 1}
    assert held[by_name[host]["uuid"]]["VCPU"] >= 1
    usage = show(desk, "resource", "provider", "usage", "show", card)
    assert {each["resource_class"]: each["usage"] for each in usage}["SRIOV_NET_VF"] == 1
    listed = show(desk, "resource", "provider", "inventory", "list", card)
    (vfs,) = [each for each in listed if each["resource_class"] == "SRIOV_NET_VF"]
    assert (vfs["total"], vfs["reserved"], vfs["used"]) == (4, 0, 1)


def test_providers_are_found_by_what_they_have(desk: Desk) -> None:
    found = show(desk, "resource", "provider", "list", "--resource", "SRIOV_NET_VF=4",
                 "--required", "CUSTOM_PHYSNET_PHY2")  # fmt: skip
    assert {each["name"] for each in found} == {"h1_0000:82:00.0", "h2_0000:82:00.0"}
    traits = show(desk, "resource", "provider", "trait", "list", found[0]["uuid"])
    assert "HW_NIC_SRIOV" in {each["name"] for each in traits}
    classes = show(desk, "resource", "class", "list")
    assert {"VCPU", "SRIOV_NET_VF"} <= {each["name"] for each in classes}
    assert "CUSTOM_PHYSNET_PHY1" in {each["name"] for each in show(desk, "trait", "list")}


def test_the_oldest_version_serves_too_and_tenants_are_not_served(desk: Desk) -> None:
    first = show(desk, "resource", "provider", "list", version=())
    assert {"uuid", "name", "generation"} <= set(first[0])
    assert "by the policy's rule" in desk.fail(*NEWEST, "resource", "provider", "list")


def test_openstacksdk_reads_providers_and_their_inventories(desk: Desk) -> None:
    script = """
import json, openstack
cloud = openstack.connect(cloud="trunkline")
found = {p.name: p for p in cloud.placement.resource_providers()}
inventories = cloud.placement.resource_provider_inventories(found["h1"])
print(json.dumps({i.resource_class: i.total for i in inventories}))
"""
    done = desk.run_with_sdk(desk.directory, script, cloud=ADMIN)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) == {"VCPU", "MEMORY_MB", "DISK_GB"}
