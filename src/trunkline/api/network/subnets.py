"""``/network/v2.0/subnets``"""

from __future__ import annotations

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
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
    precondition,
    project_of,
    seen_revision,
    timestamp,
    update_fields,
)
from trunkline.api.parsing import TEXT_LENGTH_MAX, Fields
from trunkline.control.network_requests import SubnetCreate, SubnetUpdate
from trunkline.control.requests import UNSET, Unset
from trunkline.control.services import Services
from trunkline.control.subnets import (
    create_subnets,
    delete_subnet,
    get_subnet,
    list_subnets,
    update_subnet,
)
from trunkline.domain.ids import NetworkId, ProjectId, SegmentId
from trunkline.domain.network import AddressPool, HostRoute, Ipv6Mode, Subnet

# As many as Neutron takes by default (max_dns_nameservers, max_subnet_host_routes).
DNS_NAMESERVERS_MAX: Final = 5
HOST_ROUTES_MAX: Final = 20
SERVICE_TYPES_MAX: Final = 64  # More device owners than there are.

_CHANGEABLE: Final = (
    "name",
    "description",
    "gateway_ip",
    "allocation_pools",
    "enable_dhcp",
    "dns_nameservers",
    "host_routes",
    "service_types",
)
_MODES: Final = ("ipv6_ra_mode", "ipv6_address_mode")
_FIXED: Final = (
    "network_id", "cidr", "ip_version", "segment_id", "project_id", "tenant_id", *_MODES,
)  # fmt: skip

SUBNETS: Final = Collection(
    name="subnets",
    member="subnet",
    filters={
        **OWNED_FILTERS,
        "network_id": Filter("network_id"),
        "ip_version": Filter("ip_version", integer),
        "cidr": Filter("cidr"),
        "gateway_ip": Filter("gateway_ip"),
        "enable_dhcp": Filter("enable_dhcp", boolean),
        "segment_id": Filter("segment_id"),
        "shared": Filter("shared", boolean),
        **{name: Filter(name) for name in _MODES},
    },
    sort_keys={
        **OWNED_SORT_KEYS,
        "network_id": "network_id",
        "ip_version": "ip_version",
        "cidr": "cidr",
        "gateway_ip": "gateway_ip",
        "enable_dhcp": "enable_dhcp",
    },
    inert={
        "subnetpool_id": (None,),
        "use_default_subnetpool": (False, None),
        "prefixlen": (None,),
        "dns_publish_fixed_ip": (False, None),
        "tags": ([],),
    },
    tagged=True,
)


def index(svc: Services, request: Request) -> Response:
    """Answer a page of the subnets that the caller may see."""
    return answer_list(
        request, SUBNETS, lambda query: list_subnets(svc, request.caller, query), render_subnet
    )


def create(svc: Services, request: Request) -> Response:
    """Make one subnet, or several."""
    return answer_created(
        request,
        SUBNETS,
        parse_subnet,
        lambda wanted: [render_subnet(s) for s in create_subnets(svc, request.caller, wanted)],
    )


def show(svc: Services, request: Request) -> Response:
    """Answer one subnet."""
    subnet = get_subnet(svc, request.caller, request.params["id"])
    return answer_item(request, SUBNETS, render_subnet(subnet))


def update(svc: Services, request: Request) -> Response:
    """Change a subnet."""
    fields = update_fields(request, SUBNETS)
    for name in _FIXED:
        if name in fields:
            raise fields.invalid(name, "cannot change")
    fields.require_only(_CHANGEABLE)
    seen = seen_revision(request)
    pools = _parse_pools(fields)
    changes = SubnetUpdate(
        name=fields.text("name", UNSET),
        description=fields.text("description", UNSET),
        gateway_ip=_parse_gateway(fields),
        allocation_pools=UNSET if pools is None else pools,
        enable_dhcp=fields.boolean("enable_dhcp", UNSET),
        dns_nameservers=_parse_dns(fields) if "dns_nameservers" in fields else UNSET,
        host_routes=_parse_routes(fields) if "host_routes" in fields else UNSET,
        service_types=_parse_service_types(fields) if "service_types" in fields else UNSET,
        seen_revision=seen,
    )
    with precondition(seen):
        subnet = update_subnet(svc, request.caller, request.params["id"], changes)
    return answer_item(request, SUBNETS, render_subnet(subnet))


def remove(svc: Services, request: Request) -> Response:
    """Delete a subnet."""
    seen = seen_revision(request)
    with precondition(seen):
        delete_subnet(svc, request.caller, request.params["id"], seen_revision=seen)
    return Response(status=204)


def parse_subnet(fields: Fields) -> SubnetCreate:
    """Read a new subnet."""
    fields.require_only((*_CHANGEABLE, *_FIXED))
    cidr = fields.parsed("cidr", _parse_cidr)
    version = fields.integer("ip_version", None)
    if version not in (None, cidr.version):
        raise fields.invalid("ip_version", f"is {version}, and {cidr} is IPv{cidr.version}")
    project_id, segment_id = project_of(fields), fields.uuid("segment_id", None)
    return SubnetCreate(
        network_id=NetworkId(fields.uuid("network_id")),
        cidr=cidr,
        name=fields.text("name", ""),
        description=fields.text("description", ""),
        project_id=None if project_id is None else ProjectId(project_id),
        gateway_ip=_parse_gateway(fields),
        allocation_pools=_parse_pools(fields),
        enable_dhcp=fields.boolean("enable_dhcp", default=True),
        dns_nameservers=_parse_dns(fields),
        host_routes=_parse_routes(fields),
        segment_id=None if segment_id is None else SegmentId(segment_id),
        ipv6_ra_mode=fields.parsed("ipv6_ra_mode", Ipv6Mode, None),
        ipv6_address_mode=fields.parsed("ipv6_address_mode", Ipv6Mode, None),
        service_types=_parse_service_types(fields),
    )


def render_subnet(subnet: Subnet) -> Item:
    """Render a subnet."""
    return {
        "id": subnet.id,
        "name": subnet.name,
        "description": subnet.description,
        "project_id": subnet.project_id,
        "tenant_id": subnet.project_id,
        "network_id": subnet.network_id,
        "segment_id": subnet.segment_id,
        "ip_version": subnet.ip_version,
        "cidr": str(subnet.cidr),
        "gateway_ip": None if subnet.gateway_ip is None else str(subnet.gateway_ip),
        "allocation_pools": [{"start": p.start, "end": p.end} for p in subnet.allocation_pools],
        "enable_dhcp": subnet.enable_dhcp,
        "dns_nameservers": list(subnet.dns_nameservers),
        "host_routes": [
            {"destination": route.destination, "nexthop": route.nexthop}
            for route in subnet.host_routes
        ],
        "subnetpool_id": None,
        "ipv6_ra_mode": None if subnet.ipv6_ra_mode is None else subnet.ipv6_ra_mode.value,
        "ipv6_address_mode": (
            None if subnet.ipv6_address_mode is None else subnet.ipv6_address_mode.value
        ),
        "service_types": list(subnet.service_types),
        "tags": list(subnet.tags),
        "created_at": timestamp(subnet.created_at),
        "updated_at": timestamp(subnet.updated_at),
        "revision_number": subnet.revision,
    }


def _parse_cidr(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        meant = ip_interface(text).network
    except ValueError:
        raise ValueError(f"not a CIDR like 192.0.2.0/24: {text[:60]!r}") from None
    raise ValueError(f"{text!r} has bits set to the right of its mask; is {meant} meant?")


def _parse_ip(text: str) -> IPv4Address | IPv6Address:
    try:
        address = ip_address(text)
    except ValueError:
        raise ValueError(f"not an IP address: {text[:60]!r}") from None
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise ValueError("an address with a scope can't be used here")
    return address


def _parse_gateway(fields: Fields) -> IPv4Address | IPv6Address | Unset | None:
    """UNSET: not given. None: JSON's null, no gateway."""
    return fields.parsed("gateway_ip", _parse_ip, None) if "gateway_ip" in fields else UNSET


def _parse_pools(fields: Fields) -> tuple[AddressPool, ...] | None:
    pools = fields.objects("allocation_pools", None)
    if pools is None:
        return None
    for pool in pools:
        pool.require_only(("start", "end"))
    return tuple(
        AddressPool(
            start=str(pool.parsed("start", _parse_ip)), end=str(pool.parsed("end", _parse_ip))
        )
        for pool in pools
    )


def _parse_dns(fields: Fields) -> tuple[str, ...]:
    servers = fields.texts("dns_nameservers", None) or []
    if len(servers) > DNS_NAMESERVERS_MAX:
        raise fields.invalid("dns_nameservers", f"at most {DNS_NAMESERVERS_MAX}")
    if len(set(servers)) != len(servers):
        raise fields.invalid("dns_nameservers", "the same one twice")
    for at, server in enumerate(servers):
        try:
            _parse_ip(server)
        except ValueError as problem:
            raise fields.invalid(f"dns_nameservers[{at}]", str(problem)) from None
    return tuple(servers)


def _parse_service_types(fields: Fields) -> tuple[str, ...]:
    """Read which device owners a subnet is for.

    Neutron means to take only those of its services and of Nova's, and takes others, too.
    """
    types = fields.texts("service_types", None) or []
    if len(types) > SERVICE_TYPES_MAX:
        raise fields.invalid("service_types", f"at most {SERVICE_TYPES_MAX}")
    if len(set(types)) != len(types):
        raise fields.invalid("service_types", "the same one twice")
    for at, each in enumerate(types):
        if not 1 <= len(each) <= TEXT_LENGTH_MAX:
            raise fields.invalid(
                f"service_types[{at}]", f"must have 1 to {TEXT_LENGTH_MAX} characters"
            )
    return tuple(types)


def _parse_routes(fields: Fields) -> tuple[HostRoute, ...]:
    routes = fields.objects("host_routes", None) or []
    if len(routes) > HOST_ROUTES_MAX:
        raise fields.invalid("host_routes", f"at most {HOST_ROUTES_MAX}")
    for route in routes:
        route.require_only(("destination", "nexthop"))
    return tuple(
        HostRoute(
            destination=str(route.parsed("destination", _parse_cidr)),
            nexthop=str(route.parsed("nexthop", _parse_ip)),
        )
        for route in routes
    )
