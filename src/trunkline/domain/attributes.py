"""Names of the attributes that demands match on; their values are `device.device_attributes`'."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

FACTS: Final = frozenset({"vendor_id", "product_id", "dev_type", "numa_node", "driver"})
ALL_TAGS: Final = "e.*"  # In a list of what may be used: every tag.

# What would tie a demand to one host, or to one place in it.
NO_ATTRIBUTES: Final = frozenset(
    {"address", "pci_address", "pci_slot", "bdf", "host", "host_id", "hostname", "ifname"}
    | {"devname", "mac", "serial", "node", "node_id"}
)

_TAG: Final = re.compile(r"e\.[a-z][a-z0-9_]{0,62}")


def is_attribute(name: str) -> bool:
    """Say whether devices can have an attribute of this name."""
    return name in FACTS or _TAG.fullmatch(name) is not None


def may_be_used(name: str, allowed: Collection[str]) -> bool:
    """Say whether a list of names allows this one."""
    return name in allowed or (name.startswith("e.") and ALL_TAGS in allowed)
