"""``/network/v2.0/ports``"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final

from trunkline.api.http import Query, Request, Response
from trunkline.api.listing import Filter, boolean
from trunkline.api.network.common import (
    OWNED_FILTERS,
    OWNED_SORT_KEYS,
    Collection,
    Item,
    answer_created,
    answer_item,
    answer_list,
    parse_qos_policy,
    precondition,
    project_of,
    seen_revision,
    timestamp,
    update_fields,
)
from trunkline.api.network.port_addressing import (
    OPTIONS,
    PAIRS,
    parse_options,
    parse_pairs,
    render_addressing,
)
from trunkline.api.network.visible_fields import VisibleFields
from trunkline.api.parsing import Fields
from trunkline.control.access import refusal
from trunkline.control.ports import (
    create_ports,
    delete_port,
    get_port,
    list_ports,
    update_port,
)
from trunkline.control.requests import UNSET, AddressRequest, PortCreate, PortUpdate, Unset
from trunkline.control.services import Services
from trunkline.control.views import PortView
from trunkline.domain.errors import Invalid
from trunkline.domain.ether import MacAddress, parse_guest_mac
from trunkline.domain.ids import HostName, NetworkId, ProjectId, SecurityGroupId, SubnetId, is_uuid
from trunkline.domain.nic_rules import NumaPolicy
from trunkline.domain.pci_flavor_parsing import render_match
from trunkline.domain.policy import network_rules as rules
from trunkline.domain.port import logical_device_name, parse_vnic_type
from trunkline.domain.resource_request import ResourceRequest

FIXED_IPS_MAX: Final = 64  # Of one port.
PROFILE_KEYS_MAX: Final = 64
GROUPS_MAX: Final = 64  # Of one port.

_VNIC_TYPE, _PROFILE, _HOST = "binding:vnic_type", "binding:profile", "binding:host_id"
_QOS = "qos_policy_id"
_PCI_FLAVOR = "pci_flavor"  # Ours: Neutron has no such thing.
_PCI_MATCH = "pci_match"  # Ours too.
_NUMA_POLICY = "numa_affinity_policy"
_TRUSTED = "trusted"
_GROUPS = "security_groups"
_RESOURCE_REQUEST = "resource_request"
_VIF_TYPE, _VIF_DETAILS = "binding:vif_type", "binding:vif_details"
_ATTRIBUTE_RULES: Final = {  # Attributes that not everybody sees who sees the port.
    _HOST: rules.GET_PORT_HOST_ID,
    _PROFILE: rules.GET_PORT_PROFILE,
    _RESOURCE_REQUEST: rules.GET_PORT_RESOURCE_REQUEST,
    _TRUSTED: rules.GET_PORT_TRUSTED,
    _VIF_TYPE: rules.GET_PORT_VIF_TYPE,
    _VIF_DETAILS: rules.GET_PORT_VIF_DETAILS,
}
_CHANGEABLE: Final = (
    "name",
    "description",
    "admin_state_up",
    "mac_address",
    "fixed_ips",
    "device_id",
    "device_owner",
    "port_security_enabled",
    _VNIC_TYPE,
    _PCI_FLAVOR,
    _QOS,
    _PCI_MATCH,
    _NUMA_POLICY,
    _TRUSTED,
    PAIRS,
    OPTIONS,
    _GROUPS,
    _PROFILE,
    _HOST,
)
_ADDRESS_FILTERS: Final = ("ip_address", "subnet_id")
_SUBSTRING: Final = "ip_address_substr"

PORTS: Final = Collection(
    name="ports",
    member="port",
    filters={
        **OWNED_FILTERS,
        "network_id": Filter("network_id"),
        "mac_address": Filter("mac", str.lower),
        "admin_state_up": Filter("admin_state_up", boolean),
        "status": Filter("status", str.upper),
        "device_id": Filter("device_id"),
        "device_owner": Filter("device_owner"),
        "port_security_enabled": Filter("port_security_enabled", boolean),
        "fixed_ips.ip_address": Filter("ip_address"),
        "fixed_ips.ip_address_substr": Filter("ip_address_part"),
        "fixed_ips.subnet_id": Filter("subnet_id"),
        _VNIC_TYPE: Filter("vnic_type"),
        _PCI_FLAVOR: Filter("pci_flavor"),
        _QOS: Filter("qos_policy_id"),
        _GROUPS: Filter("security_group"),
        _HOST: Filter("host"),
    },
    sort_keys={
        **OWNED_SORT_KEYS,
        "network_id": "network_id",
        "mac_address": "mac",
        "admin_state_up": "admin_state_up",
        "device_id": "device_id",
        "device_owner": "device_owner",
    },
    inert={
        "dns_name": ("", None),
        "dns_domain": ("", None),
        "hints": (None, {}),
        "propagate_uplink_status": (None, True, False),
    },
    tagged=True,
)


def index(svc: Services, request: Request) -> Response:
    """Answer a page of the ports that the caller may see."""
    if _HOST in request.query and not request.caller.may_on_all(rules.GET_PORT_HOST_ID):
        # Even an empty answer would tell where other projects' ports are not.
        raise refusal(rules.GET_PORT_HOST_ID)
    return answer_list(
        replace(request, query=_flatten_fixed_ips(request.query)),
        PORTS,
        lambda query: list_ports(svc, request.caller, query),
        partial(render_port, shown=_shown(request)),
    )


def create(svc: Services, request: Request) -> Response:
    """Make one port, or several."""
    shown = _shown(request)
    return answer_created(
        request,
        PORTS,
        parse_port,
        lambda wanted: [
            render_port(view, shown) for view in create_ports(svc, request.caller, wanted)
        ],
    )


def show(svc: Services, request: Request) -> Response:
    """Answer one port."""
    view = get_port(svc, request.caller, request.params["id"])
    return answer_item(request, PORTS, render_port(view, _shown(request)))


def update(svc: Services, request: Request) -> Response:
    """Change a port."""
    fields = update_fields(request, PORTS)
    for name in ("network_id", "project_id", "tenant_id"):
        if name in fields:
            raise fields.invalid(name, "cannot change")
    fields.require_only(_CHANGEABLE)
    seen = seen_revision(request)
    changes = PortUpdate(
        name=fields.text("name", UNSET),
        description=fields.text("description", UNSET),
        admin_state_up=fields.boolean("admin_state_up", UNSET),
        vnic_type=fields.parsed(_VNIC_TYPE, parse_vnic_type, UNSET),
        pci_flavor=_parse_pci_flavor(fields) if _PCI_FLAVOR in fields else UNSET,
        pci_match=fields.raw(_PCI_MATCH) if _PCI_MATCH in fields else UNSET,
        numa_policy=_parse_numa_policy(fields) if _NUMA_POLICY in fields else UNSET,
        qos_policy_id=parse_qos_policy(fields) if _QOS in fields else UNSET,
        trusted=fields.boolean(_TRUSTED, UNSET),
        mac=_parse_new_mac(fields),
        fixed_ips=_parse_fixed_ips(fields) or () if "fixed_ips" in fields else UNSET,
        port_security_enabled=fields.boolean("port_security_enabled", UNSET),
        allowed_address_pairs=parse_pairs(fields) if PAIRS in fields else UNSET,
        extra_dhcp_opts=parse_options(fields) if OPTIONS in fields else UNSET,
        security_groups=_parse_groups(fields) or () if _GROUPS in fields else UNSET,
        device_id=fields.text("device_id", UNSET),
        device_owner=fields.text("device_owner", UNSET),
        profile=_parse_profile(fields) if _PROFILE in fields else UNSET,
        host=_parse_host(fields) if _HOST in fields else UNSET,
        seen_revision=seen,
    )
    with precondition(seen):
        view = update_port(svc, request.caller, request.params["id"], changes)
    return answer_item(request, PORTS, render_port(view, _shown(request)))


def remove(svc: Services, request: Request) -> Response:
    """Delete a port."""
    seen = seen_revision(request)
    with precondition(seen):
        delete_port(svc, request.caller, request.params["id"], seen_revision=seen)
    return Response(status=204)


def parse_port(fields: Fields) -> PortCreate:
    """Read a new port."""
    fields.require_only((*_CHANGEABLE, "network_id", "project_id", "tenant_id", "tags"))
    project_id = project_of(fields)
    return PortCreate(
        network_id=NetworkId(fields.uuid("network_id")),
        name=fields.text("name", ""),
        project_id=None if project_id is None else ProjectId(project_id),
        description=fields.text("description", ""),
        admin_state_up=fields.boolean("admin_state_up", default=True),
        vnic_type=fields.parsed(_VNIC_TYPE, parse_vnic_type, None),
        pci_flavor=_parse_pci_flavor(fields),
        pci_match=fields.raw(_PCI_MATCH),
        numa_policy=_parse_numa_policy(fields),
        qos_policy_id=parse_qos_policy(fields),
        trusted=fields.boolean(_TRUSTED, None),
        mac=fields.parsed("mac_address", parse_guest_mac, None),
        fixed_ips=_parse_fixed_ips(fields),
        port_security_enabled=fields.boolean("port_security_enabled", None),
        allowed_address_pairs=parse_pairs(fields),
        extra_dhcp_opts=parse_options(fields),
        security_groups=_parse_groups(fields),
        tags=tuple(fields.texts("tags", [])),
        device_id=fields.text("device_id", ""),
        device_owner=fields.text("device_owner", ""),
        profile=_parse_profile(fields),
        host=_parse_host(fields),
    )


def _shown(request: Request) -> VisibleFields:
    return VisibleFields(request.caller, _ATTRIBUTE_RULES)


def render_port(view: PortView, shown: VisibleFields) -> Item:
    """Render a port; what it is bound to, only to those whom the policy shows it."""
    port = view.port
    item: Item = {
        "id": port.id,
        "name": port.name,
        "description": port.description,
        "network_id": port.network_id,
        "project_id": port.project_id,
        "tenant_id": port.project_id,
        "mac_address": str(port.mac),
        "admin_state_up": port.admin_state_up,
        "status": view.status,
        "device_id": port.device_id,
        "device_owner": port.device_owner,
        "fixed_ips": [
            {"subnet_id": ip.subnet_id, "ip_address": ip.ip_address} for ip in port.fixed_ips
        ],
        "port_security_enabled": port.port_security_enabled,
        **render_addressing(port),
        _GROUPS: list(view.security_group_ids),
        "tags": list(port.tags),
        _VNIC_TYPE: port.vnic_type.value,
        _PCI_FLAVOR: port.pci_flavor,
        _QOS: port.qos_policy_id,
        "qos_network_policy_id": view.qos_network_policy_id,
        _PCI_MATCH: render_match((port.pci_match,))[0] if port.pci_match else None,
        _NUMA_POLICY: None if port.numa_policy is None else port.numa_policy.value,
        "created_at": timestamp(port.created_at),
        "updated_at": timestamp(port.updated_at),
        "revision_number": port.revision,
        _HOST: view.host_name or "",
        _PROFILE: render_profile(view),
        _TRUSTED: port.trusted if _TRUSTED in port.profile else None,
        _VIF_TYPE: "unbound" if view.binding is None else view.binding.vif_type,
        _VIF_DETAILS: _vif_details(view),
        _RESOURCE_REQUEST: _render_request(view.resource_request),
    }
    return shown.of(item, port.project_id)


def render_profile(view: PortView) -> Item:
    """Render ``binding:profile``: what was written, and where the one binding row says it is."""
    profile: Item = dict(view.port.profile)
    if view.device is not None:
        function = view.device.function
        profile["pci_slot"] = str(function.address)
        profile["pci_vendor_info"] = f"{function.vendor_id}:{function.product_id}"
        on = None if view.segment is None else view.segment.physical_network
        profile["physical_network"] = on or view.device.physical_network
    return profile


def _vif_details(view: PortView) -> Item:
    """The device's name belongs to the port, so it is known before any host is chosen."""
    details = {} if view.binding is None else dict(view.binding.vif_details)
    return {"device_name": logical_device_name(view.port.id)} | details


def _render_request(request: ResourceRequest | None) -> Item | None:
    """Render it as of extension port-resource-request-groups; all of it is of one provider."""
    if request is None:
        return None
    group = {
        "id": request.id,
        "required": list(request.traits),
        "resources": dict(request.resources),
    }
    return {"request_groups": [group], "same_subtree": [request.id]}


def _parse_new_mac(fields: Fields) -> MacAddress | Unset | None:
    """Read the MAC that a port is to have from now on; null: the service chooses another."""
    if "mac_address" in fields and fields.raw("mac_address") is None:
        return None
    return fields.parsed("mac_address", parse_guest_mac, UNSET)


def _flatten_fixed_ips(query: Query) -> Query:
    """Turn ``fixed_ips=ip_address=192.0.2.7`` into a filter of its own."""
    pairs = []
    for name, value in query.pairs:
        inner, equals, wanted = value.partition("=")
        if name == "fixed_ips":
            if not equals or inner not in (*_ADDRESS_FILTERS, _SUBSTRING):
                raise Invalid(
                    "fixed_ips", "must be ip_address=…, ip_address_substr=… or subnet_id=…"
                )
            pairs.append((f"fixed_ips.{inner}", wanted))
        else:
            pairs.append((name, value))
    return Query(tuple(pairs))


def _parse_fixed_ips(fields: Fields) -> tuple[AddressRequest, ...] | None:
    wanted = fields.objects("fixed_ips", None)
    if wanted is None:
        return None
    if len(wanted) > FIXED_IPS_MAX:
        raise fields.invalid("fixed_ips", f"at most {FIXED_IPS_MAX}")
    return tuple(_parse_fixed_ip(each) for each in wanted)


def _parse_fixed_ip(fields: Fields) -> AddressRequest:
    fields.require_only(_ADDRESS_FILTERS)
    subnet_id = fields.uuid("subnet_id", None)
    return AddressRequest(
        subnet_id=None if subnet_id is None else SubnetId(subnet_id),
        ip_address=fields.text("ip_address", None),
    )


def _parse_groups(fields: Fields) -> tuple[SecurityGroupId, ...] | None:
    """Read a list of IDs; null is the same as no word of them."""
    groups = fields.texts(_GROUPS, None)
    if groups is None:
        return None
    if len(groups) > GROUPS_MAX:
        raise fields.invalid(_GROUPS, f"at most {GROUPS_MAX}")
    if len(set(groups)) != len(groups):
        raise fields.invalid(_GROUPS, "the same one twice")
    for at, group_id in enumerate(groups):
        if not is_uuid(group_id):
            raise fields.invalid(f"{_GROUPS}[{at}]", "must be a UUID")
    return tuple(map(SecurityGroupId, groups))


def _parse_profile(fields: Fields) -> dict[str, object]:
    profile = fields.mapping(_PROFILE, None) or {}
    if len(profile) > PROFILE_KEYS_MAX:
        raise fields.invalid(_PROFILE, f"at most {PROFILE_KEYS_MAX} keys")
    return profile


def _parse_pci_flavor(fields: Fields) -> str | None:
    """Read a name; the empty text takes one away, since clients can't all send null."""
    return fields.text(_PCI_FLAVOR, None) or None


def _parse_numa_policy(fields: Fields) -> NumaPolicy | None:
    return fields.parsed(_NUMA_POLICY, NumaPolicy, None)


def _parse_host(fields: Fields) -> HostName | None:
    host = fields.text(_HOST, None)
    return HostName(host) if host else None
