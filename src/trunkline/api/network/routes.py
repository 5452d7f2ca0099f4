"""Every route of this face."""

from __future__ import annotations

from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.network import (
    agents,
    availability_zones,
    default_rules,
    extensions,
    ip_availability,
    networks,
    nothing,
    ports,
    qos,
    quotas,
    rbac_policies,
    security_groups,
    segments,
    subnets,
    tags,
)
from trunkline.api.routing import Auth, Route, delete, get, post, put
from trunkline.control.services import Services

_V2: Final = "/network/v2.0"


def resources(_svc: Services, request: Request) -> Response:
    """Answer ``GET /network/v2.0``: what there is, as Neutron lists it."""
    return Response(
        body={
            "resources": [
                {
                    "name": member,
                    "collection": collection,
                    "links": [{"rel": "self", "href": f"{request.base_url}{_V2}/{collection}"}],
                }
                for member, collection in (
                    ("network", "networks"),
                    ("subnet", "subnets"),
                    ("port", "ports"),
                    ("security_group", "security-groups"),
                    ("security_group_rule", "security-group-rules"),
                    ("default_security_group_rule", "default-security-group-rules"),
                    ("rbac_policy", "rbac-policies"),
                    ("segment", "segments"),
                    ("network_ip_availability", "network-ip-availabilities"),
                    ("availability_zone", "availability_zones"),
                    ("agent", "agents"),
                    ("quota", "quotas"),
                    ("service_provider", "service-providers"),
                    ("extension", "extensions"),
                    ("policy", "qos/policies"),
                    ("rule_type", "qos/rule-types"),
                )
            ]
        }
    )


ROUTES: Final[tuple[Route, ...]] = (
    get(_V2, resources, Auth.PUBLIC),
    get(f"{_V2}/networks", networks.index),
    post(f"{_V2}/networks", networks.create),
    get(f"{_V2}/networks/{{id}}", networks.show),
    put(f"{_V2}/networks/{{id}}", networks.update),
    delete(f"{_V2}/networks/{{id}}", networks.remove),
    get(f"{_V2}/subnets", subnets.index),
    post(f"{_V2}/subnets", subnets.create),
    get(f"{_V2}/subnets/{{id}}", subnets.show),
    put(f"{_V2}/subnets/{{id}}", subnets.update),
    delete(f"{_V2}/subnets/{{id}}", subnets.remove),
    get(f"{_V2}/ports", ports.index),
    post(f"{_V2}/ports", ports.create),
    get(f"{_V2}/ports/{{id}}", ports.show),
    put(f"{_V2}/ports/{{id}}", ports.update),
    delete(f"{_V2}/ports/{{id}}", ports.remove),
    get(f"{_V2}/qos/policies", qos.index),
    post(f"{_V2}/qos/policies", qos.create),
    get(f"{_V2}/qos/policies/{{id}}", qos.show),
    put(f"{_V2}/qos/policies/{{id}}", qos.update),
    delete(f"{_V2}/qos/policies/{{id}}", qos.remove),
    get(f"{_V2}/qos/policies/{{policy_id}}/{{rules}}", qos.list_rules),
    post(f"{_V2}/qos/policies/{{policy_id}}/{{rules}}", qos.create_one_rule),
    get(f"{_V2}/qos/policies/{{policy_id}}/{{rules}}/{{id}}", qos.show_rule),
    put(f"{_V2}/qos/policies/{{policy_id}}/{{rules}}/{{id}}", qos.update_one_rule),
    delete(f"{_V2}/qos/policies/{{policy_id}}/{{rules}}/{{id}}", qos.remove_rule),
    get(f"{_V2}/qos/rule-types", qos.list_types),
    get(f"{_V2}/qos/rule-types/{{type}}", qos.show_type),
    *(
        route
        for thing in ("{collection}/{id}", "qos/policies/{id}")
        for route in (
            get(f"{_V2}/{thing}/tags", tags.index),
            put(f"{_V2}/{thing}/tags", tags.replace),
            post(f"{_V2}/{thing}/tags", tags.extend),
            delete(f"{_V2}/{thing}/tags", tags.clear),
            get(f"{_V2}/{thing}/tags/{{tag}}", tags.show),
            put(f"{_V2}/{thing}/tags/{{tag}}", tags.add),
            delete(f"{_V2}/{thing}/tags/{{tag}}", tags.remove),
        )
    ),
    get(f"{_V2}/security-groups", security_groups.index),
    post(f"{_V2}/security-groups", security_groups.create),
    get(f"{_V2}/security-groups/{{id}}", security_groups.show),
    put(f"{_V2}/security-groups/{{id}}", security_groups.update),
    delete(f"{_V2}/security-groups/{{id}}", security_groups.remove),
    get(f"{_V2}/security-group-rules", security_groups.list_all_rules),
    post(f"{_V2}/security-group-rules", security_groups.create_some_rules),
    get(f"{_V2}/security-group-rules/{{id}}", security_groups.show_rule),
    delete(f"{_V2}/security-group-rules/{{id}}", security_groups.remove_rule),
    get(f"{_V2}/default-security-group-rules", default_rules.index),
    post(f"{_V2}/default-security-group-rules", default_rules.create),
    get(f"{_V2}/default-security-group-rules/{{id}}", default_rules.show),
    delete(f"{_V2}/default-security-group-rules/{{id}}", default_rules.remove),
    get(f"{_V2}/rbac-policies", rbac_policies.index),
    post(f"{_V2}/rbac-policies", rbac_policies.create),
    get(f"{_V2}/rbac-policies/{{id}}", rbac_policies.show),
    put(f"{_V2}/rbac-policies/{{id}}", rbac_policies.update),
    delete(f"{_V2}/rbac-policies/{{id}}", rbac_policies.remove),
    get(f"{_V2}/quotas", quotas.index),
    get(f"{_V2}/quotas/project", quotas.show_own_project),
    get(f"{_V2}/quotas/tenant", quotas.show_own_project),
    get(f"{_V2}/quotas/{{id}}", quotas.show),
    put(f"{_V2}/quotas/{{id}}", quotas.update),
    delete(f"{_V2}/quotas/{{id}}", quotas.remove),
    get(f"{_V2}/quotas/{{id}}/default", quotas.show_default),
    get(f"{_V2}/quotas/{{id}}/details", quotas.show_detailed),
    get(f"{_V2}/segments", segments.index),
    post(f"{_V2}/segments", segments.create),
    get(f"{_V2}/segments/{{id}}", segments.show),
    put(f"{_V2}/segments/{{id}}", segments.update),
    delete(f"{_V2}/segments/{{id}}", segments.remove),
    get(f"{_V2}/network-ip-availabilities", ip_availability.index),
    get(f"{_V2}/network-ip-availabilities/{{id}}", ip_availability.show),
    get(f"{_V2}/availability_zones", availability_zones.index),
    get(f"{_V2}/floatingips", nothing.list_floating_ips),
    get(f"{_V2}/routers", nothing.list_routers),
    get(f"{_V2}/service-providers", nothing.list_service_providers),
    get(f"{_V2}/agents", agents.index),
    get(f"{_V2}/agents/{{id}}", agents.show),
    put(f"{_V2}/agents/{{id}}", agents.update),
    delete(f"{_V2}/agents/{{id}}", agents.remove),
    get(f"{_V2}/extensions", extensions.index),
    get(f"{_V2}/extensions/{{alias}}", extensions.show),
)
