"""What the placement face allows, in Placement's names."""

from __future__ import annotations

from typing import Final

from trunkline.domain.policy.rule import (
    ADMIN_READER,
    Rule,
)

LIST_PROVIDERS = Rule(
    "placement:resource_providers:list", ADMIN_READER, "listing resource providers", reads=True
)
SHOW_PROVIDER = Rule(
    "placement:resource_providers:show", ADMIN_READER, "seeing a resource provider", reads=True
)
LIST_INVENTORIES = Rule(
    "placement:resource_providers:inventories:list", ADMIN_READER, "listing inventories", reads=True
)
SHOW_INVENTORY = Rule(
    "placement:resource_providers:inventories:show", ADMIN_READER, "seeing an inventory", reads=True
)
SHOW_USAGES = Rule(
    "placement:resource_providers:usages",
    ADMIN_READER,
    "seeing what of a resource provider is used",
    reads=True,
)
LIST_PROVIDER_TRAITS = Rule(
    "placement:resource_providers:traits:list",
    ADMIN_READER,
    "listing the traits of a resource provider",
    reads=True,
)
LIST_PROVIDER_AGGREGATES = Rule(
    "placement:resource_providers:aggregates:list",
    ADMIN_READER,
    "listing the aggregates of a resource provider",
    reads=True,
)
LIST_PROVIDER_ALLOCATIONS = Rule(
    "placement:resource_providers:allocations:list",
    ADMIN_READER,
    "listing who holds of a resource provider",
    reads=True,
)
LIST_ALLOCATIONS = Rule(
    "placement:allocations:list", ADMIN_READER, "listing what a consumer holds", reads=True
)
LIST_CANDIDATES = Rule(
    "placement:allocation_candidates:list",
    ADMIN_READER,
    "listing allocation candidates",
    reads=True,
)
TOTAL_USAGES = Rule(
    "placement:usages", ADMIN_READER, "seeing what a project holds of all providers", reads=True
)
LIST_CLASSES = Rule(
    "placement:resource_classes:list", ADMIN_READER, "listing resource classes", reads=True
)
SHOW_CLASS = Rule(
    "placement:resource_classes:show", ADMIN_READER, "seeing a resource class", reads=True
)
LIST_TRAITS = Rule("placement:traits:list", ADMIN_READER, "listing traits", reads=True)
SHOW_TRAIT = Rule("placement:traits:show", ADMIN_READER, "seeing a trait", reads=True)

RULES: Final = tuple(value for value in globals().values() if isinstance(value, Rule))
