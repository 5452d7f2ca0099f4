"""Every route of the placement API below its version document. All of it is for admins."""

from __future__ import annotations

from typing import Final

from trunkline.api.placement import allocations, candidates, names, providers
from trunkline.api.routing import Route, get
from trunkline.domain.policy import placement_rules as rules

_PROVIDER: Final = "/placement/resource_providers/{uuid}"

ROUTES: Final[tuple[Route, ...]] = (
    get("/placement/resource_providers", providers.list_, rules.LIST_PROVIDERS),
    get(_PROVIDER, providers.show, rules.SHOW_PROVIDER),
    get(f"{_PROVIDER}/inventories", providers.list_inventories, rules.LIST_INVENTORIES),
    get(
        f"{_PROVIDER}/inventories/{{resource_class}}",
        providers.show_inventory,
        rules.SHOW_INVENTORY,
    ),
    get(f"{_PROVIDER}/usages", providers.show_usages, rules.SHOW_USAGES),
    get(f"{_PROVIDER}/traits", providers.list_traits, rules.LIST_PROVIDER_TRAITS),
    get(f"{_PROVIDER}/aggregates", providers.list_aggregates, rules.LIST_PROVIDER_AGGREGATES),
    get(f"{_PROVIDER}/allocations", allocations.of_provider, rules.LIST_PROVIDER_ALLOCATIONS),
    get("/placement/allocations/{consumer}", allocations.of_consumer, rules.LIST_ALLOCATIONS),
    get("/placement/usages", candidates.show_usages, rules.TOTAL_USAGES),
    get("/placement/allocation_candidates", candidates.list_, rules.LIST_CANDIDATES),
    #
    get("/placement/resource_classes", names.list_classes, rules.LIST_CLASSES),
    get("/placement/resource_classes/{name}", names.show_class, rules.SHOW_CLASS),
    get("/placement/traits", names.list_traits, rules.LIST_TRAITS),
    get("/placement/traits/{name}", names.show_trait, rules.SHOW_TRAIT),
)
