"""Every route of the compute API below its version documents."""

from __future__ import annotations

from typing import Final

from trunkline.api.compute import (
    flavors,
    hypervisors,
    key_pairs,
    nothing,
    pci_flavors,
    quota_sets,
    remote_consoles,
    server_actions,
    server_metadata,
    server_tags,
    servers,
    services,
)
from trunkline.api.compute.links import ROOT as V2
from trunkline.api.routing import Route, delete, get, post, put
from trunkline.domain.policy import trunkline_rules as rules

ROUTES: Final[tuple[Route, ...]] = (
    get(f"{V2}/servers", servers.list_briefly),
    post(f"{V2}/servers", servers.create),
    get(f"{V2}/servers/detail", servers.list_detailed),
    get(f"{V2}/servers/{{id}}", servers.show),
    put(f"{V2}/servers/{{id}}", servers.update),
    delete(f"{V2}/servers/{{id}}", servers.delete),
    post(f"{V2}/servers/{{id}}/action", server_actions.act),
    get(f"{V2}/servers/{{id}}/metadata", server_metadata.list_),
    post(f"{V2}/servers/{{id}}/metadata", server_metadata.add),
    put(f"{V2}/servers/{{id}}/metadata", server_metadata.replace),
    get(f"{V2}/servers/{{id}}/metadata/{{key}}", server_metadata.show),
    put(f"{V2}/servers/{{id}}/metadata/{{key}}", server_metadata.set_one),
    delete(f"{V2}/servers/{{id}}/metadata/{{key}}", server_metadata.unset),
    get(f"{V2}/servers/{{id}}/tags", server_tags.list_),
    put(f"{V2}/servers/{{id}}/tags", server_tags.replace),
    delete(f"{V2}/servers/{{id}}/tags", server_tags.clear),
    get(f"{V2}/servers/{{id}}/tags/{{tag}}", server_tags.check),
    put(f"{V2}/servers/{{id}}/tags/{{tag}}", server_tags.add),
    delete(f"{V2}/servers/{{id}}/tags/{{tag}}", server_tags.remove),
    post(f"{V2}/servers/{{id}}/remote-consoles", remote_consoles.create),
    get(f"{V2}/servers/{{id}}/ips", servers.list_addresses),
    get(f"{V2}/servers/{{id}}/ips/{{network}}", servers.list_addresses_of_network),
    get(f"{V2}/servers/{{id}}/os-interface", servers.list_interfaces),
    get(f"{V2}/servers/{{id}}/os-interface/{{port_id}}", servers.show_interface),
    #
    get(f"{V2}/flavors", flavors.list_briefly),
    post(f"{V2}/flavors", flavors.create),
    get(f"{V2}/flavors/detail", flavors.list_detailed),
    get(f"{V2}/flavors/{{id}}", flavors.show),
    put(f"{V2}/flavors/{{id}}", flavors.update),
    delete(f"{V2}/flavors/{{id}}", flavors.delete),
    get(f"{V2}/flavors/{{id}}/os-extra_specs", flavors.list_extra_specs),
    post(f"{V2}/flavors/{{id}}/os-extra_specs", flavors.set_extra_specs),
    get(f"{V2}/flavors/{{id}}/os-extra_specs/{{key}}", flavors.show_extra_spec),
    put(f"{V2}/flavors/{{id}}/os-extra_specs/{{key}}", flavors.set_extra_spec),
    delete(f"{V2}/flavors/{{id}}/os-extra_specs/{{key}}", flavors.unset_extra_spec),
    #
    get(f"{V2}/os-pci-flavors", pci_flavors.list_),
    post(f"{V2}/os-pci-flavors", pci_flavors.create, rules.CREATE_PCI_FLAVOR),
    get(f"{V2}/os-pci-flavors/{{id}}", pci_flavors.show),
    put(f"{V2}/os-pci-flavors/{{id}}", pci_flavors.update, rules.UPDATE_PCI_FLAVOR),
    delete(f"{V2}/os-pci-flavors/{{id}}", pci_flavors.delete, rules.DELETE_PCI_FLAVOR),
    #
    get(f"{V2}/os-hypervisors", hypervisors.list_briefly),
    get(f"{V2}/os-hypervisors/detail", hypervisors.list_detailed),
    get(f"{V2}/os-hypervisors/{{id}}", hypervisors.show),
    get(f"{V2}/os-hypervisors/{{id}}/uptime", hypervisors.show_uptime),
    get(f"{V2}/os-hypervisors/{{id}}/search", hypervisors.search),
    get(f"{V2}/os-hypervisors/{{id}}/servers", hypervisors.list_servers_of),
    #
    get(f"{V2}/os-services", services.list_services),
    put(f"{V2}/os-services/enable", services.enable),
    put(f"{V2}/os-services/disable", services.disable),
    put(f"{V2}/os-services/disable-log-reason", services.disable_with_reason),
    put(f"{V2}/os-services/force-down", services.force_down),
    put(f"{V2}/os-services/{{id}}", services.update),
    get(f"{V2}/os-availability-zone", services.list_zones),
    get(f"{V2}/os-availability-zone/detail", services.list_zones_detailed),
    #
    get(f"{V2}/os-aggregates", nothing.list_aggregates),
    get(f"{V2}/os-keypairs", key_pairs.list_),
    post(f"{V2}/os-keypairs", key_pairs.create),
    get(f"{V2}/os-keypairs/{{name}}", key_pairs.show),
    delete(f"{V2}/os-keypairs/{{name}}", key_pairs.delete),
    get(f"{V2}/os-quota-sets/{{project}}", quota_sets.show),
    put(f"{V2}/os-quota-sets/{{project}}", quota_sets.update),
    delete(f"{V2}/os-quota-sets/{{project}}", quota_sets.remove),
    get(f"{V2}/os-quota-sets/{{project}}/defaults", quota_sets.show_defaults),
    get(f"{V2}/os-quota-sets/{{project}}/detail", quota_sets.show_detailed),
    get(f"{V2}/os-quota-class-sets/{{class}}", quota_sets.show_class),
    put(f"{V2}/os-quota-class-sets/{{class}}", quota_sets.update_class),
    get(f"{V2}/os-migrations", nothing.list_migrations),
)
