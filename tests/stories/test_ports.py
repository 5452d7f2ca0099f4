"""Ports, as clients of the network face meet them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.clock import ManualClock
from tests.support.http_app import Site
from tests.support.network_api import NetworkApi, error_of
from tests.support.world import AgentByHand, a_card
from trunkline.domain.ids import PortId
from trunkline.domain.port import REFUSED_VNIC_TYPES, logical_device_name

NOBODY = "00000000-0000-4000-8000-000000000000"

# Source: neutron-lib 5.0.1, neutron_lib.api.definitions: port, portbindings, port_security; and
# the standard attributes.
PORT = {
    "admin_state_up", "device_id", "device_owner", "fixed_ips", "id", "mac_address", "name",
    "network_id", "status", "tenant_id", "project_id", "binding:vnic_type",
    "port_security_enabled", "description", "created_at", "updated_at", "revision_number", "tags",
}  # fmt: skip
BINDING = {"binding:host_id", "binding:profile", "binding:vif_details", "binding:vif_type"}


@pytest.fixture
def admin(site: Site) -> NetworkApi:
    return NetworkApi(site, "admin")


@pytest.fixture
def demo(site: Site) -> NetworkApi:
    return NetworkApi(site, "demo")


@pytest.fixture
def network_id(demo: NetworkApi) -> str:
    """A network of the demo project, on vlan 100 of phy1, with addresses 10.0.0.2-254."""
    made = demo.create("network", name="mine")
    demo.create("subnet", network_id=made["id"], cidr="10.0.0.0/24", ip_version=4)
    return str(made["id"])


@pytest.fixture
def h1(site: Site) -> AgentByHand:
    """A host with a card of four VFs cabled to phy1, at 05:00.0, and one on phy2, at 06:00.0."""
    return AgentByHand(site.svc, "h1", [*a_card(5, "phy1"), *a_card(6, "phy2")])


def test_a_tenant_makes_a_direct_port(demo: NetworkApi, network_id: str) -> None:
    made = demo.create("port", network_id=network_id, name="p", binding__vnic_type="direct")
    assert set(made) >= PORT
    assert set(made) & BINDING == set()
    assert (made["binding:vnic_type"], made["status"]) == ("direct", "DOWN")
    assert [ip["ip_address"] for ip in made["fixed_ips"]] == ["10.0.0.2"]
    assert demo.show("port", made["id"]) == made
    assert demo.all("port") == [made]


def test_the_device_is_named_before_any_host_is_chosen(
    admin: NetworkApi, demo: NetworkApi, network_id: str
) -> None:
    made = demo.create("port", network_id=network_id, binding__vnic_type="macvtap")
    shown = admin.show("port", made["id"])
    assert set(shown) >= PORT | BINDING
    assert shown["binding:vif_type"] == "unbound"
    assert shown["binding:host_id"] == ""
    assert shown["binding:profile"] == {}
    name = logical_device_name(PortId(made["id"]))
    assert shown["binding:vif_details"] == {"device_name": name}


@pytest.mark.parametrize("vnic_type", sorted(REFUSED_VNIC_TYPES))
def test_a_vnic_type_that_is_not_served_is_refused_with_its_reason(
    demo: NetworkApi, network_id: str, vnic_type: str
) -> None:
    error = demo.create("port", expect=400, network_id=network_id, binding__vnic_type=vnic_type)
    assert REFUSED_VNIC_TYPES[vnic_type] in error["message"]
    port = demo.create("port", network_id=network_id)
    demo.update("port", port["id"], expect=400, binding__vnic_type=vnic_type)
    assert demo.show("port", port["id"])["binding:vnic_type"] == "normal"


@pytest.mark.parametrize("vnic_type", ["direct", "macvtap", "direct-physical"])
def test_a_tunnelled_network_takes_no_port_on_hardware(admin: NetworkApi, vnic_type: str) -> None:
    network = admin.create("network", name="tunnelled", provider__network_type="vxlan")
    error = admin.create("port", expect=400, network_id=network["id"], binding__vnic_type=vnic_type)
    assert vnic_type in error["message"]
    assert "tunnelled" in error["message"]
    assert "vxlan" in error["message"]
    port = admin.create("port", network_id=network["id"])
    admin.update("port", port["id"], expect=400, binding__vnic_type=vnic_type)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"mac_address": "fa:16:3e:00:00"}, "mac_address"),
        ({"mac_address": "fa-16-3e-00-00-01"}, "mac_address"),
        ({"mac_address": "00:00:00:00:00:00"}, "mac_address"),
        ({"mac_address": "01:00:5e:00:00:01"}, "mac_address"),
        ({"mac_address": "ff:ff:ff:ff:ff:ff"}, "mac_address"),
        ({"mac_address": "fa:16:3e:00:00:01\x00"}, "mac_address"),
        ({"mac_address": 5}, "mac_address"),
        ({"network_id": "mine"}, "network_id"),
        ({"network_id": None}, "network_id"),
        ({"network_id": {"id": NOBODY}}, "network_id"),
        ({"name": "\ud800"}, "body"),  # Half of a surrogate pair: no text at all.
        ({"name": ["p"]}, "name"),
        ({"device_id": "x" * 256}, "device_id"),
        ({"admin_state_up": 7}, "admin_state_up"),
        ({"binding__vnic_type": "Direct"}, "binding:vnic_type"),
        ({"binding__vnic_type": ["direct"]}, "binding:vnic_type"),
        ({"binding__profile": "trusted"}, "binding:profile"),
        ({"fixed_ips": {"ip_address": "10.0.0.9"}}, "fixed_ips"),
        ({"fixed_ips": [{"ip_address": "10.0.0.255"}]}, "fixed_ips"),
        ({"fixed_ips": [{"ip_address": "192.0.2.1"}]}, "fixed_ips"),
        ({"fixed_ips": [{"ip_address": "ten"}]}, "fixed_ips"),
        ({"fixed_ips": [{"subnet_id": NOBODY}]}, "fixed_ips"),
        ({"fixed_ips": [{"subnet_id": "s"}]}, "subnet_id"),
        ({"fixed_ips": [{}]}, "fixed_ips"),
        ({"fixed_ips": [{"ip_address": "10.0.0.9", "colour": 1}]}, "colour"),
        ({"fixed_ips": [{"ip_address": "10.0.0.9"}] * 65}, "fixed_ips"),
        ({"allowed_address_pairs": [{"ip_address": "10.0.0"}]}, "allowed_address_pairs"),
        ({"status": "ACTIVE"}, "status"),
        ({"binding__vif_type": "hw_veb"}, "binding:vif_type"),
    ],
)
def test_a_port_that_cannot_be_is_refused_by_the_field_at_fault(
    demo: NetworkApi, network_id: str, fields: dict[str, Any], field: str
) -> None:
    error = demo.create("port", expect=400, **({"network_id": network_id} | fields))
    assert error["type"] == "InvalidInput"
    assert field in error["message"]
    assert demo.all("port") == []


def test_a_mac_or_an_address_has_one_port_in_a_network(demo: NetworkApi, network_id: str) -> None:
    first = demo.create("port", network_id=network_id, mac_address="FA:16:3E:00:00:01")
    assert first["mac_address"] == "fa:16:3e:00:00:01"
    taken = demo.create("port", expect=409, network_id=network_id, mac_address="fa:16:3e:00:00:01")
    assert taken["type"] == "MacAddressInUse"
    taken = demo.create(
        "port", expect=409, network_id=network_id, fixed_ips=[{"ip_address": "10.0.0.2"}]
    )
    assert taken["type"] == "IpAddressInUse"
    other = demo.create("network")
    demo.create("port", network_id=other["id"], mac_address="fa:16:3e:00:00:01")


def test_addresses_run_out_and_come_back(demo: NetworkApi) -> None:
    network = demo.create("network")
    demo.create("subnet", network_id=network["id"], cidr="10.0.0.0/30", ip_version=4)
    only = demo.create("port", network_id=network["id"])
    error = demo.create("port", expect=409, network_id=network["id"])
    assert error["type"] == "IpAddressGenerationFailure"
    demo.delete("port", only["id"])
    demo.create("port", network_id=network["id"])


def test_what_a_port_is_bound_to_is_written_by_admins_only(
    demo: NetworkApi, network_id: str
) -> None:
    for fields in ({"binding__profile": {"pci_slot": "0000:05:02.0"}}, {"binding__host_id": "h1"}):
        error = demo.create("port", expect=403, network_id=network_id, **fields)
        assert error["type"] == "PolicyNotAuthorized"
    port = demo.create("port", network_id=network_id)
    demo.update("port", port["id"], expect=403, binding__profile={})
    demo.update("port", port["id"], expect=403, binding__host_id="h1")
    reply = demo.ask("GET", "ports?binding:host_id=h1")
    assert (reply.status, error_of(reply)["type"]) == (403, "PolicyNotAuthorized")


def test_an_admins_claim_shows_host_slot_and_physical_network(
    admin: NetworkApi, demo: NetworkApi, network_id: str, h1: AgentByHand
) -> None:
    port = demo.create("port", network_id=network_id, binding__vnic_type="direct")
    claimed = admin.update(
        "port",
        port["id"],
        binding__host_id="h1",
        binding__profile={"pci_slot": "0000:05:02.0", "card": "left"},
    )
    assert claimed["binding:host_id"] == "h1"
    assert claimed["binding:vif_type"] == "hw_veb"
    assert claimed["binding:profile"] == {
        "card": "left",
        "pci_slot": "0000:05:02.0",
        "pci_vendor_info": "15b3:1018",
        "physical_network": "phy1",
    }
    assert claimed["binding:vif_details"]["vlan"] == "100"
    assert admin.names("port", "binding:host_id=h1") == [""]
    assert admin.names("port", "binding:host_id=h2") == []
    assert set(demo.show("port", port["id"])) & BINDING == set()


@pytest.mark.parametrize(
    ("slot", "status"),
    [
        ("0000:05:02.0", 409),  # Another port has it.
        ("0000:06:02.0", 409),  # On phy2, and the network is on phy1.
        ("0000:07:02.0", 409),  # Not listed.
        ("0000:05:00.0", 409),  # A PF, and the port wants a VF.
        ("05:02.0", 400),
        ("0000:05:02.9", 400),
        (5, 400),
    ],
)
def test_a_claim_of_a_device_that_cannot_be_had_is_refused(
    admin: NetworkApi, demo: NetworkApi, network_id: str, h1: AgentByHand, slot: Any, status: int
) -> None:
    first = demo.create("port", network_id=network_id, binding__vnic_type="direct")
    admin.update(
        "port", first["id"], binding__host_id="h1", binding__profile={"pci_slot": "0000:05:02.0"}
    )
    second = demo.create("port", network_id=network_id, binding__vnic_type="direct")
    admin.update(
        "port",
        second["id"],
        expect=status,
        binding__host_id="h1",
        binding__profile={"pci_slot": slot},
    )
    assert admin.show("port", second["id"])["binding:vif_type"] == "unbound"


def test_a_port_of_another_project_does_not_exist(admin: NetworkApi, demo: NetworkApi) -> None:
    network = admin.create("network")
    port = admin.create("port", network_id=network["id"])
    assert demo.show("port", port["id"], expect=404)["type"] == "PortNotFound"
    assert demo.update("port", port["id"], expect=404, name="x")["type"] == "PortNotFound"
    assert demo.delete("port", port["id"], expect=404)["type"] == "PortNotFound"
    assert demo.all("port", f"id={port['id']}") == []
    error = demo.create("port", expect=404, network_id=network["id"])
    assert error["type"] == "NetworkNotFound"


def test_the_trusted_key_of_the_profile_sets_trust(site: Site, admin: NetworkApi) -> None:
    network = admin.create("network")
    port = admin.create(
        "port", network_id=network["id"], binding__vnic_type="direct",
        binding__profile={"trusted": "true"},
    )  # fmt: skip
    assert port["binding:profile"] == {"trusted": "true"}
    assert site.svc.store.read(lambda tx: tx.ports.get(port["id"])).trusted
    assert admin.update("port", port["id"], binding__profile={})["binding:profile"] == {}
    assert not site.svc.store.read(lambda tx: tx.ports.get(port["id"])).trusted


def test_a_port_says_nothing_of_trust_until_it_is_told(admin: NetworkApi) -> None:
    network = admin.create("network")
    port = admin.create("port", network_id=network["id"], binding__vnic_type="direct")
    assert port["trusted"] is None
    assert admin.update("port", port["id"], trusted=False)["trusted"] is False
    assert admin.update("port", port["id"], trusted=True)["trusted"] is True


def test_the_owner_of_a_network_deletes_ports_of_others_on_it(
    admin: NetworkApi, demo: NetworkApi, network_id: str
) -> None:
    theirs = admin.create("port", network_id=network_id)
    demo.update("port", theirs["id"], 403, name="mine")
    demo.delete("port", theirs["id"])
    shared = admin.create("network", shared=True)
    port = admin.create("port", network_id=shared["id"])
    demo.delete("port", port["id"], 404)


def test_only_a_networks_owner_has_ports_that_pass_for_the_networks_own(
    admin: NetworkApi, demo: NetworkApi, network_id: str
) -> None:
    shared = admin.create("network", shared=True)["id"]
    dhcp: dict[str, Any] = {"device_owner": "network:dhcp"}
    refused = demo.create("port", 403, network_id=shared, **dhcp)
    assert "create_port:device_owner" in refused["message"]
    port = demo.create("port", network_id=shared, device_owner="compute:nova")
    refused = demo.update("port", port["id"], 403, **dhcp)
    assert "update_port:device_owner" in refused["message"]
    assert demo.update("port", port["id"], device_owner="")["device_owner"] == ""
    assert admin.update("port", port["id"], **dhcp)["device_owner"] == "network:dhcp"
    assert demo.update("port", port["id"], name="same", **dhcp)["name"] == "same"
    for api, net in ((admin, shared), (demo, network_id)):
        assert api.create("port", network_id=net, **dhcp)["device_owner"] == "network:dhcp"


def test_an_update_changes_what_it_names(demo: NetworkApi, network_id: str) -> None:
    port = demo.create("port", network_id=network_id, name="a", description="d")
    changed = demo.update(
        "port",
        port["id"],
        name="b",
        device_id="d",
        device_owner="me",
        binding__vnic_type="macvtap",
        fixed_ips=[{"ip_address": "10.0.0.77"}],
    )
    assert changed["revision_number"] > port["revision_number"]
    assert (changed["name"], changed["description"]) == ("b", "d")
    assert [ip["ip_address"] for ip in changed["fixed_ips"]] == ["10.0.0.77"]
    assert demo.update("port", port["id"], fixed_ips=[])["fixed_ips"] == []
    for fields in (
        {"network_id": NOBODY},
        {"name": None},
        {"mac_address": "x"},
        {"colour": "blue"},
        {"fixed_ips": [{"ip_address": "10.0.0.0"}]},
    ):
        demo.update("port", port["id"], expect=400, **fields)
    assert demo.show("port", port["id"])["name"] == "b"


def test_a_port_keeps_its_address_when_only_the_subnet_is_named(
    demo: NetworkApi, network_id: str
) -> None:
    port = demo.create("port", network_id=network_id, fixed_ips=[{"ip_address": "10.0.0.77"}])
    subnet_id = port["fixed_ips"][0]["subnet_id"]
    changed = demo.update("port", port["id"], fixed_ips=[{"subnet_id": subnet_id}])
    assert changed["fixed_ips"] == port["fixed_ips"]


def test_a_port_is_changed_from_the_revision_that_was_seen(
    demo: NetworkApi, network_id: str
) -> None:
    port = demo.create("port", network_id=network_id)
    seen = {"If-Match": f"revision_number={port['revision_number']}"}
    body = {"port": {"name": "b"}}
    assert demo.ask("PUT", f"ports/{port['id']}", body, headers=seen).status == 200
    assert demo.ask("PUT", f"ports/{port['id']}", body, headers=seen).status == 412


def test_ports_are_listed_by_what_they_have(
    admin: NetworkApi, demo: NetworkApi, network_id: str, h1: AgentByHand
) -> None:
    a = demo.create("port", network_id=network_id, name="a", binding__vnic_type="direct")
    b = demo.create("port", network_id=network_id, name="b", device_id="d")
    by = f"network_id={network_id}&sort_key=name"
    assert demo.names("port", by) == ["a", "b"]
    assert demo.names("port", f"{by}&sort_dir=desc") == ["b", "a"]
    assert demo.names("port", f"mac_address={a['mac_address'].upper()}") == ["a"]
    assert demo.names("port", "fixed_ips=ip_address=10.0.0.3") == ["b"]
    subnet_id = b["fixed_ips"][0]["subnet_id"]
    assert demo.names("port", f"fixed_ips=subnet_id={subnet_id}&sort_key=name") == ["a", "b"]
    assert demo.names("port", "binding:vnic_type=direct") == ["a"]
    assert demo.names("port", "device_id=d") == ["b"]
    assert demo.names("port", "status=ACTIVE") == []
    assert demo.names("port", "status=DOWN&sort_key=name") == ["a", "b"]
    assert demo.all("port", "name=a&fields=id&fields=status") == [{"id": a["id"], "status": "DOWN"}]
    admin.update(
        "port", a["id"], binding__host_id="h1", binding__profile={"pci_slot": "0000:05:02.0"}
    )
    assert demo.names("port", "status=DOWN&sort_key=name") == ["a", "b"]
    assert demo.ask("GET", "ports?fixed_ips=10.0.0.3").status == 400
    assert demo.ask("GET", "ports?fixed_ips=colour=blue").status == 400


def test_several_ports_are_made_at_once_or_not_at_all(demo: NetworkApi, network_id: str) -> None:
    good = {"network_id": network_id}
    bad = good | {"mac_address": "fa:16:3e:00:00:01"}
    reply = demo.ask("POST", "ports", {"ports": [good, bad, bad]})
    assert (reply.status, error_of(reply)["type"]) == (409, "MacAddressInUse")
    assert demo.all("port") == []
    reply = demo.ask("POST", "ports", {"ports": [good, bad]})
    assert reply.status == 201
    assert len(demo.all("port")) == 2


def test_a_network_or_subnet_with_ports_is_in_use(demo: NetworkApi, network_id: str) -> None:
    port = demo.create("port", network_id=network_id)
    assert demo.delete("network", network_id, expect=409)["type"] == "NetworkInUse"
    subnet_id = port["fixed_ips"][0]["subnet_id"]
    assert demo.delete("subnet", subnet_id, expect=409)["type"] == "SubnetInUse"
    demo.delete("port", port["id"])
    demo.delete("subnet", subnet_id)
    demo.delete("network", network_id)


def test_each_host_has_an_agent(admin: NetworkApi, demo: NetworkApi, h1: AgentByHand) -> None:
    (agent,) = admin.all("agent")
    assert (agent["host"], agent["agent_type"], agent["alive"]) == ("h1", "NIC Switch agent", True)
    assert agent["admin_state_up"]
    assert admin.show("agent", agent["id"]) == agent
    assert admin.show("agent", NOBODY, expect=404)
    assert admin.all("agent", "host=h2") == []
    assert admin.all("agent", "agent_type=DHCP agent".replace(" ", "%20")) == []
    assert len(admin.all("agent", "agent_type=NIC%20Switch%20agent")) == 1
    assert demo.all("agent") == []
    demo.show("agent", agent["id"], expect=403)


def test_an_agent_that_is_silent_for_too_long_is_not_alive(
    site: Site, admin: NetworkApi, h1: AgentByHand
) -> None:
    assert isinstance(site.svc.clock, ManualClock)
    site.svc.clock.advance(site.svc.limits.host_silent_seconds_max + 1)
    assert [agent["alive"] for agent in admin.all("agent")] == [False]
