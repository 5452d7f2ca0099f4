"""Security groups, tags, address pairs, segments and the like, by the unmodified `openstack`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stories.desk import Desk, Desks

ADMIN = "trunkline"


@pytest.fixture(scope="module")
def desk(desks: Desks) -> Iterator[Desk]:
    with desks.set_up() as desk:
        yield desk


def test_a_tenant_keeps_security_groups_and_ports_in_them(desk: Desk) -> None:
    assert [g["Name"] for g in desk.show("security", "group", "list")] == ["default"]
    made = desk.show("security", "group", "create", "web", "--description", "of the web")
    rule = desk.show(
        "security", "group", "rule", "create", "web", "--protocol", "tcp", "--dst-port", "80:90",
        "--remote-ip", "10.0.0.0/8", "--description", "http",
    )  # fmt: skip
    assert (rule["port_range_min"], rule["port_range_max"], rule["protocol"]) == (80, 90, "tcp")
    listed = desk.show("security", "group", "rule", "list", "web")
    assert {each["IP Protocol"] for each in listed} == {None, "tcp"}
    desk.run("security", "group", "set", "web", "--name", "www", "--tag", "red")
    assert desk.show("security", "group", "show", "www")["tags"] == ["red"]
    desk.run("network", "create", "sg-net")
    port = desk.show("port", "create", "--network", "sg-net", "--security-group", "www", "p-www")
    assert port["security_group_ids"] == [made["id"]]
    assert "ports are in it" in desk.fail("security", "group", "delete", "www")
    desk.run("port", "set", "--no-security-group", "p-www")
    desk.run("port", "set", "--security-group", "default", "p-www")
    desk.run("security", "group", "rule", "delete", rule["id"])
    desk.run("security", "group", "delete", "www")
    desk.run("port", "set", "--no-security-group", "--disable-port-security", "p-www")
    assert desk.show("port", "show", "p-www")["port_security_enabled"] is False


def test_a_tenant_tags_networks_subnets_and_ports(desk: Desk) -> None:
    desk.run("network", "create", "--tag", "red", "--tag", "blue", "tagged")
    desk.run("subnet", "create", "--network", "tagged", "--subnet-range", "10.1.0.0/24",
             "--tag", "red", "tagged-subnet")  # fmt: skip
    desk.run("port", "create", "--network", "tagged", "--tag", "green", "tagged-port")
    for what, tag in (("network", "blue"), ("subnet", "red"), ("port", "green")):
        assert [each["Name"] for each in desk.show(what, "list", "--tags", tag)] == (
            ["tagged"] if what == "network" else [f"tagged-{what}"]
        )
    assert desk.show("network", "list", "--tags", "red,green") == []
    desk.run("network", "unset", "--tag", "blue", "tagged")
    assert desk.show("network", "show", "tagged")["tags"] == ["red"]
    desk.run("port", "unset", "--all-tag", "tagged-port")
    assert desk.show("port", "list", "--any-tags", "green") == []


def test_a_tenant_says_addresses_and_dhcp_options_of_ports(desk: Desk) -> None:
    desk.run("network", "create", "addressed")
    desk.run(
        "subnet", "create", "--network", "addressed", "--subnet-range", "2001:db8::/64",
        "--ip-version", "6", "--ipv6-ra-mode", "slaac", "--ipv6-address-mode", "slaac", "slaac",
    )  # fmt: skip
    port = desk.show(
        "port", "create", "--network", "addressed", "--allowed-address", "ip-address=10.0.0.9",
        "--extra-dhcp-option", "name=bootfile-name,value=pxelinux.0", "p-vrrp",
    )  # fmt: skip
    (pair,) = port["allowed_address_pairs"]
    assert pair == {"ip_address": "10.0.0.9", "mac_address": port["mac_address"]}
    assert port["extra_dhcp_opts"][0]["opt_value"] == "pxelinux.0"
    last = port["mac_address"].split(":")
    assert port["fixed_ips"][0]["ip_address"].endswith(f"{last[4]}{last[5]}".lstrip("0"))
    desk.run("port", "set", "--no-allowed-address", "p-vrrp")
    assert desk.show("port", "show", "p-vrrp")["allowed_address_pairs"] == []


def test_an_admin_keeps_segments_agents_and_addresses_in_view(desk: Desk) -> None:
    desk.run(
        "network", "create", "--provider-network-type", "vlan", "--provider-physical-network",
        "phy1", "--provider-segment", "160", "routed", cloud=ADMIN,
    )  # fmt: skip
    segment = desk.show(
        "network", "segment", "create", "--network", "routed", "--network-type", "vlan",
        "--physical-network", "phy2", "--segment", "260", "west", cloud=ADMIN,
    )  # fmt: skip
    desk.run("network", "segment", "set", "--description", "to the west", "west", cloud=ADMIN)
    shown = desk.show("network", "segment", "show", "west", cloud=ADMIN)
    assert (shown["id"], shown["description"]) == (segment["id"], "to the west")
    desk.run("network", "segment", "delete", "west", cloud=ADMIN)

    desk.run("subnet", "create", "--network", "routed", "--subnet-range", "10.2.0.0/24", "s",
             cloud=ADMIN)  # fmt: skip
    found = desk.show("ip", "availability", "show", "routed", cloud=ADMIN)
    assert (found["total_ips"], found["used_ips"]) == (253, 0)
    assert "routed" in {
        each["Network Name"] for each in desk.show("ip", "availability", "list", cloud=ADMIN)
    }

    (agent, *_) = desk.show("network", "agent", "list", "--agent-type", "nic", cloud=ADMIN)
    desk.run("network", "agent", "set", "--disable", "--description", "d", agent["ID"], cloud=ADMIN)
    shown = desk.show("network", "agent", "show", agent["ID"], cloud=ADMIN)
    assert (shown["admin_state_up"], shown["description"]) in ((False, "d"), ("DOWN", "d"))
    desk.run("network", "agent", "set", "--enable", agent["ID"], cloud=ADMIN)
    assert "can be disabled" in desk.fail("network", "agent", "delete", agent["ID"], cloud=ADMIN)

    zones = desk.show("availability", "zone", "list", "--network", cloud=ADMIN)
    assert [zone["Zone Name"] for zone in zones] == ["nova"]


def test_what_is_not_served_is_refused_by_name(desk: Desk) -> None:
    assert "router:external" in desk.fail("network", "create", "--external", "out", cloud=ADMIN)
    assert "the method POST" in desk.fail("router", "create", "r")
    refused = desk.fail("network", "create", "--transparent-vlan", "v", cloud=ADMIN)
    assert "vlan_transparent" in refused
