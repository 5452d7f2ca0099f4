"""Stories: networks, QoS policies and security groups that are shared with some, or with all."""

from __future__ import annotations

import pytest

from tests.support.http_app import Site
from tests.support.network_api import NetworkApi, error_of
from trunkline.control import sharing


@pytest.fixture
def admin(site: Site) -> NetworkApi:
    return NetworkApi(site, "admin")


@pytest.fixture
def demo(site: Site) -> NetworkApi:
    return NetworkApi(site, "demo")


@pytest.fixture
def to_demo(site: Site) -> str:
    return str(site.caller("demo").project_id)


def share(
    api: NetworkApi, kind: str, object_id: str, target: str, expect: int = 201
) -> dict[str, str]:
    body = {
        "rbac_policy": {
            "object_type": kind, "object_id": object_id, "action": "access_as_shared",
            "target_tenant": target,
        }
    }  # fmt: skip
    reply = api.ask("POST", "rbac-policies", body)
    assert reply.status == expect, reply
    made: dict[str, str] = reply.json()["rbac_policy"] if expect == 201 else error_of(reply)
    return made


def unshare(api: NetworkApi, made: dict[str, str]) -> int:
    return api.ask("DELETE", f"rbac-policies/{made['id']}").status


def test_a_network_that_is_shared_is_used_until_nobody_does(
    admin: NetworkApi, demo: NetworkApi, to_demo: str
) -> None:
    network = admin.create("network", name="blue")
    subnet = admin.create("subnet", network_id=network["id"], ip_version=4, cidr="10.0.0.0/24")
    demo.show("network", network["id"], expect=404)
    made = share(admin, "network", network["id"], to_demo)
    seen = demo.show("network", network["id"])
    assert (seen["shared"], seen["revision_number"]) == (True, network["revision_number"] + 2)
    assert admin.show("network", network["id"])["shared"] is False
    assert demo.names("network") == ["blue"]
    assert [each["id"] for each in demo.all("subnet")] == [subnet["id"]]
    port = demo.create("port", network_id=network["id"])
    assert unshare(admin, made) == 409
    update = {"rbac_policy": {"target_tenant": "other"}}
    assert admin.ask("PUT", f"rbac-policies/{made['id']}", update).status == 409
    assert demo.ask("DELETE", f"ports/{port['id']}").status == 204
    assert unshare(admin, made) == 204
    demo.show("network", network["id"], expect=404)


def test_what_is_shared_with_all_says_so_and_the_other_way_round(
    admin: NetworkApi, demo: NetworkApi, to_demo: str
) -> None:
    network = admin.create("network", name="blue", shared=True)
    (made,) = admin.ask("GET", f"rbac-policies?object_id={network['id']}").json()["rbac_policies"]
    assert made["target_tenant"] == "*"
    admin.update("network", network["id"], shared=False)
    assert admin.ask("GET", "rbac-policies").json()["rbac_policies"] == []
    to_all = share(admin, "network", network["id"], "*")
    assert admin.show("network", network["id"])["shared"] is True
    port = demo.create("port", network_id=network["id"])
    assert unshare(admin, to_all) == 409
    own = share(admin, "network", network["id"], to_demo)
    assert unshare(admin, to_all) == 204
    assert admin.show("network", network["id"])["shared"] is False
    demo.ask("DELETE", f"ports/{port['id']}")
    assert unshare(admin, own) == 204


def test_owners_share_with_projects_and_admins_with_all(
    admin: NetworkApi, demo: NetworkApi, to_demo: str, site: Site
) -> None:
    network, theirs = demo.create("network", name="red"), admin.create("network", name="blue")
    to_admin = str(site.caller("admin").project_id)
    made = share(demo, "network", network["id"], to_admin)
    share(demo, "network", network["id"], to_admin, expect=409)
    share(demo, "network", network["id"], "*", expect=403)
    update = {"rbac_policy": {"target_tenant": "*"}}
    assert demo.ask("PUT", f"rbac-policies/{made['id']}", update).status == 403
    share(admin, "network", theirs["id"], to_demo)
    # That it is shared with them lets them neither share it on nor see with whom it is.
    share(demo, "network", theirs["id"], to_admin, expect=400)
    listed = demo.ask("GET", "rbac-policies").json()["rbac_policies"]
    assert listed == [made]
    assert demo.ask("GET", f"rbac-policies/{made['id']}").json()["rbac_policy"] == made


def test_a_policy_and_a_group_that_are_shared_are_used(
    admin: NetworkApi, demo: NetworkApi, to_demo: str
) -> None:
    asked = {"policy": {"name": "gold"}}
    policy = admin.ask("POST", "qos/policies", asked).json()["policy"]["id"]
    wanted = {"security_group": {"name": "web"}}
    group = admin.ask("POST", "security-groups", wanted).json()["security_group"]["id"]
    assert demo.ask("GET", f"qos/policies/{policy}").status == 404
    assert demo.ask("GET", f"security-groups/{group}").status == 404
    made = [
        share(admin, "qos_policy", policy, to_demo),
        share(admin, "security_group", group, to_demo),
    ]
    assert demo.ask("GET", f"qos/policies/{policy}").json()["policy"]["shared"] is True
    listed = demo.ask("GET", "security-groups?name=web").json()["security_groups"]
    assert [each["id"] for each in listed] == [group]
    network = demo.create("network", name="red", qos_policy_id=policy)
    port = demo.create("port", network_id=network["id"], security_groups=[group])
    assert [unshare(admin, each) for each in made] == [409, 409]
    demo.ask("DELETE", f"ports/{port['id']}")
    demo.ask("DELETE", f"networks/{network['id']}")
    assert [unshare(admin, each) for each in made] == [204, 204]


def test_what_its_owner_uses_stays_shared_with_all_as_in_neutron(admin: NetworkApi) -> None:
    asked = {"policy": {"name": "gold", "shared": True}}
    path = "qos/policies/" + admin.ask("POST", "qos/policies", asked).json()["policy"]["id"]
    network = admin.create("network", name="n", qos_policy_id=path.rpartition("/")[2])
    unshared = {"policy": {"shared": False}}
    (made,) = admin.ask("GET", "rbac-policies").json()["rbac_policies"]
    assert admin.ask("PUT", path, unshared).status == unshare(admin, made) == 409
    admin.delete("network", network["id"])
    assert admin.ask("PUT", path, unshared).status == 200


def test_shares_end_with_what_is_shared(admin: NetworkApi, to_demo: str) -> None:
    network = admin.create("network", name="blue")
    share(admin, "network", network["id"], to_demo)
    assert admin.ask("DELETE", f"networks/{network['id']}").status == 204
    assert admin.ask("GET", "rbac-policies").json()["rbac_policies"] == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"action": "access_as_external"}, "rbac_policy.action"),
        ({"object_type": "router"}, "rbac_policy.object_type"),
        ({"object_id": "nothing"}, "object_id"),
        ({"target_tenant": None}, "rbac_policy.target_tenant"),
        ({"target_tenant": "1234" * 100}, "rbac_policy.target_tenant"),
        ({"unheard_of": 1}, "rbac_policy.unheard_of"),
    ],
)
def test_a_share_that_cannot_be_is_refused_by_field(
    admin: NetworkApi, to_demo: str, change: dict[str, object], named: str
) -> None:
    network = admin.create("network", name="blue")
    asked: dict[str, object] = {
        "object_type": "network", "object_id": network["id"], "action": "access_as_shared",
        "target_tenant": to_demo,
    }  # fmt: skip
    reply = admin.ask("POST", "rbac-policies", {"rbac_policy": asked | change})
    assert (reply.status, named in error_of(reply)["message"]) == (400, True), reply


def test_subnets_are_listed_by_what_their_networks_are(admin: NetworkApi) -> None:
    for name, shared, cidr in (("a", False, "10.1.0.0/24"), ("b", True, "10.2.0.0/24")):
        network = admin.create("network", name=name, shared=shared)
        admin.create("subnet", name=name, network_id=network["id"], ip_version=4, cidr=cidr)
    assert admin.names("subnet", "shared=true") == ["b"]
    assert admin.names("subnet", "shared=false") == ["a"]


def test_an_empty_page_is_left_the_way_it_was_come_by(admin: NetworkApi) -> None:
    ids = [admin.create("network", name=name)["id"] for name in ("a", "b")]
    last = admin.ask("GET", f"networks?sort_key=name&limit=1&marker={ids[1]}").json()
    assert last["networks"] == []
    (link,) = last["networks_links"]
    assert link["rel"] == "previous"
    back = admin.ask("GET", link["href"].partition("/network/v2.0/")[2]).json()
    assert [each["id"] for each in back["networks"]] == [ids[1]]


def test_ports_are_found_by_a_part_of_their_address(admin: NetworkApi) -> None:
    network = admin.create("network", name="blue")
    admin.create("subnet", network_id=network["id"], ip_version=4, cidr="10.0.7.0/24")
    ports = [
        admin.create("port", network_id=network["id"], fixed_ips=[{"ip_address": address}])["id"]
        for address in ("10.0.7.21", "10.0.7.33")
    ]
    found = admin.all("port", "fixed_ips=ip_address_substr=7.2")
    assert [each["id"] for each in found] == ports[:1]
    assert admin.all("port", "fixed_ips=ip_address_substr=%25") == []


def test_a_port_gets_another_mac_if_asked_for_any(admin: NetworkApi) -> None:
    network = admin.create("network", name="blue")
    port = admin.create("port", network_id=network["id"])
    other = admin.update("port", port["id"], mac_address=None)["mac_address"]
    assert other != port["mac_address"]
    assert admin.show("port", port["id"])["mac_address"] == other


def test_a_rule_of_a_type_that_no_card_keeps_is_of_no_policy(admin: NetworkApi) -> None:
    body = {"dscp_marking_rule": {"dscp_mark": 16}}
    assert admin.ask("POST", "qos/policies/none/dscp_marking_rules", body).status == 404
    policy = admin.ask("POST", "qos/policies", {"policy": {"name": "p"}}).json()["policy"]["id"]
    path = f"qos/policies/{policy}/dscp_marking_rules"
    assert admin.ask("POST", path, body).status == 400
    assert admin.ask("PUT", f"{path}/none", body).status == 404


def test_what_is_shared_with_one_is_found_by_that(
    admin: NetworkApi, demo: NetworkApi, to_demo: str
) -> None:
    network = admin.create("network", name="theirs")
    admin.create(
        "subnet", name="theirs", network_id=network["id"], ip_version=4, cidr="10.0.0.0/24"
    )
    policy = admin.ask("POST", "qos/policies", {"policy": {"name": "theirs"}}).json()["policy"]
    demo.create("network", name="own")
    share(admin, "network", network["id"], to_demo)
    share(admin, "qos_policy", policy["id"], to_demo)
    assert demo.names("network", "shared=true") == ["theirs"]
    assert demo.names("network", "shared=false") == ["own"]
    assert demo.names("subnet", "shared=true") == ["theirs"]
    for value, found in (("true", ["theirs"]), ("false", [])):
        listed = demo.ask("GET", f"qos/policies?shared={value}").json()["policies"]
        assert [each["name"] for each in listed] == found
    assert admin.names("network", "shared=true") == []


def test_a_thing_has_so_many_shares_and_no_more(
    admin: NetworkApi, demo: NetworkApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "SHARES_MAX", 2)
    network = demo.create("network", name="blue")
    for number in range(2):
        share(demo, "network", network["id"], f"project{number}")
    share(demo, "network", network["id"], "project2", expect=409)


def test_a_part_of_an_address_is_found_in_capitals_too(admin: NetworkApi) -> None:
    network = admin.create("network", name="blue")
    subnet = admin.create("subnet", network_id=network["id"], ip_version=6, cidr="fd00:ab::/64")
    port = admin.create("port", network_id=network["id"], fixed_ips=[{"subnet_id": subnet["id"]}])
    found = admin.all("port", "fixed_ips=ip_address_substr=FD00:AB")
    assert [each["id"] for each in found] == [port["id"]]
