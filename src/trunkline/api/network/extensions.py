"""``/network/v2.0/extensions``: which of Neutron's extensions are served. Clients look here."""

from __future__ import annotations

from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.network.common import Item
from trunkline.control.services import Services
from trunkline.domain.errors import NotFound

# Alias, name, description, updated: as in Neutron's API definitions (neutron_lib.api.definitions).
_SERVED: Final[tuple[tuple[str, str, str, str], ...]] = (
    ("agent", "agent", "The agent management extension.", "2013-02-03T10:00:00-00:00"),
    ("allowed-address-pairs", "Allowed Address Pairs", "Provides allowed address pairs",
     "2013-07-23T10:00:00-00:00"),
    ("availability_zone", "Availability Zone", "The availability zone extension.",
     "2015-01-01T10:00:00-00:00"),
    ("binding", "Port Binding", "Expose port bindings of a virtual port to external application",
     "2014-02-03T10:00:00-00:00"),
    ("empty-string-filtering", "Empty String Filtering Extension",
     "Allow filtering by attributes with empty string value", "2018-05-01T10:00:00-00:00"),
    ("extra_dhcp_opt", "Neutron Extra DHCP options",
     ("Extra options configuration for DHCP. For example PXE boot options to DHCP clients can be "
      "specified (e.g. tftp-server, server-ip-address, bootfile-name)"),
     "2013-03-17T12:00:00-00:00"),
    ("filter-validation", "Filter parameters validation",
     "Provides validation on filter parameters.", "2018-07-04T10:00:00-00:00"),
    ("ip-substring-filtering", "IP address substring filtering",
     "Provides IP address substring filtering when listing ports", "2017-11-28T09:00:00-00:00"),
    ("multi-provider", "Multi Provider Network",
     "Expose mapping of virtual networks to multiple physical networks",
     "2013-06-27T10:00:00-00:00"),
    ("net-mtu", "Network MTU", "Provides MTU attribute for a network resource.",
     "2015-03-25T10:00:00-00:00"),
    ("net-mtu-writable", "Network MTU (writable)",
     "Provides a writable MTU attribute for a network resource.", "2017-07-12T00:00:00-00:00"),
    ("network-ip-availability", "Network IP Availability",
     "Provides IP availability data for each network and subnet.", "2015-09-24T00:00:00-00:00"),
    ("pf-policy", "PF policy",
     "Whether the VFs of a network spread over PFs or fill one after another.",
     "2026-11-21T00:00:00-00:00"),
    ("pagination", "Pagination support",
     "Extension that indicates that pagination is enabled.", "2016-06-12T00:00:00-00:00"),
    ("pci-flavor", "PCI flavor",
     "Which devices will do for a port, by the name of a PCI flavor of the compute API.",
     "2026-11-21T00:00:00-00:00"),
    ("pci-match", "PCI match",
     "Conditions that the device of a port must meet, over facts of the hardware and tags.",
     "2026-11-21T00:00:00-00:00"),
    ("port-mac-address-regenerate", "Neutron Port MAC address regenerate",
     "Network port MAC address regenerate", "2018-05-03T10:00:00-00:00"),
    ("port-numa-affinity-policy", "Port NUMA affinity policy",
     "Expose the port NUMA affinity policy", "2020-07-08T10:00:00-00:00"),
    ("port-numa-affinity-policy-socket", 'Port NUMA affinity policy "socket"',
     'Adds "socket" to the supported port NUMA affinity policies', "2024-02-09T10:00:00-00:00"),
    ("port-resource-request", "Port Resource Request", "Expose resource request to Port",
     "2018-05-08T10:00:00-00:00"),
    ("port-resource-request-groups", "Port Resource Request Groups",
     ("Support requesting multiple groups of resources and traits from the same RP subtree in "
      "resource_request"),
     "2021-08-02T10:00:00-00:00"),
    ("port-trusted-vif", "Port trusted vif", "Expose port 'trusted' attribute in the API",
     "2024-07-10T10:00:00-00:00"),
    ("port-security", "Port Security", "Provides port security", "2012-07-23T10:00:00-00:00"),
    ("port-security-groups-filtering", "Port filtering on security groups",
     "Provides security groups filtering when listing ports", "2018-01-09T09:00:00-00:00"),
    ("project-id", "project_id field enabled",
     "Extension that indicates that project_id field is enabled.", "2016-09-09T09:09:09-09:09"),
    ("provider", "Provider Network", "Expose mapping of virtual networks to physical networks",
     "2012-09-07T10:00:00-00:00"),
    ("qinq", "QinQ networks",
     ("Expose network 'qinq' attribute in the API. This allows to configure network to allow vlan "
      "in vlan configuration using 0x88a8 ethertype (QinQ)."),
     "2024-12-02T10:00:00-00:00"),
    ("qos", "Quality of Service", "The Quality of Service extension.",
     "2015-06-08T10:00:00-00:00"),
    ("qos-bw-limit-direction", "Direction for QoS bandwidth limit rule",
     "Allow to configure QoS bandwidth limit rule with specific direction: ingress or egress",
     "2017-04-10T10:00:00-00:00"),
    ("qos-bw-minimum-ingress", "Ingress direction for QoS minimum bandwidth rule",
     "Allow to configure QoS minimum bandwidth rule with ingress direction.",
     "2018-07-09T10:00:00-00:00"),
    ("qos-default", "QoS default policy", "Expose the QoS default policy per project",
     "2017-04-06T10:00:00-00:00"),
    ("qos-port-network-policy", "QoS port network policy ID",
     "Adds the QoS network ID to the port definition", "2019-11-01T10:00:00-00:00"),
    ("qos-rule-type-details", "Details of QoS rule types",
     ("Expose details about QoS rule types supported by loaded backend drivers"),
     "2017-06-22T10:00:00-00:00"),
    ("qos-rule-type-filter", "Allow to filter the list of QoS rule types",
     ("Allows to filter the QoS rule type list adding two new flags. \"all_rules\" prints all "
      "implemented QoS rule types. \"all_supported\" prints all supported QoS rule types by the "
      "loaded mechanism drivers"),
     "2022-02-02T10:00:00-00:00"),
    ("quota-check-limit", "Quota engine limit check",
     "Support for checking the resource usage before applying a new quota limit",
     "2022-08-17T10:00:00-00:00"),
    ("quota-check-limit-default", "Quota engine limit check by default",
     ("By default, the Neutron quota engine checks the resource usage before applying a new quota "
      "limit"),
     "2024-08-21T16:00:00-00:00"),
    ("quota_details", "Quota details management support",
     "Expose functions for quotas usage statistics per project", "2017-02-10T10:00:00-00:00"),
    ("quotas", "Quota management support", "Expose functions for quotas management per project",
     "2012-07-29T10:00:00-00:00"),
    ("rbac-policies", "RBAC Policies",
     ("Allows creation and modification of policies that control tenant access to resources."),
     "2015-06-17T12:15:12-00:00"),
    ("rbac-security-groups", "Add security_group type to network RBAC",
     "Add security_group type to network RBAC", "2019-02-14T00:00:00-00:00"),
    ("revision-if-match", "If-Match constraints based on revision_number",
     "Extension indicating that If-Match based on revision_number is supported.",
     "2016-12-11T00:00:00-00:00"),
    ("security-group", "security-group", "The security groups extension.",
     "2012-10-05T10:00:00-00:00"),
    ("security-groups-default-rules", "Default rules for security groups",
     "Configure set of security group rules used as default rules for every new security group",
     "2022-12-19T10:00:00-00:00"),
    ("security-groups-normalized-cidr", "Normalized CIDR field for security group rules",
     "Add new field with normalized remote_ip_prefix cidr in SG rule",
     "2020-07-28T10:00:00-00:00"),
    ("segment", "Segment", "Segments extension.", "2016-02-24T17:00:00-00:00"),
    ("service-type", "Neutron Service Type Management",
     "API for retrieving service providers for Neutron advanced services",
     "2013-01-20T00:00:00-00:00"),
    ("sorting", "Sorting support", "Extension that indicates that sorting is enabled.",
     "2016-06-12T00:00:00-00:00"),
    ("standard-attr-description", "standard-attr-description",
     "Extension to add descriptions to standard attributes", "2016-02-10T10:00:00-00:00"),
    ("standard-attr-revisions", "Resource revision numbers",
     "This extension will display the revision number of neutron resources.",
     "2016-04-11T10:00:00-00:00"),
    ("standard-attr-tag",
     "Tag support for resources with standard attribute: subnet, network, port, policy",
     "Enables to set tag on resources with standard attribute.",
     "2017-01-01T00:00:00-00:00"),
    ("standard-attr-timestamp", "Resource timestamps",
     ("Adds created_at and updated_at fields to all Neutron resources that have Neutron "
      "standard attributes."),
     "2016-09-12T10:00:00-00:00"),
    ("standard-attr-segment", "Standard Attribute Segment Extension",
     "Add standard attributes to Segment resource", "2018-04-09T10:00:00-00:00"),
    ("subnet-service-types", "Subnet service types",
     "Provides ability to set the subnet service_types field", "2016-03-15T18:00:00-00:00"),
    ("stateful-security-group", "Stateful security group",
     "Indicates if the security group is stateful or not", "2019-11-26T09:00:00-00:00"),
    ("tag-creation", "Tag creation extension", "Allow to create multiple tags for a resource",
     "2024-23-07T10:00:00-00:00"),
    ("tag-ports-during-bulk-creation", "Tag Ports During Bulk Creation",
     "Allow to tag ports during bulk creation", "2019-12-29T19:00:00-00:00"),
)  # fmt: skip


def index(_svc: Services, _request: Request) -> Response:
    """Answer all of them."""
    return Response(body={"extensions": [_render(*served) for served in _SERVED]})


def show(_svc: Services, request: Request) -> Response:
    """Answer one, by its alias."""
    alias = request.params["alias"]
    for served in _SERVED:
        if served[0] == alias:
            return Response(body={"extension": _render(*served)})
    raise NotFound("extension", alias)


def _render(alias: str, name: str, description: str, updated: str) -> Item:
    return {
        "alias": alias,
        "name": name,
        "description": description,
        "updated": updated,
        "links": [],
    }
