"""Every route of the placement API below its version document. All of it is for admins."""

from __future__ import annotations

from typing import Final

from trunkline.api.placement import allocations, names, providers
from trunkline.api.routing import Auth, Route, get

_PROVIDER: Final = "/placement/resource_providers/{uuid}"

ROUTES: Final[tuple[Route, ...]] = (
    get("/placement/resource_providers", providers.list_, Auth.ADMIN),
    get(_PROVIDER, providers.show, Auth.ADMIN),
    get(f"{_PROVIDER}/inventories", providers.list_inventories, Auth.ADMIN),
    get(f"{_PROVIDER}/inventories/{{resource_class}}", providers.show_inventory, Auth.ADMIN),
    get(f"{_PROVIDER}/usages", providers.show_usages, Auth.ADMIN),
    get(f"{_PROVIDER}/traits", providers.list_traits, Auth.ADMIN),
    get(f"{_PROVIDER}/aggregates", providers.list_aggregates, Auth.ADMIN),
    get(f"{_PROVIDER}/allocations", allocations.of_provider, Auth.ADMIN),
    get("/placement/allocations/{consumer}", allocations.of_consumer, Auth.ADMIN),
    #
    get("/placement/resource_classes", names.list_classes, Auth.ADMIN),
    get("/placement/resource_classes/{name}", names.show_class, Auth.ADMIN),
    get("/placement/traits", names.list_traits, Auth.ADMIN),
    get("/placement/traits/{name}", names.show_trait, Auth.ADMIN),
)
