"""Security groups and their rules, as clients of the network face meet them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.http_app import Site
from tests.support.network_api import NetworkApi, error_of
from tests.support.world import AgentByHand, a_card
from trunkline.control.security_groups import RULES_MAX

NOBODY = "00000000-0000-4000-8000-000000000000"


class Groups(NetworkApi):
    """The network face, with the two paths that are not named as their bodies are."""

    def ask(self, method: str, path: str, *args: Any, **more: Any) -> Any:
        name, question, query = path.partition("?")
        return super().ask(method, name.replace("_", "-") + question + query, *args, **more)

    def group(self, expect: int = 201, **fields: Any) -> Any:
        return self.create("security_group", expect, **fields)

    def rule(self, group: Any, expect: int = 201, **fields: Any) -> Any:
        asked = {"security_group_id": group["id"], "direction": "ingress", **fields}
        reply = self.ask("POST", "security_group_rules", {"security_group_rule": asked})
        assert reply.status == expect, reply
        return reply.json()["security_group_rule"] if expect == 201 else error_of(reply)

    def default(self) -> Any:
        (found,) = self.all("security_group", "name=default")
        return found


@pytest.fixture
def admin(site: Site) -> Groups:
    return Groups(site, "admin")


@pytest.fixture
def demo(site: Site) -> Groups:
    return Groups(site, "demo")


@pytest.fixture
def network_id(demo: Groups) -> str:
    return str(demo.create("network", name="n")["id"])


def said(group: Any) -> set[tuple[str, str, bool]]:
    rules = group["security_group_rules"]
    return {(r["direction"], r["ethertype"], r["remote_group_id"] == group["id"]) for r in rules}


SENDING = {("egress", "IPv4", False), ("egress", "IPv6", False)}


def test_each_project_has_a_default_group_from_its_first_look(admin: Groups, demo: Groups) -> None:
    (default,) = demo.all("security_group")
    assert (default["name"], default["description"]) == ("default", "Default security group")
    assert said(default) == SENDING | {("ingress", "IPv4", True), ("ingress", "IPv6", True)}
    assert demo.all("security_group") == [default], "it is made once"
    seen = admin.all("security_group", "name=default")
    assert len({group["project_id"] for group in seen}) == 2


def test_a_new_group_lets_its_ports_send_and_nothing_come_in(demo: Groups) -> None:
    made = demo.group(name="web", description="of the web")
    assert said(made) == SENDING
    assert (made["stateful"], made["shared"], made["tags"]) == (True, False, [])
    assert demo.show("security_group", made["id"]) == made
    changed = demo.update("security_group", made["id"], name="web2", description="", stateful=False)
    assert (changed["name"], changed["description"], changed["stateful"]) == ("web2", "", False)
    assert changed["revision_number"] == made["revision_number"] + 1
    assert demo.names("security_group", "stateful=false") == ["web2"]
    demo.delete("security_group", made["id"])
    assert demo.show("security_group", made["id"], 404)["type"] == "SecurityGroupNotFound"


def test_a_rule_is_added_shown_listed_and_taken_away(demo: Groups) -> None:
    group = demo.group(name="web")
    asked: dict[str, Any] = {"protocol": "tcp", "port_range_min": 80, "port_range_max": 90}
    rule = demo.rule(group, **asked, remote_ip_prefix="10.0.0.7/24", description="http")
    assert rule | asked == rule
    assert (rule["remote_ip_prefix"], rule["normalized_cidr"]) == ("10.0.0.7/24", "10.0.0.0/24")
    shown = demo.show("security_group", group["id"])
    assert rule in shown["security_group_rules"]
    assert shown["revision_number"] == group["revision_number"] + 1
    query = f"security_group_id={group['id']}&protocol=tcp&port_range_max=90&fields=id"
    assert demo.all("security_group_rule", query) == [{"id": rule["id"]}]
    assert demo.show("security_group_rule", rule["id"]) == rule
    demo.delete("security_group_rule", rule["id"])
    demo.delete("security_group_rule", rule["id"], 404)
    assert demo.show("security_group", group["id"])["revision_number"] > shown["revision_number"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"protocol": "tcp"}, {"protocol": "TCP"}),
        ({"protocol": "tcp"}, {"protocol": 6}),
        ({"remote_ip_prefix": "10.0.0.1/8"}, {"remote_ip_prefix": "10.0.0.2/8"}),
        ({"remote_ip_prefix": "0.0.0.0/0"}, {}),
        ({"protocol": "icmpv6", "ethertype": "ipv6"}, {"protocol": "58", "ethertype": "IPv6"}),
        ({"protocol": "any", "description": "a"}, {"protocol": None, "description": "b"}),
    ],
)
def test_a_rule_that_means_what_another_does_is_refused(
    demo: Groups, first: dict[str, Any], second: dict[str, Any]
) -> None:
    group = demo.group()
    demo.rule(group, **first)
    assert demo.rule(group, 409, **second)["type"] == "SecurityGroupRuleExists"
    demo.rule(demo.group(), **second)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"protocol": "tcp", "port_range_min": 0, "port_range_max": 80}, "value for port 0"),
        ({"protocol": "tcp", "port_range_min": 80, "port_range_max": 65536}, "port 65536"),
        ({"protocol": 17, "port_range_min": 9, "port_range_max": 8}, "must be <= port_range_max"),
        ({"protocol": "tcp", "port_range_max": 8}, "must be <= port_range_max"),
        ({"port_range_min": 1, "port_range_max": 2}, "protocol: must be given"),
        ({"protocol": "gre", "port_range_min": 1, "port_range_max": 2}, "has no ports"),
        ({"protocol": "icmp", "port_range_min": 256}, "ICMP type"),
        ({"protocol": "icmp", "port_range_min": 1, "port_range_max": -1}, "ICMP code"),
        ({"protocol": "icmp", "port_range_max": 1}, "ICMP type (port-range-min) is missing"),
        ({"protocol": 256}, "protocol: must be a number"),
        ({"protocol": "tcpp"}, "protocol: must be a number"),
        ({"protocol": True}, "protocol: must be a number"),
        ({"protocol": "²"}, "protocol: must be a number"),
        ({"protocol": "ipv6-icmp"}, "not for ethertype IPv4"),
        ({"protocol": 43}, "not for ethertype IPv4"),
        ({"ethertype": "ARP"}, "ethertype: must be IPv4 or IPv6"),
        ({"direction": "sideways"}, "direction: must be one of"),
        ({"remote_ip_prefix": "10.0.0.0/33"}, "remote_ip_prefix: not a CIDR"),
        ({"remote_ip_prefix": "fe80::1%eth0/64"}, "remote_ip_prefix: not a CIDR"),
        ({"remote_ip_prefix": "2001:db8::/64"}, "Conflicting value ethertype"),
        ({"remote_ip_prefix": "10.0.0.0/8", "ethertype": "IPv6"}, "Conflicting value ethertype"),
        ({"port_range_min": 2**40}, "port_range_min"),
        ({"remote_address_group_id": NOBODY}, "remote_address_group_id: not supported here"),
        ({"more": 1}, "more: not known here"),
    ],
)
def test_a_rule_that_can_not_be_is_refused(
    demo: Groups, fields: dict[str, Any], problem: str
) -> None:
    group = demo.group()
    assert problem in demo.rule(group, 400, **fields)["message"]
    assert len(demo.show("security_group", group["id"])["security_group_rules"]) == 2


def test_a_rule_about_a_group_ends_with_that_group(demo: Groups) -> None:
    web, clients = demo.group(name="web"), demo.group(name="clients")
    both = {"remote_group_id": clients["id"], "remote_ip_prefix": "10.0.0.0/8"}
    assert "cannot come together" in demo.rule(web, 400, **both)["message"]
    for wrong in (NOBODY, "web"):
        refused = demo.rule(web, 404, remote_group_id=wrong)
        assert refused["type"] == "SecurityGroupNotFound"
    rule = demo.rule(web, remote_group_id=clients["id"])
    demo.delete("security_group", clients["id"])
    demo.show("security_group_rule", rule["id"], 404)


def test_of_several_groups_or_rules_all_are_made_or_none(demo: Groups) -> None:
    body = {"security_groups": [{"name": "a"}, {"security_group": {"name": "b"}}]}
    reply = demo.ask("POST", "security-groups", body)
    assert [group["name"] for group in reply.json()["security_groups"]] == ["a", "b"]
    group, other = reply.json()["security_groups"]

    def rules(*protocols: str, groups: tuple[Any, ...] = ()) -> int:
        asked = [
            {"security_group_id": each["id"], "direction": "ingress", "protocol": protocol}
            for protocol, each in zip(protocols, groups or (group,) * 9, strict=False)
        ]
        answer = demo.ask("POST", "security-group-rules", {"security_group_rules": asked})
        return int(answer.status)

    assert rules("tcp", "udp") == 201
    assert rules("icmp", "udp") == 409
    assert rules("icmp", "gre", groups=(group, other)) == 400
    assert len(demo.show("security_group", group["id"])["security_group_rules"]) == 4


def test_the_default_group_keeps_its_name_and_stays(admin: Groups, demo: Groups) -> None:
    default = demo.default()
    for name in ("default", "Default"):
        demo.group(409, name=name)
        demo.update("security_group", demo.group(name="web")["id"], 409, name=name)
    demo.update("security_group", default["id"], 409, name="mine")
    assert demo.update("security_group", default["id"], description="d")["description"] == "d"
    demo.delete("security_group", default["id"], 409)
    admin.delete("security_group", default["id"])
    assert demo.default()["id"] != default["id"], "it is made anew"


def test_a_group_has_no_more_rules_than_it_may(demo: Groups) -> None:
    group = demo.group()
    room = RULES_MAX - 2
    for first in range(1, room + 1, 200):
        asked = [
            {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp",
             "port_range_min": port, "port_range_max": port}
            for port in range(first, min(first + 200, room + 1))
        ]  # fmt: skip
        assert demo.ask(
            "POST", "security-group-rules", {"security_group_rules": asked}
        ).status == 201  # fmt: skip
    assert f"can have {RULES_MAX}" in demo.rule(group, 409, protocol="udp")["message"]


# Ports


def test_a_port_is_in_the_default_group_unless_it_says_others(
    demo: Groups, network_id: str
) -> None:
    port = demo.create("port", network_id=network_id)
    default = demo.default()
    assert port["security_groups"] == [default["id"]]
    web = demo.group(name="web")
    in_web = demo.create("port", network_id=network_id, security_groups=[web["id"]])
    assert in_web["security_groups"] == [web["id"]]
    none: list[dict[str, Any]] = [{"security_groups": []}, {"port_security_enabled": False}]
    for more in none:
        assert demo.create("port", network_id=network_id, **more)["security_groups"] == []
    (found,) = demo.all("port", f"security_groups={web['id']}")
    assert found["id"] == in_web["id"]
    both = [default["id"], web["id"]]
    changed = demo.update("port", port["id"], security_groups=both)
    assert set(changed["security_groups"]) == set(both)
    assert changed["revision_number"] == port["revision_number"] + 1
    again = demo.update("port", port["id"], security_groups=both[::-1])
    assert again["revision_number"] == changed["revision_number"], "the order says nothing"
    assert demo.update("port", port["id"], security_groups=[])["security_groups"] == []


def test_a_group_that_ports_are_in_stays_and_keeps_its_state(demo: Groups, network_id: str) -> None:
    web, loose = demo.group(name="web"), demo.group(name="loose", stateful=False)
    port = demo.create("port", network_id=network_id, security_groups=[web["id"]])
    assert demo.delete("security_group", web["id"], 409)["type"] == "SecurityGroupInUse"
    demo.update("security_group", web["id"], 409, stateful=False)
    demo.update("port", port["id"], 409, security_groups=[web["id"], loose["id"]])
    demo.delete("port", port["id"])
    demo.delete("security_group", web["id"])


def test_groups_that_a_port_can_not_be_in_are_refused(
    admin: Groups, demo: Groups, network_id: str
) -> None:
    web, foreign = demo.group(name="web"), admin.group(name="admins")
    port = demo.create("port", network_id=network_id)
    for wrong, status in (
        ([NOBODY], 404), ([foreign["id"]], 404), (["web"], 400), ([web["id"]] * 2, 400),
        ("web", 400), ([1], 400), ([NOBODY] * 65, 400),
    ):  # fmt: skip
        for made in (
            demo.create("port", status, network_id=network_id, security_groups=wrong),
            demo.update("port", port["id"], status, security_groups=wrong),
        ):
            assert status == 404 or "security_groups" in made["message"]
    assert demo.show("port", port["id"]) == port


def test_port_security_and_groups_go_together(demo: Groups, network_id: str) -> None:
    web = demo.group(name="web")
    off = {"port_security_enabled": False}
    asked: dict[str, Any] = {"network_id": network_id, "security_groups": [web["id"]]}
    demo.create("port", 400, **asked, **off)
    port = demo.create("port", **asked)
    assert "security groups" in demo.update("port", port["id"], 409, **off)["message"]
    demo.update("port", port["id"], security_groups=[], **off)
    demo.update("port", port["id"], 400, security_groups=[web["id"]])
    on: dict[str, Any] = {"security_groups": [web["id"]], "port_security_enabled": True}
    assert demo.update("port", port["id"], **on)["security_groups"] == [web["id"]]


def test_a_bound_port_says_that_nothing_filters_what_reaches_it(
    site: Site, admin: Groups, network_id: str
) -> None:
    AgentByHand(site.svc, "h1", a_card(5, "phy1"))
    slot = {"pci_slot": "0000:05:02.0"}
    asked: dict[str, Any] = {"binding__host_id": "h1", "binding__profile": slot}
    port = admin.create("port", network_id=network_id, binding__vnic_type="direct", **asked)
    assert port["security_groups"] != []
    assert port["binding:vif_details"]["port_filter"] is False


# Who, and when


def test_groups_of_other_projects_are_not_there(site: Site, admin: Groups, demo: Groups) -> None:
    group = admin.group(name="admins")
    rule = group["security_group_rules"][0]
    reader = Groups(site, "reader")
    for path in (f"security-groups/{group['id']}", f"security-group-rules/{rule['id']}"):
        assert demo.ask("GET", path).status == 404
        assert demo.ask("DELETE", path).status == 404
    demo.update("security_group", group["id"], 404, name="mine")
    demo.rule(group, 404)
    assert rule["id"] not in {each["id"] for each in demo.all("security_group_rule")}
    reader.group(403, name="r")
    reader.rule(demo.group(name="web"), 403)
    assert reader.default() == demo.default()
    other = {"project_id": group["project_id"]}
    demo.group(403, name="theirs", **other)
    for_demo = admin.group(name="for demo", project_id=demo.default()["project_id"])
    admin_rule = admin.rule(for_demo, protocol="tcp")
    assert demo.show("security_group_rule", admin_rule["id"]) == admin_rule, "it is in their group"


def test_a_change_names_the_revision_that_it_has_seen(demo: Groups) -> None:
    group = demo.group(name="web")
    path, body = f"security-groups/{group['id']}", {"security_group": {"name": "b"}}
    for revision, status in ((-1, 412), (0, 200), (0, 412), (1, 200)):
        match = {"If-Match": f"revision_number={revision}"}
        assert demo.ask("PUT", path, body, headers=match).status == status


def test_a_default_group_asked_for_by_many_at_once_is_made_once(
    demo: Groups, network_id: str
) -> None:
    with ThreadPoolExecutor(6) as pool:
        ports = list(pool.map(lambda _: demo.create("port", network_id=network_id), range(12)))
    default = demo.default()
    assert {tuple(port["security_groups"]) for port in ports} == {(default["id"],)}


def test_a_rule_asked_for_by_many_at_once_is_made_once(demo: Groups) -> None:
    group = demo.group()
    asked = {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp"}
    body = {"security_group_rule": asked}
    with ThreadPoolExecutor(6) as pool:
        asking = [pool.submit(demo.ask, "POST", "security-group-rules", body) for _ in range(6)]
    assert sorted(each.result().status for each in asking) == [201] + [409] * 5


def test_a_group_is_deleted_or_entered_and_never_both(demo: Groups, network_id: str) -> None:
    for _ in range(4):
        group = demo.group(name="web")
        body = {"port": {"network_id": network_id, "security_groups": [group["id"]]}}
        with ThreadPoolExecutor(2) as pool:
            entering = pool.submit(demo.ask, "POST", "ports", body)
            leaving = pool.submit(demo.ask, "DELETE", f"security-groups/{group['id']}")
        outcome = (entering.result().status, leaving.result().status)
        assert outcome in ((201, 409), (404, 204))


def test_groups_and_rules_count_against_quotas(admin: Groups, demo: Groups) -> None:
    default = demo.default()
    project_id = default["project_id"]

    def limit(**limits: int) -> Any:
        reply = admin.ask("PUT", f"quotas/{project_id}", {"quota": limits})
        assert reply.status == 200, reply
        return reply.json()["quota"]

    assert limit(security_group=2, security_group_rule=7)["security_group"] == 2
    group = demo.group(name="web")
    assert demo.group(409, name="more")["type"] == "OverQuota"
    demo.rule(group, protocol="tcp")
    assert demo.rule(group, 409, protocol="udp")["type"] == "OverQuota"
    limit(security_group=-1)
    demo.group(409, name="its rules are too many")
    limit(security_group_rule=-1)
    demo.group(name="more")
    shown = demo.ask("GET", f"quotas/{project_id}/details").json()["quota"]
    assert (shown["security_group"]["used"], shown["security_group_rule"]["used"]) == (3, 9)
