"""The schema, but for `identity_tables`, `group_tables` and the service's own (`upkeep_tables`).

What it was before is in `migrations/`.

The invariants that must hold whatever the code does are constraints here: one live owner per
device (`allocations.device_id` is unique), a PF is given away whole or by VFs and never both (the
check on `devices`), one network per segmentation ID, one port per MAC in a network, one port per
IP address, one binding per port.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from trunkline.domain.device import OfferedDevice
from trunkline.domain.host import HostResources
from trunkline.domain.nic_rules import NicRule
from trunkline.domain.pci_flavor import Alternative, DeviceMatch
from trunkline.domain.pci_request import PciRequest
from trunkline.domain.port import AddressPair, DhcpOption
from trunkline.domain.server import Fault, Flavor, GuestPlaces
from trunkline.store.columns import Json, UtcTime
from trunkline.store.metadata import ID, NAME, SERIAL, USER_ID, metadata, sparse_indexes

qos_policies = Table(
    "qos_policies",
    metadata,
    Column("id", ID, primary_key=True),
    Column("project_id", ID, nullable=False, index=True),
    Column("name", NAME, nullable=False, index=True),
    Column("description", Text, nullable=False),
    Column("shared", Boolean, nullable=False),
    # The project of which it is the default; None: it is none. A project has one at most.
    Column("default_of", ID, nullable=True, unique=True),
    Column("tags", Json(tuple[str, ...]), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("revision", Integer, nullable=False),
)

qos_rules = Table(
    "qos_rules",
    metadata,
    Column("id", ID, primary_key=True),
    Column("policy_id", ID, ForeignKey("qos_policies.id", ondelete="CASCADE"), nullable=False),
    Column("type", String(32), nullable=False),
    Column("direction", String(16), nullable=False),
    Column("kbps", Integer, nullable=False),
    Column("burst_kbits", Integer, nullable=False),
    UniqueConstraint("policy_id", "type", "direction"),
)

networks = Table(
    "networks",
    metadata,
    Column("id", ID, primary_key=True),
    Column("project_id", ID, nullable=False, index=True),
    Column("name", NAME, nullable=False, index=True),
    Column("description", Text, nullable=False),
    Column("admin_state_up", Boolean, nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("provider", Boolean, nullable=False),
    Column("mtu", Integer, nullable=False),
    Column("port_security_enabled", Boolean, nullable=False),
    Column("pf_policy", String(16), nullable=False),
    Column("qinq", Boolean, nullable=False),
    Column("qos_policy_id", ID, ForeignKey("qos_policies.id"), nullable=True, index=True),
    Column("tags", Json(tuple[str, ...]), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("revision", Integer, nullable=False),
)

# '' and 0 stand for "none": in a unique constraint, NULLs would never collide.
segments = Table(
    "segments",
    metadata,
    Column("id", ID, primary_key=True),
    Column("network_id", ID, ForeignKey("networks.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("network_type", String(16), nullable=False),
    Column("physical_network", NAME, nullable=False),
    Column("segmentation_id", Integer, nullable=False),
    Column("name", NAME, nullable=True),
    Column("description", Text, nullable=True),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("revision", Integer, nullable=False),
    UniqueConstraint("network_type", "physical_network", "segmentation_id"),
    Index("ix_segments_network_id", "network_id"),
)

subnets = Table(
    "subnets",
    metadata,
    Column("id", ID, primary_key=True),
    Column("network_id", ID, ForeignKey("networks.id"), nullable=False, index=True),
    Column("project_id", ID, nullable=False, index=True),
    Column("name", NAME, nullable=False, index=True),
    Column("description", Text, nullable=False),
    Column("ip_version", Integer, nullable=False),
    Column("cidr", String(64), nullable=False),
    Column("gateway_ip", String(64), nullable=True),
    Column("allocation_pools", Json, nullable=False),
    Column("enable_dhcp", Boolean, nullable=False),
    Column("dns_nameservers", Json, nullable=False),
    Column("host_routes", Json, nullable=False),
    Column("segment_id", ID, nullable=True),
    Column("ipv6_ra_mode", String(32), nullable=True),
    Column("ipv6_address_mode", String(32), nullable=True),
    Column("service_types", Json(tuple[str, ...]), nullable=False),
    Column("tags", Json(tuple[str, ...]), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("revision", Integer, nullable=False),
)

ports = Table(
    "ports",
    metadata,
    Column("id", ID, primary_key=True),
    Column("network_id", ID, ForeignKey("networks.id"), nullable=False, index=True),
    Column("project_id", ID, nullable=False, index=True),
    Column("name", NAME, nullable=False, index=True),
    Column("description", Text, nullable=False),
    Column("admin_state_up", Boolean, nullable=False),
    Column("mac", String(17), nullable=False),
    Column("vnic_type", String(32), nullable=False),
    # By name, as everybody calls it: it never changes, and is not deleted while a port has it.
    Column("pci_flavor", NAME, ForeignKey("pci_flavors.name"), nullable=True),
    Column("pci_match", Json(Alternative), nullable=False),
    Column("numa_policy", String(16), nullable=True),
    Column("device_id", NAME, nullable=False, index=True),
    Column("device_owner", NAME, nullable=False),
    Column("port_security_enabled", Boolean, nullable=False),
    Column("trusted", Boolean, nullable=False),
    Column("vlan_qos", Integer, nullable=False),
    Column("qos_policy_id", ID, ForeignKey("qos_policies.id"), nullable=True),
    Column("profile", Json, nullable=False),
    Column("created_by_server", Boolean, nullable=False),
    Column("allowed_address_pairs", Json(tuple[AddressPair, ...]), nullable=False),
    Column("extra_dhcp_opts", Json(tuple[DhcpOption, ...]), nullable=False),
    Column("tags", Json(tuple[str, ...]), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("revision", Integer, nullable=False),
    UniqueConstraint("network_id", "mac"),
    *sparse_indexes("ports", "pci_flavor", "qos_policy_id"),
)

# `sort_key` is the address as fixed-width hex, so that text order is address order.
ip_allocations = Table(
    "ip_allocations",
    metadata,
    Column("subnet_id", ID, ForeignKey("subnets.id"), primary_key=True),
    Column("sort_key", String(32), primary_key=True),
    Column("ip_address", String(64), nullable=False),
    Column("port_id", ID, ForeignKey("ports.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
)

flavors = Table(
    "flavors",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("name", NAME, nullable=False, unique=True),
    Column("body", Json(Flavor), nullable=False),  # The whole `domain.server.Flavor`.
    Column("is_public", Boolean, nullable=False),
    Column("memory_mib", Integer, nullable=False),
    Column("disk_gib", Integer, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

pci_flavors = Table(
    "pci_flavors",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", NAME, nullable=False, unique=True),
    Column("description", Text, nullable=False),
    Column("alternatives", Json(DeviceMatch), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

images = Table(
    "images",
    metadata,
    Column("id", ID, primary_key=True),
    Column("project_id", ID, nullable=False, index=True),
    Column("name", NAME, nullable=True, index=True),
    Column("state", String(16), nullable=False),
    Column("disk_format", String(32), nullable=True),
    Column("container_format", String(32), nullable=True),
    Column("visibility", String(16), nullable=False),
    Column("protected", Boolean, nullable=False),
    Column("hidden", Boolean, nullable=False),
    Column("min_disk_gib", Integer, nullable=False),
    Column("min_ram_mib", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=True),
    Column("md5", String(32), nullable=True),
    Column("sha512", String(128), nullable=True, index=True),
    Column("tags", Json, nullable=False),
    Column("properties", Json, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

hosts = Table(
    "hosts",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", NAME, nullable=False, unique=True),
    Column("generation", Integer, nullable=False),
    Column("resources", Json(HostResources), nullable=False),
    Column("vcpus_used", Integer, nullable=False, default=0),
    Column("memory_mib_used", Integer, nullable=False, default=0),
    Column("disk_gib_used", Integer, nullable=False, default=0),
    Column("enabled", Boolean, nullable=False),
    Column("disabled_reason", Text, nullable=True),
    Column("description", Text, nullable=True),
    Column("last_seen", UtcTime, nullable=True),
    Column("run_id", String(64), nullable=False),
    Column("report_number", Integer, nullable=False),
    Column("problem", Text, nullable=False),
    Column("former_runs", Json(tuple[str, ...]), nullable=False),  # Newest last; a few are kept.
    Column("applied_generation", Integer, nullable=False),
    Column("consoles_asked", Integer, nullable=False),
    Column("token_hash", String(64), nullable=True),  # SHA-256 of the agent's credential.
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

# What guests have said on their consoles, of servers that somebody asked for; for minutes.
consoles = Table(
    "consoles",
    metadata,
    Column("server_id", ID, primary_key=True),
    Column("host_id", ID, ForeignKey("hosts.id"), nullable=False, index=True),
    Column("asked", Integer, nullable=False),  # The number of the last ask.
    Column("answered", Integer, nullable=False),  # Of the last one with an answer.
    Column("said", LargeBinary, nullable=False),
    Column("problem", Text, nullable=False),
    Column("asked_at", UtcTime, nullable=False, index=True),
)

# What servers confined to a NUMA node use of it; no row: nobody was ever confined to it.
numa_uses = Table(
    "numa_uses",
    metadata,
    Column("host_id", ID, ForeignKey("hosts.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("vcpus_used", Integer, nullable=False),
    Column("memory_mib_used", Integer, nullable=False),
    CheckConstraint("vcpus_used >= 0 AND memory_mib_used >= 0", name="not_negative"),
)

devices = Table(
    "devices",
    metadata,
    Column("id", ID, primary_key=True),
    Column("host_id", ID, ForeignKey("hosts.id"), nullable=False),
    Column("address", String(16), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("pf_id", ID, ForeignKey("devices.id"), nullable=True),  # VF only, if its PF is known.
    Column("vf_index", Integer, nullable=True),
    Column("offered", Boolean, nullable=False),  # False: off the list, kept while it has an owner.
    Column("physical_network", NAME, nullable=True),
    Column("attributes", Text, nullable=False),  # `device_attributes` as JSON; few are distinct.
    Column("device", Json(OfferedDevice), nullable=False),  # The whole of it.
    Column("epoch", Integer, nullable=False),  # Raised with every allocation.
    Column("held_whole", Boolean, nullable=False),  # PF only: given away, or being taken back.
    Column("vfs_held", Integer, nullable=False),  # PF only: how many of its VFs have an owner.
    Column("fence", Text, nullable=False),  # PF only: see `control.rekeying`.
    Column("said_at", String(16), nullable=True),  # PF only: its address, says an operator.
    Column("vf_count_wanted", Integer, nullable=True),  # PF only; None: no operator has said it.
    Column("used_by", Text, nullable=False),  # Who has it besides servers; empty: nobody.
    UniqueConstraint("host_id", "address"),
    CheckConstraint("NOT held_whole OR vfs_held = 0", name="whole_or_by_vfs"),
    CheckConstraint("vfs_held >= 0", name="vfs_held_not_negative"),
    Index("ix_devices_pf_id", "pf_id", "vf_index"),
    Index("ix_devices_physical_network", "physical_network"),
)

# What placement counts of `devices`: see `store.pools`. Bitmaps are hexadecimal.
pools = Table(
    "pools",
    metadata,
    Column("host_id", ID, ForeignKey("hosts.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kin_id", ID, nullable=False),
    Column("kind", String(8), nullable=False),
    Column("attributes", Text, nullable=False),
    Column("address", String(16), nullable=False),
    Column("alone", Boolean, nullable=False),
    Column("members", Text, nullable=False),
    Column("offered", Text, nullable=False),
    Column("problem", Text, nullable=False),  # Why the PF is out of service; empty: it is in it.
    Index("ix_pools_out_of_service", "kin_id", sqlite_where=text("problem <> ''"),
          postgresql_where=text("problem <> ''")),
)  # fmt: skip

allocations = Table(
    "allocations",
    metadata,
    Column("id", ID, primary_key=True),
    Column("device_id", ID, ForeignKey("devices.id"), nullable=False, unique=True),
    Column("host_id", ID, ForeignKey("hosts.id"), nullable=False, index=True),
    Column("port_id", ID, nullable=True),  # None: a device on no network.
    Column("server_id", ID, nullable=True),
    Column("project_id", ID, nullable=False, index=True),
    Column("epoch", Integer, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("created_at", UtcTime, nullable=False),
    Column("failure", Text, nullable=True),
    Column("wire", String(320), nullable=True),
    Column("egress_mbps", Integer, nullable=False),  # Guaranteed by the PF; 0: nothing is.
    Column("ingress_mbps", Integer, nullable=False),
    *sparse_indexes("allocations", "port_id", "server_id", "wire"),
)

# What PFs have and owe; only those that account any: see `store.bandwidth`.
bandwidths = Table(
    "bandwidths",
    metadata,
    Column("device_id", ID, ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    Column("host_id", ID, ForeignKey("hosts.id"), nullable=False, index=True),
    Column("egress_mbps", Integer, nullable=True),  # None: not accounted.
    Column("ingress_mbps", Integer, nullable=True),
    Column("egress_owed", Integer, nullable=False),
    Column("ingress_owed", Integer, nullable=False),
    CheckConstraint("egress_owed >= 0 AND ingress_owed >= 0", name="owed_not_negative"),
)

# How many devices a project may hold; '' stands for "on whatever physical network".
quotas = Table(
    "quotas",
    metadata,
    Column("project_id", ID, primary_key=True),  # "": of all that have none of their own.
    Column("resource", String(32), primary_key=True),
    Column("physical_network", NAME, primary_key=True),
    Column("most", Integer, nullable=False),
)

# Locked by who counts what a project holds, until what it adds is committed.
quota_guards = Table("quota_guards", metadata, Column("project_id", ID, primary_key=True))

bindings = Table(
    "bindings",
    metadata,
    Column("port_id", ID, ForeignKey("ports.id"), primary_key=True),
    Column("host_id", ID, ForeignKey("hosts.id"), nullable=False, index=True),
    Column("server_id", ID, nullable=True),
    Column("state", String(16), nullable=False),
    Column("segment_id", ID, nullable=True),
    Column("device_id", ID, ForeignKey("devices.id"), nullable=True),
    Column("vif_type", String(64), nullable=False),
    Column("vif_details", Json, nullable=False),
    Column("generation", BigInteger, nullable=False),
    *sparse_indexes("bindings", "server_id", "segment_id", "device_id"),
)

servers = Table(
    "servers",
    metadata,
    Column("id", ID, primary_key=True),
    Column("project_id", ID, nullable=False, index=True),
    Column("user_id", USER_ID, nullable=False),
    Column("name", NAME, nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("host_id", ID, ForeignKey("hosts.id"), nullable=True),
    Column("numa_node", Integer, nullable=True),  # Of the host; its guest is confined to it.
    Column("flavor", Json(Flavor), nullable=False),
    Column("flavor_id", NAME, nullable=False),
    Column("vcpus", Integer, nullable=False),  # Of the flavor, to be summed for quotas.
    Column("memory_mib", Integer, nullable=False),
    Column("image_id", ID, nullable=True),
    Column("port_ids", Json, nullable=False),
    Column("nic_tags", Json, nullable=False),
    Column("places", Json(GuestPlaces), nullable=True),
    Column("pci_requests", Json(tuple[PciRequest, ...]), nullable=False),
    Column("numa_policy", String(16), nullable=True),
    Column("nic_rules", Json(tuple[NicRule, ...]), nullable=False),
    Column("group_id", ID, nullable=True),  # The server group that it is a member of.
    Column("zone", NAME, nullable=True),  # That it was asked for in; None: in any.
    Column("power", String(16), nullable=False),
    Column("boot_number", Integer, nullable=False),
    Column("disk_number", Integer, nullable=False, server_default="1"),
    Column("excluded_hosts", Json, nullable=False),
    Column("fault", Json(Fault), nullable=True),
    Column("description", Text, nullable=True),
    Column("metadata", Json, nullable=False),
    Column("tags", Json, nullable=False),
    Column("config_drive", Boolean, nullable=False),
    Column("key_name", NAME, nullable=True),
    Column("public_key", Text, nullable=True),
    Column("user_data", Text, nullable=True),
    Column("hostname", NAME, nullable=False),
    Column("admin_password", Text, nullable=True),
    Column("access_ipv4", String(15), nullable=False),
    Column("access_ipv6", String(39), nullable=False),
    Column("disk_config", String(6), nullable=False),
    Column("reservation_id", String(32), nullable=False),
    Column("launch_index", Integer, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("launched_at", UtcTime, nullable=True),
    Column("terminated_at", UtcTime, nullable=True),
    Column("locked_by", String(16), nullable=True),
    Column("locked_reason", Text, nullable=True),
    Column("image_properties", Json, nullable=False),
    Column("scheduler_hints", Json, nullable=False),
    Index("ix_servers_created_at", "created_at", "id"),
    *sparse_indexes("servers", "host_id", "image_id", "group_id", "terminated_at"),
)

events = Table(
    "events",
    metadata,
    Column("number", SERIAL, primary_key=True, autoincrement=True),
    Column("at", UtcTime, nullable=False),
    Column("actor", NAME, nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", Text, nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("project_id", ID, nullable=True),
    Column("host", NAME, nullable=True),
    Column("server_id", ID, nullable=True),
    Column("port_id", ID, nullable=True),
    Column("device_id", ID, nullable=True),
    Column("details", Json, nullable=False),
    Column("user_id", USER_ID, nullable=True),
    *sparse_indexes("events", "host", "server_id", "port_id", "device_id"),
    sqlite_autoincrement=True,
)
