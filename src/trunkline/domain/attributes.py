"""Names of the attributes that demands match on; their values are `device.device_attributes`'."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

FACTS: Final = frozenset(
    {"vendor_id", "product_id", "dev_type", "numa_node", "driver", "network_pool"}
)
# What the driver of a PF can set for its VFs, as `vf_capabilities` tells.
ABILITIES: Final = frozenset(
    f"can.{name}"
    for name in (
        "link_state",
        "max_tx_rate",
        "min_tx_rate",
        "spoof_check",
        "trust",
        "vlan_8021ad",
        "vlan_qos",
    )
)
ALL_TAGS: Final = "e.*"  # In a list of what may be used: every tag.

# What would tie a demand to one host, or to one place in it.
NO_ATTRIBUTES: Final = frozenset(
    {"address", "pci_address", "pci_slot", "bdf", "host", "host_id", "hostname", "ifname"}
    | {"devname", "mac", "serial", "node", "node_id"}
)

_TAG: Final = re.compile(r"e\.[a-z][a-z0-9_]{0,62}")


def is_attribute(name: str) -> bool:
    """Say whether devices can have an attribute of this name."""
    return name in FACTS or name in ABILITIES or _TAG.fullmatch(name) is not None


def unknown_attribute(name: str) -> str | None:
    """Say what is wrong with the name of an attribute, and what to write; None: nothing is."""
    if is_attribute(name):
        return None
    if is_attribute(f"e.{name}"):
        return f"unknown; did you mean e.{name}? Tags have an e. before their names"
    return f"unknown; there are {', '.join(sorted(FACTS | ABILITIES))}, and e.NAME for each tag"


def may_be_used(name: str, allowed: Collection[str]) -> bool:
    """Say whether a list of names allows this one. What a driver is able to do may always be."""
    if name in ABILITIES:
        return True
    return name in allowed or (name.startswith("e.") and ALL_TAGS in allowed)
