"""``/network/v2.0/network-ip-availabilities``: how many addresses there are, and are held."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, cast

import msgspec

from trunkline.api.http import Request, Response
from trunkline.api.listing import Filter, integer
from trunkline.api.network.common import Collection, Item, answer_item, answer_list
from trunkline.control.ip_availability import (
    NetworkAvailability,
    SubnetAvailability,
    get_availability,
    list_availability,
)
from trunkline.control.services import Services
from trunkline.domain.listing import ListQuery

AVAILABILITIES: Final = Collection(
    name="network_ip_availabilities",
    member="network_ip_availability",
    filters={
        "network_id": Filter("id"),
        "network_name": Filter("name"),
        "project_id": Filter("project_id"),
        "tenant_id": Filter("project_id"),
        "ip_version": Filter("ip_version", integer),
    },
    sort_keys={"network_id": "id"},
    identified_by="network_id",
)
_NUMBER_MAX: Final = 2**63 - 1  # What the JSON encoder takes as a number.


def index(svc: Services, request: Request) -> Response:
    """Answer a page of networks with their counts; admins only."""

    def find(query: ListQuery) -> list[NetworkAvailability]:
        equals = dict(query.equals)
        versions = cast("tuple[int, ...]", equals.pop("ip_version", ()))
        query = replace(query, equals=equals)
        return list_availability(svc, request.caller, query, ip_versions=versions)

    return answer_list(request, AVAILABILITIES, find, _render)


def show(svc: Services, request: Request) -> Response:
    """Answer the counts of one network."""
    found = get_availability(svc, request.caller, request.params["id"])
    return answer_item(request, AVAILABILITIES, _render(found))


def _render(found: NetworkAvailability) -> Item:
    network = found.network
    return {
        "network_id": network.id,
        "network_name": network.name,
        "project_id": network.project_id,
        "tenant_id": network.project_id,
        "total_ips": _number(sum(subnet.total for subnet in found.subnets)),
        "used_ips": sum(subnet.used for subnet in found.subnets),
        "subnet_ip_availability": [_render_subnet(subnet) for subnet in found.subnets],
    }


def _render_subnet(found: SubnetAvailability) -> Item:
    return {
        "subnet_id": found.subnet.id,
        "subnet_name": found.subnet.name,
        "cidr": str(found.subnet.cidr),
        "ip_version": found.subnet.ip_version,
        "total_ips": _number(found.total),
        "used_ips": found.used,
    }


def _number(number: int) -> object:
    """A whole number of whatever size, as JSON has it."""
    return number if number <= _NUMBER_MAX else msgspec.Raw(str(number).encode())
