"""What each caller is answered on each route: one row a path, by kinds of things.

A path that no row and no rule of its route classifies fails the suite.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.isolation.kinds import Kind, Row
from trunkline.api.routing import Auth, Route
from trunkline.domain.policy.rule import Rule

NET, COMPUTE, IMAGE, V1 = "/network/v2.0", "/compute/v2.1", "/image/v2", "/trunkline/v1"
ID3 = "/identity/v3"


def kind_of(route: Route) -> Kind | None:
    """Return whose the thing is that a route is about; None: nobody has said."""
    if route.auth is Auth.PUBLIC:
        return Kind.PUBLIC
    if route.auth is Auth.AGENT:
        return Kind.AGENT
    row = ROWS.get(route.path)
    if row is not None:
        return row.kinds.get(route.method, row.kind)
    return Kind.ADMIN if isinstance(route.auth, Rule) else None


def _owned(name: str, gap: str = "id", **bodies: Any) -> Row:
    return Row(kind=Kind.OWNED, names={gap: name}, bodies=bodies)


def _collection(kind: Kind, **bodies: Any) -> Row:
    return Row(kind=Kind.LISTED, kinds={"POST": kind}, bodies=bodies)


def _personal(name: str = "", **bodies: Any) -> Row:
    names = {"user_id": "user"} | ({"id": name} if name else {})
    return Row(kind=Kind.PERSONAL, names=names, bodies=bodies)


def _of_admins(kind: Kind, names: Mapping[str, str], **bodies: Any) -> Row:
    """Return what is seen as `kind` says, and changed by admins alone."""
    kinds = dict.fromkeys(("PUT", "PATCH", "DELETE"), Kind.ADMIN)
    return Row(kind=kind, names=names, kinds=kinds, bodies=bodies)


def _version(version: str) -> Mapping[str, str]:
    return {"X-OpenStack-Nova-API-Version": version}


def _service(**more: object) -> Row:
    host = {"host": "h1", "binary": "nova-compute", **more}
    return Row(kind=Kind.ADMIN, bodies={"PUT": host}, headers=_version("2.52"))


def _tags(more: Mapping[str, str] | None = None, **bodies: Any) -> Row:
    tagged = ("network", "subnet", "port")
    names = [{"collection": f"{name}s", "id": name, **(more or {})} for name in tagged]
    return Row(kind=Kind.OWNED, names=names[0], also=tuple(names[1:]), bodies=bodies)


_OPEN: Final = Row(kind=Kind.OPEN)
_ADMIN: Final = Row(kind=Kind.ADMIN)
_BLANK: Final = {
    "source_type": "blank", "destination_type": "local", "boot_index": 0, "volume_size": "1",
}  # fmt: skip
_SERVER: Final = {
    "name": "web", "flavorRef": "{flavor}", "imageRef": "", "min_count": 1, "max_count": 1,
    "block_device_mapping_v2": [_BLANK],
}  # fmt: skip
_RULE: Final = {"bandwidth_limit_rule": {"max_kbps": 9000, "direction": "egress"}}
_JSON_PATCH: Final = "application/openstack-images-v2.1-json-patch"
_QUOTA_PROJECT: Final = {"project": "project"}

# `{name}` in a body is the ID of a thing of the project.
ROWS: Final[Mapping[str, Row]] = {
    # Identity.
    f"{ID3}/auth/tokens": Row(kind=Kind.PERSONAL, headers={"X-Subject-Token": "{token}"}),
    f"{ID3}/auth/catalog": _OPEN,
    f"{ID3}/auth/projects": Row(kind=Kind.LISTED),
    f"{ID3}/projects": Row(kind=Kind.ADMIN, bodies={"POST": {"project": {"name": "new"}}}),
    f"{ID3}/projects/{{id}}": _of_admins(
        Kind.OWNED, {"id": "project"}, PATCH={"project": {"description": "taken over"}}
    ),
    f"{ID3}/projects/{{id}}/tags": _of_admins(
        Kind.OWNED, {"id": "project"}, PUT={"tags": ["x"]}
    ),
    f"{ID3}/projects/{{id}}/tags/{{tag}}": _of_admins(Kind.OWNED, {"id": "project", "tag": "tag"}),
    f"{ID3}/users/{{id}}": _of_admins(
        Kind.PERSONAL, {"id": "user"}, PATCH={"user": {"description": "taken over"}}
    ),
    f"{ID3}/users/{{user_id}}/projects": _personal(),
    f"{ID3}/users/{{user_id}}/groups": _personal(),
    f"{ID3}/users/{{user_id}}/access_rules": _personal(),
    f"{ID3}/users/{{user_id}}/access_rules/{{id}}": _personal("access rule"),
    f"{ID3}/users/{{user_id}}/password": _personal(POST={"user": {}}),
    f"{ID3}/users/{{user_id}}/application_credentials": _personal(
        POST={"application_credential": {"name": "new"}}
    ),
    f"{ID3}/users/{{user_id}}/application_credentials/{{id}}": _personal("credential"),
    f"{ID3}/auth/domains": _OPEN,
    f"{ID3}/auth/system": _OPEN,
    f"{ID3}/domains": Row(
        kind=Kind.OPEN, kinds={"POST": Kind.ADMIN}, bodies={"POST": {"domain": {"name": "new"}}}
    ),
    f"{ID3}/domains/{{id}}": _of_admins(
        Kind.HIDDEN, {"id": "shut domain"}, PATCH={"domain": {"description": "taken over"}}
    ),
    f"{ID3}/groups": Row(kind=Kind.ADMIN, bodies={"POST": {"group": {"name": "new"}}}),
    f"{ID3}/groups/{{id}}": Row(
        kind=Kind.ADMIN, names={"id": "user group"},
        bodies={"PATCH": {"group": {"description": "taken over"}}},
    ),
    f"{ID3}/groups/{{id}}/users": Row(kind=Kind.ADMIN, names={"id": "user group"}),
    f"{ID3}/groups/{{id}}/users/{{user_id}}": _of_admins(
        Kind.PERSONAL, {"id": "user group", "user_id": "user"}
    ),
    f"{ID3}/regions": Row(kind=Kind.OPEN, bodies={"POST": {}}),
    f"{ID3}/regions/{{id}}": Row(kind=Kind.OPEN, names={"id": "region"}),
    f"{ID3}/services": Row(kind=Kind.ADMIN, kinds={"POST": Kind.OPEN}, bodies={"POST": {}}),
    f"{ID3}/endpoints": Row(kind=Kind.ADMIN, kinds={"POST": Kind.OPEN}, bodies={"POST": {}}),
    f"{ID3}/OS-TRUST/trusts": Row(kind=Kind.OPEN, bodies={"POST": {}}),
    f"{ID3}/credentials": Row(kind=Kind.OPEN, bodies={"POST": {}}),
    # Network.
    f"{NET}/networks": _collection(Kind.MADE, POST={"network": {"name": "new"}}),
    f"{NET}/networks/{{id}}": _owned("network", PUT={"network": {"name": "taken over"}}),
    f"{NET}/subnets": _collection(
        Kind.MADE_ON,
        POST={"subnet": {"network_id": "{network}", "cidr": "10.9.0.0/24", "ip_version": 4}},
    ),
    f"{NET}/subnets/{{id}}": _owned("subnet", PUT={"subnet": {"name": "taken over"}}),
    f"{NET}/ports": _collection(Kind.MADE_ON, POST={"port": {"network_id": "{network}"}}),
    f"{NET}/ports/{{id}}": _owned(
        "port", PUT=({"port": {"name": "taken over"}}, {"port": {"admin_state_up": False}})
    ),
    f"{NET}/security-groups": _collection(Kind.MADE, POST={"security_group": {"name": "new"}}),
    f"{NET}/security-groups/{{id}}": _owned(
        "security group", PUT={"security_group": {"name": "taken over"}}
    ),
    f"{NET}/security-group-rules": _collection(
        Kind.MADE_ON,
        POST={
            "security_group_rule": {
                "security_group_id": "{security group}", "direction": "ingress",
                "protocol": "tcp", "port_range_min": 22, "port_range_max": 22,
            }
        },
    ),
    f"{NET}/security-group-rules/{{id}}": _owned("security group rule"),
    f"{NET}/default-security-group-rules": Row(
        kind=Kind.OPEN, kinds={"POST": Kind.ADMIN},
        bodies={"POST": {"default_security_group_rule": {"direction": "ingress"}}},
    ),
    f"{NET}/default-security-group-rules/{{id}}": Row(
        kind=Kind.OPEN, kinds={"DELETE": Kind.ADMIN}, names={"id": "default rule"}
    ),
    f"{NET}/qos/policies": _collection(Kind.ADMIN, POST={"policy": {"name": "gold"}}),
    f"{NET}/qos/policies/{{id}}": Row(
        kind=Kind.GIVEN, names={"id": "policy"}, bodies={"PUT": {"policy": {"shared": True}}}
    ),
    f"{NET}/qos/policies/{{policy_id}}/{{rules}}": Row(
        kind=Kind.GIVEN, kinds={"POST": Kind.ADMIN},
        names={"policy_id": "policy", "rules": "rules"}, bodies={"POST": _RULE},
    ),
    f"{NET}/qos/policies/{{policy_id}}/{{rules}}/{{id}}": Row(
        kind=Kind.GIVEN,
        names={"policy_id": "policy", "rules": "rules", "id": "rule"},
        bodies={"PUT": _RULE},
    ),
    f"{NET}/qos/rule-types": _OPEN,
    f"{NET}/service-providers": _OPEN,
    f"{NET}/qos/rule-types/{{type}}": Row(kind=Kind.ADMIN, names={"type": "rule type"}),
    f"{NET}/{{collection}}/{{id}}/tags": _tags(POST={"tags": ["x"]}, PUT={"tags": ["y"]}),
    f"{NET}/{{collection}}/{{id}}/tags/{{tag}}": _tags({"tag": "tag"}),
    f"{NET}/qos/policies/{{id}}/tags": Row(
        kind=Kind.GIVEN, names={"id": "policy"},
        bodies={"POST": {"tags": ["x"]}, "PUT": {"tags": ["y"]}},
    ),
    f"{NET}/qos/policies/{{id}}/tags/{{tag}}": Row(
        kind=Kind.GIVEN, names={"id": "policy", "tag": "tag"}
    ),
    f"{NET}/quotas": _ADMIN,
    f"{NET}/quotas/project": _OPEN,
    f"{NET}/quotas/tenant": _OPEN,
    f"{NET}/quotas/{{id}}": Row(
        kind=Kind.ADMIN, kinds={"GET": Kind.OWNED}, names={"id": "project"},
        bodies={"PUT": {"quota": {"port": 1}}},
    ),
    f"{NET}/quotas/{{id}}/default": _owned("project"),
    f"{NET}/quotas/{{id}}/details": _owned("project"),
    f"{NET}/segments": _collection(
        Kind.ADMIN,
        POST={"segment": {"network_id": "{network}", "network_type": "flat",
                          "physical_network": "phy2"}},
    ),
    f"{NET}/segments/{{id}}": _of_admins(
        Kind.HIDDEN, {"id": "segment"}, PUT={"segment": {"name": "x"}}
    ),
    f"{NET}/rbac-policies": _collection(
        Kind.MADE_ON,
        POST={"rbac_policy": {
            "object_type": "network", "object_id": "{network}", "action": "access_as_shared",
            "target_tenant": "somebody",
        }},
    ),
    f"{NET}/rbac-policies/{{id}}": _owned(
        "share", PUT={"rbac_policy": {"target_tenant": "somebody else"}}
    ),
    f"{NET}/agents": Row(kind=Kind.LISTED),
    f"{NET}/agents/{{id}}": _of_admins(
        Kind.ADMIN, {"id": "host"}, PUT={"agent": {"description": "x"}}
    ),
    f"{NET}/availability_zones": _OPEN,
    f"{NET}/floatingips": _OPEN,
    f"{NET}/routers": _OPEN,
    f"{NET}/network-ip-availabilities": _ADMIN,
    f"{NET}/network-ip-availabilities/{{id}}": Row(kind=Kind.ADMIN, names={"id": "network"}),
    f"{NET}/extensions": _OPEN,
    f"{NET}/extensions/{{alias}}": Row(kind=Kind.OPEN, names={"alias": "extension"}),
    # Compute.
    f"{COMPUTE}/servers": _collection(
        Kind.MADE_ON, POST={"server": _SERVER | {"networks": [{"port": "{port}"}]}}
    ),
    f"{COMPUTE}/servers/detail": Row(kind=Kind.LISTED),
    f"{COMPUTE}/servers/{{id}}": _owned("server", PUT={"server": {"name": "taken-over"}}),
    f"{COMPUTE}/servers/{{id}}/action": _owned(
        "server",
        POST=(
            {"os-stop": None},
            {"os-start": None},
            {"reboot": {"type": "HARD"}},
            {"os-getConsoleOutput": {"length": 5}},
            {"lock": None},
            {"unlock": None},
            {"rebuild": {"imageRef": "{image}"}},
            {"pause": None},
            {"unpause": None},
            {"suspend": None},
            {"addSecurityGroup": {"name": "default"}},
            {"removeSecurityGroup": {"name": "default"}},
        ),
    ),
    f"{COMPUTE}/servers/{{id}}/metadata": _owned(
        "server", POST={"metadata": {"a": "c"}}, PUT={"metadata": {"x": "c"}}
    ),
    f"{COMPUTE}/servers/{{id}}/metadata/{{key}}": Row(
        kind=Kind.OWNED, names={"id": "server", "key": "tag"}, bodies={"PUT": {"meta": {"x": "c"}}}
    ),
    f"{COMPUTE}/servers/{{id}}/tags": _owned("server", PUT={"tags": ["x"]}),
    f"{COMPUTE}/servers/{{id}}/tags/{{tag}}": Row(
        kind=Kind.OWNED, names={"id": "server", "tag": "tag"}
    ),
    f"{COMPUTE}/servers/{{id}}/remote-consoles": _owned(
        "server", POST={"remote_console": {"protocol": "vnc", "type": "novnc"}}
    ),
    f"{COMPUTE}/servers/{{id}}/migrations": _owned("server"),
    f"{COMPUTE}/servers/{{id}}/os-volume_attachments": _owned(
        "server", POST={"volumeAttachment": {"volumeId": "v"}}
    ),
    f"{COMPUTE}/servers/{{id}}/shares": Row(
        kind=Kind.OWNED, names={"id": "server"}, bodies={"POST": {"share": {"share_id": "s"}}},
        headers=_version("2.97"),
    ),
    f"{COMPUTE}/servers/{{id}}/os-server-password": _owned("server"),
    f"{COMPUTE}/servers/{{id}}/diagnostics": _owned("server"),
    f"{COMPUTE}/servers/{{id}}/topology": Row(
        kind=Kind.OWNED, names={"id": "server"}, headers=_version("2.78")
    ),
    f"{COMPUTE}/servers/{{id}}/os-instance-actions": _owned("server"),
    f"{COMPUTE}/servers/{{id}}/os-instance-actions/{{request_id}}": Row(
        kind=Kind.OWNED, names={"id": "server", "request_id": "request"}
    ),
    f"{COMPUTE}/servers/{{id}}/ips": _owned("server"),
    f"{COMPUTE}/servers/{{id}}/ips/{{network}}": Row(
        kind=Kind.OWNED, names={"id": "server", "network": "network name"}
    ),
    f"{COMPUTE}/servers/{{id}}/os-security-groups": _owned("server"),
    f"{COMPUTE}/servers/{{id}}/os-interface": _owned("server", POST={"interfaceAttachment": {}}),
    f"{COMPUTE}/servers/{{id}}/os-interface/{{port_id}}": Row(
        kind=Kind.OWNED, names={"id": "server", "port_id": "server's port"}
    ),
    f"{COMPUTE}/flavors": Row(
        kind=Kind.OPEN, kinds={"POST": Kind.ADMIN},
        bodies={"POST": {"flavor": {"name": "xl", "ram": 1, "vcpus": 1, "disk": 0}}},
    ),
    f"{COMPUTE}/flavors/detail": _OPEN,
    f"{COMPUTE}/flavors/{{id}}": Row(
        kind=Kind.ADMIN, kinds={"GET": Kind.HIDDEN}, names={"id": "private flavor"},
        bodies={"PUT": {"flavor": {"description": "x"}}},
    ),
    f"{COMPUTE}/flavors/{{id}}/action": Row(
        kind=Kind.ADMIN, names={"id": "private flavor"},
        bodies={"POST": {"addTenantAccess": {"tenant": "{project}"}}},
    ),
    f"{COMPUTE}/flavors/{{id}}/os-flavor-access": Row(
        kind=Kind.ADMIN, names={"id": "private flavor"}
    ),
    f"{COMPUTE}/flavors/{{id}}/os-extra_specs": Row(
        kind=Kind.ADMIN, kinds={"GET": Kind.HIDDEN}, names={"id": "private flavor"},
        bodies={"POST": {"extra_specs": {"a": "b"}}},
    ),
    f"{COMPUTE}/flavors/{{id}}/os-extra_specs/{{key}}": Row(
        kind=Kind.ADMIN, kinds={"GET": Kind.HIDDEN},
        names={"id": "private flavor", "key": "extra spec"}, bodies={"PUT": {"a": "b"}},
    ),
    f"{COMPUTE}/os-pci-flavors": Row(kind=Kind.OPEN, kinds={"POST": Kind.ADMIN}),
    f"{COMPUTE}/os-pci-flavors/{{id}}": Row(
        kind=Kind.ADMIN, kinds={"GET": Kind.OPEN}, names={"id": "pci flavor"}
    ),
    f"{COMPUTE}/os-hypervisors": _ADMIN,
    f"{COMPUTE}/os-hypervisors/detail": _ADMIN,
    f"{COMPUTE}/os-hypervisors/{{id}}": Row(kind=Kind.ADMIN, names={"id": "host"}),
    f"{COMPUTE}/os-hypervisors/{{id}}/uptime": Row(kind=Kind.ADMIN, names={"id": "host"}),
    f"{COMPUTE}/os-hypervisors/{{id}}/search": Row(
        kind=Kind.ADMIN, names={"id": "host name"}, headers=_version("2.52")
    ),
    f"{COMPUTE}/os-hypervisors/{{id}}/servers": Row(
        kind=Kind.ADMIN, names={"id": "host name"}, headers=_version("2.52")
    ),
    f"{COMPUTE}/os-services": _ADMIN,
    f"{COMPUTE}/os-server-external-events": Row(
        kind=Kind.ADMIN,
        bodies={"POST": {"events": [{"name": "network-changed", "server_uuid": "{server}"}]}},
    ),
    f"{COMPUTE}/os-services/enable": _service(),
    f"{COMPUTE}/os-services/disable": _service(),
    f"{COMPUTE}/os-services/disable-log-reason": _service(disabled_reason="x"),
    f"{COMPUTE}/os-services/force-down": _service(forced_down=False),
    f"{COMPUTE}/os-services/{{id}}": Row(
        kind=Kind.ADMIN, names={"id": "host"}, bodies={"PUT": {"status": "disabled"}}
    ),
    f"{COMPUTE}/os-availability-zone": _OPEN,
    f"{COMPUTE}/os-availability-zone/detail": _ADMIN,
    f"{COMPUTE}/os-aggregates": Row(
        kind=Kind.ADMIN, bodies={"POST": {"aggregate": {"name": "new"}}}
    ),
    f"{COMPUTE}/os-aggregates/{{id}}": Row(
        kind=Kind.ADMIN, names={"id": "aggregate"}, bodies={"PUT": {"aggregate": {"name": "x"}}}
    ),
    f"{COMPUTE}/os-aggregates/{{id}}/action": Row(
        kind=Kind.ADMIN, names={"id": "aggregate"},
        bodies={
            "POST": (
                {"add_host": {"host": "h1"}},
                {"remove_host": {"host": "h1"}},
                {"set_metadata": {"metadata": {"a": "b"}}},
            )
        },
    ),
    f"{COMPUTE}/os-aggregates/{{id}}/images": Row(
        kind=Kind.ADMIN, names={"id": "aggregate"}, headers=_version("2.81"),
        bodies={"POST": {"cache": [{"id": "{image}"}]}},
    ),
    f"{COMPUTE}/os-server-groups": _collection(
        Kind.MADE, POST={"server_group": {"name": "new", "policy": "affinity"}}
    ),
    f"{COMPUTE}/os-server-groups/{{id}}": _owned("server group"),
    f"{COMPUTE}/os-keypairs": Row(
        kind=Kind.LISTED_PERSONAL, kinds={"POST": Kind.MADE},
        bodies={"POST": {"keypair": {"name": "new", "public_key": "{public key}"}}},
    ),
    f"{COMPUTE}/os-keypairs/{{name}}": Row(kind=Kind.PERSONAL, names={"name": "key pair"}),
    f"{COMPUTE}/os-quota-sets/{{project}}": Row(
        kind=Kind.ADMIN, kinds={"GET": Kind.NAMED}, names=_QUOTA_PROJECT,
        bodies={"PUT": {"quota_set": {"cores": 1}}},
    ),
    f"{COMPUTE}/os-quota-sets/{{project}}/defaults": Row(kind=Kind.NAMED, names=_QUOTA_PROJECT),
    f"{COMPUTE}/os-quota-sets/{{project}}/detail": Row(kind=Kind.NAMED, names=_QUOTA_PROJECT),
    f"{COMPUTE}/os-quota-class-sets/{{class}}": Row(
        kind=Kind.ADMIN, names={"class": "quota class"},
        bodies={"PUT": {"quota_class_set": {"cores": 1}}},
    ),
    f"{COMPUTE}/os-simple-tenant-usage": _ADMIN,
    f"{COMPUTE}/os-simple-tenant-usage/{{project}}": Row(kind=Kind.NAMED, names=_QUOTA_PROJECT),
    f"{COMPUTE}/os-instance_usage_audit_log": _ADMIN,
    f"{COMPUTE}/os-instance_usage_audit_log/{{before}}": Row(
        kind=Kind.ADMIN, names={"before": "time"}
    ),
    f"{COMPUTE}/os-migrations": _ADMIN,
    f"{COMPUTE}/limits": _OPEN,  # Each project's own, and nothing by name.
    f"{COMPUTE}/extensions": _OPEN,
    f"{COMPUTE}/extensions/{{alias}}": Row(
        kind=Kind.OPEN, names={"alias": "compute extension"}
    ),
    f"{COMPUTE}/os-hypervisors/statistics": _ADMIN,
    # Image.
    f"{IMAGE}/images": _collection(Kind.MADE, POST={"name": "new"}),
    f"{IMAGE}/images/{{id}}": Row(
        kind=Kind.OWNED, names={"id": "image"}, headers={"Content-Type": _JSON_PATCH},
        bodies={"PATCH": [{"op": "replace", "path": "/name", "value": "taken over"}]},
    ),
    f"{IMAGE}/images/{{id}}/file": Row(
        kind=Kind.OWNED, names={"id": "image"},
        headers={"Content-Type": "application/octet-stream"}, bodies={"PUT": "bytes"},
    ),
    f"{IMAGE}/images/{{id}}/tags/{{tag}}": Row(
        kind=Kind.OWNED, names={"id": "image", "tag": "tag"}
    ),
    f"{IMAGE}/images/{{id}}/actions/deactivate": _owned("image", POST={}),
    f"{IMAGE}/images/{{id}}/actions/reactivate": _owned("image", POST={}),
    f"{IMAGE}/images/{{id}}/members": _owned("image", POST={"member": "anybody"}),
    f"{IMAGE}/images/{{id}}/members/{{project}}": Row(
        kind=Kind.OWNED, names={"id": "image", "project": "image's member"},
        # Whether it is taken is for the other project to say.
        kinds={"PUT": Kind.GIVEN}, bodies={"PUT": {"status": "accepted"}},
    ),
    f"{IMAGE}/schemas/member": _OPEN,
    f"{IMAGE}/schemas/members": _OPEN,
    f"{IMAGE}/schemas/image": _OPEN,
    f"{IMAGE}/schemas/images": _OPEN,
    f"{IMAGE}/info/import": _OPEN,
    # Trunkline. Routes with a rule of their own need no row: they are for admins.
    f"{V1}/networks": Row(kind=Kind.LISTED),
    f"{V1}/explain": Row(
        kind=Kind.MADE_ON, bodies={"POST": {"nics": [{"network": "{network}"}]}}
    ),
    f"{V1}/quotas": Row(kind=Kind.LISTED),
    f"{V1}/servers/{{id}}/path": _owned("server"),
    f"{V1}/events": Row(kind=Kind.LISTED),
}  # fmt: skip

# Answered like a read though it is a POST: nothing is changed by it.
READS: Final = frozenset({f"{V1}/explain"})
# Lists of what everybody's project has would be told apart by these only: they name no thing.
WITHOUT_THINGS: Final = frozenset({f"{NET}/segments", f"{NET}/agents", f"{ID3}/auth/projects"})
