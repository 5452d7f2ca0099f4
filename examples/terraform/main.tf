# A server with a VF on each of two physical networks, and all that it needs.
#
#   export OS_CLIENT_CONFIG_FILE=$PWD/tl/clouds.yaml
#   terraform init && terraform apply -var disk=disk.img
#
# `trunkline` is the operator of the clouds.yaml that `trunkline up` writes, `trunkline-demo` a
# project's member.

terraform {
  required_providers {
    openstack = {
      source  = "terraform-provider-openstack/openstack"
      version = "~> 3.0"
    }
  }
}

provider "openstack" {
  alias = "operator"
  cloud = "trunkline"
}

provider "openstack" {
  cloud = "trunkline-demo"
}

variable "disk" {
  type        = string
  description = "A raw disk image."
}

variable "public_key" {
  type = string
}

variable "networks" {
  type = map(object({ physical_network = string, vlan = number, cidr = string }))
  default = {
    blue = { physical_network = "phy1", vlan = 120, cidr = "10.0.0.0/24" }
    red  = { physical_network = "phy2", vlan = 220, cidr = "10.0.1.0/24" }
  }
}

# What an operator offers.

resource "openstack_compute_flavor_v2" "small" {
  provider = openstack.operator
  name     = "small"
  vcpus    = 1
  ram      = 512
  disk     = 1
}

resource "openstack_images_image_v2" "tiny" {
  provider         = openstack.operator
  name             = "tiny"
  local_file_path  = var.disk
  container_format = "bare"
  disk_format      = "raw"
  visibility       = "public"
}

resource "openstack_networking_network_v2" "network" {
  provider = openstack.operator
  for_each = var.networks
  name     = each.key
  shared   = true

  segments {
    network_type     = "vlan"
    physical_network = each.value.physical_network
    segmentation_id  = each.value.vlan
  }
}

resource "openstack_networking_subnet_v2" "subnet" {
  provider   = openstack.operator
  for_each   = var.networks
  name       = "${each.key}-v4"
  network_id = openstack_networking_network_v2.network[each.key].id
  cidr       = each.value.cidr
  ip_version = 4
  no_gateway = true
}

# What a tenant makes of it.

resource "openstack_compute_keypair_v2" "key" {
  name       = "my-key"
  public_key = var.public_key
}

resource "openstack_networking_secgroup_v2" "web" {
  name        = "web"
  description = "HTTP"
}

resource "openstack_networking_secgroup_rule_v2" "http" {
  security_group_id = openstack_networking_secgroup_v2.web.id
  direction         = "ingress"
  ethertype         = "IPv4"
  protocol          = "tcp"
  port_range_min    = 80
  port_range_max    = 80
  remote_ip_prefix  = "0.0.0.0/0"
}

resource "openstack_compute_servergroup_v2" "apart" {
  name     = "apart"
  policies = ["anti-affinity"]
}

resource "openstack_networking_port_v2" "nic" {
  for_each           = var.networks
  name               = "web-${each.key}"
  network_id         = openstack_networking_network_v2.network[each.key].id
  security_group_ids = [openstack_networking_secgroup_v2.web.id]

  binding {
    vnic_type = "direct"
  }

  # Its address is on the subnet.
  depends_on = [openstack_networking_subnet_v2.subnet]
}

resource "openstack_compute_instance_v2" "web" {
  name            = "web"
  flavor_id       = openstack_compute_flavor_v2.small.id
  image_id        = openstack_images_image_v2.tiny.id
  key_pair        = openstack_compute_keypair_v2.key.name
  security_groups = [openstack_networking_secgroup_v2.web.name]
  config_drive    = true
  metadata        = { role = "web" }
  tags            = ["production"]

  scheduler_hints {
    group = openstack_compute_servergroup_v2.apart.id
  }

  dynamic "network" {
    for_each = openstack_networking_port_v2.nic
    content {
      port = network.value.id
    }
  }
}

output "addresses" {
  value = { for name, port in openstack_networking_port_v2.nic : name => port.all_fixed_ips }
}
