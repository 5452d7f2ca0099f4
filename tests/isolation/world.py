"""Two projects on one site: demo, whose things are asked for, and other, whose users ask.

demo    demo (member), reader (reader)      a network with subnet, ports and a server, a QoS
other   o-member, o-reader, o-manager       policy, an image, a key pair, quotas
        admin, in its own project
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from tests.isolation.kinds import Who
from tests.support.clock import ManualClock
from tests.support.compute_site import ComputeSite, a_compute_site
from tests.support.http_app import Reply, Site, password_login
from tests.support.identity_api import IdentityApi, password_of
from tests.support.ssh_keys import an_ssh_key
from trunkline.control.application_credentials import (
    ApplicationCredentialCreate,
    create_application_credential,
    delete_application_credential,
)
from trunkline.control.default_rules import DefaultRuleCreate, create_default_rule
from trunkline.control.domains import DomainUpdate, create_domain
from trunkline.control.enrolment import create_enrolment_token, enrol_host
from trunkline.control.flavors import FlavorCreate, create_flavor
from trunkline.control.image_members import add_member
from trunkline.control.images import ImageCreate, create_image
from trunkline.control.key_pairs import create_key_pair
from trunkline.control.network_requests import NetworkCreate, SubnetCreate
from trunkline.control.networks import create_network
from trunkline.control.pci_flavors import PciFlavorCreate, create_pci_flavor
from trunkline.control.ports import create_port
from trunkline.control.projects import ProjectUpdate, update_project
from trunkline.control.qos_policies import (
    QosPolicyCreate,
    QosRuleCreate,
    create_policies,
    create_rule,
)
from trunkline.control.quotas import set_quotas
from trunkline.control.requests import PortCreate
from trunkline.control.services import Services
from trunkline.control.sharing import ShareCreate, create_share
from trunkline.control.subnets import create_subnet
from trunkline.control.tags import Kind, set_tags
from trunkline.control.user_groups import GroupUpdate
from trunkline.control.user_groups import add_member as add_user_to_group
from trunkline.control.user_groups import create_group as create_user_group
from trunkline.domain.access_rules import AccessMethod, AccessRule
from trunkline.domain.identity import Caller
from trunkline.domain.ids import AccessRuleId, HostName
from trunkline.domain.qos import Direction, QosRuleType
from trunkline.domain.quota import Resource
from trunkline.domain.sharing import SharedKind

SYSTEM_READER = "s-reader"  # A reader, with a token for the whole system.
FORGED = "gAAAAABforged0000000000000000000000000000000000000000000000000000"
Things = dict[str, str]  # What stands in the gaps of paths and bodies, by what it is.


@dataclass
class Scene:
    """The site, who can ask, and what there is to be asked for."""

    compute: ComputeSite
    clock: ManualClock
    things: Things
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def site(self) -> Site:
        return self.compute.site

    def ask(
        self,
        method: str,
        path: str,
        token: str | None,
        *,
        body: object = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        sent = {"X-OpenStack-Nova-API-Version": "2.72"} | dict(headers or {})
        raw = body.encode() if isinstance(body, str) else None
        return self.site.http.request(
            method, path, token=token, raw=raw, body=None if raw else body, headers=sent
        )

    def filled(self, value: Any) -> Any:
        """Return a path, header or body with things in its gaps."""
        if isinstance(value, str):
            return re.sub(r"\{([^{}]+)\}", lambda gap: self.things[gap[1]], value)
        if isinstance(value, dict):
            return {key: self.filled(each) for key, each in value.items()}
        return [self.filled(each) for each in value] if isinstance(value, list) else value


@contextmanager
def a_scene(tmp_path: Path) -> Iterator[Scene]:
    clock = ManualClock()
    with a_compute_site(tmp_path, clock=clock) as compute:
        scene = Scene(compute=compute, clock=clock, things={})
        _add_others(IdentityApi(scene.site))
        scene.tokens = _tokens(scene)
        for who in Who:  # Each project's default group is made when it is looked for.
            scene.ask("GET", "/network/v2.0/security-groups", scene.tokens[who.value])
        scene.things = make_things(scene, "a")
        yield scene


def _add_others(identity: IdentityApi) -> None:
    identity.make("project", name="other")
    for role in ("reader", "member", "manager"):
        identity.a_member(f"o-{role}", "other", role)
    identity.a_member(SYSTEM_READER, "other", "member")
    assert identity.assign(SYSTEM_READER, "reader", "system").status == 204


def _tokens(scene: Scene) -> dict[str, str]:
    """Log everybody in. Those of nobody come first: one must be older than all others."""
    site, svc = scene.site, scene.site.svc
    expired, revoked = site.token("demo"), site.token("demo")
    scene.clock.advance(svc.limits.token_lifetime_seconds / 2 + 1)
    tokens = {who.value: _login(site, who.value) for who in Who}
    tokens[SYSTEM_READER] = _login(site, SYSTEM_READER, {"system": {"all": True}})
    scene.clock.advance(svc.limits.token_lifetime_seconds / 2)
    gone = site.http.request(
        "DELETE", "/identity/v3/auth/tokens", token=tokens["admin"],
        headers={"X-Subject-Token": revoked},
    )  # fmt: skip
    assert gone.status in (204, 404), gone
    key = create_enrolment_token(
        svc, site.caller("admin"), host=HostName("h1"), lifetime=timedelta(hours=1)
    )[1]
    agent = enrol_host(svc, HostName("h1"), key)
    return tokens | {"expired": expired, "revoked": revoked, "forged": FORGED, "agent's": agent}


def _login(site: Site, name: str, scope: dict[str, object] | None = None) -> str:
    if name in ("admin", "demo", "reader"):
        return site.token(name)
    body = password_login(name, password_of(name), "other")
    body["auth"]["scope"] = scope or body["auth"]["scope"]
    reply = site.http.request("POST", "/identity/v3/auth/tokens", body=body)
    assert reply.status == 201, reply
    return reply.headers["x-subject-token"]


def make_things(scene: Scene, tag: str) -> Things:
    """Make one of everything for project demo; names end in `tag`."""
    compute, svc = scene.compute, scene.site.svc
    demo, admin = scene.site.caller("demo"), scene.site.caller("admin")
    network = create_network(svc, demo, NetworkCreate(name=f"net-{tag}")).network
    asked = SubnetCreate(network_id=network.id, cidr=ip_network("10.8.0.0/24"))
    subnet = create_subnet(svc, demo, asked)
    port = create_port(svc, demo, PortCreate(network_id=network.id, name=f"port-{tag}")).port
    plugged = compute.a_port(compute.blue)
    compute.settle()  # Hosts are heard of, whatever the clock did.
    server = compute.a_server(f"server-{tag}", plugged, metadata={"x": "y"}, tags=["x"])
    compute.settle()
    done = f"/servers/{server['id']}/os-instance-actions"
    (action,) = compute.call("GET", done).json()["instanceActions"]
    image = create_image(
        svc, demo,
        ImageCreate(name=f"image-{tag}", disk_format="raw", container_format="bare", tags=("x",)),
    )  # fmt: skip
    add_member(svc, demo, image.id, admin.own_project)
    flavor = create_flavor(
        svc, admin,
        FlavorCreate(
            name=f"flavor-{tag}", vcpus=1, memory_mib=1, disk_gib=0, is_public=False,
            extra_specs={"a": "b"},
        ),
    )  # fmt: skip
    pair = create_key_pair(svc, demo, f"pair-{tag}", an_ssh_key())
    set_quotas(svc, admin, demo.own_project, [(Resource.PORTS, None, 50)])
    policy, rule = _qos(scene, admin, demo, tag)
    pci = create_pci_flavor(
        svc, admin, PciFlavorCreate(name=f"pci-{tag}", match=[{"vendor_id": "8086"}])
    )
    group, group_rule = _security_group(scene, tag)
    update_project(svc, admin, demo.own_project, ProjectUpdate(tags=("x",)))
    credential = ApplicationCredentialCreate(name=f"credential-{tag}")
    _, made = create_application_credential(svc, demo, demo.user_id, credential)
    spare_rule = _spare_access_rule(svc, demo, tag)
    share = create_share(
        svc, demo,
        ShareCreate(kind=SharedKind.NETWORK, object_id=network.id, target=f"other-{tag}"),
    )  # fmt: skip
    shut = create_domain(svc, admin, DomainUpdate(name=f"domain-{tag}", enabled=False))
    users = create_user_group(svc, admin, GroupUpdate(name=f"users-{tag}"))
    add_user_to_group(svc, admin, users.id, demo.user_id)
    tagged = {Kind.NETWORK: network.id, Kind.SUBNET: subnet.id, Kind.PORT: port.id}
    for kind, id_ in (tagged | {Kind.QOS_POLICY: policy}).items():
        set_tags(svc, admin, kind, id_, lambda _: ("x",))
    return {
        "project": demo.own_project, "user": demo.user_id, "domain": "default",
        "shut domain": shut.id, "region": "RegionOne",
        "credential": made.credential.id, "access rule": spare_rule,
        "token": scene.site.token("demo"), "network": network.id, "subnet": subnet.id,
        "port": port.id, "policy": policy, "rules": "bandwidth_limit_rules", "rule": rule,
        "rule type": "bandwidth_limit", "segment": network.segments[0].id,
        "host": _host_id(scene, "h1"), "host name": "h1", "extension": "binding",
        "server": server["id"], "request": action["request_id"],
        "compute extension": "os-keypairs",
        "server's port": plugged, "network name": compute.blue.name,
        "flavor": compute.flavor.id, "private flavor": flavor.id, "extra spec": "a",
        "pci flavor": pci.id, "key pair": pair.name, "public key": an_ssh_key(),
        "quota class": "default", "time": "2026-01-02", "image": image.id, "tag": "x",
        "image's member": admin.own_project,
        "server group": _made(
            scene, "demo", "os-server-groups", "server_group",
            name=f"group-{tag}", policy="affinity",
        ),
        "aggregate": _made(scene, "admin", "os-aggregates", "aggregate", name=f"aggregate-{tag}"),
        "share": share.id, "user group": users.id,
        "security group": group, "security group rule": group_rule,
        "default rule": _default_rule(svc, admin, tag),
        "networks": "networks", "subnets": "subnets", "ports": "ports",
    }  # fmt: skip


def _spare_access_rule(svc: Services, caller: Caller, tag: str) -> str:
    """Make an access rule, and delete the application credential that it was made for."""
    rule = AccessRule(
        id=AccessRuleId(""), service="compute", method=AccessMethod.GET, path=f"/v2.1/{tag}"
    )
    asked = ApplicationCredentialCreate(name=f"spare-{tag}", access_rules=[rule])
    _, made = create_application_credential(svc, caller, caller.user_id, asked)
    delete_application_credential(svc, caller, caller.user_id, made.credential.id)
    return made.credential.access_rules[0].id


def _qos(scene: Scene, admin: Caller, demo: Caller, tag: str) -> tuple[str, str]:
    svc = scene.site.svc
    asked = QosPolicyCreate(name=f"policy-{tag}", project_id=demo.own_project)
    policy = create_policies(svc, admin, [asked])[0]
    wanted = QosRuleCreate(
        type=QosRuleType.BANDWIDTH_LIMIT, direction=Direction.EGRESS, kbps=5000, burst_kbits=0
    )
    return policy.id, create_rule(svc, admin, policy.id, wanted).id


def _made(scene: Scene, user: str, collection: str, what: str, **fields: str) -> str:
    path, token = f"/compute/v2.1/{collection}", scene.site.token(user)
    made = scene.ask("POST", path, token, body={what: fields})
    assert made.status == 200, made
    return str(made.json()[what]["id"])


def _default_rule(svc: Services, admin: Caller, tag: str) -> str:
    """Make a default rule that means what no other one does."""
    port = 1 + zlib.crc32(tag.encode()) % 65535
    asked = DefaultRuleCreate(
        direction=Direction.EGRESS, protocol="tcp", port_range_min=port, port_range_max=port
    )
    return create_default_rule(svc, admin, asked).id


def _security_group(scene: Scene, tag: str) -> tuple[str, str]:
    body = {"security_group": {"name": f"group-{tag}"}}
    token = scene.site.token("demo")
    made = scene.ask("POST", "/network/v2.0/security-groups", token, body=body).json()
    group = made["security_group"]
    return group["id"], group["security_group_rules"][0]["id"]


def _host_id(scene: Scene, name: str) -> str:
    return scene.site.svc.store.read(lambda tx: tx.hosts.get_by_name(HostName(name)).id)
