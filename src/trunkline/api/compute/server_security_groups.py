"""Handlers of a server's security groups: Nova's words for those that its ports are in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trunkline.api.http import Request, Response
from trunkline.api.parsing import Fields
from trunkline.control import server_security_groups as control
from trunkline.control.servers import NAME_CHARS_MAX
from trunkline.control.services import Services
from trunkline.domain.ids import ProjectId, SecurityGroupId
from trunkline.domain.qos import Direction
from trunkline.domain.security_group import SecurityGroup, SecurityGroupRule

Remote = Mapping[SecurityGroupId, tuple[ProjectId, str]]


def list_(svc: Services, request: Request) -> Response:
    """Answer ``GET /servers/{id}/os-security-groups``."""
    found = control.groups_of_server(svc, request.caller, request.params["id"])
    bodies = [_group(group, found.remote) for group in found.groups]
    return Response(body={"security_groups": bodies})


def add(svc: Services, request: Request, body: Fields) -> None:
    """Do ``addSecurityGroup``."""
    name = _named(body.fields("addSecurityGroup"))
    control.put_server(svc, request.caller, request.params["id"], name)


def remove(svc: Services, request: Request, body: Fields) -> None:
    """Do ``removeSecurityGroup``."""
    name = _named(body.fields("removeSecurityGroup"))
    control.take_server(svc, request.caller, request.params["id"], name)


def _named(asked: Fields) -> str:
    asked.require_only(("name",))
    return asked.text("name", length_min=1, length_max=NAME_CHARS_MAX)


def _group(group: SecurityGroup, remote: Remote) -> dict[str, Any]:
    """Return a group as Nova showed it when it had groups of its own: rules of ingress alone.

    Rules about groups that the caller can't see are left out, as Nova does.
    """
    rules = [
        rule
        for rule in group.rules
        if rule.direction is Direction.INGRESS and rule.remote_group_id in {None, *remote}
    ]
    return {
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "tenant_id": group.project_id,
        "rules": [_rule(rule, remote) for rule in rules],
    }


def _rule(rule: SecurityGroupRule, remotes: Remote) -> dict[str, Any]:
    low, high = rule.port_range_min, rule.port_range_max
    if rule.protocol is not None and low is None and high is None:
        low, high = (1, 65535) if rule.protocol in ("tcp", "udp") else (-1, -1)
    remote = None if rule.remote_group_id is None else remotes[rule.remote_group_id]
    whence = rule.normalized_cidr or ("0.0.0.0/0" if rule.ethertype.value == "IPv4" else "::/0")
    return {
        "id": rule.id,
        "parent_group_id": rule.group_id,
        "ip_protocol": rule.protocol,
        "from_port": low,
        "to_port": high,
        "group": {} if remote is None else {"name": remote[1], "tenant_id": remote[0]},
        "ip_range": {} if rule.remote_group_id is not None else {"cidr": whence},
    }
