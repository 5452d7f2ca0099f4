"""Security groups of servers: asked for by name, shown, added and taken away, as in Nova."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site, server_request
from tests.support.http_app import Reply
from tests.support.response_schemas import ResponseSchemas

NOBODY = "00000000-0000-4000-8000-000000000000"


@dataclass
class Tenant:
    """A tenant with security groups, by name."""

    scene: ComputeSite
    groups: dict[str, str] = field(default_factory=dict)

    def network(self, method: str, path: str, body: object = None, user: str = "demo") -> Any:
        reply = self.scene.site.http.request(
            method, f"/network/v2.0/{path}", token=self.scene.token(user), body=body
        )
        assert reply.status < 300, reply
        return reply.json() if reply.body else None

    def a_group(self, name: str, user: str = "demo") -> str:
        body = {"security_group": {"name": name}}
        made = self.network("POST", "security-groups", body, user)
        return str(made["security_group"]["id"])

    def a_server(self, *groups: str) -> dict[str, Any]:
        """A server with a port of its own making on blue, in groups."""
        named = [{"name": name} for name in groups]
        networks = [{"uuid": self.scene.blue.id, "vnic_type": "direct"}]
        return self.scene.a_server("web", networks=networks, security_groups=named)

    def act(self, server_id: str, action: str, name: str, user: str = "demo") -> Reply:
        body = {f"{action}SecurityGroup": {"name": name}}
        return self.scene.call("POST", f"/servers/{server_id}/action", body=body, user=user)

    def shown(self, server_id: str) -> list[str]:
        body = self.scene.call("GET", f"/servers/{server_id}").json()["server"]
        return sorted(group["name"] for group in body.get("security_groups", []))

    def ports_in(self, server_id: str) -> list[set[str]]:
        """Tell the groups of each of a server's ports, as the network face has them."""
        ports = self.network("GET", f"ports?device_id={server_id}")["ports"]
        return [set(port["security_groups"]) for port in ports]


@pytest.fixture
def tenant(tmp_path: Path) -> Iterator[Tenant]:
    with a_compute_site(tmp_path) as scene:
        tenant = Tenant(scene)
        for name in ("web", "ssh", "twin"):
            tenant.groups[name] = tenant.a_group(name)
        tenant.a_group("twin")
        yield tenant


def test_ports_made_for_a_server_are_in_the_groups_that_it_asked_for(tenant: Tenant) -> None:
    made = tenant.a_server("web", tenant.groups["ssh"])
    assert [group["name"] for group in made["security_groups"]] == ["web", tenant.groups["ssh"]]
    assert tenant.ports_in(made["id"]) == [{tenant.groups["web"], tenant.groups["ssh"]}]
    assert tenant.shown(made["id"]) == ["ssh", "web"]


@pytest.mark.parametrize("asked", [(), ("default",)])
def test_a_server_that_asks_for_none_is_in_its_projects_default_group(
    tenant: Tenant, asked: tuple[str, ...]
) -> None:
    made = tenant.a_server(*asked)
    assert made["security_groups"] == [{"name": "default"}]
    assert tenant.shown(made["id"]) == ["default"]


def test_ports_that_are_brought_stay_in_their_own_groups(tenant: Tenant) -> None:
    port_ids = [tenant.scene.a_port(network) for network in (tenant.scene.blue, tenant.scene.red)]
    made = tenant.scene.a_server("web", *port_ids, security_groups=[{"name": "web"}])
    assert tenant.shown(made["id"]) == ["default", "default"]  # Once for each port, as in Nova.


@pytest.mark.parametrize(
    ("groups", "status"),
    [
        ([{"name": "nobody's"}], 400),
        ([{"name": NOBODY}], 400),
        ([{"name": ""}], 400),
        ([{}], 400),
        ([{"name": "web", "id": 5}], 400),
        ("web", 400),
        ([{"name": f"g{number}"} for number in range(65)], 400),
        ([{"name": "twin"}], 409),
    ],
)
def test_groups_that_are_not_there_or_not_one_are_refused(
    tenant: Tenant, groups: object, status: int
) -> None:
    scene = tenant.scene
    body = server_request(scene.flavor, "web") | {
        "security_groups": groups,
        "networks": [{"uuid": scene.blue.id, "vnic_type": "direct"}],
    }
    before = tenant.network("GET", "ports")
    reply = scene.call("POST", "/servers", version="2.1", body={"server": body})
    assert (reply.status, "security" in str(reply.json())) == (status, True)
    assert tenant.network("GET", "ports") == before


def test_another_projects_group_is_not_there(tenant: Tenant) -> None:
    foreign = tenant.a_group("foreign", user="admin")
    made = tenant.a_server()
    for name in ("foreign", foreign):
        assert tenant.act(made["id"], "add", name).status == 404


def test_a_group_is_added_to_every_port_of_a_server_and_taken_from_them(tenant: Tenant) -> None:
    port_id = tenant.scene.a_port(tenant.scene.blue)
    server_id = tenant.scene.a_server("web", port_id, tenant.scene.a_port(tenant.scene.blue))["id"]
    for _ in range(2):  # Said twice, it is so once.
        assert tenant.act(server_id, "add", "web").status == 202
        assert tenant.shown(server_id) == ["default", "default", "web", "web"]
    assert tenant.act(server_id, "remove", "default").status == 202
    assert tenant.ports_in(server_id) == [{tenant.groups["web"]}] * 2
    # One port is enough to be taken out of.
    body: dict[str, Any] = {"port": {"security_groups": []}}
    tenant.network("PUT", f"ports/{port_id}", body)
    assert tenant.act(server_id, "remove", tenant.groups["web"]).status == 202
    assert tenant.shown(server_id) == []
    assert (
        "security_groups" not in tenant.scene.call("GET", f"/servers/{server_id}").json()["server"]
    )
    assert tenant.act(server_id, "remove", "web").status == 404
    assert tenant.act(server_id, "add", "twin").status == 409
    assert tenant.act(server_id, "add", "nobody's").status == 404
    assert tenant.act(server_id, "add", "web", user="reader").status == 403


def test_what_cannot_be_guarded_is_put_into_no_group(tenant: Tenant) -> None:
    without_ports = tenant.scene.a_server(networks="none")["id"]
    assert tenant.act(without_ports, "add", "web").status == 404
    without_address = tenant.scene.a_port(tenant.scene.red)
    open_port = tenant.scene.a_port(tenant.scene.blue)
    body: dict[str, Any] = {"port": {"security_groups": [], "port_security_enabled": False}}
    tenant.network("PUT", f"ports/{open_port}", body)
    for port_id in (without_address, open_port):
        server_id = tenant.scene.a_server("open", port_id)["id"]
        reply = tenant.act(server_id, "add", "web")
        assert (reply.status, list(reply.json())) == (400, ["badRequest"])


def test_a_servers_groups_are_listed_as_nova_words_them(
    tenant: Tenant, response_schemas: ResponseSchemas
) -> None:
    rule = {"security_group_id": tenant.groups["web"], "direction": "ingress"}
    ports = {"protocol": "tcp", "port_range_min": 80, "port_range_max": 88}
    fields: list[dict[str, Any]] = [
        ports | {"remote_ip_prefix": "10.0.0.0/8"},
        {"protocol": "udp", "remote_group_id": tenant.groups["web"]},
        {"protocol": "icmp", "ethertype": "IPv4"},
        {"ethertype": "IPv6"},
    ]
    for more in fields:
        body = {"security_group_rule": rule | more}
        tenant.network("POST", "security-group-rules", body)
    server_id = tenant.a_server("web")["id"]
    reply = tenant.scene.call("GET", f"/servers/{server_id}/os-security-groups")
    response_schemas.check(
        "security_groups", "list_security_groups", microversion="2.1",
        status=reply.status, body=reply.json(),
    )  # fmt: skip
    (group,) = reply.json()["security_groups"]
    assert (group["id"], group["name"]) == (tenant.groups["web"], "web")
    web = {"name": "web", "tenant_id": group["tenant_id"]}
    said = [
        (rule["ip_protocol"], rule["from_port"], rule["to_port"], rule["ip_range"], rule["group"])
        for rule in group["rules"]
    ]
    assert sorted(said, key=str) == [
        ("icmp", -1, -1, {"cidr": "0.0.0.0/0"}, {}),
        ("tcp", 80, 88, {"cidr": "10.0.0.0/8"}, {}),
        ("udp", 1, 65535, {}, web),
        (None, None, None, {"cidr": "::/0"}, {}),
    ]


def test_a_rule_names_the_group_that_it_is_about_whether_or_not_the_server_is_in_it(
    tenant: Tenant,
) -> None:
    theirs = tenant.a_group("theirs", user="admin")
    for remote, user in ((tenant.groups["ssh"], "demo"), (theirs, "admin")):
        rule = {
            "security_group_id": tenant.groups["web"],
            "direction": "ingress",
            "remote_group_id": remote,
        }
        tenant.network("POST", "security-group-rules", {"security_group_rule": rule}, user)
    path = f"/servers/{tenant.a_server('web')['id']}/os-security-groups"

    def named(user: str) -> list[str]:
        (group,) = tenant.scene.call("GET", path, user=user).json()["security_groups"]
        return sorted(rule["group"]["name"] for rule in group["rules"])

    assert named("demo") == ["ssh"]  # Another project's is not there.
    assert named("admin") == ["ssh", "theirs"]


def test_a_group_that_another_project_shares_is_named_by_its_id_alone(tenant: Tenant) -> None:
    """Else whoever shares one takes the meaning from the names of others."""
    theirs = tenant.a_group("web", "admin")
    share = {
        "object_type": "security_group", "object_id": theirs, "action": "access_as_shared",
        "target_tenant": tenant.scene.caller("demo").own_project,
    }  # fmt: skip
    tenant.network("POST", "rbac-policies", {"rbac_policy": share}, "admin")
    made = tenant.a_server("web")
    assert tenant.ports_in(made["id"]) == [{tenant.groups["web"]}]
    assert tenant.act(made["id"], "add", theirs).status == 202
    assert tenant.ports_in(made["id"]) == [{tenant.groups["web"], theirs}]
    listed = tenant.scene.call("GET", f"/servers/{made['id']}/os-security-groups").json()
    assert {group["id"] for group in listed["security_groups"]} == {tenant.groups["web"], theirs}
