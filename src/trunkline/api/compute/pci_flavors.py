"""Handlers of ``/os-pci-flavors``, which Nova does not have; in the manner of its others."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from trunkline.api.compute.paging import PAGING, marker_checked, page_links, page_query
from trunkline.api.http import Request, Response
from trunkline.api.parsing import Fields, body_fields
from trunkline.control import pci_flavors
from trunkline.control.lookup import find_by_id_or_name
from trunkline.control.pci_flavors import (
    DESCRIPTION_CHARS_MAX,
    PciFlavorCreate,
    PciFlavorUpdate,
)
from trunkline.control.requests import UNSET
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid
from trunkline.domain.identity import Caller
from trunkline.domain.pci_flavor import PciFlavor
from trunkline.domain.pci_flavor_parsing import render_match
from trunkline.domain.policy import trunkline_rules as rules

SORT_KEYS: Final[Mapping[str, str]] = MappingProxyType({
    "id": "id", "name": "name", "created_at": "created_at", "updated_at": "updated_at",
})  # fmt: skip


def list_(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-pci-flavors``."""
    for name in request.query.names():
        if name not in PAGING:
            raise Invalid(name, f"unknown; there are {', '.join(sorted(PAGING))}")
    query = page_query(request, sort_keys=SORT_KEYS, direction="asc")
    with marker_checked():
        found = pci_flavors.list_pci_flavors(svc, request.caller, query)
    links = page_links(request, "pci_flavors", query, [flavor.id for flavor in found])
    bodies = [_body(flavor, request.caller) for flavor in found]
    return Response(body={"pci_flavors": bodies, **links})


def create(svc: Services, request: Request) -> Response:
    """Answer ``POST /os-pci-flavors``."""
    asked = _fields(request, ("name", "description", "match"))
    wanted = PciFlavorCreate(
        name=asked.text("name"),
        description=asked.text("description", "", length_max=DESCRIPTION_CHARS_MAX),
        match=asked.raw("match"),
    )
    flavor = pci_flavors.create_pci_flavor(svc, request.caller, wanted)
    return Response(body={"pci_flavor": _body(flavor, request.caller)})


def show(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-pci-flavors/{id}``; a name will do as well as an ID."""
    return Response(body={"pci_flavor": _body(_find(svc, request), request.caller)})


def update(svc: Services, request: Request) -> Response:
    """Answer ``PUT /os-pci-flavors/{id}``: fields that are left out stay as they are."""
    asked = _fields(request, ("name", "description", "match"))
    flavor = _find(svc, request)
    if asked.text("name", flavor.name) != flavor.name:
        raise asked.invalid("name", "can't be changed, as ports and flavors go by it; make another")
    changes = PciFlavorUpdate(
        match=asked.raw("match") if "match" in asked else UNSET,
        description=asked.text("description", UNSET, length_max=DESCRIPTION_CHARS_MAX),
    )
    changed = pci_flavors.update_pci_flavor(svc, request.caller, flavor.id, changes)
    return Response(body={"pci_flavor": _body(changed, request.caller)})


def delete(svc: Services, request: Request) -> Response:
    """Answer ``DELETE /os-pci-flavors/{id}``."""
    pci_flavors.delete_pci_flavor(svc, request.caller, _find(svc, request).id)
    return Response(status=204)


def _find(svc: Services, request: Request) -> PciFlavor:
    return find_by_id_or_name(
        svc,
        request.caller,
        "PCI flavor",
        request.params["id"],
        get=pci_flavors.get_pci_flavor,
        list_=pci_flavors.list_pci_flavors,
        id_of=lambda flavor: flavor.id,
    )


def _fields(request: Request, known: tuple[str, ...]) -> Fields:
    body = body_fields(request)
    body.require_only(("pci_flavor",))
    asked = body.fields("pci_flavor")
    asked.require_only(known)
    return asked


def _body(flavor: PciFlavor, caller: Caller) -> dict[str, Any]:
    """Render one. What devices it means is the operator's business, and shown to admins only."""
    body: dict[str, Any] = {
        "id": flavor.id,
        "name": flavor.name,
        "description": flavor.description,
    }
    if caller.may(rules.SEE_PCI_FLAVOR_MATCH):
        body |= {
            "match": render_match(flavor.alternatives),
            "created_at": f"{flavor.created_at:%Y-%m-%dT%H:%M:%SZ}",
            "updated_at": f"{flavor.updated_at:%Y-%m-%dT%H:%M:%SZ}",
        }
    return body
