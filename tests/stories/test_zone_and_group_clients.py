"""Zones, aggregates and server groups in the hands of their users: the real clients.

h1, h2: as `compute_site` has them, each with a card of 4 VFs on phy1 and one on phy2.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stories.desk import BLANK, Desk, Desks

ADMIN = "trunkline"
SERVER = ("server", "create", "--flavor", "small", "--nic", "none", *BLANK)


@pytest.fixture(scope="module")
def desk(desks: Desks) -> Iterator[Desk]:
    with desks.set_up() as opened:
        yield opened


def host_of(desk: Desk, name: str) -> str:
    server = desk.show("server", "show", name)["id"]
    shown = desk.show("server", "show", server, cloud=ADMIN)
    host: str = shown["OS-EXT-SRV-ATTR:host"]
    return host


def test_an_operator_makes_a_zone_and_a_tenant_asks_for_it(desk: Desk) -> None:
    made = desk.show("aggregate", "create", "--zone", "east", "--property", "ssd=true", "rack",
                     cloud=ADMIN)  # fmt: skip
    assert made["availability_zone"] == "east"
    desk.run("aggregate", "add", "host", "rack", "h2", cloud=ADMIN)
    shown = desk.show("aggregate", "show", "rack", cloud=ADMIN)
    assert shown["hosts"] == ["h2"]
    assert shown["properties"] == {"ssd": "true"}
    desk.run("aggregate", "set", "--name", "rack-1", "--property", "tier=gold", "rack", cloud=ADMIN)
    desk.run("aggregate", "unset", "--property", "ssd", "rack-1", cloud=ADMIN)
    [listed] = desk.show("aggregate", "list", "--long", cloud=ADMIN)
    assert listed["Availability Zone"] == "east"
    assert listed["Properties"] == {"tier": "gold"}
    zones = desk.show("availability", "zone", "list", "--compute")
    assert {zone["Zone Name"]: zone["Zone Status"] for zone in zones} == {
        "east": "available", "nova": "available",
    }  # fmt: skip

    desk.run(*SERVER, "--availability-zone", "east", "--wait", "in-east")
    assert host_of(desk, "in-east") == "h2"
    assert desk.show("server", "show", "in-east")["OS-EXT-AZ:availability_zone"] == "east"
    desk.run(*SERVER, "--availability-zone", "nova", "--wait", "in-nova")
    assert host_of(desk, "in-nova") == "h1"
    assert "not available" in desk.fail(*SERVER, "--availability-zone", "west", "nowhere")
    assert "asked for" in desk.fail("aggregate", "remove", "host", "rack-1", "h2", cloud=ADMIN)
    assert "policy" in desk.fail("aggregate", "list")

    desk.run("server", "delete", "--wait", "in-east", "in-nova")
    desk.run("aggregate", "remove", "host", "rack-1", "h2", cloud=ADMIN)
    desk.run("aggregate", "delete", "rack-1", cloud=ADMIN)
    assert desk.show("aggregate", "list", cloud=ADMIN) == []


def test_a_tenant_keeps_servers_apart(desk: Desk) -> None:
    group = desk.show("server", "group", "create", "--policy", "anti-affinity", "apart")
    assert (group["policy"], group["members"]) == ("anti-affinity", [])
    hint = ("--hint", f"group={group['id']}")
    for name in ("one", "two"):
        desk.run(*SERVER, *hint, "--wait", name)
    assert {host_of(desk, "one"), host_of(desk, "two")} == {"h1", "h2"}
    desk.run(*SERVER, *hint, "three")
    desk.wait_for_status("three", "ERROR")
    fault = desk.show("server", "show", "three")["fault"]
    assert "2 server group anti affinity" in fault["message"]
    members = desk.show("server", "group", "show", "apart")["members"]
    assert len(members) == 3
    one = desk.show("server", "show", "one")["id"]  # By name, the client reads a list without it.
    assert desk.show("server", "show", one)["server_groups"] == [group["id"]]
    listed = desk.show("server", "group", "list")
    assert [(each["Name"], each["Policy"]) for each in listed] == [("apart", "anti-affinity")]
    desk.run("server", "delete", "--wait", "one", "two", "three")
    desk.run("server", "group", "delete", "apart")
    assert desk.show("server", "group", "list") == []


def test_a_rule_says_how_many_may_be_on_a_host(desk: Desk) -> None:
    group = desk.show("server", "group", "create", "--policy", "anti-affinity",
                      "--rule", "max_server_per_host=2", "pairs")  # fmt: skip
    assert group["rules"] == {"max_server_per_host": 2}
    hint = ("--hint", f"group={group['id']}")
    desk.run(*SERVER, *hint, "--min", "4", "--max", "4", "--wait", "pair")
    where = [host_of(desk, f"pair-{number}") for number in (1, 2, 3, 4)]
    assert sorted(where) == ["h1", "h1", "h2", "h2"]
    desk.run("server", "delete", "--wait", *(f"pair-{number}" for number in (1, 2, 3, 4)))
    desk.run("server", "group", "delete", "pairs")


SDK_STORY = """
import openstack
cloud = openstack.connect()
group = cloud.compute.create_server_group(name="by-sdk", policy="affinity")
print(group.policy, "by-sdk" in [each.name for each in cloud.compute.server_groups()])
print(cloud.compute.find_server_group("by-sdk").id == group.id)
cloud.compute.delete_server_group(group)
print(cloud.compute.find_server_group("by-sdk"))
print("nova" in [zone.name for zone in cloud.compute.availability_zones()])
"""


def test_openstacksdk_makes_finds_and_deletes_groups(desk: Desk) -> None:
    done = desk.run_with_sdk(desk.directory, SDK_STORY, cloud="trunkline-demo")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["affinity True", "True", "None", "True"]
