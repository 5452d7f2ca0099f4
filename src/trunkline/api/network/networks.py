"""``/network/v2.0/networks``"""

from __future__ import annotations

from functools import partial
from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.listing import Filter, boolean, integer
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
from trunkline.api.network.visible_fields import VisibleFields
from trunkline.api.parsing import Fields
from trunkline.control.network_requests import NetworkCreate, NetworkUpdate, SegmentRequest
from trunkline.control.networks import (
    NetworkView,
    create_networks,
    delete_network,
    get_network,
    list_networks,
    update_network,
)
from trunkline.control.requests import UNSET
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid
from trunkline.domain.ids import PhysicalNetwork, ProjectId
from trunkline.domain.network import NetworkType, PfPolicy, Segment
from trunkline.domain.policy import network_rules as rules

_TYPE, _ON, _ID = (
    "provider:network_type",
    "provider:physical_network",
    "provider:segmentation_id",
)
_PROVIDER: Final = (_TYPE, _ON, _ID)
_PF_POLICY: Final = "pf_policy"  # Ours: Neutron has no such thing.
# Neutron's name, and the one by which openstacksdk sends it and looks for it.
_QINQ: Final = ("qinq", "vlan_qinq")
_ATTRIBUTE_RULES: Final = {  # Attributes that not everybody sees who sees the network.
    _TYPE: rules.GET_NETWORK_NETWORK_TYPE,
    _ON: rules.GET_NETWORK_PHYSICAL_NETWORK,
    _ID: rules.GET_NETWORK_SEGMENTATION_ID,
    "segments": rules.GET_NETWORK_SEGMENTS,
    "pci_requirements": rules.GET_NETWORK_PCI_REQUIREMENTS,
    _PF_POLICY: rules.GET_NETWORK_PF_POLICY,
}
_OWN: Final = (
    "name",
    "description",
    "admin_state_up",
    "shared",
    "mtu",
    "port_security_enabled",
    "qos_policy_id",
)

NETWORKS: Final = Collection(
    name="networks",
    member="network",
    filters={
        **OWNED_FILTERS,
        "admin_state_up": Filter("admin_state_up", boolean),
        "shared": Filter("shared", boolean),
        "mtu": Filter("mtu", integer),
        "port_security_enabled": Filter("port_security_enabled", boolean),
        "qos_policy_id": Filter("qos_policy_id"),
        **dict.fromkeys(_QINQ, Filter("qinq", boolean)),
        _TYPE: Filter("network_type"),
        _ON: Filter("physical_network"),
        _ID: Filter("segmentation_id", integer),
    },
    sort_keys={
        **OWNED_SORT_KEYS,
        "admin_state_up": "admin_state_up",
        "shared": "shared",
        "mtu": "mtu",
    },
    constants={"status": "ACTIVE", "router:external": "False", "is_default": "False"},
    inert={
        "router:external": (False, None, "False", "false"),
        "is_default": (False, None),
        "availability_zone_hints": ([], None),
        "vlan_transparent": (False, None),
        "dns_domain": ("", None),
        "tags": ([],),
    },
    tagged=True,
)


def index(svc: Services, request: Request) -> Response:
    """Answer a page of the networks that the caller may see."""
    return answer_list(
        request,
        NETWORKS,
        lambda query: list_networks(svc, request.caller, query),
        partial(render_network, shown=_shown(request)),
    )


def create(svc: Services, request: Request) -> Response:
    """Make one network, or several."""
    shown = _shown(request)
    return answer_created(
        request,
        NETWORKS,
        parse_network,
        lambda wanted: [
            render_network(view, shown) for view in create_networks(svc, request.caller, wanted)
        ],
    )


def show(svc: Services, request: Request) -> Response:
    """Answer one network."""
    view = get_network(svc, request.caller, request.params["id"])
    return answer_item(request, NETWORKS, render_network(view, _shown(request)))


def update(svc: Services, request: Request) -> Response:
    """Change a network."""
    fields = update_fields(request, NETWORKS)
    fields.require_only((*_OWN, *_PROVIDER, _PF_POLICY, *_QINQ))
    seen = seen_revision(request)
    for name in (_TYPE, _ON):
        if name in fields:
            raise fields.invalid(name, "cannot change; only the segmentation ID can")
    for name in _QINQ:
        if name in fields:
            raise fields.invalid(name, "cannot change; make another network")
    changes = NetworkUpdate(
        name=fields.text("name", UNSET),
        description=fields.text("description", UNSET),
        admin_state_up=fields.boolean("admin_state_up", UNSET),
        shared=fields.boolean("shared", UNSET),
        mtu=fields.integer("mtu", UNSET),
        port_security_enabled=fields.boolean("port_security_enabled", UNSET),
        qos_policy_id=parse_qos_policy(fields) if "qos_policy_id" in fields else UNSET,
        segmentation_id=fields.integer(_ID, UNSET),
        pf_policy=fields.parsed(_PF_POLICY, PfPolicy, UNSET),
        seen_revision=seen,
    )
    with precondition(seen):
        view = update_network(svc, request.caller, request.params["id"], changes)
    return answer_item(request, NETWORKS, render_network(view, _shown(request)))


def remove(svc: Services, request: Request) -> Response:
    """Delete a network."""
    seen = seen_revision(request)
    with precondition(seen):
        delete_network(svc, request.caller, request.params["id"], seen_revision=seen)
    return Response(status=204)


def parse_network(fields: Fields) -> NetworkCreate:
    """Read a new network."""
    fields.require_only(
        (*_OWN, *_PROVIDER, _PF_POLICY, *_QINQ, "segments", "project_id", "tenant_id")
    )
    project_id = project_of(fields)
    return NetworkCreate(
        name=fields.text("name", ""),
        description=fields.text("description", ""),
        project_id=None if project_id is None else ProjectId(project_id),
        admin_state_up=fields.boolean("admin_state_up", default=True),
        shared=fields.boolean("shared", default=False),
        mtu=fields.integer("mtu", None),
        port_security_enabled=fields.boolean("port_security_enabled", default=True),
        pf_policy=fields.parsed(_PF_POLICY, PfPolicy, None),
        qinq=_parse_qinq(fields),
        qos_policy_id=parse_qos_policy(fields) if "qos_policy_id" in fields else UNSET,
        segments=_parse_segments(fields),
    )


def _shown(request: Request) -> VisibleFields:
    return VisibleFields(request.caller, _ATTRIBUTE_RULES)


def render_network(view: NetworkView, shown: VisibleFields) -> Item:
    """Render a network; where its segments are is shown to admins only."""
    network = view.network
    item: Item = {
        "id": network.id,
        "name": network.name,
        "description": network.description,
        "project_id": network.project_id,
        "tenant_id": network.project_id,
        "admin_state_up": network.admin_state_up,
        "status": "ACTIVE",
        "shared": network.shared,
        "mtu": network.mtu,
        "port_security_enabled": network.port_security_enabled,
        "qos_policy_id": network.qos_policy_id,
        **dict.fromkeys(_QINQ, network.qinq),
        "router:external": False,
        "subnets": list(view.subnet_ids),
        "tags": list(network.tags),
        "availability_zones": [],
        "availability_zone_hints": [],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "created_at": timestamp(network.created_at),
        "updated_at": timestamp(network.updated_at),
        "revision_number": network.revision,
        _PF_POLICY: network.pf_policy.value,
    }
    if len(network.segments) == 1:
        item |= _render_segment(network.segments[0])
        item["pci_requirements"] = dict(next(iter(view.requirements.values())))
    else:
        item["segments"] = [_render_segment(segment) for segment in network.segments]
        item["pci_requirements"] = {
            segment_id: dict(attributes) for segment_id, attributes in view.requirements.items()
        }
    return shown.of(item, network.project_id)


def _render_segment(segment: Segment) -> Item:
    return {
        _TYPE: segment.network_type.value,
        _ON: segment.physical_network,
        _ID: segment.segmentation_id,
    }


def _parse_qinq(fields: Fields) -> bool:
    said = {fields.boolean(name, default=False) for name in _QINQ if fields.raw(name) is not None}
    if len(said) > 1:
        raise fields.invalid(_QINQ[0], f"says otherwise than {_QINQ[1]}")
    return said == {True}


def _parse_segments(fields: Fields) -> tuple[SegmentRequest, ...]:
    several = fields.objects("segments", None)
    sent = [name for name in _PROVIDER if fields.raw(name) is not None]
    if several is not None:
        if sent:
            raise fields.invalid("segments", f"cannot come together with {sent[0]}")
        return tuple(_parse_segment(segment) for segment in several)
    return (_parse_segment(fields),) if sent else ()


def _parse_segment(fields: Fields) -> SegmentRequest:
    physical_network = fields.text(_ON, None, length_min=1)
    if fields.raw(_TYPE) is None:
        raise Invalid(_TYPE, "is required where the other provider attributes are given")
    return SegmentRequest(
        network_type=fields.parsed(_TYPE, NetworkType),
        physical_network=None if physical_network is None else PhysicalNetwork(physical_network),
        # Any number: what segments of this type can have is for the use case to say.
        segmentation_id=fields.integer(_ID, None, low=-(2**31), high=2**31),
    )
