-- A new SQLite database, as the migrations make it of nothing (held to them by tests/store).
-- Written by `python -m tools.write_new_database`; each statement ends its line.
CREATE TABLE access_rules (
	id VARCHAR(36) NOT NULL,
	user_id VARCHAR(36) NOT NULL,
	service VARCHAR(64) NOT NULL,
	method VARCHAR(8) NOT NULL,
	path VARCHAR(225) NOT NULL,
	CONSTRAINT pk_access_rules PRIMARY KEY (id),
	CONSTRAINT fk_access_rules_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT uq_access_rules_user_id_service_method_path UNIQUE (user_id, service, method, path)
);
CREATE TABLE aggregate_hosts (
	aggregate_id INTEGER NOT NULL,
	host_id VARCHAR(36) NOT NULL,
	number INTEGER NOT NULL,
	CONSTRAINT pk_aggregate_hosts PRIMARY KEY (aggregate_id, host_id),
	CONSTRAINT fk_aggregate_hosts_aggregate_id FOREIGN KEY(aggregate_id) REFERENCES aggregates (id) ON DELETE CASCADE,
	CONSTRAINT fk_aggregate_hosts_host_id FOREIGN KEY(host_id) REFERENCES hosts (id)
);
CREATE TABLE aggregates (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	uuid VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	metadata TEXT NOT NULL,
	created_at VARCHAR(27) NOT NULL,
	updated_at VARCHAR(27),
	CONSTRAINT uq_aggregates_name UNIQUE (name),
	CONSTRAINT uq_aggregates_uuid UNIQUE (uuid)
);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE allocations (
	id VARCHAR(36) NOT NULL,
	device_id VARCHAR(36) NOT NULL,
	host_id VARCHAR(36) NOT NULL,
	port_id VARCHAR(36),
	server_id VARCHAR(36),
	project_id VARCHAR(36) NOT NULL,
	epoch INTEGER NOT NULL,
	state VARCHAR(16) NOT NULL,
	created_at VARCHAR(27) NOT NULL,
	failure TEXT,
	wire VARCHAR(320), egress_mbps INTEGER DEFAULT '0' NOT NULL, ingress_mbps INTEGER DEFAULT '0' NOT NULL,
	CONSTRAINT pk_allocations PRIMARY KEY (id),
	CONSTRAINT fk_allocations_device_id FOREIGN KEY(device_id) REFERENCES devices (id),
	CONSTRAINT fk_allocations_host_id FOREIGN KEY(host_id) REFERENCES hosts (id),
	CONSTRAINT uq_allocations_device_id UNIQUE (device_id)
);
CREATE TABLE application_credential_access_rules (
	credential_id VARCHAR(36) NOT NULL,
	access_rule_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_application_credential_access_rules PRIMARY KEY (credential_id, access_rule_id),
	CONSTRAINT fk_application_credential_access_rules_credential_id FOREIGN KEY(credential_id) REFERENCES application_credentials (id) ON DELETE CASCADE,
	CONSTRAINT fk_application_credential_access_rules_access_rule_id FOREIGN KEY(access_rule_id) REFERENCES access_rules (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE application_credential_roles (
	credential_id VARCHAR(36) NOT NULL,
	role_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_application_credential_roles PRIMARY KEY (credential_id, role_id),
	CONSTRAINT fk_application_credential_roles_credential_id FOREIGN KEY(credential_id) REFERENCES application_credentials (id) ON DELETE CASCADE,
	CONSTRAINT fk_application_credential_roles_role_id FOREIGN KEY(role_id) REFERENCES roles (id) ON DELETE CASCADE
);
CREATE TABLE application_credentials (
	id VARCHAR(36) NOT NULL,
	user_id VARCHAR(36) NOT NULL,
	project_id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description TEXT NOT NULL,
	secret_hash TEXT NOT NULL,
	unrestricted BOOLEAN NOT NULL,
	expires_at VARCHAR(27),
	created_at VARCHAR(27) NOT NULL,
	CONSTRAINT pk_application_credentials PRIMARY KEY (id),
	CONSTRAINT uq_application_credentials_user_id_name UNIQUE (user_id, name),
	CONSTRAINT fk_application_credentials_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT fk_application_credentials_project_id FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE
);
CREATE TABLE bandwidths (
	device_id VARCHAR(36) NOT NULL,
	host_id VARCHAR(36) NOT NULL,
	egress_mbps INTEGER,
	ingress_mbps INTEGER,
	egress_owed INTEGER NOT NULL,
	ingress_owed INTEGER NOT NULL,
	CONSTRAINT pk_bandwidths PRIMARY KEY (device_id),
	CONSTRAINT ck_bandwidths_owed_not_negative CHECK (egress_owed >= 0 AND ingress_owed >= 0),
	CONSTRAINT fk_bandwidths_device_id FOREIGN KEY(device_id) REFERENCES devices (id) ON DELETE CASCADE,
	CONSTRAINT fk_bandwidths_host_id FOREIGN KEY(host_id) REFERENCES hosts (id)
);
CREATE TABLE bindings (
	port_id VARCHAR(36) NOT NULL,
	host_id VARCHAR(36) NOT NULL,
	server_id VARCHAR(36),
	state VARCHAR(16) NOT NULL,
	segment_id VARCHAR(36),
	device_id VARCHAR(36),
	vif_type VARCHAR(64) NOT NULL,
	vif_details TEXT NOT NULL, generation BIGINT DEFAULT '0' NOT NULL,
	CONSTRAINT pk_bindings PRIMARY KEY (port_id),
	CONSTRAINT fk_bindings_device_id FOREIGN KEY(device_id) REFERENCES devices (id),
	CONSTRAINT fk_bindings_host_id FOREIGN KEY(host_id) REFERENCES hosts (id),
	CONSTRAINT fk_bindings_port_id FOREIGN KEY(port_id) REFERENCES ports (id)
);
CREATE TABLE changes (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	"transaction" BIGINT NOT NULL,
	host_id VARCHAR(36) NOT NULL
);
CREATE TABLE consoles (
	server_id VARCHAR(36) NOT NULL,
	host_id VARCHAR(36) NOT NULL,
	asked INTEGER NOT NULL,
	answered INTEGER NOT NULL,
	said BLOB NOT NULL,
	problem TEXT NOT NULL,
	asked_at VARCHAR(27) NOT NULL,
	CONSTRAINT pk_consoles PRIMARY KEY (server_id),
	CONSTRAINT fk_consoles_host_id FOREIGN KEY(host_id) REFERENCES hosts (id)
);
CREATE TABLE default_security_group_rules (
	id VARCHAR(36) NOT NULL,
	direction VARCHAR(16) NOT NULL,
	ethertype VARCHAR(8) NOT NULL,
	protocol VARCHAR(16),
	port_range_min INTEGER,
	port_range_max INTEGER,
	remote_ip_prefix VARCHAR(64),
	about_parent BOOLEAN NOT NULL,
	about_group_id VARCHAR(36),
	description TEXT NOT NULL,
	in_default BOOLEAN NOT NULL,
	in_others BOOLEAN NOT NULL,
	meaning_in_default VARCHAR(160),
	meaning_in_others VARCHAR(160),
	CONSTRAINT pk_default_security_group_rules PRIMARY KEY (id),
	CONSTRAINT fk_default_security_group_rules_about_group_id FOREIGN KEY(about_group_id) REFERENCES security_groups (id) ON DELETE CASCADE,
	CONSTRAINT uq_default_security_group_rules_meaning_in_default UNIQUE (meaning_in_default),
	CONSTRAINT uq_default_security_group_rules_meaning_in_others UNIQUE (meaning_in_others)
);
CREATE TABLE devices (
	id VARCHAR(36) NOT NULL,
	host_id VARCHAR(36) NOT NULL,
	address VARCHAR(16) NOT NULL,
	kind VARCHAR(8) NOT NULL,
	pf_id VARCHAR(36),
	vf_index INTEGER,
	offered BOOLEAN NOT NULL,
	physical_network VARCHAR(255),
	attributes TEXT NOT NULL,
	device TEXT NOT NULL,
	epoch INTEGER NOT NULL,
	held_whole BOOLEAN NOT NULL,
	vfs_held INTEGER NOT NULL, fence TEXT DEFAULT '' NOT NULL, said_at VARCHAR(16), vf_count_wanted INTEGER, used_by TEXT DEFAULT '' NOT NULL,
	CONSTRAINT pk_devices PRIMARY KEY (id),
	CONSTRAINT ck_devices_whole_or_by_vfs CHECK (NOT held_whole OR vfs_held = 0),
	CONSTRAINT ck_devices_vfs_held_not_negative CHECK (vfs_held >= 0),
	CONSTRAINT fk_devices_host_id FOREIGN KEY(host_id) REFERENCES hosts (id),
	CONSTRAINT fk_devices_pf_id FOREIGN KEY(pf_id) REFERENCES devices (id),
	CONSTRAINT uq_devices_host_id_address UNIQUE (host_id, address)
);
CREATE TABLE domains (
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description TEXT NOT NULL,
	enabled BOOLEAN NOT NULL,
	extra TEXT NOT NULL,
	CONSTRAINT pk_domains PRIMARY KEY (id),
	CONSTRAINT uq_domains_name UNIQUE (name)
);
CREATE TABLE enrolment_tokens (
	id VARCHAR(36) NOT NULL,
	token_hash VARCHAR(64) NOT NULL,
	host_name VARCHAR(255),
	created_by VARCHAR(255) NOT NULL,
	created_at VARCHAR(27) NOT NULL,
	expires_at VARCHAR(27) NOT NULL,
	used_at VARCHAR(27),
	used_by VARCHAR(255),
	CONSTRAINT pk_enrolment_tokens PRIMARY KEY (id),
	CONSTRAINT uq_enrolment_tokens_token_hash UNIQUE (token_hash)
);
CREATE TABLE events (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	at VARCHAR(27) NOT NULL,
	actor VARCHAR(255) NOT NULL,
	action VARCHAR(64) NOT NULL,
	subject TEXT NOT NULL,
	request_id VARCHAR(64) NOT NULL,
	project_id VARCHAR(36),
	host VARCHAR(255),
	server_id VARCHAR(36),
	port_id VARCHAR(36),
	device_id VARCHAR(36),
	details TEXT NOT NULL
, user_id VARCHAR(36));
CREATE TABLE flavor_access (
	flavor_id VARCHAR(255) NOT NULL,
	project_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_flavor_access PRIMARY KEY (flavor_id, project_id),
	CONSTRAINT fk_flavor_access_flavor_id_flavors FOREIGN KEY(flavor_id) REFERENCES flavors (id) ON DELETE CASCADE
);
CREATE TABLE flavors (
	id VARCHAR(255) NOT NULL,
	name VARCHAR(255) NOT NULL,
	body TEXT NOT NULL,
	is_public BOOLEAN NOT NULL,
	memory_mib INTEGER NOT NULL,
	disk_gib INTEGER NOT NULL,
	created_at VARCHAR(27) NOT NULL,
	CONSTRAINT pk_flavors PRIMARY KEY (id),
	CONSTRAINT uq_flavors_name UNIQUE (name)
);
CREATE TABLE group_role_assignments (
	group_id VARCHAR(36) NOT NULL,
	target VARCHAR(36) NOT NULL,
	role_id VARCHAR(36) NOT NULL,
	project_id VARCHAR(36),
	CONSTRAINT pk_group_role_assignments PRIMARY KEY (group_id, target, role_id),
	CONSTRAINT fk_group_role_assignments_group_id FOREIGN KEY(group_id) REFERENCES user_groups (id) ON DELETE CASCADE,
	CONSTRAINT fk_group_role_assignments_role_id FOREIGN KEY(role_id) REFERENCES roles (id) ON DELETE CASCADE,
	CONSTRAINT fk_group_role_assignments_project_id FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE
);
CREATE TABLE hosts (
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	generation INTEGER NOT NULL,
	resources TEXT NOT NULL,
	vcpus_used INTEGER NOT NULL,
	memory_mib_used INTEGER NOT NULL,
	disk_gib_used INTEGER NOT NULL,
	enabled BOOLEAN NOT NULL,
	disabled_reason TEXT,
	last_seen VARCHAR(27),
	run_id VARCHAR(64) NOT NULL,
	report_number INTEGER NOT NULL,
	applied_generation INTEGER NOT NULL,
	token_hash VARCHAR(64),
	created_at VARCHAR(27) NOT NULL,
	updated_at VARCHAR(27) NOT NULL, problem TEXT DEFAULT '' NOT NULL, former_runs TEXT DEFAULT '[]' NOT NULL, consoles_asked INTEGER DEFAULT '0' NOT NULL, description TEXT,
	CONSTRAINT pk_hosts PRIMARY KEY (id),
	CONSTRAINT uq_hosts_name UNIQUE (name)
);
CREATE TABLE image_members (
	image_id VARCHAR(36) NOT NULL,
	project_id VARCHAR(36) NOT NULL,
	status VARCHAR(16) NOT NULL,
	created_at VARCHAR(27) NOT NULL,
	updated_at VARCHAR(27) NOT NULL,
	CONSTRAINT pk_image_members PRIMARY KEY (image_id, project_id),
	CONSTRAINT fk_image_members_image_id_images FOREIGN KEY(image_id) REFERENCES images (id) ON DELETE CASCADE
);
CREATE TABLE images (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(36) NOT NULL,
	name VARCHAR(255),
	state VARCHAR(16) NOT NULL,
	disk_format VARCHAR(32),
	container_format VARCHAR(32),
	visibility VARCHAR(16) NOT NULL,
	protected BOOLEAN NOT NULL,
	hidden BOOLEAN NOT NULL,
	min_disk_gib INTEGER NOT NULL,
	min_ram_mib INTEGER NOT NULL,
	size_bytes BIGINT,
	md5 VARCHAR(32),
	sha512 VARCHAR(128),
	tags TEXT NOT NULL,
	properties TEXT NOT NULL,
	created_at VARCHAR(27) NOT NULL,
	updated_at VARCHAR(27) NOT NULL,
	CONSTRAINT pk_images PRIMARY KEY (id)
);
CREATE TABLE implied_roles (
	prior_id VARCHAR(36) NOT NULL,
	implied_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_implied_roles PRIMARY KEY (prior_id, implied_id),
	CONSTRAINT fk_implied_roles_prior_id FOREIGN KEY(prior_id) REFERENCES roles (id) ON DELETE CASCADE,
	CONSTRAINT fk_implied_roles_implied_id FOREIGN KEY(implied_id) REFERENCES roles (id) ON DELETE CASCADE
);
CREATE TABLE ip_allocations (
	subnet_id VARCHAR(36) NOT NULL,
	sort_key VARCHAR(32) NOT NULL,
	ip_address VARCHAR(64) NOT NULL,
	port_id VARCHAR(36) NOT NULL,
	position INTEGER NOT NULL,
	CONSTRAINT pk_ip_allocations PRIMARY KEY (subnet_id, sort_key),
	CONSTRAINT fk_ip_allocations_port_id FOREIGN KEY(port_id) REFERENCES ports (id) ON DELETE CASCADE,
	CONSTRAINT fk_ip_allocations_subnet_id FOREIGN KEY(subnet_id) REFERENCES subnets (id)
);
CREATE TABLE key_pairs (
	id INTEGER NOT NULL,
	user_id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	public_key TEXT NOT NULL,
	fingerprint VARCHAR(47) NOT NULL,
	created_at VARCHAR(27) NOT NULL,
	CONSTRAINT pk_key_pairs PRIMARY KEY (id),
	CONSTRAINT uq_key_pairs_user_id_name UNIQUE (user_id, name)
);
CREATE TABLE leases (
	task VARCHAR(64) NOT NULL,
	holder VARCHAR(64) NOT NULL,
	expires_at VARCHAR(27) NOT NULL,
	CONSTRAINT pk_leases PRIMARY KEY (task)
);
CREATE TABLE networks (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description TEXT NOT NULL,
	admin_state_up BOOLEAN NOT NULL,
	shared BOOLEAN NOT NULL,
	provider BOOLEAN NOT NULL,
	mtu INTEGER NOT NULL,
	port_security_enabled BOOLEAN NOT NULL,
	created_at VARCHAR(27) NOT NULL,
	updated_at VARCHAR(27) NOT NULL,
	revision INTEGER NOT NULL, qos_policy_id VARCHAR(36) CONSTRAINT fk_networks_qos_policy_id REFERENCES qos_policies (id), pf_policy VARCHAR(16) DEFAULT 'spread' NOT NULL, qinq BOOLEAN DEFAULT 0 NOT NULL, tags TEXT DEFAULT '[]' NOT NULL,
	CONSTRAINT pk_networks PRIMARY KEY (id)
);
CREATE TABLE numa_uses (
	host_id VARCHAR(36) NOT NULL,
	number INTEGER NOT NULL,
	vcpus_used INTEGER NOT NULL,
	memory_mib_used INTEGER NOT NULL,
	CONSTRAINT pk_numa_uses PRIMARY KEY (host_id, number),
	CONSTRAINT ck_numa_uses_ck_numa_uses_not_negative CHECK (vcpus_used >= 0 AND memory_mib_used >= 0),
	CONSTRAINT fk_numa_uses_host_id FOREIGN KEY(host_id) REFERENCES hosts (id)
);
CREATE TABLE pci_flavors (
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description TEXT NOT NULL,
	alternatives TEXT NOT NULL,
	created_at VARCHAR(27) NOT NULL,
	updated_at VARCHAR(27) NOT NULL,
	CONSTRAINT pk_pci_flavors PRIMARY KEY (id),
	CONSTRAINT uq_pci_flavors_name UNIQUE (name)
);
CREATE TABLE pools (
	host_id VARCHAR(36) NOT NULL,
	number INTEGER NOT NULL,
	kin_id VARCHAR(36) NOT NULL,
	kind VARCHAR(8) NOT NULL,
	attributes TEXT NOT NULL,
	address VARCHAR(16) NOT NULL,
	alone BOOLEAN NOT NULL,
	members TEXT NOT NULL,
	offered TEXT NOT NULL, problem TEXT DEFAULT '' NOT NULL,
	CONSTRAINT pk_pools PRIMARY KEY (host_id, number),
	CONSTRAINT fk_pools_host_id FOREIGN KEY(host_id) REFERENCES hosts (id)
);
CREATE TABLE ports (
	id VARCHAR(36) NOT NULL,
	network_id VARCHAR(36) NOT NULL,
	project_id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description TEXT NOT NULL,
	admin_state_up BOOLEAN NOT NULL,
	mac VARCHAR(17) NOT NULL,
	vnic_type VARCHAR(32) NOT NULL,
	pci_flavor VARCHAR(255),
	device_id VARCHAR(255) NOT NULL,
	device_owner VARCHAR(255) NOT NULL,
	port_security_enabled BOOLEAN NOT NULL,
	trusted BOOLEAN NOT NULL,
	vlan_qos INTEGER NOT NULL,
	profile TEXT NOT NULL,
	created_by_server BOOLEAN NOT NULL,
	created_at VARCHAR(27) NOT NULL,
	updated_at VARCHAR(27) NOT NULL,
	revision INTEGER NOT NULL, numa_policy VARCHAR(16), pci_match TEXT DEFAULT '[]' NOT NULL, qos_policy_id VARCHAR(36) CONSTRAINT fk_ports_qos_policy_id REFERENCES qos_policies (id), tags TEXT DEFAULT '[]' NOT NULL, allowed_address_pairs TEXT DEFAULT '[]' NOT NULL, extra_dhcp_opts TEXT DEFAULT '[]' NOT NULL,
	CONSTRAINT pk_ports PRIMARY KEY (id),
	CONSTRAINT fk_ports_network_id FOREIGN KEY(network_id) REFERENCES networks (id),
	CONSTRAINT fk_ports_pci_flavor FOREIGN KEY(pci_flavor) REFERENCES pci_flavors (name),
	CONSTRAINT uq_ports_network_id_mac UNIQUE (network_id, mac)
);
CREATE TABLE "projects" (
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description TEXT NOT NULL,
	enabled BOOLEAN NOT NULL,
	tags TEXT DEFAULT '[]' NOT NULL,
	extra TEXT DEFAULT '{}' NOT NULL,
	domain_id VARCHAR(36) DEFAULT 'default' NOT NULL,
	parent_id VARCHAR(36),
	CONSTRAINT pk_projects PRIMARY KEY (id),
	CONSTRAINT uq_projects_name_domain_id UNIQUE (name, domain_id)
);
CREATE TABLE qos_policies (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description TEXT NOT NULL,
	shared BOOLEAN NOT NULL,
	default_of VARCHAR(36),
	created_at VARCHAR(27) NOT NULL,
	updated_at VARCHAR(27) NOT NULL,
	revision INTEGER NOT NULL, tags TEXT DEFAULT '[]' NOT NULL,
	CONSTRAINT pk_qos_policies PRIMARY KEY (id),
	CONSTRAINT uq_qos_policies_default_of UNIQUE (default_of)
);
CREATE TABLE qos_rules (
	id VARCHAR(36) NOT NULL,
	policy_id VARCHAR(36) NOT NULL,
	type VARCHAR(32) NOT NULL,
	direction VARCHAR(16) NOT NULL,
	kbps INTEGER NOT NULL,
	burst_kbits INTEGER NOT NULL,
	CONSTRAINT pk_qos_rules PRIMARY KEY (id),
	CONSTRAINT uq_qos_rules_policy_id_type_direction UNIQUE (policy_id, type, direction),
	CONSTRAINT fk_qos_rules_policy_id FOREIGN KEY(policy_id) REFERENCES qos_policies (id) ON DELETE CASCADE
);
CREATE TABLE quota_guards (
	project_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_quota_guards PRIMARY KEY (project_id)
);
CREATE TABLE "quotas" (
	project_id VARCHAR(36) NOT NULL,
	resource VARCHAR(32) NOT NULL,
	physical_network VARCHAR(255) NOT NULL,
	most INTEGER NOT NULL,
	CONSTRAINT pk_quotas PRIMARY KEY (project_id, resource, physical_network)
);
CREATE TABLE role_assignments (
	user_id VARCHAR(36) NOT NULL,
	target VARCHAR(36) NOT NULL,
	role_id VARCHAR(36) NOT NULL,
	project_id VARCHAR(36),
	CONSTRAINT pk_role_assignments PRIMARY KEY (user_id, target, role_id),
	CONSTRAINT fk_role_assignments_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT fk_role_assignments_role_id FOREIGN KEY(role_id) REFERENCES roles (id) ON DELETE CASCADE,
	CONSTRAINT fk_role_assignments_project_id FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE
);
CREATE TABLE "roles" (
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description TEXT NOT NULL,
	domain_id VARCHAR(36) DEFAULT ('') NOT NULL,
	CONSTRAINT pk_roles PRIMARY KEY (id),
	CONSTRAINT uq_roles_name_domain_id UNIQUE (name, domain_id)
);
CREATE TABLE security_group_ports (
	port_id VARCHAR(36) NOT NULL,
	group_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_security_group_ports PRIMARY KEY (port_id, group_id),
	CONSTRAINT fk_security_group_ports_port_id FOREIGN KEY(port_id) REFERENCES ports (id) ON DELETE CASCADE,
	CONSTRAINT fk_security_group_ports_group_id FOREIGN KEY(group_id) REFERENCES security_groups (id)
);
CREATE TABLE security_group_rules (
	id VARCHAR(36) NOT NULL,
	group_id VARCHAR(36) NOT NULL,
	project_id VARCHAR(36) NOT NULL,
	direction VARCHAR(16) NOT NULL,
	ethertype VARCHAR(8) NOT NULL,
	protocol VARCHAR(16),
	port_range_min INTEGER,
	port_range_max INTEGER,
	remote_ip_prefix VARCHAR(64),
	remote_group_id VARCHAR(36),
	description TEXT NOT NULL,
	meaning VARCHAR(160) NOT NULL,
	created_at VARCHAR(27) NOT NULL,
	updated_at VARCHAR(27) NOT NULL,
	revision INTEGER NOT NULL,
	CONSTRAINT pk_security_group_rules PRIMARY KEY (id),
	CONSTRAINT uq_security_group_rules_group_id_meaning UNIQUE (group_id, meaning),
	CONSTRAINT fk_security_group_rules_group_id FOREIGN KEY(group_id) REFERENCES security_groups (id) ON DELETE CASCADE,
	CONSTRAINT fk_security_group_rules_remote_group_id FOREIGN KEY(remote_group_id) REFERENCES security_groups (id) ON DELETE CASCADE
);
CREATE TABLE security_groups (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description TEXT NOT NULL,
	stateful BOOLEAN NOT NULL,
	default_of VARCHAR(36),
	tags TEXT NOT NULL,
	created_at VARCHAR(27) NOT NULL,
	updated_at VARCHAR(27) NOT NULL,
	revision INTEGER NOT NULL,
	CONSTRAINT pk_security_groups PRIMARY KEY (id),
	CONSTRAINT uq_security_groups_default_of UNIQUE (default_of)
);
CREATE TABLE segments (
	id VARCHAR(36) NOT NULL,
	network_id VARCHAR(36) NOT NULL,
	position INTEGER NOT NULL,
	network_type VARCHAR(16) NOT NULL,
	physical_network VARCHAR(255) NOT NULL,
	segmentation_id INTEGER NOT NULL, name VARCHAR(255), description TEXT, created_at VARCHAR(27) DEFAULT '1970-01-01T00:00:00.000000Z' NOT NULL, updated_at VARCHAR(27) DEFAULT '1970-01-01T00:00:00.000000Z' NOT NULL, revision INTEGER DEFAULT '0' NOT NULL,
	CONSTRAINT pk_segments PRIMARY KEY (id),
	CONSTRAINT fk_segments_network_id FOREIGN KEY(network_id) REFERENCES networks (id) ON DELETE CASCADE,
	CONSTRAINT uq_segments_network_type_physical_network_segmentation_id UNIQUE (network_type, physical_network, segmentation_id)
);
CREATE TABLE server_groups (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(36) NOT NULL,
	user_id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	policy VARCHAR(24) NOT NULL,
	max_per_host INTEGER,
	generation INTEGER NOT NULL,
	created_at VARCHAR(27) NOT NULL,
	CONSTRAINT pk_server_groups PRIMARY KEY (id)
);
CREATE TABLE servers (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(36) NOT NULL,
	user_id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	state VARCHAR(16) NOT NULL,
	host_id VARCHAR(36),
	flavor TEXT NOT NULL,
	flavor_id VARCHAR(255) NOT NULL,
	image_id VARCHAR(36),
	port_ids TEXT NOT NULL,
	pci_requests TEXT NOT NULL,
	power VARCHAR(16) NOT NULL,
	boot_number INTEGER NOT NULL,
	excluded_hosts TEXT NOT NULL,
	fault TEXT,
	description TEXT,
	metadata TEXT NOT NULL,
	tags TEXT NOT NULL,
	config_drive BOOLEAN NOT NULL,
	key_name VARCHAR(255),
	user_data TEXT,
	hostname VARCHAR(255) NOT NULL,
	reservation_id VARCHAR(32) NOT NULL,
	launch_index INTEGER NOT NULL,
	created_at VARCHAR(27) NOT NULL,
	updated_at VARCHAR(27) NOT NULL,
	launched_at VARCHAR(27),
	terminated_at VARCHAR(27), numa_policy VARCHAR(16), nic_rules TEXT DEFAULT '[]' NOT NULL, numa_node INTEGER, public_key TEXT, nic_tags TEXT DEFAULT '{}' NOT NULL, vcpus INTEGER DEFAULT '0' NOT NULL, memory_mib INTEGER DEFAULT '0' NOT NULL, locked_by VARCHAR(16), locked_reason TEXT, image_properties TEXT DEFAULT '{}' NOT NULL, scheduler_hints TEXT DEFAULT '{}' NOT NULL, group_id VARCHAR(36), zone VARCHAR(255), places TEXT, admin_password TEXT, access_ipv4 VARCHAR(15) DEFAULT '' NOT NULL, access_ipv6 VARCHAR(39) DEFAULT '' NOT NULL, disk_config VARCHAR(6) DEFAULT 'MANUAL' NOT NULL, disk_number INTEGER DEFAULT '1' NOT NULL,
	CONSTRAINT pk_servers PRIMARY KEY (id),
	CONSTRAINT fk_servers_host_id FOREIGN KEY(host_id) REFERENCES hosts (id)
);
CREATE TABLE settings (
	"key" VARCHAR(64) NOT NULL,
	value TEXT NOT NULL,
	CONSTRAINT pk_settings PRIMARY KEY ("key")
);
CREATE TABLE shares (
	id VARCHAR(36) NOT NULL,
	kind VARCHAR(16) NOT NULL,
	object_id VARCHAR(36) NOT NULL,
	target VARCHAR(36) NOT NULL,
	project_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_shares PRIMARY KEY (id),
	CONSTRAINT uq_shares_object_id_target UNIQUE (object_id, target)
);
CREATE TABLE subnets (
	id VARCHAR(36) NOT NULL,
	network_id VARCHAR(36) NOT NULL,
	project_id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description TEXT NOT NULL,
	ip_version INTEGER NOT NULL,
	cidr VARCHAR(64) NOT NULL,
	gateway_ip VARCHAR(64),
	allocation_pools TEXT NOT NULL,
	enable_dhcp BOOLEAN NOT NULL,
	dns_nameservers TEXT NOT NULL,
	host_routes TEXT NOT NULL,
	segment_id VARCHAR(36),
	created_at VARCHAR(27) NOT NULL,
	updated_at VARCHAR(27) NOT NULL,
	revision INTEGER NOT NULL, tags TEXT DEFAULT '[]' NOT NULL, ipv6_ra_mode VARCHAR(32), ipv6_address_mode VARCHAR(32), service_types TEXT DEFAULT '[]' NOT NULL,
	CONSTRAINT pk_subnets PRIMARY KEY (id),
	CONSTRAINT fk_subnets_network_id FOREIGN KEY(network_id) REFERENCES networks (id)
);
CREATE TABLE tokens (
	token_hash VARCHAR(64) NOT NULL,
	user_id VARCHAR(36) NOT NULL,
	target VARCHAR(36),
	application_credential_id VARCHAR(36),
	issued_at VARCHAR(27) NOT NULL,
	expires_at VARCHAR(27) NOT NULL,
	methods TEXT NOT NULL,
	audit_id VARCHAR(32) NOT NULL,
	CONSTRAINT pk_tokens PRIMARY KEY (token_hash),
	CONSTRAINT fk_tokens_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT fk_tokens_application_credential_id FOREIGN KEY(application_credential_id) REFERENCES application_credentials (id) ON DELETE CASCADE
);
CREATE TABLE user_group_members (
	group_id VARCHAR(36) NOT NULL,
	user_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_user_group_members PRIMARY KEY (group_id, user_id),
	CONSTRAINT fk_user_group_members_group_id FOREIGN KEY(group_id) REFERENCES user_groups (id) ON DELETE CASCADE,
	CONSTRAINT fk_user_group_members_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE user_groups (
	id VARCHAR(36) NOT NULL,
	domain_id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description TEXT NOT NULL,
	extra TEXT NOT NULL,
	CONSTRAINT pk_user_groups PRIMARY KEY (id),
	CONSTRAINT uq_user_groups_domain_id_name UNIQUE (domain_id, name),
	CONSTRAINT fk_user_groups_domain_id FOREIGN KEY(domain_id) REFERENCES domains (id) ON DELETE CASCADE
);
CREATE TABLE "users" (
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	password_hash TEXT NOT NULL,
	enabled BOOLEAN NOT NULL,
	default_project_id VARCHAR(36),
	extra TEXT DEFAULT '{}' NOT NULL,
	domain_id VARCHAR(36) DEFAULT 'default' NOT NULL,
	CONSTRAINT pk_users PRIMARY KEY (id),
	CONSTRAINT uq_users_name_domain_id UNIQUE (name, domain_id)
);
DELETE FROM "sqlite_sequence";
CREATE INDEX ix_aggregate_hosts_host_id ON aggregate_hosts (host_id);
CREATE INDEX ix_allocations_host_id ON allocations (host_id);
CREATE INDEX ix_allocations_port_id ON allocations (port_id) WHERE port_id IS NOT NULL;
CREATE INDEX ix_allocations_project_id ON allocations (project_id);
CREATE INDEX ix_allocations_server_id ON allocations (server_id) WHERE server_id IS NOT NULL;
CREATE INDEX ix_allocations_state ON allocations (state);
CREATE INDEX ix_allocations_wire ON allocations (wire) WHERE wire IS NOT NULL;
CREATE INDEX ix_application_credential_access_rules_access_rule_id ON application_credential_access_rules (access_rule_id);
CREATE INDEX ix_application_credential_roles_role_id ON application_credential_roles (role_id);
CREATE INDEX ix_application_credentials_project_id ON application_credentials (project_id);
CREATE INDEX ix_bandwidths_host_id ON bandwidths (host_id);
CREATE INDEX ix_bindings_device_id ON bindings (device_id) WHERE device_id IS NOT NULL;
CREATE INDEX ix_bindings_host_id ON bindings (host_id);
CREATE INDEX ix_bindings_segment_id ON bindings (segment_id) WHERE segment_id IS NOT NULL;
CREATE INDEX ix_bindings_server_id ON bindings (server_id) WHERE server_id IS NOT NULL;
CREATE INDEX ix_changes_transaction ON changes ("transaction", number);
CREATE INDEX ix_consoles_asked_at ON consoles (asked_at);
CREATE INDEX ix_consoles_host_id ON consoles (host_id);
CREATE INDEX ix_default_security_group_rules_about_group_id ON default_security_group_rules (about_group_id);
CREATE INDEX ix_devices_pf_id ON devices (pf_id, vf_index);
CREATE INDEX ix_devices_physical_network ON devices (physical_network);
CREATE INDEX ix_enrolment_tokens_expires_at ON enrolment_tokens (expires_at);
CREATE INDEX ix_events_device_id ON events (device_id) WHERE device_id IS NOT NULL;
CREATE INDEX ix_events_host ON events (host) WHERE host IS NOT NULL;
CREATE INDEX ix_events_port_id ON events (port_id) WHERE port_id IS NOT NULL;
CREATE INDEX ix_events_server_id ON events (server_id) WHERE server_id IS NOT NULL;
CREATE INDEX ix_group_role_assignments_project_id ON group_role_assignments (project_id);
CREATE INDEX ix_group_role_assignments_role_id ON group_role_assignments (role_id);
CREATE INDEX ix_group_role_assignments_target ON group_role_assignments (target);
CREATE INDEX ix_image_members_project_id ON image_members (project_id);
CREATE INDEX ix_images_name ON images (name);
CREATE INDEX ix_images_project_id ON images (project_id);
CREATE INDEX ix_images_sha512 ON images (sha512);
CREATE INDEX ix_implied_roles_implied_id ON implied_roles (implied_id);
CREATE INDEX ix_ip_allocations_port_id ON ip_allocations (port_id);
CREATE INDEX ix_networks_name ON networks (name);
CREATE INDEX ix_networks_project_id ON networks (project_id);
CREATE INDEX ix_networks_qos_policy_id ON networks (qos_policy_id);
CREATE INDEX ix_pools_out_of_service ON pools (kin_id) WHERE problem <> '';
CREATE INDEX ix_ports_device_id ON ports (device_id);
CREATE INDEX ix_ports_name ON ports (name);
CREATE INDEX ix_ports_network_id ON ports (network_id);
CREATE INDEX ix_ports_pci_flavor ON ports (pci_flavor) WHERE pci_flavor IS NOT NULL;
CREATE INDEX ix_ports_project_id ON ports (project_id);
CREATE INDEX ix_ports_qos_policy_id ON ports (qos_policy_id) WHERE qos_policy_id IS NOT NULL;
CREATE INDEX ix_projects_domain_id ON projects (domain_id);
CREATE INDEX ix_projects_parent_id ON projects (parent_id);
CREATE INDEX ix_qos_policies_name ON qos_policies (name);
CREATE INDEX ix_qos_policies_project_id ON qos_policies (project_id);
CREATE INDEX ix_role_assignments_role_id ON role_assignments (role_id);
CREATE INDEX ix_role_assignments_target ON role_assignments (target);
CREATE INDEX ix_roles_domain_id ON roles (domain_id);
CREATE INDEX ix_security_group_ports_group_id ON security_group_ports (group_id);
CREATE INDEX ix_security_group_rules_project_id ON security_group_rules (project_id);
CREATE INDEX ix_security_group_rules_remote_group_id ON security_group_rules (remote_group_id);
CREATE INDEX ix_security_groups_name ON security_groups (name);
CREATE INDEX ix_security_groups_project_id ON security_groups (project_id);
CREATE INDEX ix_segments_network_id ON segments (network_id);
CREATE INDEX ix_server_groups_project_id ON server_groups (project_id, created_at, id);
CREATE INDEX ix_servers_created_at ON servers (created_at, id);
CREATE INDEX ix_servers_group_id ON servers (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX ix_servers_host_id ON servers (host_id) WHERE host_id IS NOT NULL;
CREATE INDEX ix_servers_image_id ON servers (image_id) WHERE image_id IS NOT NULL;
CREATE INDEX ix_servers_name ON servers (name);
CREATE INDEX ix_servers_project_id ON servers (project_id);
CREATE INDEX ix_servers_terminated_at ON servers (terminated_at) WHERE terminated_at IS NOT NULL;
CREATE INDEX ix_shares_project_id ON shares (project_id);
CREATE INDEX ix_subnets_name ON subnets (name);
CREATE INDEX ix_subnets_network_id ON subnets (network_id);
CREATE INDEX ix_subnets_project_id ON subnets (project_id);
CREATE INDEX ix_tokens_application_credential_id ON tokens (application_credential_id);
CREATE INDEX ix_tokens_expires_at ON tokens (expires_at);
CREATE INDEX ix_tokens_target ON tokens (target);
CREATE INDEX ix_tokens_user_id ON tokens (user_id);
CREATE INDEX ix_user_group_members_user_id ON user_group_members (user_id);
CREATE INDEX ix_users_domain_id ON users (domain_id);
INSERT INTO "alembic_version" VALUES('0041');
INSERT INTO "default_security_group_rules" VALUES('f7f43c43-e65b-52a1-9986-93ca9bceb183','egress','IPv4',NULL,NULL,NULL,NULL,0,NULL,'Legacy default SG rule for egress traffic',1,1,'egress/IPv4/////','egress/IPv4/////');
INSERT INTO "default_security_group_rules" VALUES('2c0efe15-7dd8-5b25-90a2-574dae189679','egress','IPv6',NULL,NULL,NULL,NULL,0,NULL,'Legacy default SG rule for egress traffic',1,1,'egress/IPv6/////','egress/IPv6/////');
INSERT INTO "default_security_group_rules" VALUES('e7a7c3a2-4c6c-57b0-897c-1fcb6ad0d3e9','ingress','IPv4',NULL,NULL,NULL,NULL,1,NULL,'Legacy default SG rule for ingress traffic',1,0,'ingress/IPv4////PARENT/',NULL);
INSERT INTO "default_security_group_rules" VALUES('bcb8dda4-8def-5e19-a245-b87128e5a16f','ingress','IPv6',NULL,NULL,NULL,NULL,1,NULL,'Legacy default SG rule for ingress traffic',1,0,'ingress/IPv6////PARENT/',NULL);
INSERT INTO "domains" VALUES('default','Default','The default domain',1,'{}');
INSERT INTO "roles" VALUES('fd78fa906ab4f4487236e4ae4a70362b','admin','','');
INSERT INTO "roles" VALUES('4263d0a8019df999073d019d06d6e112','manager','','');
INSERT INTO "roles" VALUES('de935701c2aed208ca4949579a84f2fb','member','','');
INSERT INTO "roles" VALUES('c1726fce85fd598420946dda1f57ee47','reader','','');
