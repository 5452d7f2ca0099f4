"""NICs of a server there is, by the `openstack` command and openstacksdk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.stories.desk import ASKED_TIMES_MAX, BLANK, Desk, Desks


@pytest.fixture(scope="module")
def desk(desks: Desks) -> Iterator[Desk]:
    with desks.set_up() as opened:
        yield opened


@pytest.fixture(scope="module")
def web(desk: Desk) -> str:
    """The name of an ACTIVE server without NICs."""
    create = ("server", "create", "--flavor", "small", *BLANK, "--nic", "none", "--wait", "web")
    assert desk.show(*create)["status"] == "ACTIVE"
    return "web"


def ports_of(desk: Desk, server: str) -> dict[str, str]:
    """Its ports, each with its status."""
    rows = desk.show("port", "list", "--server", server)
    return {row["ID"]: row["Status"] for row in rows}


def wait_until_ports_are(desk: Desk, server: str, *statuses: str) -> dict[str, str]:
    for _ in range(ASKED_TIMES_MAX):
        seen = ports_of(desk, server)
        if sorted(seen.values()) == sorted(statuses):
            return seen
    raise AssertionError(f"the ports of {server} are {seen}, not {statuses}")


def actions(desk: Desk, server: str) -> list[str]:
    rows: list[dict[str, Any]] = desk.show("server", "event", "list", server)
    return [row["Action"] for row in rows]


def test_a_port_is_added_and_removed_while_the_server_runs(desk: Desk, web: str) -> None:
    port = desk.show("port", "create", "--network", "blue", "--vnic-type", "direct", "nic-a")
    desk.run("server", "add", "port", "--tag", "front", web, "nic-a")
    assert list(wait_until_ports_are(desk, web, "ACTIVE")) == [port["id"]]
    assert "blue" in desk.show("server", "show", web)["addresses"]
    assert "409" in desk.fail("server", "add", "port", web, "nic-a")
    desk.run("server", "remove", "port", web, "nic-a")
    wait_until_ports_are(desk, web)
    shown = desk.show("port", "show", "nic-a")
    assert (shown["device_id"], shown["status"]) == ("", "DOWN")
    assert actions(desk, web)[:2] == ["detach_interface", "attach_interface"]
    desk.run("port", "delete", "nic-a")


def test_a_network_and_an_address_of_it_are_added_and_removed(desk: Desk, web: str) -> None:
    desk.run("server", "add", "network", web, "blue")
    (made,) = wait_until_ports_are(desk, web, "ACTIVE")
    given = desk.show(
        "server", "add", "fixed", "ip", "--fixed-ip-address", "10.0.0.99", web, "blue"
    )
    assert "10.0.0.99" in str(given["Fixed IPs"])
    wait_until_ports_are(desk, web, "ACTIVE", "ACTIVE")
    desk.run("server", "remove", "network", web, "blue")
    wait_until_ports_are(desk, web)
    assert made not in [row["ID"] for row in desk.show("port", "list")]


def test_a_stopped_server_has_its_new_nic_when_it_runs_again(desk: Desk, web: str) -> None:
    desk.run("server", "stop", web)
    desk.wait_for_status(web, "SHUTOFF")
    desk.run("server", "add", "network", web, "red")
    desk.run("server", "start", web)
    desk.wait_for_status(web, "ACTIVE")
    wait_until_ports_are(desk, web, "ACTIVE")
    desk.run("server", "remove", "network", web, "red")
    wait_until_ports_are(desk, web)


SCRIPT = """
import openstack
cloud = openstack.connect(cloud="trunkline-demo")
server = cloud.compute.find_server("web")
port = cloud.network.create_port(network_id=cloud.network.find_network("red").id,
                                 binding_vnic_type="direct")
made = cloud.compute.create_server_interface(server, port_id=port.id, tag="back")
assert (made.port_id, made.tag) == (port.id, "back"), made
assert [each.port_id for each in cloud.compute.server_interfaces(server)] == [port.id]
cloud.compute.delete_server_interface(made, server=server)
for _ in range(100):
    if not cloud.network.get_port(port.id).device_id:
        break
assert list(cloud.compute.server_interfaces(server)) == []
cloud.network.delete_port(port.id)
"""


def test_the_sdk_does_the_same(desk: Desk, web: str) -> None:
    assert web == "web"
    done = desk.run_with_sdk(desk.directory, SCRIPT)
    assert done.returncode == 0, done.stderr
