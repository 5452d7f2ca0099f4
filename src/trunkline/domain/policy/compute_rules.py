"""What the compute face allows, in Nova's names."""

from __future__ import annotations

from typing import Final

from trunkline.domain.policy.rule import (
    ADMIN,
    ADMIN_READER,
    OF_PROJECT,
    OF_SERVER,
    OF_USER,
    PROJECT_MEMBER,
    PROJECT_READER,
    SELF_READER,
    Rule,
)

CREATE_SERVER = Rule(
    "os_compute_api:servers:create",
    PROJECT_MEMBER,
    "creating a server",
    OF_PROJECT,
    needs_project=True,
)
CREATE_SERVER_ON_HOST = Rule(
    "os_compute_api:servers:create:forced_host",
    ADMIN,
    "naming a host",
    OF_PROJECT,
    needs_project=True,
)
LIST_SERVERS = Rule(
    "os_compute_api:servers:index", PROJECT_READER, "listing servers", OF_PROJECT, reads=True
)
LIST_ALL_SERVERS = Rule(
    "os_compute_api:servers:index:get_all_tenants",
    ADMIN_READER,
    "listing the servers of all projects",
    reads=True,
)
LIST_DELETED_SERVERS = Rule(
    "os_compute_api:servers:allow_all_filters",
    ADMIN_READER,
    "filtering servers by host, user and project, and listing deleted ones",
    reads=True,
)
SHOW_SERVER = Rule(
    "os_compute_api:servers:show", PROJECT_READER, "seeing a server", OF_SERVER, reads=True
)
SHOW_SERVER_HOST = Rule(
    "os_compute_api:os-extended-server-attributes",
    ADMIN_READER,
    "seeing the host and the devices of a server",
    OF_SERVER,
    reads=True,
)
UPDATE_SERVER = Rule(
    "os_compute_api:servers:update", PROJECT_MEMBER, "changing a server", OF_SERVER
)
DELETE_SERVER = Rule(
    "os_compute_api:servers:delete", PROJECT_MEMBER, "deleting a server", OF_SERVER
)
START_SERVER = Rule("os_compute_api:servers:start", PROJECT_MEMBER, "starting a server", OF_SERVER)
STOP_SERVER = Rule("os_compute_api:servers:stop", PROJECT_MEMBER, "stopping a server", OF_SERVER)
REBOOT_SERVER = Rule(
    "os_compute_api:servers:reboot", PROJECT_MEMBER, "rebooting a server", OF_SERVER
)
REBUILD_SERVER = Rule(
    "os_compute_api:servers:rebuild", PROJECT_MEMBER, "rebuilding a server", OF_SERVER
)
PAUSE_SERVER = Rule(
    "os_compute_api:os-pause-server:pause", PROJECT_MEMBER, "pausing a server", OF_SERVER
)
UNPAUSE_SERVER = Rule(
    "os_compute_api:os-pause-server:unpause", PROJECT_MEMBER, "unpausing a server", OF_SERVER
)
READ_CONSOLE = Rule(
    "os_compute_api:os-console-output", PROJECT_MEMBER, "reading a console", OF_SERVER
)

LIST_INTERFACES = Rule(
    "os_compute_api:os-attach-interfaces:list",
    PROJECT_READER,
    "seeing the NICs of a server",
    OF_SERVER,
    reads=True,
)
SHOW_INTERFACE = Rule(
    "os_compute_api:os-attach-interfaces:show",
    PROJECT_READER,
    "seeing a NIC of a server",
    OF_SERVER,
    reads=True,
)
ATTACH_INTERFACE = Rule(
    "os_compute_api:os-attach-interfaces:create",
    PROJECT_MEMBER,
    "giving a server a NIC",
    OF_SERVER,
)
DETACH_INTERFACE = Rule(
    "os_compute_api:os-attach-interfaces:delete",
    PROJECT_MEMBER,
    "taking a NIC from a server",
    OF_SERVER,
)

LIST_SECURITY_GROUPS = Rule(
    "os_compute_api:os-security-groups:list",
    PROJECT_READER,
    "seeing a server's security groups",
    OF_SERVER,
    reads=True,
)
ADD_SECURITY_GROUP = Rule(
    "os_compute_api:os-security-groups:add",
    PROJECT_MEMBER,
    "putting a server into a security group",
    OF_SERVER,
)
REMOVE_SECURITY_GROUP = Rule(
    "os_compute_api:os-security-groups:remove",
    PROJECT_MEMBER,
    "taking a server out of a security group",
    OF_SERVER,
)
LOCK_SERVER = Rule(
    "os_compute_api:os-lock-server:lock", PROJECT_MEMBER, "locking a server", OF_SERVER
)
UNLOCK_SERVER = Rule(
    "os_compute_api:os-lock-server:unlock", PROJECT_MEMBER, "unlocking a server", OF_SERVER
)
OVERRIDE_LOCK = Rule(
    "os_compute_api:os-lock-server:unlock:unlock_override",
    ADMIN,
    "changing a locked server, and lifting an admin's lock",
    OF_SERVER,
)
FORCE_DELETE = Rule(
    "os_compute_api:os-deferred-delete:force", PROJECT_MEMBER, "deleting a server", OF_SERVER
)
RESET_STATE = Rule(
    "os_compute_api:os-admin-actions:reset_state", ADMIN, "resetting a server's state", OF_SERVER
)
INJECT_NETWORK_INFO = Rule(
    "os_compute_api:os-admin-actions:inject_network_info",
    ADMIN,
    "having a guest told of its NICs anew",
    OF_SERVER,
)
SEND_EVENTS = Rule(
    "os_compute_api:os-server-external-events:create",
    "rule:admin_only or role:service",
    "telling of what became of parts of servers, as other services do",
)
MIGRATE_SERVER = Rule(
    "os_compute_api:os-migrate-server:migrate", ADMIN, "moving a server", OF_SERVER
)
ADD_METADATA = Rule(
    "os_compute_api:server-metadata:create", PROJECT_MEMBER, "adding metadata", OF_SERVER
)
UPDATE_METADATA = Rule(
    "os_compute_api:server-metadata:update", PROJECT_MEMBER, "changing metadata", OF_SERVER
)
REPLACE_METADATA = Rule(
    "os_compute_api:server-metadata:update_all", PROJECT_MEMBER, "replacing metadata", OF_SERVER
)
UNSET_METADATA = Rule(
    "os_compute_api:server-metadata:delete", PROJECT_MEMBER, "taking metadata off", OF_SERVER
)
ADD_TAG = Rule(
    "os_compute_api:os-server-tags:update", PROJECT_MEMBER, "tagging a server", OF_SERVER
)
REPLACE_TAGS = Rule(
    "os_compute_api:os-server-tags:update_all", PROJECT_MEMBER, "replacing tags", OF_SERVER
)
REMOVE_TAG = Rule(
    "os_compute_api:os-server-tags:delete", PROJECT_MEMBER, "taking a tag off", OF_SERVER
)
REMOVE_TAGS = Rule(
    "os_compute_api:os-server-tags:delete_all", PROJECT_MEMBER, "taking all tags off", OF_SERVER
)

LIST_ACTIONS = Rule(
    "os_compute_api:os-instance-actions:list",
    PROJECT_READER,
    "seeing what was done with a server",
    OF_SERVER,
    reads=True,
)
SEE_ACTION_EVENTS = Rule(
    "os_compute_api:os-instance-actions:events",
    ADMIN_READER,
    "seeing where it was done, and what went wrong",
    OF_SERVER,
    reads=True,
)

CREATE_FLAVOR = Rule("os_compute_api:os-flavor-manage:create", ADMIN, "creating a flavor")
UPDATE_FLAVOR = Rule("os_compute_api:os-flavor-manage:update", ADMIN, "changing a flavor")
DELETE_FLAVOR = Rule("os_compute_api:os-flavor-manage:delete", ADMIN, "deleting a flavor")
SEE_PRIVATE_FLAVORS = Rule(
    "os_compute_api:os-flavor-access",
    ADMIN_READER,
    "seeing flavors that are not public",
    reads=True,
)
GIVE_FLAVOR_ACCESS = Rule(
    "os_compute_api:os-flavor-access:add_tenant_access", ADMIN, "giving a project a flavor"
)
TAKE_FLAVOR_ACCESS = Rule(
    "os_compute_api:os-flavor-access:remove_tenant_access",
    ADMIN,
    "taking a flavor away from a project",
)
SET_EXTRA_SPECS = Rule(
    "os_compute_api:os-flavor-extra-specs:create", ADMIN, "changing a flavor's extra specs"
)
UNSET_EXTRA_SPECS = Rule(
    "os_compute_api:os-flavor-extra-specs:delete", ADMIN, "removing a flavor's extra specs"
)

LIST_HYPERVISORS = Rule(
    "os_compute_api:os-hypervisors", ADMIN_READER, "listing hypervisors", reads=True
)
LIST_SERVICES = Rule(
    "os_compute_api:os-services:list", ADMIN_READER, "listing compute services", reads=True
)
UPDATE_SERVICE = Rule("os_compute_api:os-services:update", ADMIN, "enabling or disabling a host")
LIST_USAGE_AUDITS = Rule(
    "os_compute_api:os-instance-usage-audit-log:list",
    ADMIN_READER,
    "seeing on which hosts usage was audited",
    reads=True,
)
SHOW_USAGE_AUDIT = Rule(
    "os_compute_api:os-instance-usage-audit-log:show",
    ADMIN_READER,
    "seeing on which hosts usage was audited before a time",
    reads=True,
)
LIST_ZONE_HOSTS = Rule(
    "os_compute_api:os-availability-zone:detail",
    ADMIN_READER,
    "listing the hosts of availability zones",
    reads=True,
)
LIST_AGGREGATES = Rule(
    "os_compute_api:os-aggregates:index", ADMIN_READER, "listing host aggregates", reads=True
)
SHOW_AGGREGATE = Rule(
    "os_compute_api:os-aggregates:show", ADMIN_READER, "seeing a host aggregate", reads=True
)
CREATE_AGGREGATE = Rule("os_compute_api:os-aggregates:create", ADMIN, "creating a host aggregate")
UPDATE_AGGREGATE = Rule("os_compute_api:os-aggregates:update", ADMIN, "changing a host aggregate")
DELETE_AGGREGATE = Rule("os_compute_api:os-aggregates:delete", ADMIN, "deleting a host aggregate")
ADD_AGGREGATE_HOST = Rule(
    "os_compute_api:os-aggregates:add_host", ADMIN, "adding a host to an aggregate"
)
REMOVE_AGGREGATE_HOST = Rule(
    "os_compute_api:os-aggregates:remove_host", ADMIN, "removing a host from an aggregate"
)
SET_AGGREGATE_METADATA = Rule(
    "os_compute_api:os-aggregates:set_metadata", ADMIN, "setting metadata of a host aggregate"
)
CACHE_AGGREGATE_IMAGES = Rule(
    "compute:aggregates:images", ADMIN, "caching images on the hosts of an aggregate"
)

CREATE_SERVER_GROUP = Rule(
    "os_compute_api:os-server-groups:create",
    PROJECT_MEMBER,
    "creating a server group",
    OF_PROJECT,
    needs_project=True,
)
LIST_SERVER_GROUPS = Rule(
    "os_compute_api:os-server-groups:index",
    PROJECT_READER,
    "listing server groups",
    OF_PROJECT,
    reads=True,
)
LIST_ALL_SERVER_GROUPS = Rule(
    "os_compute_api:os-server-groups:index:all_projects",
    ADMIN_READER,
    "listing the server groups of all projects",
    reads=True,
)
SHOW_SERVER_GROUP = Rule(
    "os_compute_api:os-server-groups:show",
    PROJECT_READER,
    "seeing a server group",
    OF_PROJECT,
    reads=True,
)
DELETE_SERVER_GROUP = Rule(
    "os_compute_api:os-server-groups:delete",
    PROJECT_MEMBER,
    "deleting a server group",
    OF_PROJECT,
)
LIST_MIGRATIONS = Rule(
    "os_compute_api:os-migrations:index", ADMIN_READER, "listing migrations", reads=True
)

SHOW_QUOTAS = Rule(
    "os_compute_api:os-quota-sets:show",
    PROJECT_READER,
    "reading quotas of a project",
    OF_PROJECT,
    reads=True,
)
LIST_USAGE = Rule(
    "os_compute_api:os-simple-tenant-usage:list",
    ADMIN_READER,
    "listing what all projects have used",
    reads=True,
)
SHOW_USAGE = Rule(
    "os_compute_api:os-simple-tenant-usage:show",
    PROJECT_READER,
    "reading what a project has used",
    OF_PROJECT,
    reads=True,
)
UPDATE_QUOTAS = Rule("os_compute_api:os-quota-sets:update", ADMIN, "setting quotas")
DELETE_QUOTAS = Rule("os_compute_api:os-quota-sets:delete", ADMIN, "removing quotas")
SHOW_QUOTA_CLASS = Rule(
    "os_compute_api:os-quota-class-sets:show", ADMIN_READER, "reading quota classes", reads=True
)
UPDATE_QUOTA_CLASS = Rule(
    "os_compute_api:os-quota-class-sets:update", ADMIN, "setting quota classes"
)

_OWN_KEY = "rule:admin_only or (role:member and user_id:%(user_id)s)"
CREATE_KEY_PAIR = Rule(
    "os_compute_api:os-keypairs:create", _OWN_KEY, "creating a key pair", OF_USER
)
LIST_KEY_PAIRS = Rule(
    "os_compute_api:os-keypairs:index", SELF_READER, "listing key pairs", OF_USER, reads=True
)
SHOW_KEY_PAIR = Rule(
    "os_compute_api:os-keypairs:show", SELF_READER, "seeing a key pair", OF_USER, reads=True
)
DELETE_KEY_PAIR = Rule(
    "os_compute_api:os-keypairs:delete", _OWN_KEY, "deleting a key pair", OF_USER
)

RULES: Final = tuple(value for value in globals().values() if isinstance(value, Rule))
