"""Bodies of the placement API, by microversion."""

from __future__ import annotations

from typing import Any, Final

from trunkline.api.versions import Microversion
from trunkline.domain.providers import Inventory, ResourceProvider

CACHE_HEADERS_SINCE: Final = 15
_TREES_SINCE: Final = 14
# Which links a provider has since which version. Source: placement/handlers/resource_provider.py.
_LINKS: Final = (
    ("inventories", 0), ("usages", 0), ("aggregates", 1), ("traits", 6), ("allocations", 11),
)  # fmt: skip
_INT_MAX: Final = 2147483647  # Placement's largest unit: whatever one consumer may have of it.


def provider_body(provider: ResourceProvider, version: Microversion) -> dict[str, Any]:
    """Return a provider."""
    base = f"/placement/resource_providers/{provider.id}"
    links = [{"rel": "self", "href": base}]
    links += [
        {"rel": name, "href": f"{base}/{name}"} for name, since in _LINKS if version.minor >= since
    ]
    body = {
        "uuid": provider.id,
        "name": provider.name,
        "generation": provider.generation,
        "links": links,
    }
    if version.minor >= _TREES_SINCE:
        body |= {"root_provider_uuid": provider.host_id, "parent_provider_uuid": provider.parent_id}
    return body


def inventory_body(inventory: Inventory) -> dict[str, Any]:
    """Return an inventory; nothing is given away twice, so every ratio is 1."""
    return {
        "total": inventory.total,
        "reserved": inventory.reserved,
        "min_unit": 1,
        "max_unit": min(max(inventory.total, 1), _INT_MAX),
        "step_size": 1,
        "allocation_ratio": 1.0,
    }
