"""Addresses besides a port's own, options for DHCP, and addresses that follow MACs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.http_app import Site
from tests.support.network_api import NetworkApi
from tests.support.world import AgentByHand, a_card

MAC = "02:11:22:33:44:55"
BY_MAC: dict[str, Any] = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}


@pytest.fixture
def admin(site: Site) -> NetworkApi:
    return NetworkApi(site, "admin")


@pytest.fixture
def demo(site: Site) -> NetworkApi:
    return NetworkApi(site, "demo")


@pytest.fixture
def network_id(demo: NetworkApi) -> str:
    return str(demo.create("network", name="n")["id"])


def addresses(port: Any) -> list[str]:
    return [fixed_ip["ip_address"] for fixed_ip in port["fixed_ips"]]


# Address pairs


def test_a_pair_without_a_mac_has_the_ports_own(demo: NetworkApi, network_id: str) -> None:
    pairs = [{"ip_address": "10.0.0.100"}, {"ip_address": "10.1.0.0/16", "mac_address": MAC}]
    made = demo.create("port", network_id=network_id, allowed_address_pairs=pairs)
    own = {"ip_address": "10.0.0.100", "mac_address": made["mac_address"]}
    assert made["allowed_address_pairs"] == [own, pairs[1]]
    assert demo.show("port", made["id"]) == made
    changed = demo.update("port", made["id"], allowed_address_pairs=[])
    assert changed["allowed_address_pairs"] == []
    assert changed["revision_number"] > made["revision_number"]


@pytest.mark.parametrize("vnic_type", ["direct", "macvtap"])
def test_a_vf_is_promised_no_mac_that_its_card_would_stop(
    demo: NetworkApi, network_id: str, vnic_type: str
) -> None:
    other = [{"ip_address": "10.0.0.100", "mac_address": MAC}]
    asked: dict[str, Any] = {"network_id": network_id, "binding__vnic_type": vnic_type}
    refused = demo.create("port", 400, **asked, allowed_address_pairs=other)
    assert "the card lets a VF send from no other" in refused["message"]
    vf = demo.create("port", **asked, allowed_address_pairs=[{"ip_address": "10.0.0.100"}])
    demo.update("port", vf["id"], 400, allowed_address_pairs=other)
    tap = demo.create("port", network_id=network_id, allowed_address_pairs=other)
    demo.update("port", tap["id"], 400, binding__vnic_type=vnic_type)


@pytest.mark.parametrize(
    ("pairs", "problem"),
    [
        ([{"ip_address": "10.0.0.1"}, {"ip_address": "10.0.0.1"}], "the same one twice"),
        ([{"mac_address": MAC}], "ip_address: is required"),
        ([{"ip_address": "10.0.0.256"}], "not an IP address or CIDR"),
        ([{"ip_address": "fe80::1%eth0"}], "not an IP address or CIDR"),
        ([{"ip_address": "10.0.0.1", "mac_address": "01:00:5e:00:00:01"}], "group"),
        ([{"ip_address": "10.0.0.1", "more": 1}], "more: not known here"),
        ([{"ip_address": f"10.0.0.{n}"} for n in range(11)], "at most 10"),
        ("10.0.0.1", "must be a list"),
    ],
)
def test_what_are_no_address_pairs_is_refused(
    demo: NetworkApi, network_id: str, pairs: object, problem: str
) -> None:
    refused = demo.create("port", 400, network_id=network_id, allowed_address_pairs=pairs)
    assert problem in refused["message"]
    assert "allowed_address_pairs" in refused["message"]


def test_address_pairs_and_no_port_security_exclude_each_other(
    demo: NetworkApi, network_id: str
) -> None:
    pairs = [{"ip_address": "10.0.0.100"}]
    off: dict[str, Any] = {"network_id": network_id, "port_security_enabled": False}
    demo.create("port", 409, **off, allowed_address_pairs=pairs)
    open_ = demo.create("port", **off)
    demo.update("port", open_["id"], 409, allowed_address_pairs=pairs)
    guarded = demo.create("port", network_id=network_id, allowed_address_pairs=pairs)
    demo.update("port", guarded["id"], 409, port_security_enabled=False)
    demo.update(
        "port", guarded["id"], port_security_enabled=False, security_groups=[],
        allowed_address_pairs=[],
    )  # fmt: skip


# Options for DHCP


def test_dhcp_options_not_named_by_a_change_stay(demo: NetworkApi, network_id: str) -> None:
    def option(name: str, value: str | None, ip_version: int = 4) -> dict[str, Any]:
        return {"opt_name": name, "opt_value": value, "ip_version": ip_version}

    given = [option("bootfile-name", "a"), option("tftp-server", "b"), option("router", "")]
    made = demo.create("port", network_id=network_id, extra_dhcp_opts=given)
    assert made["extra_dhcp_opts"] == given
    change = [
        {"opt_name": "bootfile-name", "opt_value": "c"},
        option("bootfile-name", "d", 6),
        option("router", None),
    ]
    changed = demo.update("port", made["id"], extra_dhcp_opts=change)
    assert changed["extra_dhcp_opts"] == [
        option("bootfile-name", "c"), option("tftp-server", "b"), option("bootfile-name", "d", 6),
    ]  # fmt: skip
    assert (
        demo.update("port", made["id"], extra_dhcp_opts=[])["extra_dhcp_opts"]
        == (changed["extra_dhcp_opts"])
    )


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ([{"opt_value": "a"}], "opt_name: is required"),
        ([{"opt_name": "", "opt_value": "a"}], "opt_name: must have 1 to 64 characters"),
        ([{"opt_name": "mtu", "opt_value": " "}], "opt_value: must not be empty for mtu"),
        ([{"opt_name": "mtu", "opt_value": "1", "ip_version": 5}], "ip_version: must be 4 or 6"),
        ([{"opt_name": str(n), "opt_value": "1"} for n in range(65)], "at most 64"),
    ],
)
def test_what_are_no_dhcp_options_is_refused(
    demo: NetworkApi, network_id: str, options: object, problem: str
) -> None:
    refused = demo.create("port", 400, network_id=network_id, extra_dhcp_opts=options)
    assert problem in refused["message"]
    assert "extra_dhcp_opts" in refused["message"]


def test_a_port_has_no_more_dhcp_options_than_it_may(demo: NetworkApi, network_id: str) -> None:
    half = [{"opt_name": f"a{n}", "opt_value": "1"} for n in range(40)]
    made = demo.create("port", network_id=network_id, extra_dhcp_opts=half)
    more = [{"opt_name": f"b{n}", "opt_value": "1"} for n in range(40)]
    demo.update("port", made["id"], 400, extra_dhcp_opts=more)


# Addresses that follow MACs


def test_a_port_has_an_address_made_of_its_mac_beside_others(
    admin: NetworkApi, network_id: str
) -> None:
    admin.create("subnet", network_id=network_id, cidr="10.0.0.0/24")
    v6 = admin.create("subnet", network_id=network_id, cidr="2001:db8::/64", **BY_MAC)
    assert (v6["ipv6_ra_mode"], v6["ipv6_address_mode"]) == ("slaac", "slaac")
    made = admin.create("port", network_id=network_id, mac_address=MAC)
    assert addresses(made) == ["10.0.0.2", "2001:db8::11:22ff:fe33:4455"]
    moved = admin.update("port", made["id"], mac_address="02:11:22:33:44:66")
    assert addresses(moved) == ["10.0.0.2", "2001:db8::11:22ff:fe33:4466"], "it follows"
    named = admin.update("port", made["id"], fixed_ips=[{"ip_address": "10.0.0.9"}])
    assert addresses(named) == ["10.0.0.9", "2001:db8::11:22ff:fe33:4466"], "it stays"
    assert addresses(admin.update("port", made["id"], fixed_ips=[])) == []


def test_no_other_address_can_be_had_where_addresses_follow_macs(
    admin: NetworkApi, network_id: str
) -> None:
    v6 = admin.create("subnet", network_id=network_id, cidr="2001:db8::/64", **BY_MAC)
    asked: dict[str, Any] = {"network_id": network_id, "mac_address": MAC}
    wrong = [{"subnet_id": v6["id"], "ip_address": "2001:db8::7"}]
    refused = admin.create("port", 400, **asked, fixed_ips=wrong)
    assert "the address follows the MAC" in refused["message"]
    its_own = [{"subnet_id": v6["id"], "ip_address": "2001:db8::11:22ff:fe33:4455"}]
    assert admin.create("port", **asked, fixed_ips=its_own)["fixed_ips"] == its_own


def test_ports_get_and_lose_their_address_with_a_subnet_where_addresses_follow_macs(
    admin: NetworkApi, network_id: str
) -> None:
    v4 = admin.create("subnet", network_id=network_id, cidr="10.0.0.0/24")
    port = admin.create("port", network_id=network_id, mac_address=MAC)
    bare = admin.create("port", network_id=network_id, fixed_ips=[])
    v6 = admin.create("subnet", network_id=network_id, cidr="2001:db8::/64", **BY_MAC)
    with_both = admin.show("port", port["id"])
    assert addresses(with_both) == ["10.0.0.2", "2001:db8::11:22ff:fe33:4455"]
    assert with_both["revision_number"] > port["revision_number"]
    assert len(addresses(admin.show("port", bare["id"]))) == 1
    admin.delete("subnet", v6["id"])
    assert addresses(admin.show("port", port["id"])) == ["10.0.0.2"]
    admin.delete("subnet", v4["id"], 409)


def test_a_port_with_a_whole_pf_has_the_address_of_the_pfs_mac(
    site: Site, admin: NetworkApi, network_id: str
) -> None:
    AgentByHand(site.svc, "h1", a_card(5, "phy1"))
    admin.create("subnet", network_id=network_id, cidr="2001:db8::/64", **BY_MAC)
    port = admin.create("port", network_id=network_id, binding__vnic_type="direct-physical")
    slot = {"pci_slot": "0000:05:00.0"}
    claimed = admin.update("port", port["id"], binding__host_id="h1", binding__profile=slot)
    assert claimed["mac_address"] != port["mac_address"]
    octets = [int(octet, 16) for octet in claimed["mac_address"].split(":")]
    assert addresses(claimed)[0].endswith(f":{octets[4]:02x}{octets[5]:02x}".replace(":0", ":"))


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"cidr": "10.0.0.0/24"}, "ipv6_ra_mode"),
        ({"cidr": "2001:db8::/80"}, "cidr"),
        ({"cidr": "2001:db8::/64", "enable_dhcp": False}, "ipv6_ra_mode"),
        ({"cidr": "2001:db8::/64", "ipv6_address_mode": "dhcpv6-stateful"}, "ipv6_address_mode"),
        ({"cidr": "2001:db8::/64", "ipv6_ra_mode": "static"}, "ipv6_ra_mode"),
    ],
)
def test_ipv6_modes_that_can_not_be_are_refused(
    demo: NetworkApi, network_id: str, more: dict[str, Any], field: str
) -> None:
    refused = demo.create("subnet", 400, network_id=network_id, **(BY_MAC | more))
    assert refused["message"].startswith((f"{field}: ", f"subnet.{field}: "))


def test_ipv6_modes_never_change_and_hold_dhcp_on(demo: NetworkApi, network_id: str) -> None:
    v6 = demo.create("subnet", network_id=network_id, cidr="2001:db8::/64", **BY_MAC)
    demo.update("subnet", v6["id"], 400, ipv6_ra_mode="dhcpv6-stateful")
    demo.update("subnet", v6["id"], 400, enable_dhcp=False)
    assert [s["id"] for s in demo.all("subnet", "ipv6_ra_mode=slaac")] == [v6["id"]]
    assert demo.all("subnet", "ipv6_address_mode=dhcpv6-stateless") == []


def test_subnets_need_the_mtu_of_their_ip_version(demo: NetworkApi) -> None:
    small = demo.create("network", mtu=1279)
    demo.create("subnet", 409, network_id=small["id"], cidr="2001:db8::/64")
    demo.create("subnet", network_id=small["id"], cidr="10.0.0.0/24")
    demo.update("network", small["id"], 409, mtu=67)
    assert demo.update("network", small["id"], mtu=68)["mtu"] == 68
