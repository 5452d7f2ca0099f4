"""What the network face allows, in Neutron's names."""

from __future__ import annotations

from typing import Final

from trunkline.domain.policy.rule import (
    ADMIN,
    ADMIN_READER,
    ANYBODY,
    NETWORK_OWNER,
    OF_NETWORK,
    OF_PROJECT,
    PROJECT_MEMBER,
    PROJECT_READER,
    Rule,
)

CREATE_NETWORK = Rule("create_network", PROJECT_MEMBER, "creating a network", OF_PROJECT)
CREATE_NETWORK_SHARED = Rule("create_network:shared", ADMIN, "sharing a network", OF_PROJECT)
CREATE_NETWORK_NETWORK_TYPE = Rule(
    "create_network:provider:network_type", ADMIN, "choosing the type of a network", OF_PROJECT
)
CREATE_NETWORK_PHYSICAL_NETWORK = Rule(
    "create_network:provider:physical_network",
    ADMIN,
    "choosing the physical network of a network",
    OF_PROJECT,
)
CREATE_NETWORK_SEGMENTATION_ID = Rule(
    "create_network:provider:segmentation_id",
    ADMIN,
    "choosing the segmentation ID of a network",
    OF_PROJECT,
)
CREATE_NETWORK_SEGMENTS = Rule(
    "create_network:segments", ADMIN, "choosing several segments of a network", OF_PROJECT
)
CREATE_NETWORK_PF_POLICY = Rule(
    "create_network:pf_policy", ADMIN, "choosing a network's pf_policy", OF_PROJECT
)
GET_NETWORK = Rule("get_network", PROJECT_READER, "seeing a network", OF_PROJECT, reads=True)
GET_NETWORK_NETWORK_TYPE = Rule(
    "get_network:provider:network_type",
    ADMIN_READER,
    "seeing provider:network_type of networks, and filtering by it",
    OF_PROJECT,
    reads=True,
)
GET_NETWORK_PHYSICAL_NETWORK = Rule(
    "get_network:provider:physical_network",
    ADMIN_READER,
    "seeing provider:physical_network of networks, and filtering by it",
    OF_PROJECT,
    reads=True,
)
GET_NETWORK_SEGMENTATION_ID = Rule(
    "get_network:provider:segmentation_id",
    ADMIN_READER,
    "seeing provider:segmentation_id of networks, and filtering by it",
    OF_PROJECT,
    reads=True,
)
GET_NETWORK_SEGMENTS = Rule(
    "get_network:segments",
    ADMIN_READER,
    "seeing segments of networks, and filtering by it",
    OF_PROJECT,
    reads=True,
)
GET_NETWORK_PF_POLICY = Rule(
    "get_network:pf_policy",
    ADMIN_READER,
    "seeing pf_policy of networks, and filtering by it",
    OF_PROJECT,
    reads=True,
)
GET_NETWORK_PCI_REQUIREMENTS = Rule(
    "get_network:pci_requirements",
    ADMIN_READER,
    "seeing pci_requirements of networks, and filtering by it",
    OF_PROJECT,
    reads=True,
)
UPDATE_NETWORK = Rule("update_network", PROJECT_MEMBER, "changing a network", OF_PROJECT)
UPDATE_NETWORK_SHARED = Rule("update_network:shared", ADMIN, "sharing a network", OF_PROJECT)
UPDATE_NETWORK_SEGMENTATION_ID = Rule(
    "update_network:provider:segmentation_id",
    ADMIN,
    "changing the segmentation ID of a network",
    OF_PROJECT,
)
UPDATE_NETWORK_PF_POLICY = Rule(
    "update_network:pf_policy", ADMIN, "choosing a network's pf_policy", OF_PROJECT
)
DELETE_NETWORK = Rule("delete_network", PROJECT_MEMBER, "deleting a network", OF_PROJECT)

CREATE_SEGMENT = Rule("create_segment", ADMIN, "adding a segment to a network")
GET_SEGMENT = Rule("get_segment", ADMIN_READER, "seeing segments", reads=True)
UPDATE_SEGMENT = Rule("update_segment", ADMIN, "naming and describing a segment")
DELETE_SEGMENT = Rule("delete_segment", ADMIN, "taking a segment from a network")
GET_NETWORK_IP_AVAILABILITY = Rule(
    "get_network_ip_availability",
    ADMIN_READER,
    "seeing how many addresses of networks are held",
    reads=True,
)

_SUBNET_MEMBER = "rule:admin_only or (rule:project_member and rule:network_owner)"
CREATE_SUBNET = Rule("create_subnet", _SUBNET_MEMBER, "creating a subnet", OF_NETWORK)
# In Neutron's file these two are for admins, but it asks neither: its definition of the attribute
# has no `enforce_policy`, and the tests of its plugin for tempest set it as members.
CREATE_SUBNET_SERVICE_TYPES = Rule(
    "create_subnet:service_types",
    NETWORK_OWNER,
    "choosing the device owners that a subnet is for",
    OF_NETWORK,
)
GET_SUBNET = Rule("get_subnet", PROJECT_READER, "seeing a subnet", OF_NETWORK, reads=True)
UPDATE_SUBNET = Rule("update_subnet", PROJECT_MEMBER, "changing a subnet", OF_NETWORK)
UPDATE_SUBNET_SERVICE_TYPES = Rule(
    "update_subnet:service_types",
    NETWORK_OWNER,
    "choosing the device owners that a subnet is for",
    OF_NETWORK,
)
DELETE_SUBNET = Rule("delete_subnet", PROJECT_MEMBER, "deleting a subnet", OF_NETWORK)

CREATE_PORT = Rule("create_port", PROJECT_MEMBER, "creating a port", OF_NETWORK)
CREATE_PORT_DEVICE_OWNER = Rule(
    "create_port:device_owner",
    NETWORK_OWNER,
    "having a port pass for the network's own: a device_owner that begins with network:",
    OF_NETWORK,
)
CREATE_PORT_MAC_ADDRESS = Rule(
    "create_port:mac_address", NETWORK_OWNER, "choosing the MAC address of a port", OF_NETWORK
)
CREATE_PORT_IP_ADDRESS = Rule(
    "create_port:fixed_ips:ip_address",
    NETWORK_OWNER,
    "choosing the IP address of a port",
    OF_NETWORK,
)
CREATE_PORT_PORT_SECURITY_ENABLED = Rule(
    "create_port:port_security_enabled", NETWORK_OWNER, "disabling port security", OF_NETWORK
)
CREATE_PORT_ALLOWED_ADDRESS_PAIRS = Rule(
    "create_port:allowed_address_pairs",
    NETWORK_OWNER,
    "letting a port send from more addresses",
    OF_NETWORK,
)
CREATE_PORT_HOST_ID = Rule(
    "create_port:binding:host_id", ADMIN, "writing binding:host_id", OF_NETWORK
)
CREATE_PORT_PROFILE = Rule(
    "create_port:binding:profile", ADMIN, "writing binding:profile", OF_NETWORK
)
CREATE_PORT_TRUSTED = Rule(
    "create_port:trusted", ADMIN, "choosing whether a port is trusted", OF_NETWORK
)
_PORT_READER = "rule:admin_or_project_reader or (role:reader and rule:network_owner)"
GET_PORT = Rule("get_port", _PORT_READER, "seeing a port", OF_NETWORK, reads=True)
GET_PORT_HOST_ID = Rule(
    "get_port:binding:host_id",
    ADMIN_READER,
    "seeing binding:host_id of ports",
    OF_PROJECT,
    reads=True,
)
GET_PORT_PROFILE = Rule(
    "get_port:binding:profile",
    ADMIN_READER,
    "seeing binding:profile of ports",
    OF_PROJECT,
    reads=True,
)
GET_PORT_VIF_TYPE = Rule(
    "get_port:binding:vif_type",
    ADMIN_READER,
    "seeing binding:vif_type of ports",
    OF_PROJECT,
    reads=True,
)
GET_PORT_VIF_DETAILS = Rule(
    "get_port:binding:vif_details",
    ADMIN_READER,
    "seeing binding:vif_details of ports",
    OF_PROJECT,
    reads=True,
)
GET_PORT_TRUSTED = Rule(
    "get_port:trusted", ADMIN_READER, "seeing trusted of ports", OF_PROJECT, reads=True
)
GET_PORT_RESOURCE_REQUEST = Rule(
    "get_port:resource_request",
    ADMIN_READER,
    "seeing resource_request of ports",
    OF_PROJECT,
    reads=True,
)
UPDATE_PORT = Rule("update_port", PROJECT_MEMBER, "changing a port", OF_NETWORK)
UPDATE_PORT_DEVICE_OWNER = Rule(
    "update_port:device_owner",
    NETWORK_OWNER,
    "having a port pass for the network's own: a device_owner that begins with network:",
    OF_NETWORK,
)
UPDATE_PORT_MAC_ADDRESS = Rule(
    "update_port:mac_address", ADMIN, "changing the MAC address of a port", OF_NETWORK
)
UPDATE_PORT_IP_ADDRESS = Rule(
    "update_port:fixed_ips:ip_address",
    NETWORK_OWNER,
    "choosing the IP address of a port",
    OF_NETWORK,
)
UPDATE_PORT_PORT_SECURITY_ENABLED = Rule(
    "update_port:port_security_enabled", NETWORK_OWNER, "disabling port security", OF_NETWORK
)
UPDATE_PORT_ALLOWED_ADDRESS_PAIRS = Rule(
    "update_port:allowed_address_pairs",
    NETWORK_OWNER,
    "letting a port send from more addresses",
    OF_NETWORK,
)
UPDATE_PORT_HOST_ID = Rule(
    "update_port:binding:host_id", ADMIN, "writing binding:host_id", OF_NETWORK
)
UPDATE_PORT_PROFILE = Rule(
    "update_port:binding:profile", ADMIN, "writing binding:profile", OF_NETWORK
)
UPDATE_PORT_TRUSTED = Rule(
    "update_port:trusted", ADMIN, "choosing whether a port is trusted", OF_NETWORK
)
DELETE_PORT = Rule(
    "delete_port",
    "rule:admin_or_project_member or rule:admin_or_network_owner",
    "deleting a port",
    OF_NETWORK,
)

CREATE_POLICY = Rule("create_policy", ADMIN, "creating a QoS policy", OF_PROJECT)
GET_POLICY = Rule(
    "get_policy",
    PROJECT_READER,
    "seeing a QoS policy, and giving it to ports",
    OF_PROJECT,
    reads=True,
)
GET_RULE_TYPE = Rule(
    "get_rule_type", ADMIN_READER, "seeing what a type of QoS rules can say", reads=True
)
UPDATE_POLICY = Rule("update_policy", ADMIN, "changing a QoS policy", OF_PROJECT)
DELETE_POLICY = Rule("delete_policy", ADMIN, "deleting a QoS policy", OF_PROJECT)
CREATE_POLICY_RULE = Rule("create_policy_rule", ADMIN, "creating a QoS rule", OF_PROJECT)
UPDATE_POLICY_RULE = Rule("update_policy_rule", ADMIN, "changing a QoS rule", OF_PROJECT)
DELETE_POLICY_RULE = Rule("delete_policy_rule", ADMIN, "deleting a QoS rule", OF_PROJECT)

CREATE_SECURITY_GROUP = Rule(
    "create_security_group", PROJECT_MEMBER, "creating a security group", OF_PROJECT
)
GET_SECURITY_GROUP = Rule(
    "get_security_group",
    PROJECT_READER,
    "seeing a security group, and putting ports into it",
    OF_PROJECT,
    reads=True,
)
UPDATE_SECURITY_GROUP = Rule(
    "update_security_group", PROJECT_MEMBER, "changing a security group", OF_PROJECT
)
DELETE_SECURITY_GROUP = Rule(
    "delete_security_group", PROJECT_MEMBER, "deleting a security group", OF_PROJECT
)
CREATE_SECURITY_GROUP_RULE = Rule(
    "create_security_group_rule", PROJECT_MEMBER, "creating a security group rule", OF_PROJECT
)
GET_SECURITY_GROUP_RULE = Rule(
    "get_security_group_rule",
    PROJECT_READER,
    "seeing a security group rule",
    OF_PROJECT,
    reads=True,
)
DELETE_SECURITY_GROUP_RULE = Rule(
    "delete_security_group_rule", PROJECT_MEMBER, "deleting a security group rule", OF_PROJECT
)

CREATE_DEFAULT_SECURITY_GROUP_RULE = Rule(
    "create_default_security_group_rule", ADMIN, "adding to what new security groups begin with"
)
GET_DEFAULT_SECURITY_GROUP_RULE = Rule(
    "get_default_security_group_rule",
    "role:reader",
    "seeing what new security groups begin with",
    reads=True,
)
DELETE_DEFAULT_SECURITY_GROUP_RULE = Rule(
    "delete_default_security_group_rule", ADMIN, "taking from what new security groups begin with"
)

CREATE_RBAC_POLICY = Rule(
    "create_rbac_policy", PROJECT_MEMBER, "sharing with another project", OF_PROJECT
)
CREATE_RBAC_POLICY_TARGET = Rule(
    "create_rbac_policy:target_tenant", ADMIN, "sharing with everybody", OF_PROJECT
)
GET_RBAC_POLICY = Rule(
    "get_rbac_policy", PROJECT_READER, "seeing what is shared with whom", OF_PROJECT, reads=True
)
UPDATE_RBAC_POLICY = Rule(
    "update_rbac_policy", PROJECT_MEMBER, "sharing with another project instead", OF_PROJECT
)
UPDATE_RBAC_POLICY_TARGET = Rule(
    "update_rbac_policy:target_tenant", ADMIN, "sharing with everybody instead", OF_PROJECT
)
DELETE_RBAC_POLICY = Rule("delete_rbac_policy", PROJECT_MEMBER, "sharing no more", OF_PROJECT)

GET_QUOTA = Rule(
    "get_quota", PROJECT_READER, "seeing the quotas of a project", OF_PROJECT, reads=True
)
UPDATE_QUOTA = Rule("update_quota", ADMIN, "setting quotas")
DELETE_QUOTA = Rule("delete_quota", ADMIN, "removing quotas")

GET_AGENT = Rule("get_agent", ADMIN_READER, "seeing agents", reads=True)
UPDATE_AGENT = Rule("update_agent", ADMIN, "enabling, disabling and describing an agent")
DELETE_AGENT = Rule("delete_agent", ADMIN, "deleting an agent")
GET_AVAILABILITY_ZONE = Rule(
    "get_availability_zone", ANYBODY, "seeing availability zones of networks", reads=True
)

RULES: Final = tuple(value for value in globals().values() if isinstance(value, Rule))
